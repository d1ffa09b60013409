//! The replica: what this node does with its own copy of a key (rules R3, R9, R12).

use bytes::Bytes;
use dynomite_codec::{KeyState, Operation as LaneOperation, Output, Request};
use dynomite_ring::Token;

use super::{
    Engine, Now, Out, Requester, again::Import, compare::Differ, coordinator::Sequenced, lane::JobKind,
};
use crate::{
    Bucket, Failure, KeyRequest, Mark, PushPurpose, Record, RequestBody, ResponseBody, Stamper, Trust,
    Version,
    planted::{self, Planted},
    presence,
    records::{Claim, Doubt, Entry, RecordId},
};

/// A lane whose oldest operation waits longer than this part of the request timeout is called stalled.
const STALL_PART: u64 = 2;

impl Engine {
    /// Does what another node, or this node itself, asks of this replica.
    pub(super) fn serve(
        &mut self,
        now: Now,
        from: Requester,
        token: Token,
        body: RequestBody,
        out: &mut Out,
    ) {
        match body {
            RequestBody::Sequence { command, level, near, sender_applies, timeout_ms } => {
                let deadline_ms = now.ms + u64::from(timeout_ms);
                let write = Sequenced { requester: from, command, token, level, near, deadline_ms };
                self.serve_sequence(now, write, sender_applies, out);
            }
            RequestBody::RelayOverwrite { version, command, ack, timeout_ms } => {
                let part = |_: &Self| RequestBody::Overwrite {
                    version,
                    command: command.clone(),
                    stamper: Stamper::Foreign,
                };
                self.relay(now, from, token, ack.then_some(u64::from(timeout_ms)), part, out);
            }
            RequestBody::RelayImport { key, version, state, again: true, timeout_ms } => {
                let import = Import { key, version, state };
                self.begin_import(now, from, token, import, u64::from(timeout_ms), out);
            }
            // The sender gave up long ago; what it holds by now it sends again.
            RequestBody::RelayImport { version, again: false, .. } if self.too_late(version).is_some() => {
                self.answer(from, ResponseBody::Failed(Failure::Timeout), out);
            }
            RequestBody::RelayImport { key, version, state, again: false, timeout_ms } => {
                let part = |_: &Self| RequestBody::Import { key: key.clone(), version, state: state.clone() };
                self.relay(now, from, token, Some(u64::from(timeout_ms)), part, out);
            }
            RequestBody::Execute(command) => self.execute(now, from, command, out),
            RequestBody::Read { command, value } => self.read(now, from, token, command, value, out),
            RequestBody::Overwrite { version, command, stamper } => {
                self.overwrite(now, from, token, version, command, stamper, out);
            }
            RequestBody::Forward { prior, record, key, effect, reply_crc, expires_at_ms } => {
                let step = Step { prior, record, reply_crc, expires_at_ms };
                self.follow(now, from, token, step, key, effect, out);
            }
            RequestBody::Push { key, record, state, purpose } => {
                self.take_push(now, from, token, key, record, state, purpose, out);
            }
            RequestBody::Inspect { key } => self.inspect(now, from, token, &key, out),
            RequestBody::Fetch { key, doubtful } => self.fetch(now, from, token, key, doubtful, out),
            RequestBody::Claim { key, term } => self.promise(now, from, token, &key, term, out),
            RequestBody::Import { key, version, state } => {
                self.import(now, from, token, key, version, state, out);
            }
            RequestBody::Digest { node, mark, first } => self.serve_digest(now, from, node, mark, first, out),
            RequestBody::Differ { node, mark, bucket, from: least, upto, known } => {
                let differ = Differ { node, mark, bucket, from: least, upto, known };
                self.serve_differ(now, from, differ, out);
            }
            RequestBody::List { node, loss, from: position } => {
                self.serve_list(now, from, node, loss, position, out);
            }
            RequestBody::Settle { node, runs } => {
                self.serve_settle(from, node, Bucket::of(token), &runs, out);
            }
            RequestBody::Export { node, key } => self.serve_export(now, from, node, key, out),
        }
    }

    /// Answers at once when the lane takes nothing. Whether it did.
    fn is_refused(&mut self, now: Now, from: Requester, out: &mut Out) -> bool {
        self.are_refused(now, from, 1, out)
    }

    /// The same when it has to take `count` operations.
    fn are_refused(&mut self, now: Now, from: Requester, count: usize, out: &mut Out) -> bool {
        let refusal = self.lane_refusal_of(now, count);
        let is_refused = refusal.is_some();
        if let Some(failure) = refusal {
            self.answer(from, ResponseBody::Failed(failure), out);
        }
        is_refused
    }

    /// Runs a command as it is: nothing is replicated.
    pub(super) fn execute(&mut self, now: Now, from: Requester, command: KeyRequest, out: &mut Out) {
        if !self.is_refused(now, from, out) {
            self.lane.push(now, from, JobKind::Execute);
            out.lane.push(LaneOperation::Command(command.into_request()));
        }
    }

    pub(super) fn lane_refusal(&self, now: Now) -> Option<Failure> {
        self.lane_refusal_of(now, 1)
    }

    /// Why the lane does not take `count` operations now.
    pub(super) fn lane_refusal_of(&self, now: Now, count: usize) -> Option<Failure> {
        if self.is_log_failing {
            return Some(Failure::LogFailed);
        }
        let stall_ms = self.config.request_timeout_ms / STALL_PART;
        let window_max = match planted::has(Planted::IgnoresWindow) {
            true => usize::MAX,
            false => (self.config.lane_window_max + 1).saturating_sub(count).max(1),
        };
        self.lane.refusal(now, stall_ms, window_max)
    }

    /// Tells the record, and the value if it is wanted.
    pub(super) fn read(
        &mut self,
        now: Now,
        from: Requester,
        token: Token,
        command: KeyRequest,
        value: bool,
        out: &mut Out,
    ) {
        if self.is_refused(now, from, out) {
            return;
        }
        let (id, Entry { record, trust, .. }) = self.look_up(command.key(), token);
        let record = told(record);
        if let Some(failure) = distrusted(trust) {
            self.answer(from, ResponseBody::Failed(failure), out);
        } else if value {
            self.lane.push(now, from, JobKind::Read { copy: id, record });
            out.lane.push(LaneOperation::Command(command.into_request()));
        } else {
            self.answer_when_executed(now, from, id, ResponseBody::Read { record, reply: None }, out);
        }
    }

    /// Rule R3; rule R17 for one that was stamped in another datacenter.
    #[allow(clippy::too_many_arguments, reason = "the parts of one message")]
    pub(super) fn overwrite(
        &mut self,
        now: Now,
        from: Requester,
        token: Token,
        version: Version,
        command: KeyRequest,
        stamper: Stamper,
        out: &mut Out,
    ) {
        if self.is_refused(now, from, out) {
            return;
        }
        if !self.follows_clock(now, version.clock) {
            return self.answer(from, ResponseBody::Failed(Failure::ClockAhead), out);
        }
        let (id, entry) = self.look_up(command.key(), token);
        if self.takes_no_writes(&entry) {
            return self.answer(from, ResponseBody::Failed(Failure::CopyLost), out);
        }
        let prior = entry.record;
        let is_foreign = stamper == Stamper::Foreign;
        let held = if is_foreign { prior.last } else { prior.base };
        if version > held
            && let Some(mark) = self.too_late(version)
        {
            self.stats.overwrites_too_late += 1;
            return self.answer(from, ResponseBody::Refused { record: mark.record() }, out);
        }
        if version > held {
            let record = prior.overwritten_by(version);
            let copy = self.records.write(id, command.key(), record, self.lane.next_number());
            self.records.set_absent_from(copy, presence::after_overwrite(&command, version));
            if stamper == Stamper::StandIn {
                self.records.promise(copy, command.key(), version);
            }
            // What a copy that does not count replies tells nothing of what was there.
            let prior = if entry.trust.is_trusted() { prior } else { Record::default() };
            let mut from = from;
            if planted::has(Planted::AnswersBeforeExecution) {
                let requester = std::mem::replace(&mut from, Requester::Nobody);
                self.answer(requester, ResponseBody::Applied { prior, reply: None }, out);
            }
            self.lane.push(now, from, JobKind::Overwrite { copy, prior, record });
            out.lane.push(LaneOperation::Command(command.into_request()));
        } else {
            let done = if version == held && (is_foreign || !prior.is_taken_back()) {
                ResponseBody::Applied { prior, reply: None }
            } else {
                self.stats.overwrites_refused += 1;
                ResponseBody::Refused { record: prior }
            };
            self.answer_when_executed(now, from, id, done, out);
        }
    }

    /// Rule R9.
    #[allow(clippy::too_many_arguments, reason = "the parts of one message")]
    fn follow(
        &mut self,
        now: Now,
        from: Requester,
        token: Token,
        step: Step,
        key: Bytes,
        effect: Option<Request>,
        out: &mut Out,
    ) {
        if self.are_refused(now, from, 1 + usize::from(step.expires_at_ms.is_some()), out) {
            return;
        }
        let (id, entry) = self.look_up(&key, token);
        if entry.trust == Trust::Lost {
            return self.answer(from, ResponseBody::Failed(Failure::CopyLost), out);
        }
        let record = step.record;
        // Two marks say the same of a key that was not written since.
        let is_blank = entry.record.is_blank() && step.prior.is_blank() && record > entry.record;
        let fits = entry.record == step.prior || is_blank || planted::has(Planted::ForwardOnAnyRecord);
        let is_promised_away = record.term < entry.promised && !planted::has(Planted::ForwardAfterPromise);
        if !entry.trust.is_trusted() || !fits || is_promised_away {
            self.stats.forwards_nacked += 1;
            // What somebody wrote who stood in for the primary is no claim: the primary hears of the write.
            let is_overwritten = entry.record.base == entry.promised;
            let done = match is_promised_away && !is_overwritten {
                true => ResponseBody::Failed(Failure::Outbid),
                false => ResponseBody::Nacked { record: entry.record, dirty: entry.trust.is_dirty() },
            };
            return self.answer_when_executed(now, from, id, done, out);
        }
        let id = if record.term > entry.promised { self.records.promise(id, &key, record.term) } else { id };
        match effect {
            Some(request) => {
                // Where the expiry is compared too, only that tells whether the copy may be spoken of (rule R12).
                let written_at = self.lane.next_number() + u64::from(step.expires_at_ms.is_some());
                let copy = self.records.advance(id, &key, record, written_at);
                let is_expiring = step.expires_at_ms.is_some() || self.is_expiring(now, &entry);
                self.records.set_absent_from(copy, presence::after_step(&entry, Some(&request), is_expiring));
                let follow = JobKind::Follow { copy, record, reply_crc: step.reply_crc };
                out.lane.push(LaneOperation::Command(request));
                let Some(expires_at_ms) = step.expires_at_ms else {
                    return self.lane.push(now, from, follow);
                };
                self.lane.push(now, Requester::Nobody, follow);
                self.lane.push(now, from, JobKind::FollowExpiry { copy, record, expires_at_ms });
                out.lane.push(presence::question(&key));
            }
            None => {
                let id = self.records.advance(id, &key, record, entry.written_at);
                self.records.set_absent_from(id, presence::after_step(&entry, None, false));
                self.answer_when_executed(now, from, id, ResponseBody::Accepted { record }, out);
            }
        }
    }

    /// The receiving half of rules R10 and R15.
    #[allow(clippy::too_many_arguments, reason = "the parts of one message")]
    fn take_push(
        &mut self,
        now: Now,
        from: Requester,
        token: Token,
        key: Bytes,
        record: Record,
        state: Option<KeyState>,
        purpose: PushPurpose,
        out: &mut Out,
    ) {
        if self.is_refused(now, from, out) {
            return;
        }
        let (id, entry) = self.look_up(&key, token);
        let helps = match entry.trust {
            Trust::Trusted if planted::has(Planted::HealInstallsOlder) => record != entry.record,
            Trust::Trusted => record > entry.record,
            Trust::Dirty | Trust::DirtyOverwrite => record >= entry.record,
            Trust::Lost => purpose == PushPurpose::Rebuild,
        };
        let is_promised_away = purpose == PushPurpose::Acknowledge && record.term < entry.promised;
        if helps && !is_promised_away {
            let id = match self.was_stood_in_for(token, &record) {
                true => self.records.promise(id, &key, record.base),
                false => id,
            };
            self.install(now, from, (id, key), record, state, ResponseBody::Accepted { record }, out);
        } else if entry.trust == Trust::Lost {
            self.answer(from, ResponseBody::Failed(Failure::CopyLost), out);
        } else if is_promised_away {
            self.answer(from, ResponseBody::Failed(Failure::Outbid), out);
        } else {
            let done = if record == entry.record && entry.trust.is_trusted() {
                ResponseBody::Accepted { record }
            } else {
                ResponseBody::Nacked { record: entry.record, dirty: entry.trust.is_dirty() }
            };
            self.answer_when_executed(now, from, id, done, out);
        }
    }

    /// Whether this is the key's primary, and another node of this datacenter stamped its last overwrite: above `DC_ONE` it
    /// stood in for this one, whose claim has ended (rule R4).
    fn was_stood_in_for(&self, token: Token, record: &Record) -> bool {
        let stamper = record.base.node;
        self.ring.primary(token, self.place.dc) == self.place.index
            && stamper != self.config.node
            && self.ring.dc_of(stamper) == Some(self.place.dc)
    }

    /// Tells the record as of the writes that were executed.
    fn inspect(&mut self, now: Now, from: Requester, token: Token, key: &[u8], out: &mut Out) {
        if self.is_refused(now, from, out) {
            return;
        }
        let (id, Entry { record, trust, .. }) = self.look_up(key, token);
        let record = told(record);
        self.answer_when_executed(now, from, id, ResponseBody::Inspected { record, trust }, out);
    }

    /// Tells record and state.
    fn fetch(&mut self, now: Now, from: Requester, token: Token, key: Bytes, doubtful: bool, out: &mut Out) {
        if self.is_refused(now, from, out) {
            return;
        }
        let (copy, Entry { record, trust, .. }) = self.look_up(&key, token);
        match distrusted(trust) {
            Some(failure) if trust == Trust::Lost || !doubtful => {
                self.answer(from, ResponseBody::Failed(failure), out);
            }
            _ => {
                self.lane.push(now, from, JobKind::Fetch { copy, record, doubtful });
                out.lane.push(LaneOperation::Dump { key });
            }
        }
    }

    /// Rule R7: a promise is for a claim above all that was promised, and not below what was run.
    fn promise(&mut self, now: Now, from: Requester, token: Token, key: &[u8], term: Version, out: &mut Out) {
        if self.is_refused(now, from, out) {
            return;
        }
        if !self.follows_clock(now, term.clock) {
            return self.answer(from, ResponseBody::Failed(Failure::ClockAhead), out);
        }
        let (id, Entry { record, trust, promised, .. }) = self.look_up(key, token);
        if trust == Trust::Lost {
            let done = match self.lost.log_too {
                true => ResponseBody::Failed(Failure::CopyLost),
                false => ResponseBody::Inspected { record: told(record), trust },
            };
            return self.answer(from, done, out);
        }
        if term <= promised || term < record.term {
            let term = promised.max(record.term);
            return self.answer(from, ResponseBody::Outbid { term }, out);
        }
        let id = self.records.promise(id, key, term);
        self.answer_when_executed(now, from, id, ResponseBody::Promised { record, trust }, out);
    }

    /// Rule R19.
    #[allow(clippy::too_many_arguments, reason = "the parts of one message")]
    fn import(
        &mut self,
        now: Now,
        from: Requester,
        token: Token,
        key: Bytes,
        version: Version,
        state: Option<KeyState>,
        out: &mut Out,
    ) {
        if self.is_refused(now, from, out) {
            return;
        }
        if !self.follows_clock(now, version.clock) {
            return self.answer(from, ResponseBody::Failed(Failure::ClockAhead), out);
        }
        let (id, entry) = self.look_up(&key, token);
        let is_awaited = entry.trust == Trust::Lost && self.rebuild.takes_imports(Bucket::of(token));
        if self.takes_no_writes(&entry) && !is_awaited {
            return self.answer(from, ResponseBody::Failed(Failure::CopyLost), out);
        }
        let prior = entry.record;
        if version > prior.last || is_awaited || planted::has(Planted::ImportsOlder) {
            self.imported(&key);
            let done = ResponseBody::Applied { prior, reply: None };
            self.install(now, from, (id, key), prior.overwritten_by(version), state, done, out);
        } else {
            let done = if version == prior.last {
                ResponseBody::Applied { prior, reply: None }
            } else {
                ResponseBody::Refused { record: prior }
            };
            self.answer_when_executed(now, from, id, done, out);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one message")]
    fn install(
        &mut self,
        now: Now,
        from: Requester,
        (id, key): (RecordId, Bytes),
        record: Record,
        state: Option<KeyState>,
        done: ResponseBody,
        out: &mut Out,
    ) {
        let copy = self.records.write(id, &key, record, self.lane.next_number());
        self.records.set_absent_from(copy, presence::after_install(state.as_ref(), now.wall_ms()));
        self.lane.push(now, from, JobKind::Install { copy, record, done: Box::new(done) });
        out.lane.push(LaneOperation::Install { key, state });
    }

    /// Brings a fetched state to the own copy, which was claimed with `term`.
    pub(super) fn install_adopted(
        &mut self,
        now: Now,
        key: &Bytes,
        record: Record,
        term: Version,
        state: Option<KeyState>,
        out: &mut Out,
    ) {
        let id = self.records.find(key);
        let done = ResponseBody::Accepted { record };
        self.install(now, Requester::Nobody, (id, key.clone()), record, state, done, out);
        self.records.claim(self.records.find(key), key, Claim::Term(term));
    }

    /// Rule R12: what is said of a key is said when its earlier writes were executed.
    fn answer_when_executed(
        &mut self,
        now: Now,
        to: Requester,
        copy: RecordId,
        done: ResponseBody,
        out: &mut Out,
    ) {
        if planted::has(Planted::AnswersBeforeExecution)
            || self.lane.has_executed(self.records.get(copy).written_at)
        {
            let done = self.as_trusted(copy, done);
            self.answer(to, done, out);
        } else {
            self.lane.push_barrier(now, to, copy, done);
        }
    }

    /// What may be said of a key whose copy has become doubtful since the answer was prepared.
    fn as_trusted(&self, copy: RecordId, done: ResponseBody) -> ResponseBody {
        if copy == RecordId::NONE {
            // Nothing was written that it could have waited for; a copy without an entry may be lost nevertheless.
            return done;
        }
        let trust = self.records.get(copy).trust;
        match done {
            // What has no entry may be lost, which only the answer says.
            ResponseBody::Inspected { record, trust: told } => {
                return ResponseBody::Inspected { record, trust: trust.max(told) };
            }
            ResponseBody::Promised { record, trust: told } => {
                return ResponseBody::Promised { record, trust: trust.max(told) };
            }
            done if trust.is_trusted() => return done,
            _ => {}
        }
        match done {
            ResponseBody::Nacked { record, .. } | ResponseBody::Accepted { record } => {
                ResponseBody::Nacked { record, dirty: true }
            }
            ResponseBody::Refused { record } => ResponseBody::Refused { record },
            _ => ResponseBody::Failed(Failure::Untrusted),
        }
    }

    /// The lane's oldest operation is done.
    pub(super) fn lane_done(&mut self, now: Now, output: Output, out: &mut Out) {
        let Some(job) = self.lane.pop() else { return };
        match (job.kind, output) {
            (JobKind::Execute, Output::Reply(reply)) => {
                self.answer(job.requester, ResponseBody::Done { reply }, out);
            }
            (JobKind::Read { copy, record }, Output::Reply(reply)) => {
                let done = match unavailable(&reply) {
                    Some(text) => ResponseBody::Failed(Failure::Datastore(text)),
                    None => self.as_trusted(copy, ResponseBody::Read { record, reply: Some(reply) }),
                };
                self.answer(job.requester, done, out);
            }
            (JobKind::Overwrite { copy, prior, record }, Output::Reply(reply)) => {
                let done = match error_text(&reply) {
                    Some(text) => self.in_doubt(copy, &record, text),
                    None => ResponseBody::Applied { prior, reply: Some(reply) },
                };
                let is_absent = || self.records.get(copy).is_absent_at(Mark::at(now.wall_ms()));
                if planted::has(Planted::ForgetsDeletions) && is_absent() {
                    self.records.forget(copy);
                }
                self.answer(job.requester, done, out);
            }
            (JobKind::Run(id), Output::Reply(reply)) => self.ran(now, id, reply, out),
            (JobKind::Follow { copy, record, reply_crc }, Output::Reply(reply)) => {
                let differs = reply_crc.is_some_and(|crc| crc != crc32fast::hash(&reply));
                if differs || error_text(&reply).is_some() {
                    self.doubt(copy, &record, Doubt::Step);
                }
                let done = self.as_trusted(copy, ResponseBody::Accepted { record });
                self.answer(job.requester, done, out);
            }
            (JobKind::RunExpiry(id), Output::Reply(reply)) => self.run_expiry_told(now, id, &reply, out),
            (JobKind::FollowExpiry { copy, record, expires_at_ms }, Output::Reply(reply)) => {
                // Where the times differ, the key was there for one of the two, and had expired for the other.
                if presence::expiry(&reply) != Some(expires_at_ms) {
                    self.doubt(copy, &record, Doubt::Step);
                }
                self.note_presence(now, copy, &record, &reply);
                let done = self.as_trusted(copy, ResponseBody::Accepted { record });
                self.answer(job.requester, done, out);
            }
            (JobKind::Install { done, .. }, Output::Installed) => self.answer(job.requester, *done, out),
            (JobKind::Install { copy, record, .. }, Output::Failed(text)) => {
                let done = self.in_doubt(copy, &record, text);
                self.answer(job.requester, done, out);
            }
            (JobKind::DumpForPush(id), Output::State(state)) => self.push_read(now, id, Ok(state), out),
            (JobKind::DumpForPush(id), Output::Failed(text)) => {
                self.push_read(now, id, Err(Failure::Datastore(text)), out);
            }
            (JobKind::Marker, Output::Reply(reply)) => self.marker_written(now, &reply),
            (JobKind::Fetch { copy, record, doubtful }, Output::State(state)) => {
                let trust = self.records.get(copy).trust;
                let done = match distrusted(trust) {
                    Some(failure) if !doubtful => ResponseBody::Failed(failure),
                    _ => ResponseBody::State { record, trust, state },
                };
                self.answer(job.requester, done, out);
            }
            (JobKind::Fetch { .. }, Output::Failed(text)) => {
                self.answer(job.requester, ResponseBody::Failed(Failure::Datastore(text)), out);
            }
            (JobKind::DumpForExport(key), Output::State(state)) => {
                self.export_read(now, key, Some(state), out);
            }
            (JobKind::DumpForExport(key), _) => self.export_read(now, key, None, out),
            (JobKind::AskPresence { copy, record }, Output::Reply(reply)) => {
                self.presence_told(now, copy, &record, Some(&reply));
            }
            // An adapter that answers with the wrong kind has lost its place; what it says cannot be used.
            (kind, _) => self.job_lost(now, job.requester, kind, "unexpected output of the datastore", out),
        }
        while let Some(barrier) = self.lane.pop_barrier() {
            if let JobKind::Barrier { copy, done } = barrier.kind {
                self.pass_barrier(barrier.requester, copy, *done, out);
            }
        }
    }

    fn pass_barrier(&mut self, to: Requester, copy: RecordId, done: ResponseBody, out: &mut Out) {
        let done = self.as_trusted(copy, done);
        self.answer(to, done, out);
    }

    /// The lane broke: nothing that it owed will come, and what of it ran is unknown.
    pub(super) fn lane_lost(&mut self, now: Now, reason: &str, out: &mut Out) {
        for job in self.lane.break_off() {
            self.job_lost(now, job.requester, job.kind, reason, out);
        }
    }

    fn job_lost(&mut self, now: Now, requester: Requester, kind: JobKind, reason: &str, out: &mut Out) {
        let lost =
            || ResponseBody::Failed(Failure::Datastore(format!("Datastore connection lost ({reason})")));
        match kind {
            JobKind::Marker => {}
            JobKind::Execute | JobKind::Read { .. } | JobKind::Fetch { .. } => {
                self.answer(requester, lost(), out);
            }
            JobKind::Overwrite { copy, record, .. } | JobKind::Install { copy, record, .. } => {
                self.doubt(copy, &record, Doubt::Whole);
                self.answer(requester, lost(), out);
            }
            JobKind::Follow { copy, record, .. } | JobKind::FollowExpiry { copy, record, .. } => {
                self.doubt(copy, &record, Doubt::Step);
                self.answer(requester, ResponseBody::Nacked { record, dirty: true }, out);
            }
            JobKind::Run(id) | JobKind::RunExpiry(id) => self.run_lost(now, id, reason, out),
            JobKind::DumpForPush(id) => {
                self.push_read(now, id, Err(Failure::Datastore(reason.to_owned())), out);
            }
            JobKind::DumpForExport(key) => self.export_read(now, key, None, out),
            JobKind::AskPresence { copy, record } => self.presence_told(now, copy, &record, None),
            JobKind::Barrier { copy, done } => self.pass_barrier(requester, copy, *done, out),
        }
    }

    fn in_doubt(&mut self, copy: RecordId, record: &Record, text: String) -> ResponseBody {
        self.doubt(copy, record, Doubt::Whole);
        ResponseBody::Failed(Failure::Datastore(text))
    }

    pub(super) fn doubt(&mut self, copy: RecordId, record: &Record, doubt: Doubt) {
        if planted::has(Planted::NoDoubt) {
            return;
        }
        if self.records.doubt(copy, record, doubt) {
            self.stats.copies_doubted += 1;
            self.heal_soon(self.key_of(copy));
        }
    }
}

/// A forward's record before and after, and what came of it at the primary.
#[derive(Clone, Copy)]
struct Step {
    prior: Record,
    record: Record,
    reply_crc: Option<u32>,
    expires_at_ms: Option<i64>,
}

/// What others are told of a record. Nothing was written since a mark, or ever: which of them it is makes no difference.
fn told(record: Record) -> Record {
    if record.is_blank() { Record::default() } else { record }
}

/// Why a copy is not to be read.
fn distrusted(trust: Trust) -> Option<Failure> {
    match trust {
        Trust::Trusted => None,
        Trust::Dirty | Trust::DirtyOverwrite => Some(Failure::Untrusted),
        Trust::Lost => Some(Failure::CopyLost),
    }
}

/// The text of an error reply.
pub(super) fn error_text(reply: &[u8]) -> Option<String> {
    let text = reply.strip_prefix(b"-")?;
    Some(String::from_utf8_lossy(text).trim_end().to_owned())
}

/// The text of an error that speaks of the datastore's state, not of the command: another replica may do better.
fn unavailable(reply: &[u8]) -> Option<String> {
    const CODES: [&str; 8] =
        ["LOADING", "MASTERDOWN", "NOAUTH", "BUSY", "CLUSTERDOWN", "TRYAGAIN", "MISCONF", "NOPERM"];
    let text = error_text(reply)?;
    let code = text.split(' ').next().unwrap_or_default();
    CODES.contains(&code).then_some(text)
}

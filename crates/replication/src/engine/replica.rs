//! The replica: what this node does with its own copy of a key (rules R3, R9, R12).

use bytes::Bytes;
use dynomite_codec::{KeyState, Operation as LaneOperation, Request};
use dynomite_ring::Token;

use super::{
    Engine, Now, Out, Requester, again::Import, compare::Differ, coordinator::Sequenced, lane::JobKind,
    pieces::Reading,
};
use crate::{
    Bucket, Content, Failure, KeyRequest, PieceSource, PushPurpose, Record, RequestBody, ResponseBody,
    Stamper, Trust, Version,
    operation::transfer::{Errand, Wanted},
    planted::{self, Planted},
    presence,
    records::{Claim, Entry, RecordId},
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
                let timeout_ms = u64::from(timeout_ms).min(self.config.request_timeout_ms);
                self.relay(now, from, token, ack.then_some(timeout_ms), part, out);
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
                let timeout_ms = u64::from(timeout_ms).min(self.patience_ms(&state));
                self.relay(now, from, token, Some(timeout_ms), part, out);
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
                self.take_push(now, from, token, key, record, state.into(), purpose, out);
            }
            RequestBody::Inspect { key } => self.inspect(now, from, token, &key, out),
            RequestBody::Fetch { key, doubtful, whole } => {
                let reading = if whole { Reading::Whole } else { Reading::AsItSeems };
                self.fetch(now, from, token, key, doubtful, reading, out);
            }
            RequestBody::Piece { key, record, position } => {
                self.serve_piece(now, from, (key, token), record, position, out);
            }
            RequestBody::Value { key } => self.serve_value(now, from, token, key, out),
            RequestBody::Claim { key, term } => self.promise(now, from, token, &key, term, out),
            RequestBody::Import { key, version, state } => {
                self.import(now, from, token, key, version, state.into(), out);
            }
            RequestBody::Digest { node, mark, first } => self.serve_digest(now, from, node, mark, first, out),
            RequestBody::Differ { node, mark, bucket, from: least, upto, known } => {
                let differ = Differ { node, mark, bucket, from: least, upto, known };
                self.serve_differ(now, from, differ, out);
            }
            RequestBody::List { node, loss, from: position, range } => {
                self.serve_list(now, from, node, loss, (position, range), out);
            }
            RequestBody::Settle { node, runs } => {
                self.serve_settle(from, node, Bucket::of(token), &runs, out);
            }
            RequestBody::Export { node, key } => self.serve_export(now, from, node, key, out),
        }
    }

    /// Answers at once when the lane takes nothing. Whether it did.
    pub(super) fn is_refused(&mut self, now: Now, from: Requester, out: &mut Out) -> bool {
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
        if self.takes_no_writes(&entry, token) {
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
            self.note_whole_size(copy, command.request().raw().len());
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
        let (id, entry) = self.look_up_to_build_on(&key, token);
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
                self.note_step_size(copy, &request, record.last);
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
    pub(super) fn take_push(
        &mut self,
        now: Now,
        from: Requester,
        token: Token,
        key: Bytes,
        record: Record,
        offer: Offer,
        purpose: PushPurpose,
        out: &mut Out,
    ) {
        if self.is_refused(now, from, out) {
            return;
        }
        let (id, entry) = self.look_up(&key, token);
        let helps = match entry.trust {
            Trust::Trusted if planted::has(Planted::HealInstallsOlder) => record != entry.record,
            Trust::Trusted if purpose == PushPurpose::Replace => record == entry.record,
            Trust::Trusted => record > entry.record,
            Trust::Restarted | Trust::Dirty | Trust::DirtyOverwrite => record >= entry.record,
            Trust::Lost => purpose == PushPurpose::Rebuild && self.may_be_rebuilt(now, &entry, &record),
        };
        let is_promised_away = purpose == PushPurpose::Acknowledge && record.term < entry.promised;
        if helps && !is_promised_away {
            match offer {
                Offer::Ready(state) => {
                    let id = match self.was_stood_in_for(token, &record) {
                        true => self.records.promise(id, &key, record.base),
                        false => id,
                    };
                    let done = ResponseBody::Accepted { record };
                    self.install(now, from, (id, key), record, state, done, out);
                }
                Offer::Pieces(source) => {
                    let errand = Errand::Push { record, purpose };
                    self.want_pieces(now, Wanted { requester: from, key, token, source, errand }, out);
                }
            }
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
            let is_forgotten = self.takes_no_writes(&Entry { trust, ..Entry::default() }, token);
            let done = match is_forgotten {
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
    pub(super) fn import(
        &mut self,
        now: Now,
        from: Requester,
        token: Token,
        key: Bytes,
        version: Version,
        offer: Offer,
        out: &mut Out,
    ) {
        if self.is_refused(now, from, out) {
            return;
        }
        if !self.follows_clock(now, version.clock) {
            return self.answer(from, ResponseBody::Failed(Failure::ClockAhead), out);
        }
        let (id, entry) = self.look_up(&key, token);
        let is_awaited = entry.trust == Trust::Lost && self.takes_imports(now, Bucket::of(token));
        if self.takes_no_writes(&entry, token) && !is_awaited {
            return self.answer(from, ResponseBody::Failed(Failure::CopyLost), out);
        }
        let prior = entry.record;
        if version > prior.last || is_awaited || planted::has(Planted::ImportsOlder) {
            let state = match offer {
                Offer::Ready(state) => state,
                Offer::Pieces(source) => {
                    let errand = Errand::Import { version };
                    let wanted = Wanted { requester: from, key, token, source, errand };
                    return self.want_pieces(now, wanted, out);
                }
            };
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
        state: Ready,
        done: ResponseBody,
        out: &mut Out,
    ) {
        let copy = self.records.write(id, &key, record, self.lane.next_number());
        let (absent_from, bytes, operation) = match state {
            Ready::Whole(state) => {
                let bytes = state.as_ref().map_or(0, |state| state.payload.len());
                let absent_from = presence::after_install(state.as_ref(), now.wall_ms());
                (absent_from, bytes, LaneOperation::Install { key, state })
            }
            Ready::Staged { stage, expires_at_ms } => {
                let operation = LaneOperation::InstallStage { key, stage, expires_at_ms };
                (presence::after_staged(expires_at_ms), usize::MAX, operation)
            }
        };
        self.records.set_absent_from(copy, absent_from);
        self.note_whole_size(copy, bytes);
        self.lane.push(now, from, JobKind::Install { copy, record, done: Box::new(done) });
        out.lane.push(operation);
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
        self.install(now, Requester::Nobody, (id, key.clone()), record, Ready::Whole(state), done, out);
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

    /// As [`Engine::as_trusted`], for an answer that has come through the lane.
    pub(super) fn as_executed(&self, copy: RecordId, done: ResponseBody) -> ResponseBody {
        let met = if self.lane.met_doubt(copy) { Trust::Dirty } else { Trust::Trusted };
        self.as_far_as(met, copy, done)
    }

    /// What may be said of a key whose copy has become doubtful since the answer was prepared.
    fn as_trusted(&self, copy: RecordId, done: ResponseBody) -> ResponseBody {
        self.as_far_as(Trust::Trusted, copy, done)
    }

    /// `done`, where the copy is trusted and was met in a state that counts as `met`.
    fn as_far_as(&self, met: Trust, copy: RecordId, done: ResponseBody) -> ResponseBody {
        if copy == RecordId::NONE {
            // Nothing was written that it could have waited for; a copy without an entry may be lost nevertheless.
            return done;
        }
        let trust = self.records.get(copy).trust.and(met);
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
}

/// A state that may be installed.
pub(super) enum Offer {
    Ready(Ready),
    /// It has to be fetched first.
    Pieces(PieceSource),
}

/// A state that can be installed at once.
pub(super) enum Ready {
    /// All of it; `None` when the key is absent.
    Whole(Option<KeyState>),
    /// It is in this stage.
    Staged { stage: u8, expires_at_ms: Option<u64> },
}

impl From<Content> for Offer {
    fn from(content: Content) -> Self {
        match content {
            Content::Whole(state) => Self::Ready(Ready::Whole(state)),
            Content::Pieces(source) => Self::Pieces(source),
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
pub(super) fn told(record: Record) -> Record {
    if record.is_blank() { Record::default() } else { record }
}

/// Why a copy is not to be read.
pub(super) fn distrusted(trust: Trust) -> Option<Failure> {
    match trust {
        Trust::Trusted => None,
        Trust::Restarted | Trust::Dirty | Trust::DirtyOverwrite => Some(Failure::Untrusted),
        Trust::Lost => Some(Failure::CopyLost),
    }
}

/// The text of an error reply.
pub(super) fn error_text(reply: &[u8]) -> Option<String> {
    let text = reply.strip_prefix(b"-")?;
    Some(String::from_utf8_lossy(text).trim_end().to_owned())
}

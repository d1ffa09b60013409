//! The replica: what this node does with its own copy of a key (rules R3, R9, R12).

use bytes::Bytes;
use dynomite_codec::{KeyState, Operation as LaneOperation, Output, Request};
use dynomite_ring::Token;

use super::{Engine, Now, Out, Requester, coordinator::Sequenced, lane::JobKind};
use crate::{
    Failure, KeyRequest, Record, RequestBody, ResponseBody, Version,
    records::{Entry, RecordId},
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
                let timeout_ms = u64::from(timeout_ms);
                let write = Sequenced { requester: from, command, token, level, near, timeout_ms };
                self.serve_sequence(now, write, sender_applies, out);
            }
            RequestBody::RelayOverwrite { version, command, ack, timeout_ms } => {
                let part =
                    |_: &Self| RequestBody::Overwrite { version, command: command.clone(), foreign: true };
                self.relay(now, from, token, ack.then_some(u64::from(timeout_ms)), part, out);
            }
            RequestBody::RelayImport { key, version, state, timeout_ms } => {
                let part = |_: &Self| RequestBody::Import { key: key.clone(), version, state: state.clone() };
                self.relay(now, from, token, Some(u64::from(timeout_ms)), part, out);
            }
            RequestBody::Execute(command) => self.execute(now, from, command, out),
            RequestBody::Read { command, value } => self.read(now, from, command, value, out),
            RequestBody::Overwrite { version, command, foreign } => {
                self.overwrite(now, from, version, command, foreign, out);
            }
            RequestBody::Forward { prior, record, key, effect, reply_crc } => {
                self.follow(now, from, Step { prior, record }, key, effect, reply_crc, out);
            }
            RequestBody::Push { key, record, state } => self.take_push(now, from, key, record, state, out),
            RequestBody::Import { key, version, state } => {
                self.import(now, from, key, version, state, out);
            }
        }
    }

    /// Answers at once when the lane takes nothing. Whether it did.
    fn is_refused(&mut self, now: Now, from: Requester, out: &mut Out) -> bool {
        let refusal = self.lane_refusal(now);
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
        let stall_ms = self.config.request_timeout_ms / STALL_PART;
        self.lane.refusal(now, stall_ms, self.config.lane_window_max)
    }

    /// Tells the record, and the value if it is wanted.
    pub(super) fn read(
        &mut self,
        now: Now,
        from: Requester,
        command: KeyRequest,
        value: bool,
        out: &mut Out,
    ) {
        if self.is_refused(now, from, out) {
            return;
        }
        let id = self.records.find(command.key());
        let Entry { record, trust, .. } = self.records.get(id);
        if !trust.is_trusted() {
            self.answer(from, ResponseBody::Failed(Failure::Untrusted), out);
        } else if value {
            self.lane.push(now, from, JobKind::Read { copy: id, record });
            out.lane.push(LaneOperation::Command(command.into_request()));
        } else {
            self.answer_when_executed(now, from, id, ResponseBody::Read { record, reply: None }, out);
        }
    }

    /// Rule R3; rule R17 for one that was stamped in another datacenter.
    pub(super) fn overwrite(
        &mut self,
        now: Now,
        from: Requester,
        version: Version,
        command: KeyRequest,
        foreign: bool,
        out: &mut Out,
    ) {
        if self.is_refused(now, from, out) {
            return;
        }
        if !self.follows_clock(now, version.clock) {
            return self.answer(from, ResponseBody::Failed(Failure::ClockAhead), out);
        }
        let id = self.records.find(command.key());
        let prior = self.records.get(id).record;
        let held = if foreign { prior.last } else { prior.base };
        if version > held {
            let record = Record::overwritten(version);
            let copy = self.records.write(id, command.key(), record, self.lane.next_number());
            self.lane.push(now, from, JobKind::Overwrite { copy, prior, version });
            out.lane.push(LaneOperation::Command(command.into_request()));
        } else {
            let done = if version == held {
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
        step: Step,
        key: Bytes,
        effect: Option<Request>,
        reply_crc: Option<u32>,
        out: &mut Out,
    ) {
        if self.is_refused(now, from, out) {
            return;
        }
        let id = self.records.find(&key);
        let entry = self.records.get(id);
        if !entry.trust.is_trusted() || entry.record != step.prior {
            self.stats.forwards_nacked += 1;
            let done = ResponseBody::Nacked { record: entry.record, dirty: !entry.trust.is_trusted() };
            return self.answer_when_executed(now, from, id, done, out);
        }
        let record = step.record;
        match effect {
            Some(request) => {
                let copy = self.records.advance(id, &key, record, self.lane.next_number());
                self.lane.push(now, from, JobKind::Follow { copy, record, reply_crc });
                out.lane.push(LaneOperation::Command(request));
            }
            None => {
                let id = self.records.advance(id, &key, record, entry.written_at);
                self.answer_when_executed(now, from, id, ResponseBody::Accepted { record }, out);
            }
        }
    }

    /// The receiving half of rule R10.
    fn take_push(
        &mut self,
        now: Now,
        from: Requester,
        key: Bytes,
        record: Record,
        state: Option<KeyState>,
        out: &mut Out,
    ) {
        if self.is_refused(now, from, out) {
            return;
        }
        let id = self.records.find(&key);
        let entry = self.records.get(id);
        let helps = record > entry.record || !entry.trust.is_trusted() && record == entry.record;
        if helps {
            self.install(now, from, (id, key), record, state, ResponseBody::Accepted { record }, out);
        } else {
            let done = if record == entry.record {
                ResponseBody::Accepted { record }
            } else {
                ResponseBody::Nacked { record: entry.record, dirty: !entry.trust.is_trusted() }
            };
            self.answer_when_executed(now, from, id, done, out);
        }
    }

    /// Rule R19.
    fn import(
        &mut self,
        now: Now,
        from: Requester,
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
        let id = self.records.find(&key);
        let prior = self.records.get(id).record;
        if version > prior.last {
            let done = ResponseBody::Applied { prior, reply: None };
            self.install(now, from, (id, key), Record::overwritten(version), state, done, out);
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
        self.lane.push(now, from, JobKind::Install { copy, record, done: Box::new(done) });
        out.lane.push(LaneOperation::Install { key, state });
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
        if self.lane.has_executed(self.records.get(copy).written_at) {
            let done = self.as_trusted(copy, done);
            self.answer(to, done, out);
        } else {
            self.lane.push_barrier(now, to, copy, done);
        }
    }

    /// What may be said of a key whose copy has become doubtful since the answer was prepared.
    fn as_trusted(&self, copy: RecordId, done: ResponseBody) -> ResponseBody {
        if self.records.get(copy).trust.is_trusted() {
            return done;
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
            (JobKind::Overwrite { copy, prior, version }, Output::Reply(reply)) => {
                let done = match error_text(&reply) {
                    Some(text) => self.in_doubt(copy, &Record::overwritten(version), text),
                    None => ResponseBody::Applied { prior, reply: Some(reply) },
                };
                self.answer(job.requester, done, out);
            }
            (JobKind::Run(id), Output::Reply(reply)) => self.ran(now, id, reply, out),
            (JobKind::Follow { copy, record, reply_crc }, Output::Reply(reply)) => {
                let differs = reply_crc.is_some_and(|crc| crc != crc32fast::hash(&reply));
                if differs || error_text(&reply).is_some() {
                    self.doubt(copy, &record);
                }
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
            (JobKind::DumpForExport(key), Output::State(state)) => {
                self.export_read(now, key, Some(state), out);
            }
            (JobKind::DumpForExport(key), _) => self.export_read(now, key, None, out),
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
            JobKind::Execute | JobKind::Read { .. } => self.answer(requester, lost(), out),
            JobKind::Overwrite { copy, version, .. } => {
                self.doubt(copy, &Record::overwritten(version));
                self.answer(requester, lost(), out);
            }
            JobKind::Install { copy, record, .. } => {
                self.doubt(copy, &record);
                self.answer(requester, lost(), out);
            }
            JobKind::Follow { copy, record, .. } => {
                self.doubt(copy, &record);
                self.answer(requester, ResponseBody::Nacked { record, dirty: true }, out);
            }
            JobKind::Run(id) => self.run_lost(id, reason, out),
            JobKind::DumpForPush(id) => {
                self.push_read(now, id, Err(Failure::Datastore(reason.to_owned())), out);
            }
            JobKind::DumpForExport(key) => self.export_read(now, key, None, out),
            JobKind::Barrier { copy, done } => self.pass_barrier(requester, copy, *done, out),
        }
    }

    fn in_doubt(&mut self, copy: RecordId, record: &Record, text: String) -> ResponseBody {
        self.doubt(copy, record);
        ResponseBody::Failed(Failure::Datastore(text))
    }

    pub(super) fn doubt(&mut self, copy: RecordId, record: &Record) {
        if self.records.doubt(copy, record) {
            self.stats.copies_doubted += 1;
        }
    }
}

/// A forward's record before and after.
#[derive(Clone, Copy)]
struct Step {
    prior: Record,
    record: Record,
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

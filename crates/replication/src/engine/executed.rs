//! What the lane's answers mean for the copies, and for whoever waits for them (rules R12, R13).

use dynomite_codec::Output;

use super::{Engine, Now, Out, Requester, lane::JobKind, replica::error_text};
use crate::{
    Failure, Mark, Record, ResponseBody,
    planted::{self, Planted},
    presence,
    records::{Doubt, RecordId},
};

impl Engine {
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
                    None => self.as_executed(copy, ResponseBody::Read { record, reply: Some(reply) }),
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
                let done = self.as_executed(copy, ResponseBody::Accepted { record });
                self.answer(job.requester, done, out);
            }
            (JobKind::RunExpiry(id), Output::Reply(reply)) => self.run_expiry_told(now, id, &reply, out),
            (JobKind::FollowExpiry { copy, record, expires_at_ms }, Output::Reply(reply)) => {
                // Where the times differ, the key was there for one of the two, and had expired for the other.
                if presence::expiry(&reply) != Some(expires_at_ms) {
                    self.doubt(copy, &record, Doubt::Step);
                }
                self.note_presence(now, copy, &record, &reply);
                let done = self.as_executed(copy, ResponseBody::Accepted { record });
                self.answer(job.requester, done, out);
            }
            (JobKind::Install { done, .. }, Output::Installed) => self.answer(job.requester, *done, out),
            (JobKind::Install { copy, record, .. }, Output::Failed(text)) => {
                let done = self.in_doubt(copy, &record, text);
                self.answer(job.requester, done, out);
            }
            (JobKind::Marker(number), Output::Reply(reply)) => self.marker_written(now, number, &reply),
            (JobKind::Fetch { copy, record, doubtful, is_final }, Output::State(state)) => {
                self.fetched(now, job.requester, copy, record, state, doubtful, is_final, out);
            }
            (
                JobKind::Fetch { .. }
                | JobKind::ReadPiece { .. }
                | JobKind::MeasureForDigest(_)
                | JobKind::Digest(_),
                Output::Failed(text),
            ) => {
                self.answer(job.requester, ResponseBody::Failed(Failure::Datastore(text)), out);
            }
            (JobKind::Measure { key, token }, Output::Measured(extent)) => {
                self.measured(now, job.requester, (key, token), extent, out);
            }
            // It may be forbidden.
            (JobKind::Measure { key, token }, Output::Failed(_)) => {
                self.measured(now, job.requester, (key, token), None, out);
            }
            (JobKind::ReadPiece { copy }, Output::Piece(piece)) => {
                self.piece_read(job.requester, copy, piece, out);
            }
            (JobKind::MeasureForDigest(digesting), Output::Measured(extent)) => {
                self.measured_for_digest(now, job.requester, digesting, extent, out);
            }
            (JobKind::Digest(digesting), Output::Digest(part)) => {
                self.digested(now, job.requester, digesting, part, out);
            }
            (JobKind::StagePiece(id), output) => self.piece_staged(now, id, output, out),
            (JobKind::ClearStage, _) => {}
            (JobKind::AskPresence { copy, record }, Output::Reply(reply)) => {
                self.presence_told(now, copy, &record, Some(&reply));
            }
            (JobKind::Scan, Output::Scanned { keys, cursor }) => self.keys_scanned(keys, cursor),
            (JobKind::ScanToClean, Output::Scanned { keys, cursor }) => self.scanned_to_clean(keys, cursor),
            (JobKind::Clean { copy, key }, Output::Installed) => self.cleaned(copy, &key, true),
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
        let done = self.as_executed(copy, done);
        self.answer(to, done, out);
    }

    /// The lane broke: nothing that it owed will come, and what of it ran is unknown.
    pub(super) fn lane_lost(&mut self, now: Now, reason: &str, out: &mut Out) {
        for job in self.lane.break_off() {
            self.job_lost(now, job.requester, job.kind, reason, out);
        }
        self.transfers_lost(now, out);
    }

    fn job_lost(&mut self, now: Now, requester: Requester, kind: JobKind, reason: &str, out: &mut Out) {
        let lost =
            || ResponseBody::Failed(Failure::Datastore(format!("Datastore connection lost ({reason})")));
        match kind {
            JobKind::Marker(_) | JobKind::ClearStage => {}
            JobKind::Scan => self.scan_failed(now),
            JobKind::ScanToClean => self.scan_to_clean_failed(now),
            JobKind::Clean { copy, key } => self.cleaned(copy, &key, false),
            JobKind::StagePiece(id) => {
                self.piece_staged(now, id, Output::Failed(reason.to_owned()), out);
            }
            JobKind::Execute
            | JobKind::Read { .. }
            | JobKind::Fetch { .. }
            | JobKind::Measure { .. }
            | JobKind::MeasureForDigest(_)
            | JobKind::Digest(_)
            | JobKind::ReadPiece { .. } => {
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
            self.lane.doubt(copy);
            self.heal_soon(self.key_of(copy));
        }
    }
}

/// The text of an error that speaks of the datastore's state, not of the command: another replica may do better.
fn unavailable(reply: &[u8]) -> Option<String> {
    const CODES: [&str; 8] =
        ["LOADING", "MASTERDOWN", "NOAUTH", "BUSY", "CLUSTERDOWN", "TRYAGAIN", "MISCONF", "NOPERM"];
    let text = error_text(reply)?;
    let code = text.split(' ').next().unwrap_or_default();
    CODES.contains(&code).then_some(text)
}

//! What was given to the lane and is not answered yet, in order.
//!
//! Invariant: the jobs that are not barriers are exactly the operations that the lane still owes, oldest first; a barrier
//! is never at the front.

use std::collections::VecDeque;

use bytes::Bytes;
use dynomite_ring::Token;

use super::{Now, Requester, digests::Digesting};
use crate::{Failure, Record, ResponseBody, operation::OperationId, records::RecordId};

#[derive(Debug)]
pub(super) struct Job {
    pub(super) requester: Requester,
    pub(super) submitted_ms: u64,
    pub(super) kind: JobKind,
}

/// What to do when the lane gets there.
#[derive(Debug)]
pub(super) enum JobKind {
    /// Pass the reply on; nothing is replicated.
    Execute,
    /// A read; `record` is what it will see.
    Read { copy: RecordId, record: Record },
    /// An overwrite of what `prior` describes, which leaves `record`.
    Overwrite { copy: RecordId, prior: Record, record: Record },
    /// A sequenced write of this primary.
    Run(OperationId),
    /// Until when the key of such a write is there after it.
    RunExpiry(OperationId),
    /// A primary's write, run after it.
    Follow { copy: RecordId, record: Record, reply_crc: Option<u32> },
    /// Whether the key of such a write is there after it until the time that the primary told.
    FollowExpiry { copy: RecordId, record: Record, expires_at_ms: i64 },
    /// A whole state; then `done` is the answer.
    Install { copy: RecordId, record: Record, done: Box<ResponseBody> },
    /// The engine's own mark in the datastore, with its number.
    Marker(u64),
    /// Record and state for whoever asks; of a copy in doubt, too, if `doubtful`. Unless it is final, one that is large is
    /// measured instead.
    Fetch { copy: RecordId, record: Record, doubtful: bool, is_final: bool },
    /// Whether the state that somebody asks for is large.
    Measure { key: Bytes, token: Token },
    /// A piece of a large state for whoever asks.
    ReadPiece { copy: RecordId },
    /// Where a value begins that is to be digested.
    MeasureForDigest(Box<Digesting>),
    /// A piece of a value, being digested.
    Digest(Box<Digesting>),
    /// A piece of a large state, on its way into a stage.
    StagePiece(OperationId),
    /// A stage, being emptied.
    ClearStage,
    /// Whether the key is there and until when, for the record's own sake.
    AskPresence { copy: RecordId, record: Record },
    /// Keys of the datastore that no record may know of.
    Scan,
    /// The same, of keys that may be another node's by now.
    ScanToClean,
    /// The deletion of such a key.
    Clean { copy: RecordId, key: Bytes },
    /// No operation: an answer that waits until what came before it was executed (rule R12).
    Barrier { copy: RecordId, done: Box<ResponseBody> },
}

#[derive(Debug, Default)]
pub(super) struct LaneQueue {
    jobs: VecDeque<Job>,
    is_up: bool,
    submitted: u64,
    executed: u64,
    /// Copies that came into doubt, with the last operation that had been submitted by then.
    doubted: Vec<(RecordId, u64)>,
}

impl LaneQueue {
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn set_up(&mut self) {
        self.is_up = true;
    }

    pub(super) fn is_up(&self) -> bool {
        self.is_up
    }

    /// Why nothing should be given to the lane now.
    pub(super) fn refusal(&self, now: Now, stall_ms: u64, window_max: usize) -> Option<Failure> {
        if !self.is_up {
            Some(Failure::DatastoreDown)
        } else if self.jobs.front().is_some_and(|job| job.submitted_ms + stall_ms <= now.ms) {
            Some(Failure::DatastoreStalled)
        } else if self.jobs.len() >= window_max {
            Some(Failure::Overloaded)
        } else {
            None
        }
    }

    /// Operations up to `number` were an earlier process's, and are over.
    pub(super) fn start_after(&mut self, number: u64) {
        self.submitted = number;
        self.executed = number;
    }

    /// The number of the last operation that was given to the lane.
    pub(super) fn submitted(&self) -> u64 {
        self.submitted
    }

    /// The number of the last operation that was answered.
    pub(super) fn executed(&self) -> u64 {
        self.executed
    }

    /// The number of the next operation that is given to the lane.
    pub(super) fn next_number(&self) -> u64 {
        self.submitted + 1
    }

    /// Notes an operation that is being given to the lane.
    pub(super) fn push(&mut self, now: Now, requester: Requester, kind: JobKind) {
        self.submitted += 1;
        self.jobs.push_back(Job { requester, submitted_ms: now.ms, kind });
    }

    /// Lets an answer wait behind all that was submitted.
    pub(super) fn push_barrier(
        &mut self,
        now: Now,
        requester: Requester,
        copy: RecordId,
        done: ResponseBody,
    ) {
        self.jobs.push_back(Job {
            requester,
            submitted_ms: now.ms,
            kind: JobKind::Barrier { copy, done: Box::new(done) },
        });
    }

    /// Whether operation `number` was answered.
    pub(super) fn has_executed(&self, number: u64) -> bool {
        number <= self.executed
    }

    /// The oldest operation, which the lane has just answered.
    pub(super) fn pop(&mut self) -> Option<Job> {
        let job = self.jobs.pop_front()?;
        self.executed += 1;
        Some(job)
    }

    /// Notes that a copy has come into doubt: what is in flight meets the state that is in doubt, also where it is answered after the
    /// copy was given another state.
    pub(super) fn doubt(&mut self, copy: RecordId) {
        self.doubted.retain(|(_, upto)| *upto > self.executed);
        if self.submitted > self.executed {
            self.doubted.push((copy, self.submitted));
        }
    }

    /// Whether the operation that was answered last met a copy in doubt.
    pub(super) fn met_doubt(&self, copy: RecordId) -> bool {
        self.doubted.iter().any(|(doubted, upto)| *doubted == copy && self.executed <= *upto)
    }

    /// A barrier that has come to the front.
    pub(super) fn pop_barrier(&mut self) -> Option<Job> {
        self.jobs.pop_front_if(|job| matches!(job.kind, JobKind::Barrier { .. }))
    }

    /// The lane broke: everything that it owed.
    pub(super) fn break_off(&mut self) -> VecDeque<Job> {
        self.is_up = false;
        self.executed = self.submitted;
        self.doubted.clear();
        std::mem::take(&mut self.jobs)
    }
}

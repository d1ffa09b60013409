//! What this node knows of its own copies, and whether they may be trusted: after a restart, and after the datastore was
//! away or lost its data (rules R13 and R14).

use bytes::Bytes;
use dynomite_ring::Token;

use super::{Engine, Now, rebuild::Rebuild};
use crate::{
    BUCKETS, Bucket, BucketSet, Trust, Version,
    planted::{self, Planted},
    records::{Entry, RecordId},
};

/// What is known of the past when an engine starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// The record log was read, to its end or to where a crash tore it.
    Log,
    /// There is no record log, or it is damaged: what the datastore holds cannot be trusted, and what was promised is not
    /// known.
    LogLost,
}

/// What a datastore that takes operations again still has of what was written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreState {
    /// Everything that was executed.
    Kept,
    /// Nothing.
    Empty,
}

/// Copies that were lost and are not rebuilt yet.
#[derive(Debug, Default)]
pub(super) struct LostCopies {
    /// Of keys in these buckets that have no entry of their own, the copy is lost.
    pub(super) buckets: BucketSet,
    /// Whether the record log was lost too: then nothing is known of what was written and promised before.
    pub(super) log_too: bool,
    /// When the loss was noticed, in `Now::ms`.
    pub(super) since_ms: u64,
}

impl Engine {
    /// What is known of the copy of `key`.
    pub(super) fn look_up(&mut self, key: &[u8], token: Token) -> (RecordId, Entry) {
        let id = self.records.find(key);
        let mut entry = self.records.get(id);
        if !self.marks.is_empty() && (id == RecordId::NONE || entry.absent_from.is_some() || entry.record.is_blank()) {
            entry = self.without_forgotten(id, key, token, entry);
        }
        if id == RecordId::NONE
            && !self.lost.buckets.is_empty()
            && self.lost.buckets.contains(Bucket::of(token))
        {
            entry.trust = Trust::Lost;
        }
        if entry.trust == Trust::Lost && planted::has(Planted::LostVotes) {
            entry.trust = Trust::Trusted;
        }
        (id, entry)
    }

    /// Whether a copy takes nothing but a rebuilt state: without its record, what is old and what is new cannot be told.
    pub(super) fn takes_no_writes(&self, entry: &Entry) -> bool {
        entry.trust == Trust::Lost && self.lost.log_too
    }

    /// All was read that is known of the past. Call it before anything happens.
    pub fn finish_recovery(&mut self, now: Now, recovery: Recovery) {
        if self.place.is_alone {
            return;
        }
        match recovery {
            Recovery::Log => self.recover_marks(),
            Recovery::LogLost => {
                self.lose_copies(now);
                self.lost.log_too = true;
                // Above whatever this node may have promised before (rule R14).
                let clock = (now.wall_ms() + self.config.clock_ahead_max_ms) << 16;
                self.records.promise_all(Version { clock, node: self.config.node });
            }
        }
    }

    /// The datastore takes operations; `state` tells what it still has.
    pub fn handle_lane_up(&mut self, now: Now, state: StoreState) {
        self.lane.set_up();
        if state == StoreState::Empty && !self.place.is_alone {
            self.lose_copies(now);
        }
    }

    /// Every copy of this engine is lost until it is rebuilt.
    fn lose_copies(&mut self, now: Now) {
        self.lost.since_ms = now.ms;
        for bucket in self.slice() {
            self.lost.buckets.insert(bucket);
        }
        self.records.lose_all();
        self.rebuild = Rebuild::default();
        self.stats.stores_lost += 1;
    }

    /// The buckets that this engine is responsible for.
    pub(super) fn slice(&self) -> impl Iterator<Item = Bucket> + use<> {
        let (worker, workers) = (self.config.worker, self.config.workers);
        (0..BUCKETS as u16).map(Bucket).filter(move |bucket| bucket.worker(workers) == worker)
    }

    pub(super) fn key_of(&self, copy: RecordId) -> Bytes {
        Bytes::copy_from_slice(self.records.key(copy))
    }
}

//! Removes what this node holds of keys that are other nodes' by now, from its datastore and its records.
//!
//! A range that moves away leaves its copies behind: they answer nothing, and are what is left if those who have the range now
//! should lose it. So they go only when somebody asks for it. First come the keys that have a record, then all keys that the datastore
//! lists: a few at a time, as far as the lane has room. A key's record goes when the datastore has deleted it.

use std::collections::VecDeque;

use bytes::Bytes;
use dynomite_codec::Operation as LaneOperation;

use super::{Engine, Now, Out, Requester, lane::JobKind};
use crate::{Bucket, records::RecordId};

/// Records that are looked at in one go.
const SLICE: usize = 4096;
/// About so many keys of the datastore are looked at in one go.
const PAGE: usize = 300;
/// Keys that are being deleted at the same time.
const AT_ONCE_MAX: usize = 128;
/// A datastore that could not list its keys is asked again after this.
const SCAN_RETRY_MS: u64 = 5000;

/// A cleanup is under way already; nothing was begun. Whose fault: the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cleanup is under way")]
pub struct CleanupBusy;

/// How far a cleanup has come, or how the last one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CleanupStatus {
    /// Whether it is under way.
    pub is_running: bool,
    /// Keys that were deleted from the datastore, if they were there.
    pub keys_deleted: u64,
    /// Records that were dropped.
    pub records_dropped: u64,
}

/// A cleanup, and what came of it.
#[derive(Debug, Default)]
pub(super) struct Cleanup {
    status: CleanupStatus,
    /// The first record that was not looked at.
    upto: usize,
    scan: Scan,
    /// Keys that the datastore has listed and that are to be deleted.
    found: VecDeque<Bytes>,
    deleting: usize,
    paused_until_ms: u64,
    /// Whether ranges moved away since it began.
    begins_again: bool,
}

/// How far the datastore was looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Scan {
    #[default]
    Over,
    At(u64),
    Asked,
}

impl Cleanup {
    /// When it wants to go on, in `Now::ms`; at once when that is past.
    pub(super) fn due_ms(&self) -> Option<u64> {
        self.status.is_running.then_some(self.paused_until_ms)
    }

    fn begin(&mut self) {
        self.upto = 0;
        self.scan = Scan::At(0);
        self.begins_again = false;
    }
}

impl Engine {
    /// Removes in the background what this node holds of keys that are not its own by the present ring. To be called when no node has
    /// lost copies ([`Engine::is_settled_in_ring`]): until then they are worth keeping.
    ///
    /// # Errors
    /// [`CleanupBusy`].
    pub fn start_cleanup(&mut self) -> Result<(), CleanupBusy> {
        if self.cleanup.status.is_running {
            return Err(CleanupBusy);
        }
        self.cleanup.status = CleanupStatus { is_running: !self.place.is_alone, ..CleanupStatus::default() };
        self.cleanup.begin();
        Ok(())
    }

    /// How far the cleanup has come, or how the last one ended.
    pub fn cleanup_status(&self) -> CleanupStatus {
        self.cleanup.status
    }

    /// Another range has moved away: a cleanup that is under way looks at everything once more.
    pub(super) fn clean_again(&mut self) {
        self.cleanup.begins_again = true;
    }

    /// Goes on with the cleanup. Half of the lane's window is left to others.
    pub(super) fn pump_cleanup(&mut self, now: Now, out: &mut Out) {
        let half = self.config.lane_window_max.div_ceil(2);
        if self.cleanup.due_ms().is_none_or(|due_ms| due_ms > now.ms)
            || self.lane_refusal_of(now, half).is_some()
        {
            return;
        }
        self.clean_records(now, out);
        self.clean_found(now, out);
        let Cleanup { scan, found, upto, deleting, .. } = &mut self.cleanup;
        let has_seen_records = *upto >= self.records.slot_count();
        if let Scan::At(cursor) = *scan
            && has_seen_records
            && found.is_empty()
        {
            *scan = Scan::Asked;
            self.lane.push(now, Requester::Nobody, JobKind::ScanToClean);
            out.lane.push(LaneOperation::Scan { cursor, count: PAGE });
        } else if has_seen_records && *scan == Scan::Over && found.is_empty() && *deleting == 0 {
            self.end_cleanup();
        }
    }

    fn end_cleanup(&mut self) {
        if self.cleanup.begins_again {
            return self.cleanup.begin();
        }
        self.cleanup.status.is_running = false;
        self.has_leftovers = false;
        self.note_ring();
    }

    /// Deletes keys that have a record.
    fn clean_records(&mut self, now: Now, out: &mut Out) {
        let upto = self.records.slot_count().min(self.cleanup.upto + SLICE);
        while self.cleanup.upto < upto && self.cleanup.deleting < AT_ONCE_MAX {
            let slot = self.cleanup.upto;
            self.cleanup.upto += 1;
            let Some((copy, key, _)) = self.records.slots(slot..slot + 1).next() else { continue };
            if !self.is_own(key) {
                let key = Bytes::copy_from_slice(key);
                self.delete_foreign(now, key, copy, out);
            }
        }
    }

    /// Deletes keys that the datastore has listed.
    fn clean_found(&mut self, now: Now, out: &mut Out) {
        while self.cleanup.deleting < AT_ONCE_MAX
            && let Some(key) = self.cleanup.found.pop_front()
        {
            if !self.is_own(&key) {
                let copy = self.records.find(&key);
                self.delete_foreign(now, key, copy, out);
            }
        }
    }

    /// Whether a key is this node's to keep: it holds it by the ring, or it is none of this worker's.
    fn is_own(&self, key: &[u8]) -> bool {
        let token = self.ring.token(key);
        let is_reserved = self.config.reserved_prefix.as_ref().is_some_and(|prefix| key.starts_with(prefix));
        self.is_replica(token) || is_reserved || !self.slice_range().contains(&Bucket::of(token).0)
    }

    fn delete_foreign(&mut self, now: Now, key: Bytes, copy: RecordId, out: &mut Out) {
        self.cleanup.deleting += 1;
        self.lane.push(now, Requester::Nobody, JobKind::Clean { copy, key: key.clone() });
        out.lane.push(LaneOperation::Install { key, state: None });
    }

    /// The datastore has deleted a key, or could not.
    pub(super) fn cleaned(&mut self, copy: RecordId, key: &[u8], is_deleted: bool) {
        self.cleanup.deleting = self.cleanup.deleting.saturating_sub(1);
        if !is_deleted {
            self.cleanup.begins_again = true;
            return;
        }
        self.cleanup.status.keys_deleted += 1;
        self.stats.keys_cleaned += 1;
        // It may be this node's again: then the copy is lost, and known to be.
        if copy != RecordId::NONE && !self.is_own(key) {
            self.records.forget(copy);
            self.cleanup.status.records_dropped += 1;
        }
    }

    /// The datastore has listed keys.
    pub(super) fn scanned_to_clean(&mut self, keys: Vec<Bytes>, cursor: u64) {
        self.cleanup.found.extend(keys);
        self.cleanup.scan = if cursor == 0 { Scan::Over } else { Scan::At(cursor) };
    }

    /// The datastore could not list keys, or its lane broke: begins again.
    pub(super) fn scan_to_clean_failed(&mut self, now: Now) {
        self.cleanup.scan = Scan::At(0);
        self.cleanup.paused_until_ms = now.ms + SCAN_RETRY_MS;
    }
}

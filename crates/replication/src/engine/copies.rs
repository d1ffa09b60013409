//! What this node knows of its own copies, and whether they may be trusted: after a restart, and after the datastore was
//! away or lost its data (rules R13 and R14).

use std::collections::VecDeque;

use bytes::Bytes;
use dynomite_codec::{Operation as LaneOperation, ReplyView, Request};
use dynomite_ring::Token;

use super::{Engine, Now, Out, Requester, lane::JobKind, rebuild::Rebuild, replica::error_text};
use crate::{
    BUCKETS, Bucket, BucketSet, LogError, Trust, Version,
    planted::{self, Planted},
    records::{Entry, RecordId, losses::MARKER_NOTE},
};

/// What is known of the past when an engine starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// The record log was read, to its end or to where a crash tore it.
    Log,
    /// There is no record log, or it is damaged: what the datastore holds cannot be trusted, and what was promised is not
    /// known.
    LogLost,
    /// The node has never been in the cluster: it has acknowledged and promised nothing. What the ring gives to it is gained
    /// (rule R23). Its datastore must be empty.
    Joins,
}

/// What a datastore that takes operations says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreSeen<'a> {
    /// Names its process: another one may have lost data.
    pub run_id: &'a str,
    /// The number that this engine's marker has there, if it is there.
    pub marker: Option<u64>,
}

/// How often the marker is written while there are writes, in milliseconds.
const MARKER_MS: u64 = 1000;
/// Markers that are remembered; the datastore may have lost what came after any of them.
const MARKERS_MAX: usize = 64;
/// The note that keeps the datastore's `run_id`.
const RUN_ID_NOTE: u32 = 0x4000_0002;
/// The note that keeps the number of the last marker that the datastore has acknowledged.
const MARKED_NOTE: u32 = 0x4000_0007;
/// The note that keeps which buckets are lost.
const LOST_NOTE: u32 = 0x4000_0004;

/// Marks in the datastore how far it has come, so that it is seen when it has lost something.
///
/// The marker is a key that is written like any other, in the order of the lane. Its value is the number of a frame of the
/// record log: a datastore that holds it has executed all that is in earlier frames.
#[derive(Debug, Default)]
pub(super) struct Marker {
    written_at_ms: u64,
    /// The last lane operation that was a marker, or is covered by one.
    covered: u64,
    /// Markers that were executed or may have been, with the numbers of their operations.
    recent: VecDeque<(u64, u64)>,
    /// Whether one was executed by the datastore's present process, so that it must be there from now on.
    is_expected: bool,
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
        entry.promised = entry.promised.max(self.gained.promised(token));
        if !self.marks.is_empty()
            && (id == RecordId::NONE || entry.absent_from.is_some() || entry.record.is_blank())
        {
            entry = self.without_forgotten(id, key, token, entry);
        }
        if id == RecordId::NONE && self.has_lost_copies() && self.is_place_lost(token) {
            entry.trust = Trust::Lost;
        }
        if entry.trust == Trust::Lost && planted::has(Planted::LostVotes) {
            entry.trust = Trust::Trusted;
        }
        (id, entry)
    }

    /// Whether a copy takes nothing but a rebuilt state: without its record, what is old and what is new cannot be told.
    pub(super) fn takes_no_writes(&self, entry: &Entry, token: Token) -> bool {
        entry.trust == Trust::Lost && (self.lost.log_too || self.gained.covers(token))
    }

    /// Takes over the next frame of the record log of an earlier process, as far as it is about keys that `keep` wants. To
    /// be called with every frame in order, before anything else.
    ///
    /// # Errors
    /// Any [`LogError`]: the log is damaged, and counts as lost.
    pub fn recover_frame(&mut self, payload: &[u8], keep: impl Fn(&[u8]) -> bool) -> Result<(), LogError> {
        self.records.recover_frame(payload, keep)
    }

    /// The frames that follow are those of another log: another worker's, when there were more or fewer of them.
    pub fn recover_next_log(&mut self) {
        self.records.recover_next_log();
    }

    /// All was read that is known of the past. Call it before anything happens; it tells how many copies are in doubt.
    pub fn finish_recovery(&mut self, now: Now, recovery: Recovery) -> usize {
        if self.place.is_alone {
            return 0;
        }
        if self.config.keeps_log {
            self.records.set_without_log(false);
        }
        if recovery == Recovery::Joins {
            self.gain(now, self.own_ranges());
            self.note_ring();
            return 0;
        }
        if recovery == Recovery::LogLost {
            self.records.lose_everything();
            self.lose_copies(now);
            self.lost.log_too = true;
            self.note_lost();
            self.note_ring();
            // Above whatever this node may have promised before (rule R14).
            let clock = (now.wall_ms() + self.config.clock_ahead_max_ms) << 16;
            self.records.promise_all(Version { clock, node: self.config.node });
            return 0;
        }
        let recovered = self.records.finish_recovery();
        self.recover_marks();
        self.recover_lost(now);
        self.recover_ring(now);
        self.recover_strays();
        self.clock.start_above(recovered.greatest_clock);
        if recovered.greatest_frame > self.lane.submitted() {
            self.lane.start_after(recovered.greatest_frame);
        }
        self.marker.covered = self.lane.submitted();
        let doubtful: Vec<RecordId> = match recovered.in_doubt {
            0 => Vec::new(),
            _ => self.records.untrusted(),
        };
        for copy in doubtful {
            let key = self.key_of(copy);
            if self.is_replica(self.ring.token(&key)) {
                self.heal_soon(key);
            }
        }
        recovered.in_doubt
    }

    /// Appends a frame of the record log to `into`, if there is anything to say; its number. The frame must be in the file
    /// before anything is carried out that came out of the engine since the last one.
    pub fn seal_log(&mut self, into: &mut Vec<u8>) -> Option<u64> {
        self.records.seal(self.lane.submitted(), self.lane.executed(), false, into)
    }

    /// As [`Engine::seal_log`], for the last frame of an orderly stop: it says that nothing is in flight, if so it is.
    pub fn seal_clean(&mut self, into: &mut Vec<u8>) -> Option<u64> {
        self.records.seal(self.lane.submitted(), self.lane.executed(), true, into)
    }

    /// The record log cannot be written, or can be again. Until it can, nothing new is taken from anybody; what came out of
    /// the engine and is not in the log must wait.
    pub fn handle_log_failing(&mut self, is_failing: bool) {
        self.is_log_failing = is_failing;
    }

    /// Frames of the record log with lower numbers are not needed any more.
    pub fn log_floor(&self) -> u64 {
        self.records.log_floor()
    }

    /// The datastore takes operations. From what it says follows what it still has of what was written to it.
    pub fn handle_lane_up(&mut self, now: Now, seen: StoreSeen<'_>, out: &mut Out) {
        self.lane.set_up();
        if self.place.is_alone {
            return;
        }
        let is_known =
            self.records.note_value(RUN_ID_NOTE).is_some_and(|known| *known == *seen.run_id.as_bytes());
        if !is_known {
            self.records.note(RUN_ID_NOTE, seen.run_id.as_bytes());
            self.marker.is_expected = false;
            match seen.marker {
                Some(marker) => self.doubt_after(now, marker),
                None if self.records.len() > 0 => self.lose_copies(now),
                None => {}
            }
        }
        self.write_marker(now, out);
        self.take_own_answers(now, out);
    }

    /// The datastore may have lost what was executed after `marker`. It has, if it had acknowledged a later marker: then the copies
    /// of what was written since are lost, and no choice where another datastore was only started anew (rule R13).
    fn doubt_after(&mut self, now: Now, marker: u64) {
        let is_set_back = self.acknowledged_marker().is_some_and(|acknowledged| acknowledged > marker)
            && !planted::has(Planted::SetBackIsDoubt);
        let trust = if is_set_back { Trust::Lost } else { Trust::Restarted };
        let concerned = match self.marker.recent.iter().find(|(number, _)| *number == marker) {
            Some((_, operation)) => self.records.doubt_after(*operation, trust),
            None => self.records.doubt_since_frame(marker, trust),
        };
        if is_set_back {
            let buckets: Vec<Bucket> =
                concerned.iter().map(|copy| Bucket::of(self.ring.token(self.records.key(*copy)))).collect();
            return self.lose(now, buckets.into_iter());
        }
        for copy in concerned {
            self.stats.copies_doubted += 1;
            self.heal_soon(self.key_of(copy));
        }
    }

    /// Whether there are writes that no marker covers yet, and when one is due.
    pub(super) fn marker_due_ms(&self) -> Option<u64> {
        let is_wanted = self.config.marker_key.is_some() && self.lane.is_up() && !self.place.is_alone;
        let is_behind = self.lane.submitted() > self.marker.covered;
        (is_wanted && is_behind).then_some(self.marker.written_at_ms + MARKER_MS)
    }

    /// When time is to be told because of that. A marker that is due and has to wait, since the lane takes nothing, is looked at
    /// with everything else.
    pub(super) fn marker_wake_ms(&self) -> Option<u64> {
        let due_ms = self.marker_due_ms()?;
        let sweep_at_ms = self.swept_at_ms + super::SWEEP_MS;
        Some(if planted::has(Planted::NeverSleeps) { due_ms } else { due_ms.max(sweep_at_ms) })
    }

    pub(super) fn write_marker(&mut self, now: Now, out: &mut Out) {
        let Some(key) = self.config.marker_key.clone().filter(|_| self.lane_refusal(now).is_none()) else {
            return;
        };
        let number = self.records.next_frame().unwrap_or(self.lane.next_number());
        self.records.note(MARKER_NOTE, &number.to_le_bytes());
        self.marker.written_at_ms = now.ms;
        self.marker.recent.push_back((number, self.lane.next_number()));
        if self.marker.recent.len() > MARKERS_MAX {
            self.marker.recent.pop_front();
            self.records.forget_earlier_changes();
        }
        self.lane.push(now, Requester::Nobody, JobKind::Marker(number));
        self.marker.covered = self.lane.submitted();
        let digits = itoa::Buffer::new().format(number).to_owned();
        let request = Request::from_args([&b"SET"[..], &key, digits.as_bytes(), b"GET"]);
        out.lane.push(LaneOperation::Command(request));
    }

    /// The number of the last marker that the datastore has acknowledged to this process, or to an earlier one whose log is here.
    pub fn acknowledged_marker(&self) -> Option<u64> {
        let note = self.records.note_value(MARKED_NOTE)?;
        Some(u64::from_le_bytes(note.try_into().ok()?))
    }

    /// Whether the datastore has acknowledged a marker behind everything that it was given.
    pub fn is_all_marked(&self) -> bool {
        self.marker.covered == self.lane.submitted() && self.lane.executed() == self.lane.submitted()
    }

    /// Marker `number` was written; `reply` has the one before it.
    pub(super) fn marker_written(&mut self, now: Now, number: u64, reply: &Bytes) {
        let was_there = matches!(ReplyView::parse(reply), Some(ReplyView::Bulk(_)));
        if self.marker.is_expected && !was_there {
            // Somebody has emptied the datastore under way.
            self.lose_copies(now);
        }
        self.marker.is_expected = error_text(reply).is_none();
        if self.marker.is_expected {
            self.records.note(MARKED_NOTE, &number.to_le_bytes());
        }
    }

    /// Every copy of this engine is lost until it is rebuilt.
    fn lose_copies(&mut self, now: Now) {
        self.records.lose_all();
        self.lose(now, self.slice());
    }

    /// Has these buckets rebuilt: copies of theirs are lost.
    fn lose(&mut self, now: Now, buckets: impl Iterator<Item = Bucket>) {
        self.lost.since_ms = now.ms;
        for bucket in buckets {
            self.lost.buckets.insert(bucket);
        }
        self.rebuild = Rebuild::default();
        self.note_lost();
        self.stats.stores_lost += 1;
    }

    /// Keeps which copies are lost, for the next process.
    pub(super) fn note_lost(&mut self) {
        let mut value = Vec::new();
        if !self.lost.buckets.is_empty() {
            value.push(u8::from(self.lost.log_too));
            value.extend(self.lost.buckets.words().iter().flat_map(|word| word.to_le_bytes()));
        }
        self.records.note(LOST_NOTE, &value);
    }

    /// Takes over what an earlier process noted as lost.
    fn recover_lost(&mut self, now: Now) {
        let Some((log_too, words)) = self.records.note_value(LOST_NOTE).and_then(<[u8]>::split_first) else {
            return;
        };
        let log_too = *log_too != 0;
        let words = words.chunks_exact(size_of::<u64>());
        let words: Vec<u64> =
            words.map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default())).collect();
        let mut buckets = BucketSet::default();
        buckets.set_words(&words);
        let all: Vec<Bucket> = self.slice().collect();
        for bucket in all.into_iter().filter(|bucket| buckets.contains(*bucket)) {
            self.lost.buckets.insert(bucket);
        }
        self.lost.log_too = log_too;
        self.lost.since_ms = now.ms;
    }

    /// The buckets that this engine is responsible for.
    pub(super) fn slice(&self) -> impl Iterator<Item = Bucket> + use<> {
        let (worker, workers) = (self.config.worker, self.config.workers);
        (0..BUCKETS as u16).map(Bucket).filter(move |bucket| bucket.worker(workers) == worker)
    }

    /// Whether this node holds a copy of the keys with `token`.
    pub(super) fn is_replica(&self, token: Token) -> bool {
        self.ring.replicas(token).in_rack(self.place.rack) == self.place.index
    }

    pub(super) fn key_of(&self, copy: RecordId) -> Bytes {
        Bytes::copy_from_slice(self.records.key(copy))
    }
}

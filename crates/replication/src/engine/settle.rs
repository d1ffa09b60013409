//! Forgetting the records of keys that are absent (rule R22).
//!
//! A node that found all copies of a bucket's keys equal up to a mark tells so to every node that shares keys of the bucket
//! with it. A node that was told needs no record of a key whose replica the teller is, that was absent at the mark, and was
//! not written since: [`Mark::record`] stands for it, as it does for a key that never was. When all have confirmed, the
//! teller forgets too.
//!
//! # Why that is right
//!
//! Let E be the mark, r the record of an absent key K at the teller, r.last <= E.
//!
//! *Every copy is r, or was written since E.* The digests compare the whole records of absent keys too, and a bucket whose digests
//! differ is told of only if keys that may be forgotten anyway explain all of the difference; so at its census each
//! replica of the datacenter had r (those of other datacenters one with the same `last`, which is the same write). From its
//! census on a replica refuses overwrites up to E, with a floor that outlives a restart, and stamps above E. A copy's record
//! only grows; so anything that arrives late with a `last` up to E, be it a push, a forward or an import, comes from a copy
//! that had it before its own census, is not above r, and is not taken. Afterwards it is not taken either, since the mark's
//! record is above all that E covers. So neither a late write nor the heal of an old state brings K back. A replica that lost its copy or
//! its log has no part in this until it is rebuilt: it confirms nothing, and claims before it sequences.
//!
//! *Forgetting need not happen everywhere at once.* One replica may have r, another the mark's record, a third that of another
//! mark. All of them say that K is absent, and no write that is acknowledged from then on is hidden by any of them:
//! * an overwrite is above E, and wins over all;
//! * what is sequenced from the mark's record has the mark as its base, which is above everything that E covers: r, wherever it
//!   is left, cannot win over it;
//! * what is sequenced from r, by a replica that was not told yet, keeps r's base, and so would lose against what is sequenced
//!   from the mark. That is why a mark is not compared with what was written since as other bases are: claim, count and
//!   version decide, as they would if both had begun from r ([`crate::Record`]). The mark alone, with nothing written
//!   since, loses against everything that was.
//!
//! *Who may sequence.* A primary without a record runs under the claim that it has from birth, as on a new key. It may, unless
//! another replica still runs under a claim of its own. What was promised is therefore forgotten one mark later than the record: a replica
//! that was told of E has no claim up to E on a key that was absent then and not written since, and a promise up to E goes
//! with a later mark E', if the key was not written between. When that is told, every replica had been told of E
//! before E' (the teller sends E along), and nobody can have run K under such a claim since: what it ran before would have
//! been found at E'.
//!
//! *Two datacenters.* A mark counts where a replica of the same datacenter has told it, since only there whole records were
//! compared. What a replica of another datacenter tells only says that this one may have forgotten K: then it is not missed.

use bytes::Bytes;
use dynomite_ring::{NodeId, NodeIdx, Ring, Token};

use super::{
    Engine, Now, Out, Requester,
    gained::{RANGE_BYTES, put_ranges, read_ranges},
};
use crate::{
    Bucket, Failure, Mark, ResponseBody, Version,
    marks::{Earlier, Move, RUN_BYTES, Run, Settled, decode_teller},
    planted::{self, Planted},
    records::{Claim, Entry, RecordId},
};

/// Number of the note that keeps the floor.
const FLOOR_NOTE: u32 = 0x5e77_0000;
/// Numbers of the notes that keep what each node has told, from here on.
const MARK_NOTES: u32 = FLOOR_NOTE + 1;
const MARK_NOTES_MAX: u32 = u16::MAX as u32;
/// Number of the note that keeps what was told of keys that had other holders then.
const EARLIER_NOTE: u32 = 0x4000_000b;

/// Reads one entry of what the note of earlier marks keeps; what follows it.
fn read_earlier(bytes: &[u8]) -> Option<(Earlier, &[u8])> {
    let (is_local, rest) = bytes.split_first()?;
    let (ranges, rest) = rest.split_first_chunk()?;
    let (runs, rest) = rest.split_first_chunk()?;
    let (ranges, rest) = rest.split_at_checked(u32::from_le_bytes(*ranges) as usize * RANGE_BYTES)?;
    let (runs, rest) = rest.split_at_checked(u32::from_le_bytes(*runs) as usize * RUN_BYTES)?;
    let (ranges, is_local) = (read_ranges(ranges), *is_local != 0);
    Some((Earlier { ranges, runs: Run::decode(runs)?, is_local }, rest))
}

/// Whether the entry of a key is not needed any more, given what was told of its bucket.
pub(super) fn is_settled(entry: &Entry, settled: Settled) -> bool {
    let was_absent = |mark: Mark| mark.covers(entry.record.last) && entry.is_absent_at(mark);
    let is_promise_over = settled.before.covers(entry.promised) && was_absent(settled.before);
    settled.mark != Mark::NEVER
        && entry.trust.is_trusted()
        && was_absent(settled.mark)
        && (entry.promised.is_zero() || is_promise_over)
}

impl Engine {
    /// What `entry`, found at `id`, amounts to when the key may be one whose record can be forgotten. The one place
    /// where a forgotten record, one that may be forgotten, and none are made the same.
    pub(super) fn without_forgotten(
        &mut self,
        id: RecordId,
        key: &[u8],
        token: Token,
        entry: Entry,
    ) -> Entry {
        let holders = self.holders(token);
        let settled = self.settled(&holders);
        if settled.mark == Mark::NEVER {
            return entry;
        }
        let mut entry = entry;
        if id == RecordId::NONE {
            let mark = if planted::has(Planted::LocalFloorIsBase) { self.floor } else { settled.mark };
            entry.record = mark.record();
            if settled.before.covers(entry.promised) {
                entry.promised = Version::ZERO;
            }
        } else if self.is_forgettable(&entry, &holders) {
            let Entry { written_at, absent_from, .. } = entry;
            entry = Entry { written_at, absent_from, ..Entry::default() };
            self.records.put(id, key, entry);
            entry.record = settled.mark.record();
        } else if settled.mark.covers(entry.record.last) && entry.is_absent_at(settled.mark) {
            // It is kept for what was promised.
            if let Claim::Term(term) = entry.claim
                && settled.mark.covers(term)
            {
                entry.claim = Claim::Void;
            }
            if entry.record.is_blank() {
                entry.record = settled.mark.record().max(entry.record);
            }
        }
        entry
    }

    /// The mark up to which overwrites are refused, if this is one that must be.
    pub(super) fn too_late(&self, version: Version) -> Option<Mark> {
        self.floor.covers(version).then_some(self.floor)
    }

    /// Refuses overwrites up to `mark` from now on.
    pub(super) fn raise_floor(&mut self, mark: Mark) {
        if mark > self.floor {
            self.floor = mark;
            self.records.note(FLOOR_NOTE, &mark.0.to_le_bytes());
        }
    }

    /// Takes over what an earlier process had noted.
    pub(super) fn recover_marks(&mut self) {
        let slice = self.slice_range();
        let mut foreign = Vec::new();
        let mut told = Vec::new();
        for (number, value) in self.records.notes() {
            if number == FLOOR_NOTE {
                let floor = value.first_chunk().map_or(Mark::NEVER, |bytes| Mark(u32::from_le_bytes(*bytes)));
                self.floor = self.floor.max(floor);
            } else if (MARK_NOTES..=MARK_NOTES + MARK_NOTES_MAX).contains(&number) {
                let node = decode_teller(value).and_then(|(id, runs)| Some((self.ring.index_of(id)?, runs)));
                match node {
                    Some((node, runs)) => told.push((node, number, runs)),
                    None => foreign.push(number),
                }
            }
        }
        for (node, number, runs) in told {
            self.marks.tell(&self.ring, node, slice.clone(), runs);
            self.mark_notes.insert(node, number);
        }
        self.recover_earlier_marks();
        for number in foreign {
            self.records.note(number, &[]);
        }
    }

    /// Takes note of what `node` tells.
    pub(super) fn take_marks(&mut self, node: NodeIdx, runs: Vec<Run>) {
        self.marks.tell(&self.ring, node, self.slice_range(), runs);
        let free = || (MARK_NOTES..).find(|number| !self.mark_notes.values().any(|taken| taken == number));
        let number = self.mark_notes.get(&node).copied().or_else(free).unwrap_or(MARK_NOTES);
        self.mark_notes.insert(node, number);
        self.records.note(number, &self.marks.encode(node));
        if !self.marks.earlier().is_empty() && self.marks.drop_superseded(&self.ring, self.place.dc) {
            self.note_earlier_marks();
        }
        if node == self.place.index {
            self.forget_gained_promises();
        }
    }

    /// Notes anew all that was told.
    pub(super) fn note_marks(&mut self) {
        for (node, number) in &self.mark_notes {
            self.records.note(*number, &self.marks.encode(*node));
        }
        self.note_earlier_marks();
    }

    /// The ring has changed: what was told before concerns the keys that its teller held then.
    pub(super) fn change_marks(&mut self, old: &Ring, moved: Option<Move>) {
        let notes = std::mem::take(&mut self.mark_notes);
        self.marks.change(old, &self.ring, moved);
        for (node, number) in notes {
            match self.ring.index_of(old.node(node).id) {
                Some(node) => {
                    self.mark_notes.insert(node, number);
                }
                None => self.records.note(number, &[]),
            }
        }
        self.note_marks();
    }

    /// Each entry: whether its teller is of this datacenter, how many ranges and runs, the ranges, the runs.
    fn note_earlier_marks(&mut self) {
        let mut value = Vec::new();
        for Earlier { ranges, runs, is_local } in self.marks.earlier() {
            value.push(u8::from(*is_local));
            value.extend_from_slice(&(ranges.len() as u32).to_le_bytes());
            value.extend_from_slice(&(runs.len() as u32).to_le_bytes());
            put_ranges(&mut value, ranges);
            Run::encode(runs, &mut value);
        }
        self.records.note(EARLIER_NOTE, &value);
    }

    fn recover_earlier_marks(&mut self) {
        let mut rest = self.records.note_value(EARLIER_NOTE).unwrap_or_default();
        let mut all = Vec::new();
        while let Some((earlier, after)) = read_earlier(rest) {
            all.push(earlier);
            rest = after;
        }
        self.marks.set_earlier(all);
    }

    /// Another node has found all copies of some buckets equal.
    pub(super) fn serve_settle(
        &mut self,
        from: Requester,
        node: NodeId,
        first: Bucket,
        runs: &Bytes,
        out: &mut Out,
    ) {
        let slice = self.slice_range();
        let Some(index) = self.ring.index_of(node).filter(|index| self.partners.number(*index).is_some())
        else {
            return self.answer(from, ResponseBody::Failed(Failure::NotOwner), out);
        };
        let Some(mut runs) = Run::decode(runs).filter(|_| slice.contains(&first.0)) else {
            return self.answer(from, ResponseBody::Failed(Failure::NotOwner), out);
        };
        for run in &mut runs {
            let end = run.first.saturating_add(run.count).min(slice.end);
            run.count = end.saturating_sub(run.first);
        }
        runs.retain(|run| run.count > 0);
        // What was lost since is not equal any more; and what this node has not compared itself it must not confirm.
        let is_lost =
            |run: &Run| (run.first..run.first + run.count).any(|bucket| self.is_bucket_lost(Bucket(bucket)));
        if runs.iter().any(|run| run.settled.mark > self.floor || is_lost(run)) {
            return self.answer(from, ResponseBody::NotReady { mark: self.census_mark() }, out);
        }
        self.take_marks(index, runs);
        self.answer(from, ResponseBody::Noted { upto: slice.end }, out);
    }

    /// What this node can tell of buckets that it found equal at `mark`.
    pub(super) fn settled_at(&self, mark: Mark, buckets: impl Iterator<Item = Bucket>) -> Vec<Run> {
        Run::join(buckets.map(|bucket| {
            let told = self.marks.of(self.place.index, bucket);
            // All had confirmed the earlier mark before this one, unless that was only just.
            let before = if self.settled_on < mark { told.mark } else { told.before };
            (bucket.0, Settled { mark, before })
        }))
    }

    /// Every node has confirmed what this one told.
    pub(super) fn conclude_settling(&mut self, now: Now, runs: Vec<Run>) {
        if self.has_left() {
            return;
        }
        // Whatever their clocks show: a census at a later mark begins after they were told.
        self.settled_on = Mark::at(now.wall_ms() + self.config.clock_ahead_max_ms);
        self.take_marks(self.place.index, runs);
    }
}

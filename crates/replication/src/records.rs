//! The records of the keys that this worker holds a replica of.
//!
//! Keys are looked up once; what follows goes by the number that the look-up gave. Short keys lie beside their record, so
//! that a key that is not in the processor's cache costs few misses.
//!
//! A table of millions is far from the processor, so keys of a batch are fetched together before they are used one by one:
//! then the processor waits for all of them at once.
//!
//! Invariant: an entry's record is that of the last write *submitted* to the lane; `written_at` tells whether it was executed.

mod index;

use std::{
    collections::BTreeMap,
    hash::BuildHasher,
    hint::black_box,
    ops::Range,
};

use hashbrown::DefaultHashBuilder;
use smallvec::SmallVec;

use crate::{Record, Version};
use index::Index;

/// Keys up to this length, in bytes, need no memory of their own.
const SHORT_KEY_MAX: usize = 24;

/// What a replica knows of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Entry {
    pub(crate) record: Record,
    /// The greatest claim that was promised (rule R7).
    pub(crate) promised: Version,
    pub(crate) claim: Claim,
    pub(crate) trust: Trust,
    /// Number of the lane operation that brought the record's state.
    pub(crate) written_at: u64,
    /// Seconds since the Unix epoch from which the key is known or expected to be absent.
    pub(crate) absent_from: Option<u32>,
}

/// The right to sequence a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Claim {
    /// Nothing was claimed here: on the key's fixed owner that is as good as the least claim (rule R5).
    #[default]
    Birth,
    /// The copy was in doubt or lost: it must be claimed anew (rule R13).
    Void,
    /// Claimed with a majority's promise.
    Term(Version),
}

/// Whether a copy may vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trust {
    /// The datastore holds the state that the record describes.
    #[default]
    Trusted,
    /// A sequenced write was in flight when the lane broke, or failed: the datastore's state is in doubt.
    Dirty,
    /// As `Dirty`, with an overwrite or a whole state in flight.
    DirtyOverwrite,
    /// The datastore lost the copy.
    Lost,
}

impl Trust {
    /// Whether the copy may vote.
    pub fn is_trusted(self) -> bool {
        self == Self::Trusted
    }

    /// Whether a write was in flight when the copy was last seen.
    pub fn is_dirty(self) -> bool {
        matches!(self, Self::Dirty | Self::DirtyOverwrite)
    }
}

/// What kind of write may not have been executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// One that builds on the state before it.
    Step,
    /// One that brings a whole state: what is there instead may belong to another `base`.
    Whole,
}

/// Where a key's entry is. Stays right for as long as the records live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordId(u32);

impl RecordId {
    /// Of a key that was never written. It has the default entry, and what is said of it waits for nothing.
    pub(crate) const NONE: Self = Self(u32::MAX);
}

/// The records of a worker's keys. A key that was never written has the default entry.
#[derive(Debug, Default)]
pub(crate) struct Records {
    hasher: DefaultHashBuilder,
    index: Index,
    slots: Vec<Slot>,
    /// The slots that are being fetched.
    fetched: Vec<u32>,
    /// What was promised for every key that has no entry.
    promised: Version,
    /// Slots of keys that were forgotten.
    free_count: usize,
    /// What the engine keeps beside the records.
    notes: BTreeMap<u32, Box<[u8]>>,
}

/// Takes two lines of the processor's cache, and not three.
#[derive(Debug)]
#[repr(align(64))]
struct Slot {
    key: SmallVec<[u8; SHORT_KEY_MAX]>,
    entry: Entry,
    /// The key was forgotten.
    is_free: bool,
}

impl Records {
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free_count
    }

    /// Where the entry of `key` is; [`RecordId::NONE`] when it was never written.
    pub(crate) fn find(&self, key: &[u8]) -> RecordId {
        let is_it = |number: u32| self.slots[number as usize].key[..] == *key;
        self.index.find(self.hash(key), is_it).map_or(RecordId::NONE, RecordId)
    }

    /// Brings the entries of `keys`, if there are any, near the processor. Changes nothing.
    pub(crate) fn fetch<'a>(&mut self, keys: impl Iterator<Item = &'a [u8]>) {
        let Self { hasher, index, slots, fetched, .. } = self;
        // No read waits for another one of the same pass.
        fetched.extend(keys.filter_map(|key| index.home(hasher.hash_one(key) as u32)));
        for number in fetched.drain(..) {
            if let Some(Slot { key, entry, .. }) = slots.get(number as usize) {
                black_box((key.len(), entry.record.base.clock, entry.written_at));
            }
        }
    }

    fn hash(&self, key: &[u8]) -> u32 {
        self.hasher.hash_one(key) as u32
    }

    pub(crate) fn get(&self, id: RecordId) -> Entry {
        let unknown = || Entry { promised: self.promised, ..Entry::default() };
        self.slots.get(id.0 as usize).filter(|slot| !slot.is_free).map_or_else(unknown, |slot| slot.entry)
    }

    pub(crate) fn of(&self, key: &[u8]) -> Entry {
        self.get(self.find(key))
    }

    /// Notes that the operation `written_at` on the lane brings the state of `record` to `key`, which [`Records::find`]
    /// found at `id`. The copy is trusted from then on.
    pub(crate) fn write(&mut self, id: RecordId, key: &[u8], record: Record, written_at: u64) -> RecordId {
        let entry = self.get(id);
        self.put(id, key, Entry { record, trust: Trust::Trusted, written_at, ..entry })
    }

    /// As [`Records::write`], without trusting the copy anew: a sequenced write builds on the state that is there.
    pub(crate) fn advance(&mut self, id: RecordId, key: &[u8], record: Record, written_at: u64) -> RecordId {
        let entry = self.get(id);
        self.put(id, key, Entry { record, written_at, ..entry })
    }

    /// Notes everything at once.
    pub(crate) fn put(&mut self, id: RecordId, key: &[u8], entry: Entry) -> RecordId {
        match self.slots.get_mut(id.0 as usize) {
            Some(slot) if !slot.is_free => {
                slot.entry = entry;
                id
            }
            _ => match self.find(key) {
                RecordId::NONE => self.insert(key, entry),
                id => self.put(id, key, entry),
            },
        }
    }

    /// Notes the promise to follow no claim below `term`.
    pub(crate) fn promise(&mut self, id: RecordId, key: &[u8], term: Version) -> RecordId {
        let entry = self.get(id);
        self.put(id, key, Entry { promised: term, ..entry })
    }

    /// Notes the right to sequence the key.
    pub(crate) fn claim(&mut self, id: RecordId, key: &[u8], claim: Claim) -> RecordId {
        let entry = self.get(id);
        self.put(id, key, Entry { claim, ..entry })
    }

    /// Notes from when the key is absent.
    pub(crate) fn set_absent_from(&mut self, id: RecordId, absent_from: Option<u32>) {
        if let Some(slot) = self.slots.get_mut(id.0 as usize) {
            slot.entry.absent_from = absent_from;
        }
    }

    /// Drops the entry: the key has the default one from then on, also under this `id`.
    pub(crate) fn forget(&mut self, id: RecordId) {
        let Some(slot) = self.slots.get_mut(id.0 as usize).filter(|slot| !slot.is_free) else { return };
        slot.is_free = true;
        slot.entry = Entry::default();
        let hash = self.hasher.hash_one(&slot.key[..]) as u32;
        slot.key = SmallVec::new();
        self.index.remove(hash, id.0);
        self.free_count += 1;
    }

    /// The slots up to which [`Records::slots`] can be asked; those of forgotten keys count.
    pub(crate) fn slot_count(&self) -> usize {
        self.slots.len()
    }

    /// The keys in some of the slots. A key stays in its slot until it is forgotten, so a scan in slices meets every key
    /// that is there all the time, once.
    pub(crate) fn slots(&self, range: Range<usize>) -> impl Iterator<Item = (RecordId, &[u8], Entry)> {
        let range = range.start..range.end.min(self.slots.len());
        let slots = self.slots.get(range.clone()).unwrap_or_default().iter().zip(range);
        slots
            .filter(|(slot, _)| !slot.is_free)
            .map(|(slot, number)| (RecordId(number as u32), &slot.key[..], slot.entry))
    }

    /// Keeps `value` under `number`; an empty value takes the note away. For few and small things.
    pub(crate) fn note(&mut self, number: u32, value: &[u8]) {
        if value.is_empty() {
            self.notes.remove(&number);
        } else {
            self.notes.insert(number, value.into());
        }
    }

    /// The notes in ascending order of their numbers.
    pub(crate) fn notes(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.notes.iter().map(|(number, value)| (*number, &**value))
    }

    /// Notes that all copies are lost.
    pub(crate) fn lose_all(&mut self) {
        for slot in &mut self.slots {
            slot.entry.trust = Trust::Lost;
            slot.entry.claim = Claim::Void;
        }
    }

    /// Notes the promise to follow no claim below `term`, for all keys that have no entry. Zero takes it back.
    pub(crate) fn promise_all(&mut self, term: Version) {
        self.promised = term;
    }

    /// The key of an entry; empty for [`RecordId::NONE`].
    pub(crate) fn key(&self, id: RecordId) -> &[u8] {
        self.slots.get(id.0 as usize).map(|slot| &slot.key[..]).unwrap_or_default()
    }

    /// Marks the copy as in doubt because the write that left `record` may not have been executed, unless a later
    /// overwrite makes that write irrelevant. Its claim is void then. Returns whether it did.
    pub(crate) fn doubt(&mut self, id: RecordId, record: &Record, doubt: Doubt) -> bool {
        match self.slots.get_mut(id.0 as usize) {
            Some(Slot { entry, is_free: false, .. }) if entry.record.base == record.base => {
                let is_whole = doubt == Doubt::Whole || entry.trust == Trust::DirtyOverwrite;
                entry.trust = match entry.trust {
                    Trust::Lost => Trust::Lost,
                    _ if is_whole => Trust::DirtyOverwrite,
                    _ => Trust::Dirty,
                };
                entry.claim = Claim::Void;
                true
            }
            _ => false,
        }
    }

    fn insert(&mut self, key: &[u8], entry: Entry) -> RecordId {
        let number = self.slots.len() as u32;
        debug_assert!(number < u32::MAX, "a node runs out of memory first");
        self.slots.push(Slot { key: SmallVec::from_slice(key), entry, is_free: false });
        self.index.insert(self.hash(key), number);
        RecordId(number)
    }
}

#[cfg(test)]
mod tests {
    use dynomite_ring::NodeId;

    use super::*;
    use crate::Version;

    fn record(clock: u64) -> Record {
        Record::overwritten(Version { clock, node: NodeId(1) })
    }

    #[test]
    fn numbers_stay_right_while_others_are_written() {
        let mut records = Records::default();
        let long = vec![b'k'; SHORT_KEY_MAX + 1];
        let keys: Vec<Vec<u8>> = (0..1000).map(|n| format!("key:{n}").into_bytes()).chain([long]).collect();
        let ids: Vec<RecordId> = keys
            .iter()
            .enumerate()
            .map(|(n, key)| {
                assert_eq!(records.find(key), RecordId::NONE);
                records.write(RecordId::NONE, key, record(n as u64), n as u64)
            })
            .collect();
        for (n, (key, id)) in keys.iter().zip(&ids).enumerate() {
            assert_eq!((records.find(key), records.of(key).record), (*id, record(n as u64)));
        }
        assert_eq!(records.write(ids[3], &keys[3], record(5000), 7), ids[3]);
        assert_eq!((records.of(&keys[3]).record, records.len()), (record(5000), 1001));
    }

    #[test]
    fn a_forgotten_key_has_no_entry_and_is_met_no_more() {
        let mut records = Records::default();
        let ids = [b"a", b"b", b"c"].map(|key| records.write(RecordId::NONE, key, record(1), 1));
        records.forget(ids[1]);
        assert_eq!((records.find(b"b"), records.get(ids[1]), records.len()), (RecordId::NONE, Entry::default(), 2));
        let met = |records: &Records| records.slots(0..9).map(|(_, key, _)| key.to_vec()).collect::<Vec<_>>();
        assert_eq!(met(&records), [b"a", b"c"]);
        let again = records.write(ids[1], b"b", record(2), 2);
        assert_eq!((records.find(b"b"), records.of(b"b").record, records.len()), (again, record(2), 3));
        assert_eq!((met(&records).len(), records.find(b"c")), (3, ids[2]));
    }

    #[test]
    fn doubt_is_about_the_overwrite_that_a_write_built_on() {
        let mut records = Records::default();
        let id = records.write(RecordId::NONE, b"k", record(1), 1);
        assert!(!records.doubt(id, &record(9), Doubt::Step));
        assert!(!records.doubt(RecordId::NONE, &record(1), Doubt::Step));
        assert!(records.doubt(id, &record(1), Doubt::Step));
        records.advance(id, b"k", record(1), 2);
        assert_eq!(records.get(id).trust, Trust::Dirty, "a sequenced write builds on the doubtful state");
        records.write(id, b"k", record(2), 3);
        assert_eq!(records.get(id).trust, Trust::Trusted, "an overwrite does not");
    }
}

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

use std::hash::BuildHasher;
use std::hint::black_box;

use hashbrown::DefaultHashBuilder;
use smallvec::SmallVec;

use crate::Record;
use index::Index;

/// Keys up to this length, in bytes, need no memory of their own.
const SHORT_KEY_MAX: usize = 24;

/// What a replica knows of one key.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Entry {
    pub(crate) record: Record,
    pub(crate) trust: Trust,
    /// Number of the lane operation that brought the record's state.
    pub(crate) written_at: u64,
}

/// Whether a copy may vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Trust {
    /// The datastore holds the state that the record describes.
    #[default]
    Trusted,
    /// A write on the key was in flight when the lane broke, or failed: the datastore's state is in doubt.
    Dirty,
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
}

/// Takes two lines of the processor's cache, and not three.
#[derive(Debug)]
#[repr(align(64))]
struct Slot {
    key: SmallVec<[u8; SHORT_KEY_MAX]>,
    entry: Entry,
}

impl Records {
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Where the entry of `key` is; [`RecordId::NONE`] when it was never written.
    pub(crate) fn find(&self, key: &[u8]) -> RecordId {
        let is_it = |number: u32| self.slots[number as usize].key[..] == *key;
        self.index.find(self.hash(key), is_it).map_or(RecordId::NONE, RecordId)
    }

    /// Brings the entries of `keys`, if there are any, near the processor. Changes nothing.
    pub(crate) fn fetch<'a>(&mut self, keys: impl Iterator<Item = &'a [u8]>) {
        let Self { hasher, index, slots, fetched } = self;
        // No read waits for another one of the same pass.
        fetched.extend(keys.filter_map(|key| index.home(hasher.hash_one(key) as u32)));
        for number in fetched.drain(..) {
            if let Some(Slot { key, entry }) = slots.get(number as usize) {
                black_box((key.len(), entry.record.base.clock, entry.written_at));
            }
        }
    }

    fn hash(&self, key: &[u8]) -> u32 {
        self.hasher.hash_one(key) as u32
    }

    pub(crate) fn get(&self, id: RecordId) -> Entry {
        self.slots.get(id.0 as usize).map(|slot| slot.entry).unwrap_or_default()
    }

    pub(crate) fn of(&self, key: &[u8]) -> Entry {
        self.get(self.find(key))
    }

    /// Notes that the operation `written_at` on the lane brings the state of `record` to `key`, which [`Records::find`]
    /// found at `id`. The copy is trusted from then on.
    pub(crate) fn write(&mut self, id: RecordId, key: &[u8], record: Record, written_at: u64) -> RecordId {
        let entry = Entry { record, trust: Trust::Trusted, written_at };
        match self.slots.get_mut(id.0 as usize) {
            Some(slot) => {
                slot.entry = entry;
                id
            }
            None => self.insert(key, entry),
        }
    }

    /// As [`Records::write`], without trusting the copy anew: a sequenced write builds on the state that is there.
    pub(crate) fn advance(&mut self, id: RecordId, key: &[u8], record: Record, written_at: u64) -> RecordId {
        let trust = self.get(id).trust;
        let id = self.write(id, key, record, written_at);
        self.slots[id.0 as usize].entry.trust = trust;
        id
    }

    /// Marks the copy as in doubt because the write that left `record` may not have been executed, unless a later
    /// overwrite makes that write irrelevant. Returns whether it did.
    pub(crate) fn doubt(&mut self, id: RecordId, record: &Record) -> bool {
        match self.slots.get_mut(id.0 as usize) {
            Some(Slot { entry, .. }) if entry.record.base == record.base => {
                entry.trust = Trust::Dirty;
                true
            }
            _ => false,
        }
    }

    fn insert(&mut self, key: &[u8], entry: Entry) -> RecordId {
        let number = self.slots.len() as u32;
        debug_assert!(number < u32::MAX, "a node runs out of memory first");
        self.slots.push(Slot { key: SmallVec::from_slice(key), entry });
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
    fn doubt_is_about_the_overwrite_that_a_write_built_on() {
        let mut records = Records::default();
        let id = records.write(RecordId::NONE, b"k", record(1), 1);
        assert!(!records.doubt(id, &record(9)) && !records.doubt(RecordId::NONE, &record(1)));
        assert!(records.doubt(id, &record(1)));
        records.advance(id, b"k", record(1), 2);
        assert_eq!(records.get(id).trust, Trust::Dirty, "a sequenced write builds on the doubtful state");
        records.write(id, b"k", record(2), 3);
        assert_eq!(records.get(id).trust, Trust::Trusted, "an overwrite does not");
    }
}

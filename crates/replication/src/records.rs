//! The records of the keys that this worker holds a replica of.
//!
//! Invariant: an entry's record is that of the last write *submitted* to the lane; `written_at` tells whether it was executed.

use bytes::Bytes;
use hashbrown::HashMap;

use crate::Record;

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

/// The records of a worker's keys. A key that was never written has the default entry.
#[derive(Debug, Default)]
pub(crate) struct Records {
    entries: HashMap<Bytes, Entry>,
}

impl Records {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn of(&self, key: &[u8]) -> Entry {
        self.entries.get(key).copied().unwrap_or_default()
    }

    /// Notes that the operation `written_at` on the lane brings the state of `record`. The copy is trusted from then on.
    pub(crate) fn write(&mut self, key: &[u8], record: Record, written_at: u64) {
        let entry = Entry { record, trust: Trust::Trusted, written_at };
        match self.entries.get_mut(key) {
            Some(known) => *known = entry,
            // A copy of its own: a view would keep the whole network buffer alive for as long as the key.
            None => drop(self.entries.insert(Bytes::copy_from_slice(key), entry)),
        }
    }

    /// Advances a record without trusting the copy anew (a sequenced write builds on the state that is there).
    pub(crate) fn advance(&mut self, key: &[u8], record: Record, written_at: u64) {
        let trust = self.of(key).trust;
        self.write(key, record, written_at);
        if let Some(entry) = self.entries.get_mut(key) {
            entry.trust = trust;
        }
    }

    /// Marks the copy as in doubt because the write that left `record` may not have been executed, unless a later
    /// overwrite makes that write irrelevant. Returns whether it did.
    pub(crate) fn doubt(&mut self, key: &[u8], record: &Record) -> bool {
        match self.entries.get_mut(key) {
            Some(entry) if entry.record.base == record.base => {
                entry.trust = Trust::Dirty;
                true
            }
            _ => false,
        }
    }
}

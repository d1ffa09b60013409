//! The records of the keys that this worker holds a replica of.
//!
//! Keys are looked up once; what follows goes by the number that the look-up gave. A table of millions is far from the
//! processor, so keys of a batch are fetched together before they are used one by one: then the processor waits for all of
//! them at once.
//!
//! | file | what |
//! |---|---|
//! | `entry` | what is known of one key |
//! | `index` | from a key's hash to the number of its slot |
//! | `table`, `slot`, `slab` | the entries: a line of the processor's cache for each key, and more for the few that need it |
//! | `log` | the bytes of the record log, and which of its frames can go |
//! | `recovery` | the table as a log tells it |
//!
//! Invariants: an entry's record is that of the last write *submitted* to the lane; `written_at` tells whether it was executed.
//! With a log, what its frames and the pending items say, one after the other, is exactly the table.

mod entry;
mod index;
pub(crate) mod log;
pub(crate) mod losses;
mod recovery;
mod shape;
mod slab;
mod slot;
mod table;

use std::{collections::BTreeMap, hash::BuildHasher, ops::Range};

use hashbrown::DefaultHashBuilder;

use crate::{Record, Version};
pub use entry::Trust;
pub(crate) use entry::{Claim, Doubt, Entry};
use index::Index;
pub use log::LogError;
use log::{Change, Cursor, Log, entry_len};
#[cfg(test)]
use recovery::Recovered;
use recovery::{Recovery, SinceMarkers};
use shape::Shape;
use slab::NOTHING;
use table::{Place, Table};

/// The most slots and notes that are looked at for what one frame says again.
const VISITS_MAX: usize = 4096;

/// Where a key's entry is. Stays right until the key is forgotten; from then on the default entry is there, also when another
/// key has taken the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RecordId {
    number: u32,
    /// How often the slot was free before: a forgotten key's id would be another's again after 65,536 keys were written
    /// there and forgotten, which takes longer than anything that is in flight may last.
    generation: u16,
}

impl RecordId {
    /// Of a key that was never written. It has the default entry, and what is said of it waits for nothing.
    pub(crate) const NONE: Self = Self { number: u32::MAX, generation: 0 };
}

/// The records of a worker's keys. A key that was never written has the default entry.
///
/// A key of up to 24 bytes takes 64 bytes and some 11 to 22 of the index; 32 more while sequenced writes were the last, and
/// 40 more once it was claimed.
#[derive(Debug, Default)]
pub(crate) struct Records {
    hasher: DefaultHashBuilder,
    index: Index,
    table: Table,
    len: usize,
    /// What is being fetched: hashes, then numbers of slots, then of extensions.
    fetched: Vec<u32>,
    /// What the engine keeps beside the records.
    notes: BTreeMap<u32, Box<[u8]>>,
    log: Option<Box<Log>>,
    recovery: Option<Box<Recovery>>,
    /// What was promised for every key that has no entry.
    promised: Version,
    since_markers: SinceMarkers,
}

impl Records {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How many of the copies may not vote.
    pub(crate) fn untrusted_count(&self) -> usize {
        self.table.untrusted_count()
    }

    /// Memory of the records, in bytes, without keys of more than 24 bytes. Takes a look at each chunk of some thousands.
    pub(crate) fn bytes(&self) -> usize {
        self.index.bytes() + self.table.bytes()
    }

    /// Where the entry of `key` is; [`RecordId::NONE`] when there is none.
    pub(crate) fn find(&self, key: &[u8]) -> RecordId {
        let mut id = RecordId::NONE;
        self.index.find(self.hash(key), |number| match self.table.id_of(number, key) {
            Some(found) => {
                id = found;
                true
            }
            None => false,
        });
        id
    }

    /// Brings the entries of `keys`, if there are any, near the processor. Changes nothing.
    pub(crate) fn fetch<'a>(&mut self, keys: impl Iterator<Item = &'a [u8]>) {
        let Self { hasher, index, table, fetched, .. } = self;
        // No read waits for another one of the same pass.
        for key in keys {
            let hash = hasher.hash_one(key) as u32;
            index.touch(hash);
            fetched.push(hash);
        }
        for number in fetched.iter_mut() {
            *number = index.find(*number, |_| true).unwrap_or(NOTHING);
        }
        for number in fetched.iter_mut() {
            *number = table.touch(*number);
        }
        for number in fetched.drain(..) {
            table.touch_extension(number);
        }
    }

    pub(crate) fn get(&self, id: RecordId) -> Entry {
        self.table.get(id).unwrap_or_else(|| self.unknown())
    }

    /// The entry of a key that has none.
    fn unknown(&self) -> Entry {
        Entry { promised: self.promised, ..Entry::default() }
    }

    /// The key of an entry; empty if there is none.
    pub(crate) fn key(&self, id: RecordId) -> &[u8] {
        self.table.get(id).and_then(|_| self.table.key(id.number)).unwrap_or_default()
    }

    pub(crate) fn of(&self, key: &[u8]) -> Entry {
        self.get(self.find(key))
    }

    /// Notes that the operation `written_at` on the lane brings the state of `record` to `key`, which [`Records::find`]
    /// found at `id`. The copy is trusted from then on, and expected to be present; promise and claim stay.
    pub(crate) fn write(&mut self, id: RecordId, key: &[u8], record: Record, written_at: u64) -> RecordId {
        if record == Record::overwritten(record.base)
            && let Some((key, before, shape)) = self.table.overwrite(id, record.base, written_at)
        {
            if let Some(log) = &mut self.log {
                let entry = Entry { record, ..Entry::default() };
                let len_before = entry_len(key.len(), before, 0);
                log.entry_changed(id.number, len_before, (key, &entry, shape), Change::Replaced);
            }
            return id;
        }
        self.change(id, key, Change::Replaced, |entry| {
            entry.trust = Trust::Trusted;
            entry.bring(record, written_at);
        })
    }

    /// As [`Records::write`], without trusting the copy anew: a sequenced write builds on the state that is there.
    pub(crate) fn advance(&mut self, id: RecordId, key: &[u8], record: Record, written_at: u64) -> RecordId {
        self.change(id, key, Change::Sequenced, |entry| entry.bring(record, written_at))
    }

    /// Notes a promise to follow no claim below `term`. A promise is never taken back.
    pub(crate) fn promise(&mut self, id: RecordId, key: &[u8], term: Version) -> RecordId {
        self.change(id, key, Change::None, |entry| entry.promised = entry.promised.max(term))
    }

    pub(crate) fn claim(&mut self, id: RecordId, key: &[u8], claim: Claim) -> RecordId {
        self.change(id, key, Change::None, |entry| entry.claim = claim)
    }

    /// Replaces everything at once. If `written_at` is new, that operation brings the state, whole.
    pub(crate) fn put(&mut self, id: RecordId, key: &[u8], entry: Entry) -> RecordId {
        self.change(id, key, Change::Replaced, |old| *old = entry)
    }

    #[cfg(test)]
    pub(crate) fn set_trust(&mut self, id: RecordId, trust: Trust) {
        self.update(id, |entry| entry.trust = trust);
    }

    pub(crate) fn set_absent_from(&mut self, id: RecordId, absent_from: Option<u32>) {
        self.update(id, |entry| entry.absent_from = absent_from);
    }

    /// Marks the copy as in doubt because the write that left `record` may not have been executed, unless a later
    /// overwrite makes that write irrelevant. Returns whether it did. A copy in doubt holds no claim (rule R13).
    pub(crate) fn doubt(&mut self, id: RecordId, record: &Record, doubt: Doubt) -> bool {
        if self.table.get(id).is_none_or(|entry| entry.record.base != record.base) {
            return false;
        }
        let trust = if doubt == Doubt::Whole { Trust::DirtyOverwrite } else { Trust::Dirty };
        self.update(id, |entry| entry.distrust(trust))
    }

    /// Drops the entry: the key has the default one from then on, also under this `id`.
    pub(crate) fn forget(&mut self, id: RecordId) {
        let Some(place) = self.table.at(id.number).filter(|place| place.id == id) else { return };
        if let Some(log) = &mut self.log {
            log.forgotten(place.key, place.item_len());
        }
        self.remove(id);
    }

    /// The slots up to which [`Records::slots`] can be asked; those of forgotten keys count until others take them.
    pub(crate) fn slot_count(&self) -> usize {
        self.table.slot_count()
    }

    /// The keys in some of the slots. A key stays in its slot until it is forgotten, so a scan in slices meets every key
    /// that is there all the time, once.
    pub(crate) fn slots(&self, range: Range<usize>) -> impl Iterator<Item = (RecordId, &[u8], Entry)> {
        let range = range.start..range.end.min(self.slot_count());
        let places = range.filter_map(|number| self.table.at(number as u32));
        places.map(|Place { id, key, entry, .. }| (id, key, entry))
    }

    /// Keeps `value` under `number`, in the log too; an empty value takes the note away. For few and small things.
    pub(crate) fn note(&mut self, number: u32, value: &[u8]) {
        let before = self.set_note(number, value);
        if let Some(log) = self.log.as_mut().filter(|_| *before != *value) {
            log.noted(number, &before, value, self.notes.len());
        }
    }

    /// The notes in ascending order of their numbers.
    pub(crate) fn notes(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.notes.iter().map(|(number, value)| (*number, &**value))
    }

    /// Keeps a log of everything from now on, beginning with what is there, or keeps none: then it costs nothing. A new
    /// table keeps none.
    pub(crate) fn set_without_log(&mut self, without_log: bool) {
        if without_log {
            self.log = None;
        } else if self.log.is_none() {
            let mut log = Box::<Log>::default();
            for place in (0..self.slot_count()).filter_map(|number| self.table.at(number as u32)) {
                let Place { id, key, entry, shape } = place;
                log.entry_changed(id.number, 0, (key, &entry, shape), Change::None);
            }
            for (count, (number, value)) in self.notes().enumerate() {
                log.noted(number, &[], value, count + 1);
            }
            self.log = Some(log);
        }
    }

    /// Appends a frame with all that has changed to `into`, and with some of what has not, so that older frames can go; the
    /// frame's number. `None`, and nothing, when nothing has changed. It must be in the file before anything is done that
    /// rests on it.
    ///
    /// `submitted` is the number of the last lane operation that was, or is about to be, submitted; those up to `executed`
    /// were executed. With `clean` there is a frame in any case, which says that no operation is in flight if so it is.
    pub(crate) fn seal(
        &mut self,
        submitted: u64,
        executed: u64,
        clean: bool,
        into: &mut Vec<u8>,
    ) -> Option<u64> {
        let Self { table, notes, log: Some(log), .. } = self else { return None };
        if !log.has_pending() && !clean {
            return None;
        }
        refresh(log, table, notes);
        Some(log.seal(submitted, executed, clean, into))
    }

    /// Frames with lower numbers are not needed any more.
    pub(crate) fn log_floor(&self) -> u64 {
        self.log.as_ref().map_or(0, |log| log.floor())
    }

    /// Changes the entry of `key`, which was found at `id`. `change` is what the lane is given if `written_at` is new.
    fn change(
        &mut self,
        id: RecordId,
        key: &[u8],
        change: Change,
        update: impl FnOnce(&mut Entry),
    ) -> RecordId {
        debug_assert!(id != RecordId::NONE || self.find(key) == id, "the key has an entry");
        let (id, before) = match self.table.get(id) {
            Some(before) => (id, Some(before)),
            None if id == RecordId::NONE => (self.insert(key), None),
            // The key was forgotten; it may have been written again.
            None => match self.find(key) {
                RecordId::NONE => (self.insert(key), None),
                found => (found, self.table.get(found)),
            },
        };
        let mut entry = before.unwrap_or_else(|| self.unknown());
        update(&mut entry);
        self.replace(id, before.as_ref(), &entry, change);
        id
    }

    /// Changes an entry otherwise than by a write, if it is still there. Whether it is.
    fn update(&mut self, id: RecordId, update: impl FnOnce(&mut Entry)) -> bool {
        let Some(before) = self.table.get(id) else { return false };
        let mut entry = before;
        update(&mut entry);
        self.replace(id, Some(&before), &entry, Change::None);
        true
    }

    /// Puts `entry` where `before` is, and logs it unless it says the same.
    fn replace(&mut self, id: RecordId, before: Option<&Entry>, entry: &Entry, change: Change) {
        let shape = self.table.set(id.number, entry);
        let Self { table, log: Some(log), .. } = self else { return };
        let old = before.copied().unwrap_or_default();
        let change = if entry.written_at == old.written_at { Change::None } else { change };
        if before.is_some() && change == Change::None && entry.is_same_state(&old) {
            return;
        }
        let Some(key) = table.key(id.number) else { return };
        let len_before =
            before.map_or(0, |before| entry_len(key.len(), Shape::of(before), before.record.ops));
        log.entry_changed(id.number, len_before, (key, entry, shape), change);
    }

    fn insert(&mut self, key: &[u8]) -> RecordId {
        let id = self.table.insert(key);
        self.index.insert(self.hash(key), id.number);
        self.len += 1;
        id
    }

    fn remove(&mut self, id: RecordId) {
        if let Some(hash) = self.table.key(id.number).map(|key| self.hash(key)) {
            self.index.remove(hash, id.number);
            self.table.remove(id.number);
            self.len -= 1;
        }
    }

    /// The value that the note had; empty if there was none.
    fn set_note(&mut self, number: u32, value: &[u8]) -> Box<[u8]> {
        let before = if value.is_empty() {
            self.notes.remove(&number)
        } else {
            self.notes.insert(number, value.into())
        };
        before.unwrap_or_default()
    }

    fn hash(&self, key: &[u8]) -> u32 {
        self.hasher.hash_one(key) as u32
    }
}

/// Says again some of what has not changed.
fn refresh(log: &mut Log, table: &Table, notes: &BTreeMap<u32, Box<[u8]>>) {
    let slot_count = table.slot_count();
    log.begin_refresh();
    // Once round, at the most.
    for _ in 0..VISITS_MAX.min(slot_count + notes.len() + 1) {
        match log.next_refresh() {
            None => return,
            Some(Cursor::Slot(slot)) => log.refresh_slot(slot, table.at(slot), slot_count),
            Some(Cursor::Note(from)) => {
                let note = notes.range(from..).next();
                log.refresh_note(note.map(|(number, value)| (*number, &**value)));
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! Keys and their entries, by the number of the slot.

use std::hint::black_box;

use super::{
    RecordId,
    entry::Entry,
    log::entry_len,
    shape::Shape,
    slab::{NOTHING, Slab},
    slot::{Extension, Rarity, Slot},
};
use crate::Version;

/// The slots and what did not fit into them.
#[derive(Debug, Default)]
pub(super) struct Table {
    slots: Slab<Slot>,
    extensions: Slab<Extension>,
    rarities: Slab<Rarity>,
    /// Entries whose copy may not vote.
    untrusted_count: usize,
}

/// What is in a slot.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) id: RecordId,
    pub(super) key: &'a [u8],
    pub(super) entry: Entry,
    pub(super) shape: Shape,
}

impl Place<'_> {
    /// Bytes of its item in the log.
    pub(super) fn item_len(&self) -> usize {
        entry_len(self.key.len(), self.shape, self.entry.record.ops)
    }
}

impl Table {
    /// How many slots there are, free ones too.
    pub(super) fn slot_count(&self) -> usize {
        self.slots.place_count()
    }

    /// Entries whose copy may not vote.
    pub(super) fn untrusted_count(&self) -> usize {
        self.untrusted_count
    }

    /// Memory, in bytes, without keys that have their own.
    pub(super) fn bytes(&self) -> usize {
        self.slots.bytes() + self.extensions.bytes() + self.rarities.bytes()
    }

    /// The slot of the key that `id` was given for, unless it was forgotten.
    fn slot(&self, id: RecordId) -> Option<&Slot> {
        self.slots.get(id.number).filter(|slot| slot.generation == id.generation)
    }

    /// Where the key of slot `number` is, if it is `key`.
    pub(super) fn id_of(&self, number: u32, key: &[u8]) -> Option<RecordId> {
        let slot = self.slots.get(number).filter(|slot| slot.key() == Some(key))?;
        Some(RecordId { number, generation: slot.generation })
    }

    pub(super) fn key(&self, number: u32) -> Option<&[u8]> {
        self.slots.get(number)?.key()
    }

    pub(super) fn get(&self, id: RecordId) -> Option<Entry> {
        let slot = self.slot(id)?;
        if slot.extension == NOTHING { Some(slot.entry()) } else { Some(self.complete(slot)) }
    }

    /// The key and the entry in slot `number`, unless it is free.
    pub(super) fn at(&self, number: u32) -> Option<Place<'_>> {
        let slot = self.slots.get(number)?;
        let key = slot.key()?;
        let entry = if slot.extension == NOTHING { slot.entry() } else { self.complete(slot) };
        let id = RecordId { number, generation: slot.generation };
        Some(Place { id, key, entry, shape: slot.shape })
    }

    #[cold]
    fn complete(&self, slot: &Slot) -> Entry {
        let mut entry = slot.entry();
        if let Some(extension) = self.extensions.get(slot.extension) {
            extension.add_to(&mut entry);
            if let Some(rarity) = self.rarities.get(extension.rarity) {
                rarity.add_to(&mut entry);
            }
        }
        entry
    }

    /// The short way to [`Table::set`] for an overwrite, if the slot holds all of the entry before and after it. The key
    /// and the shape before and after.
    pub(super) fn overwrite(
        &mut self,
        id: RecordId,
        version: Version,
        written_at: u64,
    ) -> Option<(&[u8], Shape, Shape)> {
        let slot = self.slots.get_mut(id.number)?;
        if slot.generation != id.generation || slot.extension != NOTHING {
            return None;
        }
        let before = slot.shape;
        slot.overwrite(version, written_at);
        self.untrusted_count -= usize::from(!before.trust().is_trusted());
        Some((slot.key()?, before, slot.shape))
    }

    /// Makes a slot for `key`, which has none, with the default entry.
    pub(super) fn insert(&mut self, key: &[u8]) -> RecordId {
        let number = self.slots.reserve();
        if let Some(slot) = self.slots.get_mut(number) {
            slot.occupy(key);
        }
        let generation = self.slots.get(number).map_or(0, |slot| slot.generation);
        RecordId { number, generation }
    }

    /// Frees slot `number`.
    pub(super) fn remove(&mut self, number: u32) {
        self.set(number, &Entry::default());
        if let Some(slot) = self.slots.get_mut(number) {
            slot.free();
            self.slots.release(number);
        }
    }

    /// The shape of `entry`.
    pub(super) fn set(&mut self, number: u32, entry: &Entry) -> Shape {
        let shape = Shape::of(entry);
        self.set_parts(number, entry, shape);
        shape
    }

    fn set_parts(&mut self, number: u32, entry: &Entry, shape: Shape) {
        let Self { slots, extensions, rarities, untrusted_count } = self;
        let Some(slot) = slots.get_mut(number) else { return };
        *untrusted_count += usize::from(!shape.trust().is_trusted());
        *untrusted_count -= usize::from(!slot.shape.trust().is_trusted());
        slot.set(entry, shape);
        if slot.extension == NOTHING {
            if !shape.needs_extension() {
                return;
            }
            slot.extension = extensions.reserve();
        }
        let Some(extension) = extensions.get_mut(slot.extension) else { return };
        extension.set(entry);
        if shape.needs_rarity() {
            if extension.rarity == NOTHING {
                extension.rarity = rarities.reserve();
            }
            if let Some(rarity) = rarities.get_mut(extension.rarity) {
                rarity.set(entry);
            }
        } else if extension.rarity != NOTHING {
            rarities.release(std::mem::replace(&mut extension.rarity, NOTHING));
        }
        if !shape.needs_extension() {
            extensions.release(std::mem::replace(&mut slot.extension, NOTHING));
        }
    }

    /// Brings slot `number` near the processor. The number of its extension, or [`NOTHING`].
    pub(super) fn touch(&self, number: u32) -> u32 {
        self.slots.get(number).map_or(NOTHING, |slot| slot.extension)
    }

    pub(super) fn touch_extension(&self, number: u32) {
        black_box(self.extensions.get(number).map(|extension| extension.rarity));
    }
}

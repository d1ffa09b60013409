//! How an entry lies in memory.
//!
//! What every key has is in a slot of one line of the processor's cache, with the key itself when it is short. What only
//! sequenced writes bring is in an extension, and what only claims bring in a rarity, both of which few keys need.

use dynomite_ring::NodeId;

use super::{
    entry::{Claim, Entry},
    shape::Shape,
    slab::{Link, NOTHING},
};
use crate::{Record, Version};

/// Keys up to this length, in bytes, need no memory of their own.
pub(super) const SHORT_KEY_MAX: usize = 24;

const _: () = assert!(size_of::<Slot>() == 64 && size_of::<Extension>() == 32 && size_of::<Rarity>() == 40);

/// What every key has.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Slot {
    key: Key,
    base_clock: u64,
    pub(super) written_at: u64,
    base_node: u32,
    /// The number of the key's extension, or [`NOTHING`]; in a slot that is free, of the next one that is.
    pub(super) extension: u32,
    absent_from: u32,
    /// How often the slot was freed.
    pub(super) generation: u16,
    pub(super) shape: Shape,
}

#[derive(Debug)]
enum Key {
    Free,
    Short { len: u8, bytes: [u8; SHORT_KEY_MAX] },
    Long(Box<[u8]>),
}

/// What an overwritten key does not have.
#[derive(Debug)]
pub(super) struct Extension {
    ops: u64,
    digest: u64,
    last_clock: u64,
    last_node: u32,
    /// The number of the key's rarity, or [`NOTHING`]; in an extension that is free, of the next one that is.
    pub(super) rarity: u32,
}

/// What a key has once it was claimed.
#[derive(Debug)]
pub(super) struct Rarity {
    clocks: [u64; 3],
    nodes: [u32; 3],
    /// In a rarity that is free, the number of the next one that is.
    next: u32,
}

impl Slot {
    /// `None` when the slot is free.
    pub(super) fn key(&self) -> Option<&[u8]> {
        match &self.key {
            Key::Free => None,
            Key::Short { len, bytes } => bytes.get(..usize::from(*len)),
            Key::Long(key) => Some(key),
        }
    }

    /// Makes it the slot of `key`, with the default entry.
    pub(super) fn occupy(&mut self, key: &[u8]) {
        let mut bytes = [0; SHORT_KEY_MAX];
        let key = match bytes.get_mut(..key.len()) {
            Some(short) => {
                short.copy_from_slice(key);
                Key::Short { len: key.len() as u8, bytes }
            }
            None => Key::Long(key.into()),
        };
        *self = Self { key, generation: self.generation, ..Self::default() };
    }

    /// Makes it free. Who knows its number and generation finds nothing here any more.
    pub(super) fn free(&mut self) {
        *self = Self { generation: self.generation.wrapping_add(1), ..Self::default() };
    }

    /// What the slot holds of the entry; the rest is as it is when there is no extension.
    pub(super) fn entry(&self) -> Entry {
        let base = Version { clock: self.base_clock, node: NodeId(self.base_node) };
        Entry {
            record: Record { base, last: base, ..Record::default() },
            promised: Version::ZERO,
            claim: self.shape.claim(Version::ZERO),
            trust: self.shape.trust(),
            written_at: self.written_at,
            absent_from: self.shape.has(Shape::ABSENT_FROM).then_some(self.absent_from),
        }
    }

    /// `shape` is that of `entry`.
    pub(super) fn set(&mut self, entry: &Entry, shape: Shape) {
        self.base_clock = entry.record.base.clock;
        self.base_node = entry.record.base.node.0;
        self.written_at = entry.written_at;
        self.absent_from = entry.absent_from.unwrap_or_default();
        self.shape = shape;
    }

    /// As [`Slot::set`] with the entry after an overwrite, when the slot holds all of it.
    pub(super) fn overwrite(&mut self, version: Version, written_at: u64) {
        self.base_clock = version.clock;
        self.base_node = version.node.0;
        self.written_at = written_at;
        self.shape = self.shape.overwritten();
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            key: Key::Free,
            base_clock: 0,
            written_at: 0,
            base_node: 0,
            extension: NOTHING,
            absent_from: 0,
            generation: 0,
            shape: Shape::default(),
        }
    }
}

impl Link for Slot {
    fn link(&mut self) -> &mut u32 {
        &mut self.extension
    }
}

impl Extension {
    pub(super) fn add_to(&self, entry: &mut Entry) {
        entry.record.ops = self.ops;
        entry.record.digest = self.digest;
        entry.record.last = Version { clock: self.last_clock, node: NodeId(self.last_node) };
    }

    pub(super) fn set(&mut self, entry: &Entry) {
        let Record { ops, last, digest, .. } = entry.record;
        *self = Self { ops, digest, last_clock: last.clock, last_node: last.node.0, rarity: self.rarity };
    }
}

impl Default for Extension {
    fn default() -> Self {
        Self { ops: 0, digest: 0, last_clock: 0, last_node: 0, rarity: NOTHING }
    }
}

impl Link for Extension {
    fn link(&mut self) -> &mut u32 {
        &mut self.rarity
    }
}

impl Rarity {
    pub(super) fn add_to(&self, entry: &mut Entry) {
        let [term, promised, claimed] =
            std::array::from_fn(|at| Version { clock: self.clocks[at], node: NodeId(self.nodes[at]) });
        entry.record.term = term;
        entry.promised = promised;
        if let Claim::Term(claim) = &mut entry.claim {
            *claim = claimed;
        }
    }

    pub(super) fn set(&mut self, entry: &Entry) {
        let claimed = match entry.claim {
            Claim::Term(version) => version,
            Claim::Birth | Claim::Void => Version::ZERO,
        };
        let versions = [entry.record.term, entry.promised, claimed];
        self.clocks = versions.map(|version| version.clock);
        self.nodes = versions.map(|version| version.node.0);
    }
}

impl Default for Rarity {
    fn default() -> Self {
        Self { clocks: [0; 3], nodes: [0; 3], next: NOTHING }
    }
}

impl Link for Rarity {
    fn link(&mut self) -> &mut u32 {
        &mut self.next
    }
}

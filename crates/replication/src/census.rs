//! A census: what a node holds at a mark, grouped and summed up by buckets.
//!
//! One pass over the records, in slices. Records come one by one; what is made of them is 4 bytes for each and, for each
//! node that shares keys with this one, 12 bytes for each bucket.
//!
//! Invariants: two nodes whose shared keys have the same entries have the same sums, in whatever order they lie. A bucket's
//! slots are those that were there when the pass came by, each once; later ones are not among them.

use std::ops::Range;

use crate::{Bucket, BucketSet, Mark, Record, Trust, Version, record::mix, records::Entry};

const KEY_SEED: u64 = 0x2545_f491_4f6c_dd1d;
const FOLD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hash of a key that is the same on every node and in every version.
pub(crate) fn hash_key(key: &[u8]) -> u64 {
    let (words, rest) = key.as_chunks::<8>();
    let mut hash = KEY_SEED ^ key.len() as u64;
    for word in words {
        hash = fold(hash ^ u64::from_le_bytes(*word));
    }
    let last = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    mix(fold(hash ^ last))
}

/// What is compared of a key within a datacenter: everything that must be equal.
pub(crate) fn local_print(hash: u64, entry: &Entry, mark: Mark) -> u64 {
    let Record { base, term, ops, last, digest } = entry.record;
    let rest = [term, last].into_iter().fold(hash, fold_version);
    let hash = fold(fold(fold_version(rest, base) ^ ops) ^ digest);
    mix(hash ^ entry.trust as u64 ^ u64::from(entry.is_absent_at(mark)) << 8)
}

/// What is compared between datacenters: the last write, what became of the key, and whether the copy counts.
pub(crate) fn remote_print(hash: u64, entry: &Entry, mark: Mark) -> u64 {
    let is_trusted = entry.trust == Trust::Trusted;
    let is_absent = entry.is_absent_at(mark);
    mix(fold_version(hash, entry.record.last) ^ u64::from(is_trusted) ^ u64::from(is_absent) << 8)
}

fn fold_version(hash: u64, version: Version) -> u64 {
    fold(fold(hash ^ version.clock) ^ u64::from(version.node.0))
}

/// Both halves of a wide product, so that every bit counts.
fn fold(word: u64) -> u64 {
    let product = u128::from(word) * u128::from(FOLD);
    product as u64 ^ (product >> 64) as u64 ^ FOLD
}

/// The keys of a bucket that are shared with one node.
///
/// Prints are added, not xored: a key that is counted twice, as one that was forgotten and written again while the pass was
/// under way may be, would take itself out of an xor, and a bucket that holds it would look like one that does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sum {
    pub(crate) prints: u64,
    pub(crate) keys: u32,
}

impl Sum {
    fn add(&mut self, print: u64) {
        self.prints = self.prints.wrapping_add(print);
        self.keys += 1;
    }
}

/// End of a list of slots.
const END: u32 = u32::MAX;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Census {
    pub(crate) mark: Mark,
    slice: Range<u16>,
    /// How many slots there are to look at, and how many were.
    slots: usize,
    seen: usize,
    /// For each bucket of the slice its last slot, for each slot the one before it in its bucket.
    heads: Box<[u32]>,
    before: Vec<u32>,
    /// For each partner, for each bucket.
    sums: Vec<Box<[Sum]>>,
    /// Buckets with copies that do not count.
    pub(crate) doubtful: BucketSet,
}

impl Census {
    /// One that has not begun, of `slots` slots.
    pub(crate) fn new(mark: Mark, slice: Range<u16>, partners: usize, slots: usize) -> Self {
        Self {
            mark,
            slots,
            seen: 0,
            heads: vec![END; slice.len()].into(),
            before: vec![END; slots],
            sums: vec![vec![Sum::default(); slice.len()].into(); partners],
            doubtful: BucketSet::default(),
            slice,
        }
    }

    /// Whether all slots were looked at.
    pub(crate) fn is_complete(&self) -> bool {
        self.seen == self.slots
    }

    /// How many slots there are.
    pub(crate) fn slot_count(&self) -> usize {
        self.slots
    }

    /// The next slots to look at, `count` at most; they count as looked at.
    pub(crate) fn take(&mut self, count: usize) -> Range<usize> {
        let from = self.seen;
        self.seen = self.slots.min(from + count);
        from..self.seen
    }

    /// Puts a slot into its bucket.
    pub(crate) fn put(&mut self, bucket: Bucket, slot: usize) {
        if let Some(at) = self.place(bucket) {
            self.before[slot] = std::mem::replace(&mut self.heads[at], slot as u32);
        }
    }

    /// Adds a key to what is shared with a partner.
    pub(crate) fn add(&mut self, partner: usize, bucket: Bucket, print: u64) {
        if let Some(at) = self.place(bucket) {
            self.sums[partner][at].add(print);
        }
    }

    /// What is shared with a partner in a bucket.
    pub(crate) fn sum(&self, partner: usize, bucket: Bucket) -> Sum {
        self.place(bucket).map_or_else(Sum::default, |at| self.sums[partner][at])
    }

    /// The slots of a bucket.
    pub(crate) fn slots_of(&self, bucket: Bucket) -> impl Iterator<Item = usize> {
        let first = self.place(bucket).map_or(END, |at| self.heads[at]);
        std::iter::successors(Some(first), |slot| self.before.get(*slot as usize).copied())
            .take_while(|slot| *slot != END)
            .map(|slot| slot as usize)
    }

    /// The prints of the buckets from `first` on, 8 bytes each.
    pub(crate) fn digests(&self, partner: usize, first: Bucket) -> Vec<u8> {
        let from = self.place(first).unwrap_or(self.slice.len());
        self.sums[partner][from..].iter().flat_map(|sum| sum.prints.to_le_bytes()).collect()
    }

    fn place(&self, bucket: Bucket) -> Option<usize> {
        self.slice.contains(&bucket.0).then(|| usize::from(bucket.0 - self.slice.start))
    }
}

#[cfg(test)]
mod tests {
    use dynomite_ring::NodeId;

    use super::*;

    fn entry(clock: u64) -> Entry {
        Entry { record: Record::overwritten(Version { clock, node: NodeId(1) }), ..Entry::default() }
    }

    #[test]
    fn every_part_of_an_entry_counts() {
        let base = entry(5);
        let changed = |change: fn(&mut Entry)| {
            let mut entry = base;
            change(&mut entry);
            local_print(1, &entry, Mark(9))
        };
        let prints = [
            local_print(1, &base, Mark(9)),
            local_print(2, &base, Mark(9)),
            changed(|entry| entry.record.base.clock = 6),
            changed(|entry| entry.record.base.node = NodeId(2)),
            changed(|entry| entry.record.term.clock = 6),
            changed(|entry| entry.record.ops = 1),
            changed(|entry| entry.record.last.clock = 6),
            changed(|entry| entry.record.digest = 1),
            changed(|entry| entry.trust = Trust::Dirty),
            changed(|entry| entry.absent_from = Some(9)),
        ];
        let different: std::collections::BTreeSet<_> = prints.iter().collect();
        assert_eq!(different.len(), prints.len());
        assert_eq!(changed(|entry| entry.absent_from = Some(10)), prints[0], "it was present at the mark");
        assert_eq!(changed(|entry| entry.promised.clock = 10), prints[0], "promises differ as they may");
        let (imported, mut sequenced) = (entry(5), entry(4));
        sequenced.record.last = imported.record.last;
        assert_eq!(remote_print(1, &imported, Mark(9)), remote_print(1, &sequenced, Mark(9)));
        assert_ne!(remote_print(1, &imported, Mark(9)), remote_print(1, &entry(4), Mark(9)));
    }

    #[test]
    fn keys_are_told_apart_by_all_their_bytes() {
        let keys: Vec<Vec<u8>> = (0..40)
            .map(|len| vec![0; len])
            .chain((0..40).map(|at| {
                let mut key = vec![0; 40];
                key[at] = 1;
                key
            }))
            .collect();
        let hashes: std::collections::BTreeSet<_> = keys.iter().map(|key| hash_key(key)).collect();
        assert_eq!(hashes.len(), keys.len());
        assert_eq!(hash_key(b"user:1000"), 0xd019_2de7_1be3_cbf4, "it is the same everywhere");
    }

    #[test]
    fn a_bucket_has_its_slots_and_sums() {
        let mut census = Census::new(Mark(1), 10..20, 2, 6);
        assert_eq!(
            (census.take(4), census.is_complete(), census.take(4), census.is_complete()),
            (0..4, false, 4..6, true)
        );
        for (slot, bucket) in [(0, 10), (1, 19), (3, 10), (4, 9), (5, 20)] {
            census.put(Bucket(bucket), slot);
        }
        assert_eq!(census.slots_of(Bucket(10)).collect::<Vec<_>>(), [3, 0]);
        assert_eq!(census.slots_of(Bucket(11)).count() + census.slots_of(Bucket(20)).count(), 0);
        census.add(1, Bucket(19), 7);
        census.add(1, Bucket(19), u64::MAX);
        assert_eq!(census.sum(1, Bucket(19)), Sum { prints: 6, keys: 2 });
        assert_eq!(
            (census.digests(1, Bucket(18)), census.digests(0, Bucket(19))),
            ([[0; 8], [6, 0, 0, 0, 0, 0, 0, 0]].concat(), vec![0; 8])
        );
    }
}

//! From a key's hash to the number of its slot.
//!
//! A general hash table reads its control bytes, then its bucket, then the slot, one after the other, and each of them is
//! far away in a table of millions. Here a bucket holds the hash and the number together, so that one read is saved; and
//! growing needs no keys.
//!
//! The upper bits of a hash choose a segment, its lower bits the home in it. A segment that is full is divided in two by the
//! next bit of the hash (extendible hashing: Fagin, Nievergelt, Pippenger and Strong, 1979), so that an insertion moves the
//! buckets of one segment at most, however many keys there are.
//!
//! Invariant: following a segment's buckets from a hash's home, its number comes before the first empty one.

use std::hint::black_box;

/// Buckets of a first segment.
const SEGMENT_MIN: usize = 16;
/// Buckets of a segment that is divided rather than doubled, as a power of two. Dividing one takes some 50 microseconds.
const SEGMENT_BITS: u32 = 14;
const HASH_BITS: u32 = u32::BITS;
/// A segment of hashes that agree in so many bits is not divided again: no bits are left that choose a home.
const DEPTH_MAX: u32 = HASH_BITS - SEGMENT_BITS;

/// Numbers by hash, with linear probing; at most three quarters of the buckets are full.
#[derive(Debug)]
pub(super) struct Index {
    /// How many bits of a hash choose a segment.
    bits: u32,
    /// The number of a segment for each value of those bits.
    directory: Vec<u32>,
    segments: Vec<Segment>,
}

#[derive(Debug, Default)]
struct Segment {
    /// The hash in the upper half, the number plus one in the lower; zero is empty.
    buckets: Vec<u64>,
    len: usize,
    /// The hashes agree in so many bits.
    depth: u32,
}

impl Default for Index {
    fn default() -> Self {
        Self { bits: 0, directory: vec![0], segments: vec![Segment::default()] }
    }
}

impl Index {
    /// Memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let buckets: usize = self.segments.iter().map(|segment| segment.buckets.capacity()).sum();
        buckets * size_of::<u64>() + self.directory.capacity() * size_of::<u32>()
    }

    /// The first number under `hash` of which `is_it` holds.
    pub(super) fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let buckets = &self.segment(hash)?.buckets[..];
        let mask = buckets.len().wrapping_sub(1);
        let mut at = hash as usize;
        loop {
            let bucket = *buckets.get(at & mask)?;
            if bucket == 0 {
                return None;
            }
            if hash_of(bucket) == hash && is_it(number_of(bucket)) {
                return Some(number_of(bucket));
            }
            at += 1;
        }
    }

    /// Brings the home bucket of `hash` near the processor.
    pub(super) fn touch(&self, hash: u32) {
        let home = self.segment(hash).and_then(|segment| {
            let mask = segment.buckets.len().wrapping_sub(1);
            segment.buckets.get(hash as usize & mask)
        });
        black_box(home.copied());
    }

    /// Adds `number` under `hash`.
    pub(super) fn insert(&mut self, hash: u32, number: u32) {
        loop {
            let place = self.directory[self.entry(hash)];
            let segment = &mut self.segments[place as usize];
            let capacity = segment.buckets.len();
            if (segment.len + 1) * 4 <= capacity * 3 {
                return segment.put(u64::from(hash) << HASH_BITS | u64::from(number + 1));
            }
            if capacity < 1 << SEGMENT_BITS || segment.depth == DEPTH_MAX {
                segment.double();
            } else {
                self.divide(hash, place);
            }
        }
    }

    /// Takes out `number`, which was added under `hash`.
    pub(super) fn remove(&mut self, hash: u32, number: u32) {
        let place = self.directory[self.entry(hash)];
        self.segments[place as usize].remove(u64::from(hash) << HASH_BITS | u64::from(number + 1));
    }

    fn entry(&self, hash: u32) -> usize {
        (u64::from(hash) << self.bits >> HASH_BITS) as usize
    }

    fn segment(&self, hash: u32) -> Option<&Segment> {
        self.segments.get(*self.directory.get(self.entry(hash))? as usize)
    }

    /// Divides the segment numbered `place`, where `hash` belongs, by the next bit.
    fn divide(&mut self, hash: u32, place: u32) {
        let depth = self.segments[place as usize].depth;
        if depth == self.bits {
            self.directory = self.directory.iter().flat_map(|place| [*place, *place]).collect();
            self.bits += 1;
        }
        let capacity = self.segments[place as usize].buckets.len();
        let empty = || Segment { buckets: vec![0; capacity], len: 0, depth: depth + 1 };
        let full = std::mem::replace(&mut self.segments[place as usize], empty());
        let mut upper = empty();
        let lower = &mut self.segments[place as usize];
        for bucket in full.buckets.into_iter().filter(|bucket| *bucket != 0) {
            let is_upper = hash_of(bucket) >> (HASH_BITS - 1 - depth) & 1 == 1;
            let half = if is_upper { &mut upper } else { &mut *lower };
            half.put(bucket);
        }
        let span = 1 << (self.bits - depth);
        let start = self.entry(hash) / span * span;
        self.directory[start + span / 2..start + span].fill(self.segments.len() as u32);
        self.segments.push(upper);
    }
}

impl Segment {
    fn put(&mut self, bucket: u64) {
        let mask = self.buckets.len() - 1;
        let mut at = hash_of(bucket) as usize & mask;
        while self.buckets[at] != 0 {
            at = (at + 1) & mask;
        }
        self.buckets[at] = bucket;
        self.len += 1;
    }

    fn double(&mut self) {
        let capacity = (self.buckets.len() * 2).max(SEGMENT_MIN);
        let old = std::mem::replace(&mut self.buckets, vec![0; capacity]);
        self.len = 0;
        for bucket in old.into_iter().filter(|bucket| *bucket != 0) {
            self.put(bucket);
        }
    }

    /// Takes `bucket` out and closes the gap: what could not stay at its home for it moves up.
    fn remove(&mut self, bucket: u64) {
        let mask = self.buckets.len().wrapping_sub(1);
        let distance = |from: usize, to: usize| to.wrapping_sub(from) & mask;
        let mut gap = hash_of(bucket) as usize & mask;
        while self.buckets.get(gap).is_some_and(|other| *other != bucket) {
            if self.buckets[gap] == 0 {
                return;
            }
            gap = (gap + 1) & mask;
        }
        let mut at = gap;
        loop {
            at = (at + 1) & mask;
            let Some(next) = self.buckets.get(at).copied().filter(|next| *next != 0) else { break };
            if distance(hash_of(next) as usize, at) >= distance(gap, at) {
                self.buckets[gap] = next;
                gap = at;
            }
        }
        if let Some(gap) = self.buckets.get_mut(gap) {
            *gap = 0;
            self.len -= 1;
        }
    }
}

fn hash_of(bucket: u64) -> u32 {
    (bucket >> HASH_BITS) as u32
}

fn number_of(bucket: u64) -> u32 {
    bucket as u32 - 1
}

#[cfg(test)]
mod tests;

//! Buckets: the key space in 4,096 equal parts, by which work is divided among a node's workers, and copies are compared,
//! lost and rebuilt.

use dynomite_ring::Token;

/// How many buckets there are.
pub const BUCKETS: usize = 4096;

/// Odd, so that multiplying by it is a permutation; it scatters tokens that are multiples of a power of two, and the few
/// contiguous ranges that a node owns.
const MIX: u32 = 0x9E37_79B1;
/// `MIX * UNMIX` is 1.
const UNMIX: u32 = inverse(MIX);
const SHIFT: u32 = u32::BITS - BUCKETS.ilog2();

/// One of the [`BUCKETS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(pub u16);

impl Bucket {
    /// The bucket of a token.
    pub fn of(token: Token) -> Self {
        Self((token.0.wrapping_mul(MIX) >> SHIFT) as u16)
    }

    /// A token in the bucket, which leads a message to the worker that has the bucket.
    pub fn token(self) -> Token {
        Token((u32::from(self.0) << SHIFT).wrapping_mul(UNMIX))
    }

    /// The worker, of `workers`, that has the bucket: each has a contiguous part.
    pub fn worker(self, workers: usize) -> usize {
        usize::from(self.0) * workers / BUCKETS
    }
}

/// The inverse of an odd number, by Newton's iteration.
const fn inverse(odd: u32) -> u32 {
    let mut inverse = odd;
    let mut round = 0;
    while round < 5 {
        inverse = inverse.wrapping_mul(2_u32.wrapping_sub(odd.wrapping_mul(inverse)));
        round += 1;
    }
    inverse
}

/// A set of buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketSet {
    words: [u64; BUCKETS / 64],
    len: u32,
}

impl Default for BucketSet {
    fn default() -> Self {
        Self { words: [0; BUCKETS / 64], len: 0 }
    }
}

impl BucketSet {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether `bucket` is among them.
    pub fn contains(&self, bucket: Bucket) -> bool {
        self.words[usize::from(bucket.0) / 64] >> (bucket.0 % 64) & 1 == 1
    }

    /// Adds a bucket. Whether it is new.
    pub fn insert(&mut self, bucket: Bucket) -> bool {
        let is_new = !self.contains(bucket);
        self.words[usize::from(bucket.0) / 64] |= 1 << (bucket.0 % 64);
        self.len += u32::from(is_new);
        is_new
    }

    /// Takes a bucket out. Whether it was there.
    pub fn remove(&mut self, bucket: Bucket) -> bool {
        let was_there = self.contains(bucket);
        self.words[usize::from(bucket.0) / 64] &= !(1 << (bucket.0 % 64));
        self.len -= u32::from(was_there);
        was_there
    }

    /// One bit for each bucket, the first in the lowest bit of the first word.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Replaces the set by what [`BucketSet::words`] gave; words that are missing are empty.
    pub fn set_words(&mut self, words: &[u64]) {
        *self = Self::default();
        for (mine, word) in self.words.iter_mut().zip(words) {
            *mine = *word;
            self.len += word.count_ones();
        }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Bucket> + '_ {
        (0..BUCKETS as u16).map(Bucket).filter(|bucket| self.contains(*bucket))
    }
}

#[cfg(test)]
mod tests {
    use dynomite_ring::SLOT_COUNT;

    use super::*;

    #[test]
    fn a_buckets_token_is_in_it() {
        for bucket in (0..BUCKETS as u16).map(Bucket) {
            assert_eq!(Bucket::of(bucket.token()), bucket);
        }
    }

    #[test]
    fn slots_spread_evenly_over_buckets_and_workers() {
        let mut counts = [0_usize; BUCKETS];
        (0..SLOT_COUNT).for_each(|slot| counts[usize::from(Bucket::of(Token::from_slot(slot)).0)] += 1);
        assert!(counts.iter().all(|count| *count == 4), "{counts:?}");
        for workers in [1, 2, 3, 8, 64, 256] {
            let mut counts = vec![0_usize; workers];
            (0..BUCKETS as u16).for_each(|bucket| counts[Bucket(bucket).worker(workers)] += 1);
            let (least, most) = (counts.iter().min(), counts.iter().max());
            assert!(most.unwrap() - least.unwrap() <= 1, "{workers}: {counts:?}");
        }
    }

    #[test]
    fn a_set_counts_each_bucket_once() {
        let mut set = BucketSet::default();
        assert!(set.insert(Bucket(4095)) && set.insert(Bucket(64)) && !set.insert(Bucket(64)));
        assert_eq!((set.len(), set.iter().collect::<Vec<_>>()), (2, vec![Bucket(64), Bucket(4095)]));
        assert!(set.remove(Bucket(64)) && !set.remove(Bucket(64)) && !set.is_empty());
    }
}

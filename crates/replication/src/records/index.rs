//! From a key's hash to the number of its slot.
//!
//! A general hash table reads its control bytes, then its bucket, then the slot, one after the other, and each of them is
//! far away in a table of millions. Here a bucket holds the hash and the number together, so that one read is saved; and
//! growing needs no keys.
//!
//! Invariant: following the buckets from a hash's home, its number comes before the first empty one.

/// Buckets of a first table.
const CAPACITY_MIN: usize = 16;

/// Numbers by hash, with linear probing; at most three quarters of the buckets are full.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The hash in the upper half, the number plus one in the lower; zero is empty.
    buckets: Vec<u64>,
    len: usize,
}

impl Index {
    /// The first number under `hash` of which `is_it` holds.
    pub(super) fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let mask = self.buckets.len().wrapping_sub(1);
        let mut at = hash as usize;
        loop {
            let bucket = *self.buckets.get(at & mask)?;
            if bucket == 0 {
                return None;
            }
            if (bucket >> 32) as u32 == hash && is_it(number(bucket)) {
                return Some(number(bucket));
            }
            at += 1;
        }
    }

    /// The number in the home bucket of `hash`, which is most often the one that is looked for.
    pub(super) fn home(&self, hash: u32) -> Option<u32> {
        let mask = self.buckets.len().wrapping_sub(1);
        let bucket = *self.buckets.get(hash as usize & mask)?;
        (bucket != 0).then(|| number(bucket))
    }

    /// Adds `number` under `hash`.
    pub(super) fn insert(&mut self, hash: u32, number: u32) {
        if (self.len + 1) * 4 > self.buckets.len() * 3 {
            self.grow();
        }
        self.len += 1;
        self.put(u64::from(hash) << 32 | u64::from(number + 1));
    }

    /// Takes `number` out, which is there under `hash`.
    pub(super) fn remove(&mut self, hash: u32, number: u32) {
        let mask = self.buckets.len().wrapping_sub(1);
        let wanted = u64::from(hash) << 32 | u64::from(number + 1);
        let mut at = hash as usize & mask;
        while self.buckets[at] != wanted {
            if self.buckets[at] == 0 {
                return;
            }
            at = (at + 1) & mask;
        }
        self.buckets[at] = 0;
        self.len -= 1;
        // What follows may have stood there for want of this place.
        let mut next = (at + 1) & mask;
        while self.buckets[next] != 0 {
            let bucket = std::mem::take(&mut self.buckets[next]);
            self.put(bucket);
            next = (next + 1) & mask;
        }
    }

    fn put(&mut self, bucket: u64) {
        let mask = self.buckets.len() - 1;
        let mut at = (bucket >> 32) as usize & mask;
        while self.buckets[at] != 0 {
            at = (at + 1) & mask;
        }
        self.buckets[at] = bucket;
    }

    fn grow(&mut self) {
        let capacity = (self.buckets.len() * 2).max(CAPACITY_MIN);
        let old = std::mem::replace(&mut self.buckets, vec![0; capacity]);
        for bucket in old.into_iter().filter(|bucket| *bucket != 0) {
            self.put(bucket);
        }
    }
}

fn number(bucket: u64) -> u32 {
    bucket as u32 - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_hashes_are_told_apart_by_the_key() {
        let mut index = Index::default();
        assert_eq!((index.find(7, |_| true), index.home(7)), (None, None));
        for number in 0..1000 {
            index.insert(number % 3 * 0x4000_0001, number);
        }
        for number in 0..1000 {
            let hash = number % 3 * 0x4000_0001;
            assert_eq!(index.find(hash, |other| other == number), Some(number));
            assert_eq!(index.find(hash, |other| other == 1000), None);
        }
        assert_eq!(index.find(5, |_| true), None);
        assert_eq!(index.home(0x4000_0001), Some(1));
        let mut small = Index::default();
        small.insert(1, 0);
        assert_eq!((small.home(1), small.home(2)), (Some(0), None));
    }

    #[test]
    fn taking_one_out_leaves_the_others() {
        let mut index = Index::default();
        (0..100).for_each(|number| index.insert(number % 7, number));
        (0..100).step_by(3).for_each(|number| index.remove(number % 7, number));
        for number in 0..100 {
            let found = index.find(number % 7, |other| other == number);
            assert_eq!(found, (number % 3 != 0).then_some(number));
        }
    }

    #[test]
    fn hashes_at_the_end_of_the_table_go_on_at_its_beginning() {
        let mut index = Index::default();
        for number in 0..8 {
            index.insert(u32::MAX - number % 2, number);
        }
        for number in 0..8 {
            assert_eq!(index.find(u32::MAX - number % 2, |other| other == number), Some(number));
        }
    }
}

//! A small seeded generator for choices that need not be secret: which member to pop, which key to evict.

use hashbrown::HashSet;

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which must not be zero.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// `count` positions below `bound`: independent ones if they may repeat, otherwise different ones.
    pub(crate) fn pick(&mut self, count: usize, repeats: bool, bound: usize) -> Vec<usize> {
        if repeats { (0..count).map(|_| self.below(bound)).collect() } else { self.distinct(count, bound) }
    }

    /// `count` different numbers below `bound`, in no order; all of them when there are no more.
    pub(crate) fn distinct(&mut self, count: usize, bound: usize) -> Vec<usize> {
        if count >= bound {
            return (0..bound).collect();
        }
        if count > bound / 4 {
            let mut all: Vec<_> = (0..bound).collect();
            for at in 0..count {
                all.swap(at, at + self.below(bound - at));
            }
            all.truncate(count);
            return all;
        }
        // Floyd's algorithm: takes time for what is picked, not for what is there.
        let (mut picked, mut seen) = (Vec::with_capacity(count), HashSet::with_capacity(count));
        for top in bound - count..bound {
            let number = self.below(top + 1);
            let number = if seen.insert(number) { number } else { top };
            seen.insert(number);
            picked.push(number);
        }
        picked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_numbers_are_distinct_and_reach_everything() {
        let mut rng = Rng::new(3);
        for (count, bound) in [(0, 5), (1, 1), (3, 100), (10, 12), (50, 40)] {
            let mut reached = HashSet::new();
            for _ in 0..500 {
                let picked: HashSet<_> = rng.distinct(count, bound).into_iter().collect();
                assert_eq!(picked.len(), count.min(bound));
                reached.extend(picked);
            }
            assert_eq!(reached.len(), if count == 0 { 0 } else { bound });
        }
    }
}

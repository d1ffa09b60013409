//! Which worker of a node a key belongs to.

use dynomite_replication::Bucket;
use dynomite_ring::Token;

/// The worker, of `workers`, whose slice of the key space holds `token`: a contiguous part of the buckets.
pub(crate) fn slice_of(token: Token, workers: usize) -> usize {
    Bucket::of(token).worker(workers)
}

#[cfg(test)]
mod tests {
    use dynomite_ring::SLOT_COUNT;

    use super::*;

    #[test]
    fn slots_spread_evenly_over_workers() {
        for workers in [1, 2, 3, 8, 64, 256] {
            let mut counts = vec![0_usize; workers];
            for slot in 0..SLOT_COUNT {
                counts[slice_of(Token::from_slot(slot), workers)] += 1;
            }
            let (least, most) = (counts.iter().min(), counts.iter().max());
            assert!(most.unwrap() - least.unwrap() <= 4, "{workers}: {counts:?}");
        }
    }

    #[test]
    fn a_contiguous_range_of_slots_spreads_too() {
        let mut counts = [0_usize; 4];
        for slot in 1000..1400 {
            counts[slice_of(Token::from_slot(slot), 4)] += 1;
        }
        assert!(counts.iter().all(|count| (80..=120).contains(count)), "{counts:?}");
    }
}

//! Which worker of a node a key belongs to.

use dynomite_ring::Token;

/// The worker, of `workers`, whose slice of the key space holds `token`.
///
/// The token is mixed first, because with `redis-slot` the low 18 bits of every token are zero, and because a node's
/// own tokens are few contiguous ranges. The product with an odd number is a permutation, so slices are equal.
pub(crate) fn slice_of(token: Token, workers: usize) -> usize {
    let mixed = token.0.wrapping_mul(0x9E37_79B1);
    ((u64::from(mixed) * workers as u64) >> 32) as usize
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
            assert!(most.unwrap() - least.unwrap() <= 1, "{workers}: {counts:?}");
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

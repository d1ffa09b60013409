use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Half of the golden ratio's bits: multiples of it are spread evenly.
const SPREAD: u32 = 0x9e37_79b9;

#[test]
fn equal_hashes_are_told_apart_by_the_key() {
    let mut index = Index::default();
    assert_eq!(index.find(7, |_| true), None);
    for number in 0..1000 {
        index.insert(number % 3 * 0x4000_0001, number);
    }
    for number in 0..1000 {
        let hash = number % 3 * 0x4000_0001;
        assert_eq!(index.find(hash, |other| other == number), Some(number));
        assert_eq!(index.find(hash, |other| other == 1000), None);
    }
    assert_eq!(index.find(5, |_| true), None);
}

#[test]
fn hashes_at_the_end_of_a_segment_go_on_at_its_beginning() {
    let mut index = Index::default();
    for number in 0..8 {
        index.insert(u32::MAX - number % 2, number);
    }
    for number in 0..8 {
        assert_eq!(index.find(u32::MAX - number % 2, |other| other == number), Some(number));
    }
}

#[test]
fn full_segments_are_divided_and_the_hashes_are_found_in_their_half() {
    const COUNT: u32 = 200_000;
    let mut index = Index::default();
    (0..COUNT).for_each(|number| index.insert(number.wrapping_mul(SPREAD), number));
    assert_eq!((index.segments.len(), index.bits), (32, 5));
    for number in 0..COUNT {
        assert_eq!(index.find(number.wrapping_mul(SPREAD), |_| true), Some(number));
    }
    assert_eq!(index.segments.iter().map(|segment| segment.len).sum::<usize>(), COUNT as usize);
}

#[test]
fn hashes_that_agree_in_all_bits_that_divide_share_a_growing_segment() {
    let count = (1 << SEGMENT_BITS) + 1;
    let mut index = Index::default();
    (0..count).for_each(|number| index.insert(number % (1 << SEGMENT_BITS), number));
    assert_eq!((index.bits, index.find(3, |_| true)), (DEPTH_MAX, Some(3)));
    assert_eq!(index.segments.iter().map(|segment| segment.len).max(), Some(count as usize));
}

proptest! {
    #[test]
    fn what_was_taken_out_is_gone_and_the_rest_is_found(
        steps in prop::collection::vec((0u32..48, any::<bool>()), 1..400),
    ) {
        let mut index = Index::default();
        // Few homes, at both ends of the segment, so that there are long runs that go round.
        let hash_of = |number: u32| u32::MAX - 3 + number % 6;
        let mut present = BTreeMap::new();
        for (number, adds) in steps {
            let hash = if number % 6 < 4 { hash_of(number) } else { number % 6 - 4 };
            if adds && present.insert(number, hash).is_none() {
                index.insert(hash, number);
            } else if !adds {
                present.remove(&number);
                index.remove(hash, number);
            }
            for number in 0..48 {
                let hash = if number % 6 < 4 { hash_of(number) } else { number % 6 - 4 };
                let expected = present.contains_key(&number).then_some(number);
                prop_assert_eq!(index.find(hash, |other| other == number), expected);
            }
        }
        prop_assert_eq!(index.segments[0].len, present.len());
    }
}

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn naive(model: &BTreeMap<Vec<u8>, i32>) -> Vec<(i32, Vec<u8>)> {
    let mut sorted: Vec<_> = model.iter().map(|(member, score)| (*score, member.clone())).collect();
    sorted.sort();
    sorted
}

fn contents(set: &SortedSet) -> Vec<(i32, Vec<u8>)> {
    set.range(0..set.len()).map(|(member, score)| (score as i32, member.to_vec())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn keeps_the_order_of_a_sorted_list(steps in proptest::collection::vec((0u8..4, 0u16..700, -5i32..5), 0..1500)) {
        let mut set = SortedSet::new();
        let mut model = BTreeMap::new();
        for (kind, member, score) in steps {
            let member = format!("m{member}").into_bytes();
            if kind == 0 {
                prop_assert_eq!(set.remove(&member), model.remove(&member).is_some());
            } else {
                set.set(&member, f64::from(score));
                model.insert(member, score);
            }
        }
        let sorted = naive(&model);
        prop_assert_eq!(&contents(&set), &sorted);
        for (rank, (score, member)) in sorted.iter().enumerate() {
            prop_assert_eq!(set.rank(member), Some(rank));
            prop_assert_eq!(set.score(member), Some(f64::from(*score)));
        }
        let below = sorted.iter().filter(|(score, _)| *score < 2).count();
        prop_assert_eq!(set.count_until(|score, _| score >= 2.0), below);
        if !sorted.is_empty() {
            let (from, to) = (sorted.len() / 3, sorted.len() * 2 / 3);
            let backwards: Vec<_> = set.range(from..to).rev().map(|(member, _)| member.to_vec()).collect();
            let expected: Vec<_> = sorted[from..to].iter().rev().map(|(_, member)| member.clone()).collect();
            prop_assert_eq!(backwards, expected);
        }
    }
}

#[test]
fn taking_by_rank_empties_a_large_set_in_order() {
    let mut set = SortedSet::new();
    for number in 0..5000u32 {
        set.set(format!("m{}", number * 7919 % 5000).as_bytes(), f64::from(number % 17));
    }
    let expected = contents(&set);
    let taken: Vec<_> =
        (0..5000).map(|_| set.take(0)).map(|(member, score)| (score as i32, member.to_vec())).collect();
    assert_eq!(taken, expected);
    assert!(expected.is_sorted());
    assert_eq!(set.len(), 0);
}

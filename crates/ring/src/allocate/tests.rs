use proptest::prelude::*;

use super::*;
use crate::testing::few_nodes;
use crate::{HashKind, KeyHasher, Node, Ring, moved_ranges};

/// By which part the most loaded node is above the mean.
fn imbalance(loads: &RackLoads) -> f64 {
    let totals: Vec<u64> = loads.totals().collect();
    let mean = totals.iter().sum::<u64>() as f64 / totals.len() as f64;
    totals.iter().max().map_or(0.0, |most| *most as f64 / mean - 1.0)
}

/// The worst imbalance from 3 nodes up to `node_max`, and the greatest part of its fair share that a join moved.
fn worst(space: TokenSpace, vnodes: usize, node_max: u32) -> (f64, f64) {
    let mut loads = RackLoads::new(space, &[]);
    let (mut imbalance_max, mut moved_max) = (0.0, 0.0);
    for number in 1..=node_max {
        let tokens = loads.join(vnodes, Some(NodeId(number)));
        assert_eq!(tokens.len(), vnodes, "node {number}");
        let share = space.count() as f64 / f64::from(number);
        if number >= 3 {
            imbalance_max = f64::max(imbalance_max, imbalance(&loads));
            moved_max = f64::max(moved_max, loads.totals().last().unwrap() as f64 / share);
        }
    }
    (imbalance_max, moved_max)
}

#[test]
fn loads_stay_within_five_percent_while_a_thousand_nodes_join() {
    let (imbalance, moved) = worst(TokenSpace::FULL, 16, 1000);
    assert!(imbalance < 0.05, "{imbalance}");
    assert!(moved < 1.01, "{moved}");
}

#[test]
fn slots_stay_within_five_percent_while_three_hundred_nodes_join() {
    let (imbalance, moved) = worst(TokenSpace::SLOTS, 16, 300);
    assert!(imbalance < 0.05, "{imbalance}");
    assert!(moved < 1.01, "{moved}");
}

#[test]
fn few_nodes_own_equal_shares() {
    let (imbalance, _) = worst(TokenSpace::FULL, 16, 6);
    assert!(imbalance < 0.002, "{imbalance}");
}

#[test]
fn a_single_token_halves_the_greatest_range() {
    let one = allocate(TokenSpace::SLOTS, &[], "a", 1);
    assert_eq!(one, [Token::from_slot(16383)]);
    let two = allocate(TokenSpace::SLOTS, &[&one], "b", 1);
    assert!((8100..=8191).contains(&two[0].slot()), "{}", two[0].slot());
}

#[test]
fn slot_tokens_lie_on_slot_boundaries() {
    for tokens in allocate_static(TokenSpace::SLOTS, &["a", "b", "c", "d", "e"], 16) {
        assert_eq!(tokens.len(), 16);
        for token in tokens {
            assert_eq!(token, Token::from_slot(token.slot()));
        }
    }
}

#[test]
fn a_used_up_space_gives_fewer_tokens_and_never_one_twice() {
    let space = TokenSpace::SLOTS;
    let mut loads = RackLoads::new(space, &[]);
    let mut all = std::collections::HashSet::new();
    for number in 0..1100 {
        let tokens = loads.join(16, Some(NodeId(number)));
        assert!(!tokens.is_empty() && tokens.iter().all(|token| all.insert(*token)), "node {number}");
    }
    let every_slot: Vec<Token> = (0..crate::SLOT_COUNT).map(Token::from_slot).collect();
    assert_eq!(allocate(space, &[&every_slot], "late", 16), []);
    assert_eq!(allocate(space, &[], "none", 0), []);
    assert_eq!(allocate(TokenSpace::FULL, &[], "greedy", usize::MAX).len(), 1024);
}

#[test]
fn static_tokens_depend_on_the_set_of_names_alone() {
    let forward = allocate_static(TokenSpace::FULL, &["a", "b", "c"], 16);
    let backward = allocate_static(TokenSpace::FULL, &["c", "b", "a"], 16);
    assert_eq!(forward.iter().rev().collect::<Vec<_>>(), backward.iter().collect::<Vec<_>>());
}

#[test]
fn a_static_name_added_last_leaves_the_others_alone() {
    let three = allocate_static(TokenSpace::FULL, &["n8", "n9", "n7"], 16);
    let four = allocate_static(TokenSpace::FULL, &["n8", "n9", "n7", "n10"], 16);
    assert_eq!(three, four[..3]);
}

#[test]
fn two_joins_at_once_choose_different_tokens() {
    let rack = allocate_static(TokenSpace::FULL, &["a", "b", "c"], 16);
    let slices: Vec<&[Token]> = rack.iter().map(Vec::as_slice).collect();
    let one = allocate(TokenSpace::FULL, &slices, "one", 16);
    let other = allocate(TokenSpace::FULL, &slices, "other", 16);
    assert!(one.iter().all(|token| !other.contains(token)));
    assert_eq!(one, allocate(TokenSpace::FULL, &slices, "one", 16));
}

#[test]
fn a_join_after_a_leave_relieves_those_who_took_over() {
    let mut rack = allocate_static(TokenSpace::FULL, &["a", "b", "c", "d", "e", "f", "g", "h"], 16);
    rack.remove(3);
    let slices: Vec<&[Token]> = rack.iter().map(Vec::as_slice).collect();
    let mut loads = RackLoads::new(TokenSpace::FULL, &slices);
    let before = imbalance(&loads);
    loads.join(16, None);
    assert!(imbalance(&loads) < before / 2.0, "{before} {}", imbalance(&loads));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_join_to_any_rack_takes_only_its_share_and_only_for_itself(
        nodes in few_nodes(), kind in 0..HashKind::ALL.len(), vnodes in 1..20_usize,
    ) {
        let hasher = KeyHasher::new(HashKind::ALL[kind].0, None);
        let space = hasher.kind().space();
        let members: Vec<Node> =
            nodes.iter().filter(|node| (&node.dc, &node.rack) == (&nodes[0].dc, &nodes[0].rack)).cloned().collect();
        let slices: Vec<&[Token]> = members.iter().map(|node| node.tokens.as_slice()).collect();
        let tokens = allocate(space, &slices, "newcomer", vnodes);
        prop_assert!(!tokens.is_empty() && tokens.len() <= vnodes);

        let newcomer = Node::new("newcomer", &*nodes[0].dc, &*nodes[0].rack, tokens);
        let old = Ring::build(hasher, 1, nodes.clone()).unwrap();
        let new = Ring::build(hasher, 2, nodes.into_iter().chain([newcomer]).collect()).unwrap();
        let to = NodeId::from_name("newcomer");
        prop_assert!(moved_ranges(&old, &new).iter().all(|moved| moved.to == Some(to)));
        let share = new.ownership().share(new.index_of(to).unwrap());
        let fair = 1.0 / (members.len() + 1) as f64;
        prop_assert!(share > 0.0 && share <= fair * 1.001, "{} of {}", share, fair);
    }
}

use proptest::prelude::*;

use super::*;
use crate::ring::mix;
use crate::testing::few_nodes;
use crate::{HashKind, KeyHasher, Node, Ring, moved_ranges};

/// By which part the most loaded node is above the mean.
fn imbalance(loads: &RackLoads) -> f64 {
    let totals: Vec<u64> = loads.totals().collect();
    let mean = totals.iter().sum::<u64>() as f64 / totals.len() as f64;
    totals.iter().max().map_or(0.0, |most| *most as f64 / mean - 1.0)
}

/// A rack that grows from 1 to `node_max`: with each size the imbalance, and which part of its fair share the last join
/// moved.
fn growth(space: TokenSpace, vnodes: usize, node_max: u32) -> Vec<(u32, f64, f64)> {
    let mut loads = RackLoads::new(space, &[]);
    let mut join = |number: u32| {
        let tokens = loads.join(vnodes, Some(NodeId(number)));
        assert_eq!(tokens.len(), vnodes, "node {number}");
        let share = space.count() as f64 / f64::from(number);
        (number, imbalance(&loads), loads.totals().last().unwrap() as f64 / share)
    };
    (1..=node_max).map(&mut join).collect()
}

#[test]
fn loads_stay_within_five_percent_while_a_thousand_nodes_join() {
    for (size, imbalance, moved) in growth(TokenSpace::FULL, 16, 1000) {
        assert!(imbalance < 0.05 && moved < 1.01, "{size} nodes: {imbalance} {moved}");
    }
}

/// A join relieves at most as many nodes as it has tokens, and one slot of 17 is 6 %: some sizes beyond 593 are above 5 %.
#[test]
fn slots_stay_within_five_percent_while_one_slot_is_little() {
    let mut above_count = 0;
    for (size, imbalance, moved) in growth(TokenSpace::SLOTS, 16, 1000) {
        assert!(imbalance < if size <= 593 { 0.05 } else { 0.062 }, "{size} nodes: {imbalance}");
        assert!(moved < 1.01, "{size} nodes: {moved}");
        above_count += u32::from(imbalance > 0.05);
        // 16 or 17 slots each.
        assert!(size < 1000 || imbalance < 0.04, "{imbalance}");
    }
    assert!(above_count <= 72, "{above_count} sizes");
}

/// The figures in `docs/figures.md`.
#[test]
#[ignore = "prints a table"]
fn figures() {
    for (name, space) in [("redis-slot", TokenSpace::SLOTS), ("murmur", TokenSpace::FULL)] {
        let growth = growth(space, 16, 1000);
        for bounds in [3..=10, 11..=100, 101..=300, 301..=593, 594..=1000] {
            let sizes = || growth.iter().filter(|(size, ..)| bounds.contains(size));
            let worst = sizes().map(|(_, imbalance, _)| *imbalance).fold(0.0, f64::max);
            let moved = sizes().map(|(_, _, moved)| *moved).fold(0.0, f64::max);
            let above_count = sizes().filter(|(_, imbalance, _)| *imbalance > 0.05).count();
            println!(
                "{name} {bounds:?}: {:.2} %, {above_count} sizes above 5 %, moved {moved:.3}",
                worst * 100.0
            );
        }
        for leaves in [1, 10, 50] {
            let (after_leaves, joins, moved) = leaves_and_joins(space, 100, leaves);
            println!(
                "{name}: 100 nodes, {leaves} leave: {:.1} %, {joins:?} joins to 5 %, moved {moved:.3}",
                after_leaves * 100.0
            );
        }
    }
}

/// Random nodes leave a grown rack, others join: the imbalance between the two, the number of joins until it is within 5 %
/// again, and which part of its fair share a join moved at most.
fn leaves_and_joins(space: TokenSpace, size: u32, leaves: u32) -> (f64, Option<u32>, f64) {
    let mut loads = RackLoads::new(space, &[]);
    let mut rack: Vec<Vec<Token>> = (0..size).map(|number| loads.join(16, Some(NodeId(number)))).collect();
    for leave in 0..leaves {
        rack.swap_remove((mix(u64::from(leave)) % rack.len() as u64) as usize);
    }
    let slices: Vec<&[Token]> = rack.iter().map(Vec::as_slice).collect();
    let mut loads = RackLoads::new(space, &slices);
    let (after_leaves, mut joins, mut moved) = (imbalance(&loads), None, 0.0);
    for number in 1..=4 * size {
        loads.join(16, Some(NodeId(size + number)));
        let count = loads.totals().count() as f64;
        moved = f64::max(moved, loads.totals().last().unwrap() as f64 * count / space.count() as f64);
        if joins.is_none() && imbalance(&loads) <= 0.05 {
            joins = Some(number);
        }
    }
    (after_leaves, joins, moved)
}

#[test]
fn few_nodes_own_equal_shares() {
    for (size, imbalance, _) in growth(TokenSpace::FULL, 16, 6) {
        assert!(imbalance < 0.002, "{size} nodes: {imbalance}");
    }
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
    for number in 0..1090 {
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

    #[test]
    fn joins_among_leaves_take_their_share_and_no_token_twice(
        steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 1..80), in_slots in any::<bool>(),
    ) {
        let space = if in_slots { TokenSpace::SLOTS } else { TokenSpace::FULL };
        let mut rack = allocate_static(space, &["a", "b", "c"], 16);
        for (number, (is_leave, index)) in steps.into_iter().enumerate() {
            if is_leave && rack.len() > 1 {
                rack.swap_remove(index.index(rack.len()));
                continue;
            }
            let slices: Vec<&[Token]> = rack.iter().map(Vec::as_slice).collect();
            let tokens = allocate(space, &slices, &format!("n{number}"), 16);
            prop_assert_eq!(tokens.len(), 16);
            prop_assert!(tokens.iter().all(|token| rack.iter().all(|other| !other.contains(token))));
            rack.push(tokens);
            let slices: Vec<&[Token]> = rack.iter().map(Vec::as_slice).collect();
            let newcomer = RackLoads::new(space, &slices).totals().last().unwrap();
            let fair = space.count() / rack.len() as u64;
            prop_assert!(newcomer > 0 && newcomer <= fair + fair / 100 + 1, "{} of {}", newcomer, fair);
        }
    }
}

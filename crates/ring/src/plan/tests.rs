use proptest::prelude::*;

use super::*;
use crate::testing::few_nodes;
use crate::{HashKind, KeyHasher, NodeIdx, RingDescription, allocate_static};

/// Two racks with `node_count` nodes each, called `r0-0`, `r0-1`, …
fn two_racks(kind: HashKind, node_count: usize, vnodes: usize) -> Ring {
    let mut nodes = Vec::new();
    for rack in ["r0", "r1"] {
        let names: Vec<String> = (0..node_count).map(|index| format!("{rack}-{index}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let tokens = allocate_static(kind.space(), &names, vnodes);
        nodes.extend(names.iter().zip(tokens).map(|(name, tokens)| Node::new(*name, "d", rack, tokens)));
    }
    Ring::build(KeyHasher::new(kind, None), 7, nodes).unwrap()
}

fn bare(name: &str, rack: &str) -> Node {
    Node { peer_address: format!("{name}:8101"), ..Node::new(name, "d", rack, Vec::new()) }
}

fn join(name: &str, rack: &str) -> Change {
    Change::Join { node: bare(name, rack), vnodes: 16 }
}

fn leave(name: &str) -> Change {
    Change::Leave { name: name.to_owned() }
}

/// How many tokens' worth of ranges changed hands.
fn width(moved: &[MovedRange]) -> u64 {
    moved.iter().map(|moved| moved.range.token_count()).sum()
}

/// No token of the first or last ring lies within what moved: it is the range of one token.
fn is_one_seat(moved: &[MovedRange], rings: [&Ring; 2]) -> bool {
    moved.iter().all(|MovedRange { range, dc, rack, .. }| {
        let racks = rings.into_iter().filter_map(|ring| ring.rack_by_name(dc, rack));
        let mut tokens = racks.flat_map(|rack| rack.tokens().iter().map(|(token, _)| *token));
        !tokens.any(|token| token != range.upto && range.contains(token))
    })
}

/// Carries a plan out and holds it to its promises: every ring on the way is one, at most the range of one token moves in a
/// step and none moves twice, and it ends where it said.
fn carry_out(ring: &Ring, plan: &Plan) -> Vec<Ring> {
    let mut rings: Vec<Ring> = Vec::new();
    let mut moved_width = 0;
    for step in plan.steps() {
        let before = rings.last().unwrap_or(ring);
        let after = step.apply(before).unwrap_or_else(|error| panic!("{step}: {error}"));
        assert_eq!(after.epoch(), before.epoch() + 1);
        let moved = moved_ranges(before, &after);
        match step {
            Step::AddRack { .. } => assert!(moved.iter().all(|moved| moved.from.is_none()), "{step}"),
            Step::RemoveRack { .. } => assert!(moved.iter().all(|moved| moved.to.is_none()), "{step}"),
            _ => {
                assert!(moved.len() <= 1 && after.rack_count() == before.rack_count(), "{step}: {moved:?}");
                assert!(is_one_seat(&moved, [ring, plan.target()]), "{step}: {moved:?}");
            }
        }
        moved_width += width(&moved);
        rings.push(after);
    }
    let end = rings.last().unwrap_or(ring);
    assert_eq!((end.nodes(), end.epoch()), (plan.target().nodes(), plan.target().epoch()));
    assert_eq!(moved_width, width(&moved_ranges(ring, end)), "a range moved twice");
    check_figures(ring, plan);
    rings
}

/// What the plan shows adds up, and is what the rings say.
fn check_figures(ring: &Ring, plan: &Plan) {
    let (before, after) = (ring.ownership(), plan.target().ownership());
    let share = |ring: &Ring, ownership: &crate::Ownership, name: &str| {
        ring.index_of_name(name).map_or(0.0, |index: NodeIdx| ownership.share(index))
    };
    for load in plan.loads() {
        assert!((load.share_before - share(ring, &before, &load.name)).abs() < 1e-9);
        assert!((load.share_after - share(plan.target(), &after, &load.name)).abs() < 1e-9);
        let sum = |of: &dyn Fn(&Transfer) -> bool| -> f64 {
            plan.transfers().iter().filter(|transfer| of(transfer)).map(|transfer| transfer.share).sum()
        };
        let got = sum(&|transfer| transfer.to.as_deref() == Some(&load.name));
        let gave = sum(&|transfer| transfer.from.as_deref() == Some(&load.name));
        assert!((load.share_before + got - gave - load.share_after).abs() < 1e-9, "{load:?}");
    }
}

/// The ring at the end of a plan for a rack of `size` nodes. Not every large one is carried out, for time's sake.
fn at_the_end(ring: &Ring, plan: &Plan, size: usize) -> Ring {
    if size < 10 || size.is_multiple_of(25) {
        return carry_out(ring, plan).pop().unwrap();
    }
    RingDescription::of(plan.target()).build().unwrap()
}

fn imbalance(ring: &Ring, rack: &str) -> f64 {
    ring.ownership().imbalance(ring.rack_by_name("d", rack).unwrap().index())
}

#[test]
fn a_rack_grows_to_a_hundred_nodes_and_shrinks_back() {
    for kind in [HashKind::RedisSlot, HashKind::Murmur, HashKind::Crc32] {
        let mut ring = two_racks(kind, 1, 16);
        let mut names = vec!["r0-0".to_owned()];
        for index in 1..100 {
            let name = format!("n{index}");
            let plan = Plan::new(&ring, &join(&name, "r0")).unwrap();
            assert!(plan.steps().len() <= 16);
            let newcomer = plan.loads().iter().find(|load| load.name == name).unwrap();
            assert!(newcomer.share_after * f64::from(index + 1) <= 1.1, "{newcomer:?}");
            ring = at_the_end(&ring, &plan, index as usize);
            assert!(imbalance(&ring, "r0") <= 0.05, "{kind} {index}: {}", imbalance(&ring, "r0"));
            names.push(name);
        }
        while names.len() > 1 {
            // In no order of theirs.
            let name = names.swap_remove(names.len() * 5 % 7 % names.len());
            let plan = Plan::new(&ring, &leave(&name)).unwrap();
            ring = at_the_end(&ring, &plan, names.len());
            assert!(plan.steps().len() <= 3 * 16, "{kind} {}: {} steps", names.len(), plan.steps().len());
            assert!(imbalance(&ring, "r0") <= 0.05, "{kind} {}: {}", names.len(), imbalance(&ring, "r0"));
        }
        let error = Plan::new(&ring, &leave(&names[0])).unwrap_err();
        assert!(matches!(error, PlanError::LastOfRack { .. }), "{error}");
    }
}

#[test]
fn joins_and_leaves_for_ever_collect_no_tokens() {
    let mut ring = two_racks(HashKind::RedisSlot, 5, 16);
    for round in 0..100 {
        let (newcomer, leaver) = (format!("n{round}"), format!("n{}", round - 5));
        let leaver = if round < 5 { format!("r0-{round}") } else { leaver };
        for change in [join(&newcomer, "r0"), leave(&leaver)] {
            ring = carry_out(&ring, &Plan::new(&ring, &change).unwrap()).pop().unwrap();
        }
    }
    let token_count = ring.rack_by_name("d", "r0").unwrap().tokens().len();
    assert!(token_count < 2 * 5 * 16, "{token_count}");
}

#[test]
fn who_replaces_takes_every_token_one_by_one() {
    let ring = two_racks(HashKind::RedisSlot, 3, 16);
    let plan = Plan::new(&ring, &Change::Replace { dead: "r0-1".to_owned(), by: bare("new", "r0") }).unwrap();
    let rings = carry_out(&ring, &plan);
    assert_eq!(rings.len(), 16);
    let tokens =
        |ring: &Ring, name: &str| ring.index_of_name(name).map(|index| ring.node(index).tokens.clone());
    assert_eq!(tokens(&rings[3], "new").unwrap().len(), 4);
    assert_eq!(tokens(&rings[15], "new"), tokens(&ring, "r0-1"));
    assert_eq!(tokens(&rings[15], "r0-1"), None);
    assert_eq!(rings[15].node(rings[15].index_of_name("new").unwrap()).peer_address, "new:8101");
}

#[test]
fn the_only_node_of_a_rack_is_replaced() {
    let ring = two_racks(HashKind::Murmur, 1, 4);
    let plan = Plan::new(&ring, &Change::Replace { dead: "r1-0".to_owned(), by: bare("new", "r1") }).unwrap();
    assert_eq!(carry_out(&ring, &plan).len(), 4);
}

#[test]
fn a_rack_or_datacenter_comes_and_goes_in_one_step() {
    let ring = two_racks(HashKind::RedisSlot, 2, 16);
    let far = Node { dc: "far".to_owned(), ..bare("f", "r0") };
    for (node, dc) in [(bare("third", "r2"), "d"), (far, "far")] {
        let rack = node.rack.clone();
        let plan = Plan::new(&ring, &Change::Join { node, vnodes: 16 }).unwrap();
        let grown = carry_out(&ring, &plan).pop().unwrap();
        assert_eq!((plan.steps().len(), grown.rack_count()), (1, 3));
        let (dc, rack) = (dc.to_owned(), rack);
        let plan = Plan::new(&grown, &Change::RemoveRack { dc, rack }).unwrap();
        assert_eq!(carry_out(&grown, &plan).pop().unwrap().digest(), ring.digest());
    }
}

#[test]
fn a_node_moves_to_the_tokens_it_is_given() {
    let ring = two_racks(HashKind::Murmur, 3, 4);
    let old = ring.node(ring.index_of_name("r0-0").unwrap()).tokens.clone();
    let tokens = vec![old[0], Token(old[1].0 + 17), Token(5), Token(u32::MAX - 5), Token(u32::MAX - 4)];
    let change = Change::Move { name: "r0-0".to_owned(), tokens: tokens.clone() };
    let end = carry_out(&ring, &Plan::new(&ring, &change).unwrap()).pop().unwrap();
    let mut expected = tokens;
    expected.sort_unstable();
    assert_eq!(end.node(end.index_of_name("r0-0").unwrap()).tokens, expected);
}

#[test]
fn a_rebalance_makes_loads_even_and_moves_little() {
    for kind in [HashKind::RedisSlot, HashKind::Murmur] {
        let mut nodes = two_racks(kind, 4, 16).nodes().to_vec();
        // One has all but one token of another one.
        let given: Vec<Token> = nodes[2].tokens.drain(1..).collect();
        nodes[0].tokens.extend(given);
        let ring = Ring::build(KeyHasher::new(kind, None), 1, nodes).unwrap();
        assert!(imbalance(&ring, "r0") > 0.9);
        let change = Change::Rebalance { dc: "d".to_owned(), rack: "r0".to_owned() };
        let plan = Plan::new(&ring, &change).unwrap();
        let end = carry_out(&ring, &plan).pop().unwrap();
        assert!(imbalance(&end, "r0") <= 0.05);
        let moved: f64 = plan.transfers().iter().map(|transfer| transfer.share).sum();
        let shares = plan.loads().iter().filter(|load| load.rack == "r0").map(|load| load.share_before);
        let excess: f64 = shares.map(|share| (share - 0.25).max(0.0)).sum();
        assert!(moved < excess + 0.001, "{moved} {excess}");
        assert_eq!(Plan::new(&end, &change).unwrap().steps(), []);
    }
}

#[test]
fn an_interrupted_change_goes_on_or_back() {
    let ring = two_racks(HashKind::RedisSlot, 4, 16);
    let plan = Plan::new(&ring, &leave("r0-2")).unwrap();
    let half = carry_out(&ring, &plan).swap_remove(6);
    let rest = Plan::toward(&half, plan.target().nodes().to_vec()).unwrap();
    assert_eq!(rest.steps(), &plan.steps()[7..]);
    let back = Plan::toward(&half, ring.nodes().to_vec()).unwrap();
    assert_eq!(carry_out(&half, &back).pop().unwrap().digest(), ring.digest());
}

#[test]
fn a_step_of_another_ring_is_refused() {
    let ring = two_racks(HashKind::RedisSlot, 2, 16);
    let plan = Plan::new(&ring, &leave("r0-1")).unwrap();
    let gone = plan.target();
    for step in plan.steps() {
        assert!(matches!(step.apply(gone), Err(PlanError::Outdated { .. })), "{step}");
    }
    let add = Step::AddRack { nodes: vec![Node::new("x", "d", "r0", vec![Token(1)])] };
    assert!(matches!(add.apply(&ring), Err(PlanError::Outdated { .. })));
}

#[test]
fn a_refused_change_says_what_to_do() {
    let ring = two_racks(HashKind::RedisSlot, 2, 16);
    let taken = ring.node(ring.index_of_name("r0-1").unwrap()).tokens[3];
    let named = |tokens: Vec<Token>| Change::Move { name: "r0-0".to_owned(), tokens };
    let replace = |dead: &str, by| Change::Replace { dead: dead.to_owned(), by };
    let refused = [
        (join("r1-0", "r0"), "another name"),
        (Change::Join { node: bare("new", "r0"), vnodes: 0 }, "at least one"),
        (leave("nobody"), "check the name"),
        (replace("nobody", bare("new", "r0")), "check the name"),
        (replace("r0-0", bare("r0-1", "r0")), "another name"),
        (replace("r0-0", bare("new", "r1")), "name that rack"),
        (named(vec![taken]), "belongs to node \"r0-1\""),
        (named(vec![]), "let it leave"),
        (named(vec![Token(3), Token(3)]), "twice"),
        (Change::Rebalance { dc: "d".to_owned(), rack: "r9".to_owned() }, "check the names"),
        (Change::RemoveRack { dc: "x".to_owned(), rack: "r0".to_owned() }, "check the names"),
    ];
    for (change, expected) in refused {
        let error = Plan::new(&ring, &change).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn the_only_copy_does_not_move() {
    let alone = Ring::build(
        KeyHasher::new(HashKind::RedisSlot, None),
        1,
        vec![Node::new("a", "d", "r0", vec![Token(1), Token(9)])],
    );
    let alone = alone.unwrap();
    assert!(matches!(Plan::new(&alone, &join("b", "r0")), Err(PlanError::OnlyCopy { .. })));
    let rack = Change::RemoveRack { dc: "d".to_owned(), rack: "r0".to_owned() };
    assert!(matches!(Plan::new(&alone, &rack), Err(PlanError::LastRack { .. })));
    assert_eq!(Plan::new(&alone, &join("b", "r1")).unwrap().steps().len(), 1);
}

#[test]
fn a_full_rack_says_so() {
    let slots: Vec<Token> = (0..crate::SLOT_COUNT).map(Token::from_slot).collect();
    let nodes = vec![Node::new("a", "d", "r0", slots), Node::new("b", "d", "r1", vec![Token(0)])];
    let ring = Ring::build(KeyHasher::new(HashKind::RedisSlot, None), 1, nodes).unwrap();
    let error = Plan::new(&ring, &join("c", "r0")).unwrap_err();
    assert!(matches!(error, PlanError::SpaceFull { token_count: 16384, .. }), "{error}");
}

fn a_change() -> impl Strategy<Value = (u8, u8, u8, Vec<u32>)> {
    let token = prop_oneof![0..60_u32, (u32::MAX - 30)..=u32::MAX, any::<u32>()];
    (0..6_u8, 0..9_u8, 0..3_u8, prop::collection::vec(token, 1..5))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_plan_moves_one_seat_at_a_time(
        nodes in few_nodes(), kind in 0..HashKind::ALL.len(), changes in prop::collection::vec(a_change(), 1..4),
    ) {
        prop_assume!(!nodes.is_empty());
        let mut ring = Ring::build(KeyHasher::new(HashKind::ALL[kind].0, None), 1, nodes).unwrap();
        for (number, (what, whom, rack, tokens)) in changes.into_iter().enumerate() {
            let known = ring.node(NodeIdx(u32::from(whom) % ring.nodes().len() as u32)).clone();
            let place = |name: String| Node { name: name.clone(), dc: known.dc.clone(), rack: known.rack.clone(),
                ..Node::new(name, "", "", Vec::new()) };
            let newcomer = place(format!("new{number}"));
            let rack_of = |node: &Node| (node.dc.clone(), node.rack.clone());
            let change = match what {
                0 => Change::Join { node: newcomer, vnodes: tokens.len() },
                1 => Change::Join { node: Node { rack: format!("r{rack}"), ..newcomer }, vnodes: 3 },
                2 => Change::Leave { name: known.name },
                3 => Change::Replace { dead: known.name, by: newcomer },
                4 => Change::Move { name: known.name, tokens: tokens.into_iter().map(Token).collect() },
                _ => { let (dc, rack) = rack_of(&known); Change::Rebalance { dc, rack } }
            };
            match Plan::new(&ring, &change) {
                Ok(plan) => if let Some(end) = carry_out(&ring, &plan).pop() { ring = end },
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
    }

    #[test]
    fn any_ring_is_reached_from_any_other_by_valid_rings(old in few_nodes(), new in few_nodes()) {
        prop_assume!(!old.is_empty() && !new.is_empty());
        let ring = Ring::build(KeyHasher::new(HashKind::Murmur, None), 1, old).unwrap();
        let Ok(plan) = Plan::toward(&ring, new) else { return Ok(()) };
        let mut now = None;
        for step in plan.steps() {
            let next = step.apply(now.as_ref().unwrap_or(&ring)).unwrap();
            let is_rack = matches!(step, Step::AddRack { .. } | Step::RemoveRack { .. });
            let moved = moved_ranges(now.as_ref().unwrap_or(&ring), &next);
            prop_assert!(is_rack || moved.len() <= 1, "{}", step);
            now = Some(next);
        }
        prop_assert_eq!(now.as_ref().unwrap_or(&ring).digest(), plan.target().digest());
    }
}

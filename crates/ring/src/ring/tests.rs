use proptest::prelude::*;

use super::*;
use crate::testing::{few_nodes, interesting_tokens, node, ring};
use crate::{HashKind, SLOT_COUNT};

/// One owner per rack by its definition: the smallest token at or after, or else the smallest of all.
fn naive_replicas(nodes: &[Node], token: Token) -> Vec<&str> {
    let mut racks: Vec<(&str, &str)> = nodes.iter().map(|node| (&*node.dc, &*node.rack)).collect();
    racks.sort_unstable();
    racks.dedup();
    let owner = |rack| {
        let members = nodes.iter().filter(|node| (&*node.dc, &*node.rack) == rack);
        let owned: Vec<(Token, &str)> =
            members.flat_map(|node| node.tokens.iter().map(|end| (*end, &*node.name))).collect();
        let at_or_after = owned.iter().filter(|(end, _)| *end >= token).min();
        at_or_after.or(owned.iter().min()).unwrap().1
    };
    racks.into_iter().map(owner).collect()
}

fn names<'a>(ring: &'a Ring, nodes: &[NodeIdx]) -> Vec<&'a str> {
    nodes.iter().map(|index| ring.node(*index).name.as_str()).collect()
}

/// `dc_count` datacenters with three racks each.
fn even(dc_count: usize, nodes_per_rack: u32) -> Ring {
    let mut nodes = Vec::new();
    for dc in 0..dc_count {
        for rack in 0..3 {
            for number in 0..nodes_per_rack {
                let token = number * (u32::MAX / nodes_per_rack);
                nodes.push(node(
                    &format!("n-{dc}-{rack}-{number}"),
                    &format!("dc{dc}"),
                    &format!("rack{rack}"),
                    &[token],
                ));
            }
        }
    }
    ring(nodes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn replicas_equal_those_of_a_linear_search(nodes in few_nodes(), more in prop::collection::vec(any::<u32>(), 20)) {
        let ring = ring(nodes.clone());
        for token in interesting_tokens(&[&ring]).into_iter().chain(more.into_iter().map(Token)) {
            let expected = naive_replicas(&nodes, token);
            prop_assert_eq!(names(&ring, ring.replicas(token).all()), expected.clone(), "{}", token);
            let by_dc: Vec<&str> = ring
                .dcs()
                .iter()
                .flat_map(|dc| names(&ring, ring.replicas(token).in_dc(dc.index())))
                .collect();
            prop_assert_eq!(by_dc, expected.clone());
            for (rack, owner) in ring.racks().zip(expected) {
                prop_assert_eq!(&ring.node(rack.owner(token)).name, owner);
                prop_assert_eq!(&ring.node(ring.replicas(token).in_rack(rack.index())).name, owner);
            }
        }
    }

    #[test]
    fn ranges_cover_every_token_once_with_its_replicas(nodes in few_nodes()) {
        let ring = ring(nodes);
        prop_assert_eq!(ring.ranges().map(|(range, _)| range.token_count()).sum::<u64>(), 1 << 32);
        for token in interesting_tokens(&[&ring]) {
            let holding: Vec<_> = ring.ranges().filter(|(range, _)| range.contains(token)).collect();
            prop_assert_eq!(holding.len(), 1);
            prop_assert_eq!(holding[0].1.all(), ring.replicas(token).all());
        }
    }

    #[test]
    fn ranges_of_a_node_hold_the_tokens_it_owns(nodes in few_nodes()) {
        let ring = ring(nodes);
        for (index, node) in ring.nodes().iter().enumerate() {
            let index = NodeIdx(index as u32);
            let ranges = ring.ranges_of(index);
            for token in interesting_tokens(&[&ring]) {
                let owned = ring.replicas(token).all().contains(&index);
                prop_assert_eq!(ranges.iter().any(|range| range.contains(token)), owned, "{} {}", node.name, token);
            }
        }
    }

    #[test]
    fn the_order_of_the_nodes_does_not_matter(nodes in few_nodes()) {
        let mut reversed = nodes.clone();
        reversed.reverse();
        for node in &mut reversed {
            node.tokens.reverse();
        }
        let (one, other) = (ring(nodes), ring(reversed));
        prop_assert_eq!(one.nodes(), other.nodes());
        prop_assert_eq!(one.digest(), other.digest());
    }
}

#[test]
fn a_token_owns_what_lies_after_the_previous_one() {
    let ring = ring(vec![node("a", "dc", "r", &[100]), node("b", "dc", "r", &[200])]);
    for (token, expected) in [(0, "a"), (100, "a"), (101, "b"), (200, "b"), (201, "a"), (u32::MAX, "a")] {
        assert_eq!(names(&ring, ring.replicas(Token(token)).all()), [expected], "{token}");
    }
}

#[test]
fn racks_of_one_two_and_four_nodes_each_hold_every_token() {
    let nodes = vec![
        node("a", "dc", "r1", &[77]),
        node("b", "dc", "r2", &[0]),
        node("c", "dc", "r2", &[1 << 31]),
        node("d", "dc", "r3", &[0]),
        node("e", "dc", "r3", &[1 << 30]),
        node("f", "dc", "r3", &[2 << 30]),
        node("g", "dc", "r3", &[3 << 30]),
    ];
    let ring = ring(nodes);
    for (token, expected) in [
        (0, ["a", "b", "d"]),
        (1, ["a", "c", "e"]),
        (1 << 31, ["a", "c", "f"]),
        ((1 << 31) + 1, ["a", "b", "g"]),
        (u32::MAX, ["a", "b", "d"]),
    ] {
        assert_eq!(names(&ring, ring.replicas(Token(token)).all()), expected, "{token}");
    }
}

#[test]
fn tokens_crowded_at_one_end_are_found() {
    let nodes = (0..500).map(|number| node(&format!("n{number}"), "dc", "r", &[number * 3])).collect();
    let ring = ring(nodes);
    for token in 0..1500_u32 {
        let expected = format!("n{}", token.div_ceil(3) % 500);
        assert_eq!(names(&ring, ring.replicas(Token(token)).all()), [expected], "{token}");
    }
}

#[test]
fn slots_are_owned_up_to_and_including_the_token() {
    let hasher = KeyHasher::new(HashKind::RedisSlot, None);
    let tokens = |slot| vec![Token::from_slot(slot)];
    let nodes =
        vec![Node::new("a", "dc", "r", tokens(8191)), Node::new("b", "dc", "r", tokens(SLOT_COUNT - 1))];
    let ring = Ring::build(hasher, 0, nodes).unwrap();
    for (key, slot, expected) in [("foo", 12182, "b"), ("bar", 5061, "a")] {
        assert_eq!(ring.token(key.as_bytes()).slot(), slot);
        assert_eq!(names(&ring, ring.replicas(ring.token(key.as_bytes())).all()), [expected]);
    }
    for (slot, expected) in [(0, "a"), (8191, "a"), (8192, "b"), (SLOT_COUNT - 1, "b")] {
        assert_eq!(names(&ring, ring.replicas(Token::from_slot(slot)).all()), [expected], "{slot}");
    }
}

#[test]
fn what_is_no_ring_is_refused_by_name() {
    let refused = |nodes| Ring::build(KeyHasher::new(HashKind::Murmur, None), 0, nodes).unwrap_err();
    assert_eq!(refused(vec![]), RingError::NoNodes);
    let twice = vec![node("a", "dc", "r", &[1]), node("a", "dc2", "r", &[2])];
    assert_eq!(refused(twice.clone()), RingError::DuplicateName { name: "a".to_owned() });
    let mut renumbered = twice;
    renumbered[1].id = NodeId(7);
    assert_eq!(refused(renumbered), RingError::DuplicateName { name: "a".to_owned() });
    assert_eq!(refused(vec![node("a", "dc", "r", &[])]), RingError::NoTokens { name: "a".to_owned() });

    let mut same_id = vec![node("a", "dc", "r", &[1]), node("b", "dc", "r", &[2])];
    same_id[1].id = same_id[0].id;
    let message = refused(same_id).to_string();
    assert!(
        message.contains("\"a\"") && message.contains("\"b\"") && message.contains("rename"),
        "{message}"
    );

    let message = refused(vec![node("a", "dc", "r", &[5]), node("b", "dc", "r", &[4, 5])]).to_string();
    assert!(
        message.contains("token 5") && message.contains("\"a\"") && message.contains("\"b\""),
        "{message}"
    );
    assert!(matches!(refused(vec![node("a", "dc", "r", &[5, 5])]), RingError::DuplicateToken { .. }));
}

#[test]
fn racks_may_share_names_and_tokens_with_those_of_other_datacenters() {
    let ring = ring(vec![node("a", "d1", "r", &[5]), node("b", "d2", "r", &[5]), node("c", "d1", "s", &[5])]);
    assert_eq!(ring.dcs().len(), 2);
    assert_eq!(ring.dc_by_name("d1").unwrap().racks().len(), 2);
    assert_eq!(ring.rack_count(), 3);
    assert_eq!(names(&ring, ring.replicas(Token(5)).all()), ["a", "c", "b"]);
}

#[test]
fn numbers_lead_to_what_they_number() {
    let ring = even(2, 4);
    for (index, node) in ring.nodes().iter().enumerate() {
        let index = NodeIdx(index as u32);
        assert_eq!(ring.index_of(node.id), Some(index));
        assert_eq!(ring.index_of_name(&node.name), Some(index));
        let rack = ring.rack(ring.rack_of(index));
        assert_eq!((rack.name(), ring.dc(rack.dc()).name()), (&*node.rack, &*node.dc));
        assert!(rack.nodes().any(|member| member == index));
    }
    for (number, rack) in ring.racks().enumerate() {
        assert_eq!(rack.index(), RackIdx(number as u16));
    }
    assert_eq!(ring.index_of_name("nobody"), None);
}

#[test]
fn primaries_spread_evenly_over_racks_and_over_the_tokens_of_a_node() {
    let ring = even(2, 4);
    let hasher = KeyHasher::new(HashKind::RedisSlot, None);
    for dc in ring.dcs() {
        for hasher in [hasher, ring.hasher()] {
            let mut counts = [[0_u32; 4]; 3];
            for number in 0..60_000 {
                let token = hasher.token(format!("key:{number}").as_bytes());
                let rack = ring.primary_rack(token, dc.index());
                let owner = ring.primary(token, dc.index());
                assert_eq!(ring.rack_of(owner), rack);
                let place = usize::from(rack.0) - dc.rack_range().start;
                counts[place][(owner.0 - ring.rack(rack).nodes().next().unwrap().0) as usize] += 1;
            }
            for count in counts.into_iter().flatten() {
                assert!(count.abs_diff(5000) < 500, "{counts:?}");
            }
        }
    }
}

#[test]
fn a_new_rack_takes_primaries_and_moves_no_others() {
    let two = ring(vec![node("a", "dc", "r1", &[1]), node("b", "dc", "r2", &[1])]);
    let three =
        ring(vec![node("a", "dc", "r1", &[1]), node("b", "dc", "r2", &[1]), node("c", "dc", "r15", &[1])]);
    let mut taken = 0;
    for number in 0..3000_u32 {
        let token = Token(number.wrapping_mul(0x9E37_79B9));
        let primary = |ring: &Ring| ring.node(ring.primary(token, DcIdx(0))).name.clone();
        let (before, after) = (primary(&two), primary(&three));
        taken += u32::from(after == "c");
        assert!(after == "c" || after == before);
    }
    assert!(taken.abs_diff(1000) < 150, "{taken}");
}

#[test]
fn each_rack_forwards_first_to_its_counterpart() {
    let mut nodes: Vec<Node> =
        (0..3).map(|rack| node(&format!("a{rack}"), "d1", &format!("r{rack}"), &[9])).collect();
    nodes.extend((0..2).map(|rack| node(&format!("b{rack}"), "d2", &format!("r{rack}"), &[9])));
    let ring = ring(nodes);
    let order = |from, to| {
        names(&ring, &ring.forwarder_order(Token(1), RackIdx(from), DcIdx(to)).collect::<Vec<_>>())
    };
    assert_eq!(order(0, 1), ["b0", "b1"]);
    assert_eq!(order(1, 1), ["b1", "b0"]);
    assert_eq!(order(2, 1), ["b0", "b1"]);
    assert_eq!(order(4, 0), ["a1", "a2", "a0"]);
}

#[test]
fn the_digest_sees_all_that_routes_and_nothing_else() {
    let nodes = || vec![node("a", "d", "r", &[1, 2]), node("b", "d", "s", &[3])];
    let hasher = KeyHasher::new(HashKind::Murmur, None);
    let digest = |hasher, epoch, nodes| Ring::build(hasher, epoch, nodes).unwrap().digest();
    let plain = digest(hasher, 1, nodes());
    // Other versions of the crate must give the same.
    assert_eq!(plain, DIGEST);

    let mut readdressed = nodes();
    readdressed[0].client_address = "127.0.0.1:1".to_owned();
    assert_eq!(digest(hasher, 2, readdressed), plain);

    let mut others = vec![
        digest(KeyHasher::new(HashKind::Crc16, None), 1, nodes()),
        digest(KeyHasher::new(HashKind::Murmur, Some((b'{', b'}'))), 1, nodes()),
        digest(hasher, 1, nodes()[..1].to_vec()),
    ];
    let changes: [fn(&mut Node); 5] = [
        |node| node.name = "c".to_owned(),
        |node| node.dc = "e".to_owned(),
        |node| node.rack = "s".to_owned(),
        |node| node.tokens = vec![Token(1)],
        |node| node.tokens = vec![Token(1), Token(4)],
    ];
    for change in changes {
        let mut changed = nodes();
        change(&mut changed[0]);
        others.push(digest(hasher, 1, changed));
    }
    others.push(plain);
    let count = others.len();
    others.sort_unstable();
    others.dedup();
    assert_eq!(others.len(), count);
}

const DIGEST: u64 = 7_918_900_893_001_795_834;

#[test]
fn ownership_adds_up_in_every_rack() {
    let ring = ring(vec![
        node("a", "dc", "r1", &[1 << 30]),
        node("b", "dc", "r1", &[1 << 31, u32::MAX]),
        node("c", "dc", "r2", &[5]),
    ]);
    let ownership = ring.ownership();
    let share = |name| ownership.share(ring.index_of_name(name).unwrap());
    for (name, expected) in [("a", 0.25), ("b", 0.75), ("c", 1.0)] {
        assert!((share(name) - expected).abs() < 1e-6, "{name} {}", share(name));
    }
    assert!((ownership.imbalance(RackIdx(0)) - 0.5).abs() < 1e-6);
    assert!(ownership.imbalance(RackIdx(1)).abs() < 1e-6);
}

#[test]
fn ownership_counts_only_hashes_that_keys_can_have() {
    // crc32 gives 15 bits: a node with the whole upper part of the token range owns nothing there.
    let hasher = KeyHasher::new(HashKind::Crc32, None);
    let nodes = vec![node("a", "dc", "r", &[(1 << 15) - 1]), node("b", "dc", "r", &[u32::MAX])];
    let ring = Ring::build(hasher, 0, nodes).unwrap();
    let ownership = ring.ownership();
    assert_eq!(ownership.share(NodeIdx(0)), 1.0);
    assert_eq!(ownership.share(NodeIdx(1)), 0.0);
}

#[test]
fn sets_of_replicas_have_the_same_digest_in_every_ring_that_has_them() {
    let before = ring(vec![node("b", "d", "r1", &[10, 20]), node("x", "d", "r2", &[5])]);
    // "a" comes first, and so all others have other numbers.
    let after =
        ring(vec![node("b", "d", "r1", &[10]), node("a", "d", "r1", &[20]), node("x", "d", "r2", &[5])]);
    let digests = |token: u32| [&before, &after].map(|ring| ring.replicas(Token(token)).digest());
    assert_eq!(digests(10)[0], digests(10)[1]);
    assert_ne!(digests(20)[0], digests(20)[1]);
}

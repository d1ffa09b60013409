use proptest::prelude::*;

use super::*;
use crate::testing::{few_nodes, interesting_tokens, node, ring};

/// The owner in a rack by its definition: the smallest token at or after, or else the smallest of all.
fn naive_owner(ring: &Ring, dc: &str, rack: &str, token: Token) -> Option<NodeId> {
    let in_rack = || ring.nodes().iter().filter(|node| node.dc == dc && node.rack == rack);
    let owned = || in_rack().flat_map(|node| node.tokens.iter().map(move |end| (*end, node.id)));
    owned().filter(|(end, _)| *end >= token).min().or_else(|| owned().min()).map(|(_, id)| id)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn moved_ranges_explain_exactly_every_change_of_owner(old in few_nodes(), new in few_nodes()) {
        let (old, new) = (ring(old), ring(new));
        let moved = moved_ranges(&old, &new);
        for dc in ["d0", "d1"] {
            for rack in ["r0", "r1", "r2"] {
                for token in interesting_tokens(&[&old, &new]) {
                    let owners = (naive_owner(&old, dc, rack, token), naive_owner(&new, dc, rack, token));
                    let told: Vec<_> = moved
                        .iter()
                        .filter(|moved| *moved.dc == *dc && *moved.rack == *rack && moved.range.contains(token))
                        .map(|moved| (moved.from, moved.to))
                        .collect();
                    let expected = if owners.0 == owners.1 { vec![] } else { vec![owners] };
                    prop_assert_eq!(told, expected, "{} {} {}", dc, rack, token);
                }
            }
        }
    }
}

#[test]
fn a_ring_does_not_differ_from_itself() {
    let nodes = vec![node("a", "dc", "r", &[1, 5]), node("b", "dc", "r", &[3, 9])];
    assert_eq!(moved_ranges(&ring(nodes.clone()), &ring(nodes)), []);
}

#[test]
fn a_join_moves_what_the_newcomer_owns() {
    let old = ring(vec![node("a", "dc", "r", &[100]), node("b", "dc", "r", &[200])]);
    let new = ring(vec![
        node("a", "dc", "r", &[100]),
        node("b", "dc", "r", &[200]),
        node("c", "dc", "r", &[150, 250]),
    ]);
    let id = |name| Some(NodeId::from_name(name));
    let moved: Vec<_> =
        moved_ranges(&old, &new).into_iter().map(|moved| (moved.range, moved.from, moved.to)).collect();
    let range = |after, upto| TokenRange::new(Token(after), Token(upto));
    assert_eq!(moved, [(range(100, 150), id("b"), id("c")), (range(200, 250), id("a"), id("c"))]);
}

#[test]
fn a_new_rack_takes_the_whole_ring() {
    let old = ring(vec![node("a", "dc", "r0", &[100, 300])]);
    let new = ring(vec![node("a", "dc", "r0", &[100, 300]), node("b", "dc", "r1", &[100, 200])]);
    let moved = moved_ranges(&old, &new);
    assert_eq!(moved.len(), 1);
    assert_eq!((&*moved[0].rack, moved[0].from, moved[0].to), ("r1", None, Some(NodeId::from_name("b"))));
    assert_eq!(moved[0].range.token_count(), 1 << 32);
}

#[test]
fn ranges_with_the_same_owners_join_over_the_wrap() {
    let old = ring(vec![node("a", "dc", "r", &[100, 200]), node("b", "dc", "r", &[150])]);
    let new = ring(vec![node("c", "dc", "r", &[100, 200]), node("b", "dc", "r", &[150])]);
    let moved = moved_ranges(&old, &new);
    assert_eq!(moved.len(), 1);
    assert_eq!(moved[0].range, TokenRange::new(Token(150), Token(100)));
}

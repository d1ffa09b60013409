use super::*;
use crate::HashKind;

const MURMUR: KeyHasher = KeyHasher::new(HashKind::Murmur, None);

fn node(name: &str, dc: &str, rack: &str, tokens: &[u32]) -> Node {
    Node::new(name, dc, rack, tokens.iter().copied().map(Token).collect())
}

fn ring(nodes: Vec<Node>) -> Ring {
    Ring::build(MURMUR, 1, nodes).unwrap()
}

#[test]
fn a_token_owns_what_lies_after_the_previous_one() {
    let ring = ring(vec![node("a", "dc", "r", &[100]), node("b", "dc", "r", &[200])]);
    let owner = |token| ring.node(ring.replicas(Token(token)).all()[0]).name.as_str();
    for (token, expected) in [(0, "a"), (100, "a"), (101, "b"), (200, "b"), (201, "a"), (u32::MAX, "a")] {
        assert_eq!(owner(token), expected, "{token}");
    }
}

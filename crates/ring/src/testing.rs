//! Small random topologies for the properties, and the tokens at which something may change.

use proptest::prelude::*;

use crate::{HashKind, KeyHasher, Node, Ring, Token};

pub(crate) fn node(name: &str, dc: &str, rack: &str, tokens: &[u32]) -> Node {
    Node::new(name, dc, rack, tokens.iter().copied().map(Token).collect())
}

pub(crate) fn ring(nodes: Vec<Node>) -> Ring {
    Ring::build(KeyHasher::new(HashKind::Murmur, None), 1, nodes).unwrap()
}

/// Up to eight nodes in two datacenters with up to three racks each, unevenly filled. Tokens are often neighbours,
/// often at the ends of the ring, and often the same in several racks.
pub(crate) fn few_nodes() -> impl Strategy<Value = Vec<Node>> {
    let token = prop_oneof![0..40_u32, (u32::MAX - 20)..=u32::MAX, any::<u32>()];
    let member = (0..2_u8, 0..3_u8, prop::collection::vec(token, 1..5));
    prop::collection::vec(member, 1..9).prop_map(|members| {
        let mut nodes: Vec<Node> = Vec::new();
        for (index, (dc, rack, mut tokens)) in members.into_iter().enumerate() {
            let (dc, rack) = (format!("d{dc}"), format!("r{rack}"));
            let taken = |token: &u32| {
                nodes
                    .iter()
                    .any(|node| node.dc == dc && node.rack == rack && node.tokens.contains(&Token(*token)))
            };
            tokens.retain(|token| !taken(token));
            tokens.sort_unstable();
            tokens.dedup();
            if !tokens.is_empty() {
                nodes.push(node(&format!("n{index}"), &dc, &rack, &tokens));
            }
        }
        nodes
    })
}

/// Every token of the rings with its neighbours, and the ends of the ring.
pub(crate) fn interesting_tokens(rings: &[&Ring]) -> Vec<Token> {
    let given = rings.iter().flat_map(|ring| ring.nodes()).flat_map(|node| &node.tokens);
    let near = given.flat_map(|token| [token.0.wrapping_sub(1), token.0, token.0.wrapping_add(1)]);
    near.chain([0, 1 << 31, u32::MAX]).map(Token).collect()
}

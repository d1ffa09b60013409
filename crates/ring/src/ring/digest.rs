//! Stable digests: of a topology, to compare it between nodes, and of names, to seed choices. These bytes are
//! compared between nodes of different versions, so nothing here may change.

use crate::{KeyHasher, Node};

/// FNV-1a with 64 bits over everything that decides where keys go, each part preceded by its length.
pub(super) fn of(hasher: KeyHasher, nodes: &[Node]) -> u64 {
    let mut digest = Fnv64::new();
    digest.text(hasher.kind().name());
    match hasher.tag() {
        Some((open, close)) => digest.part(&[open, close]),
        None => digest.part(&[]),
    }
    digest.number(nodes.len() as u64);
    for node in nodes {
        digest.text(&node.name);
        digest.text(&node.dc);
        digest.text(&node.rack);
        digest.number(node.tokens.len() as u64);
        for token in &node.tokens {
            digest.bytes(&token.0.to_le_bytes());
        }
    }
    mix(digest.0)
}

/// A well spread number for a name.
pub(super) fn of_name(name: &str) -> u64 {
    let mut digest = Fnv64::new();
    digest.text(name);
    mix(digest.0)
}

/// Spreads every bit of `value` over all bits (the finaliser of SplitMix64).
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ value >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ value >> 31
}

struct Fnv64(u64);

impl Fnv64 {
    fn new() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0 =
            bytes.iter().fold(self.0, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3));
    }

    fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    fn part(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.bytes(bytes);
    }

    fn text(&mut self, text: &str) {
        self.part(text.as_bytes());
    }
}

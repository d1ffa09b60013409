//! Hashing keys, and finding the nodes that hold them.

use std::collections::HashSet;
use std::hint::black_box;

use dynomite_ring::{DcIdx, HashKind, KeyHasher, Node, Ring, Token};

use crate::case::{Case, Scenario, scenario, steady};
use crate::numbers::Numbers;

/// Hashes and look-ups in a batch: they take nanoseconds, and reading the clock takes some too.
const LOOKUPS: usize = 1024;
/// So many different tokens that a look-up finds of the ring in the processor's caches what fits there, and no more.
const TOKENS: usize = 1 << 18;
/// Racks of a datacenter.
const RACKS: usize = 3;
/// Datacenters of a ring that has a node for each of their racks; a smaller one has one datacenter.
const DCS: usize = 2;
const KEY: &[u8] = b"user:1000:session:42";

/// Hashes of a key of 20 bytes, and look-ups.
pub const CASES: &[Case] = &[
    Case { name: "hash/redis-slot", elements: LOOKUPS, prepare: || hashes(HashKind::RedisSlot) },
    Case { name: "hash/murmur", elements: LOOKUPS, prepare: || hashes(HashKind::Murmur) },
    Case { name: "hash/murmur3", elements: LOOKUPS, prepare: || hashes(HashKind::Murmur3) },
    Case { name: "hash/one_at_a_time", elements: LOOKUPS, prepare: || hashes(HashKind::OneAtATime) },
    Case { name: "hash/md5", elements: LOOKUPS, prepare: || hashes(HashKind::Md5) },
    Case { name: "hash/crc16", elements: LOOKUPS, prepare: || hashes(HashKind::Crc16) },
    Case { name: "hash/crc32", elements: LOOKUPS, prepare: || hashes(HashKind::Crc32) },
    Case { name: "hash/crc32a", elements: LOOKUPS, prepare: || hashes(HashKind::Crc32a) },
    Case { name: "hash/fnv1_64", elements: LOOKUPS, prepare: || hashes(HashKind::Fnv1_64) },
    Case { name: "hash/fnv1a_64", elements: LOOKUPS, prepare: || hashes(HashKind::Fnv1a64) },
    Case { name: "hash/fnv1_32", elements: LOOKUPS, prepare: || hashes(HashKind::Fnv1_32) },
    Case { name: "hash/fnv1a_32", elements: LOOKUPS, prepare: || hashes(HashKind::Fnv1a32) },
    Case { name: "hash/hsieh", elements: LOOKUPS, prepare: || hashes(HashKind::Hsieh) },
    Case { name: "hash/jenkins", elements: LOOKUPS, prepare: || hashes(HashKind::Jenkins) },
    Case { name: "ring/replicas/3x16", elements: LOOKUPS, prepare: || replicas(3, 16) },
    Case { name: "ring/replicas/3x256", elements: LOOKUPS, prepare: || replicas(3, 256) },
    Case { name: "ring/replicas/100x16", elements: LOOKUPS, prepare: || replicas(100, 16) },
    Case { name: "ring/replicas/100x256", elements: LOOKUPS, prepare: || replicas(100, 256) },
    Case { name: "ring/replicas/1000x16", elements: LOOKUPS, prepare: || replicas(1000, 16) },
    Case { name: "ring/replicas/1000x256", elements: LOOKUPS, prepare: || replicas(1000, 256) },
    Case {
        name: "ring/replicas_in_turn/1000x256",
        elements: LOOKUPS,
        prepare: || replicas_in_turn(1000, 256),
    },
    Case { name: "ring/primary/3x16", elements: LOOKUPS, prepare: || primary(3, 16) },
    Case { name: "ring/primary/1000x256", elements: LOOKUPS, prepare: || primary(1000, 256) },
    Case { name: "ring/build/1000x256", elements: 1, prepare: || build(1000, 256) },
];

fn hashes(kind: HashKind) -> Box<dyn Scenario> {
    let hasher = KeyHasher::new(kind, None);
    steady(move || {
        for _ in 0..LOOKUPS {
            black_box(black_box(&hasher).token(black_box(KEY)));
        }
    })
}

/// Nodes with tokens unlike in every rack: the hardest case for a look-up.
fn nodes(node_count: usize, vnodes: usize) -> Vec<Node> {
    let dcs = if node_count < DCS * RACKS { 1 } else { DCS };
    let mut numbers = Numbers::new(1);
    let mut taken = HashSet::new();
    (0..node_count)
        .map(|number| {
            let tokens =
                numbers.by_ref().filter(|token| taken.insert(*token)).take(vnodes).map(Token).collect();
            let (dc, rack) = (number % dcs, number / dcs % RACKS);
            Node::new(format!("node-{number}"), format!("dc{dc}"), format!("rack{rack}"), tokens)
        })
        .collect()
}

fn ring(node_count: usize, vnodes: usize) -> Ring {
    let hasher = KeyHasher::new(HashKind::Murmur, None);
    Ring::build(hasher, 1, nodes(node_count, vnodes)).expect("the nodes make a ring")
}

/// Calls `look_up` with the ring and each token of a batch, and with what it gave for the last one.
fn lookups(
    node_count: usize,
    vnodes: usize,
    look_up: impl Fn(&Ring, Token, u32) -> u32 + 'static,
) -> Box<dyn Scenario> {
    let ring = ring(node_count, vnodes);
    let tokens: Vec<Token> = Numbers::new(2).map(Token).take(TOKENS).collect();
    let mut next = 0;
    steady(move || {
        let mut found = 0;
        for token in &tokens[next..next + LOOKUPS] {
            found = look_up(&ring, *token, found);
        }
        black_box(found);
        next = (next + LOOKUPS) % TOKENS;
    })
}

/// All replicas in the last datacenter, each of them looked at. The processor works on several look-ups at once.
fn replicas(node_count: usize, vnodes: usize) -> Box<dyn Scenario> {
    lookups(node_count, vnodes, |ring, token, _| black_box(local_replicas(ring, token)))
}

/// The same, when a look-up cannot begin before the last one ended.
fn replicas_in_turn(node_count: usize, vnodes: usize) -> Box<dyn Scenario> {
    lookups(node_count, vnodes, |ring, token, last| {
        // Zero, and the processor cannot know it.
        let nothing = last & black_box(0);
        black_box(local_replicas(ring, Token(token.0 ^ nothing)))
    })
}

fn local_replicas(ring: &Ring, token: Token) -> u32 {
    let dc = DcIdx((ring.dcs().len() - 1) as u16);
    ring.replicas(token).in_dc(dc).iter().fold(0, |mix, node| mix ^ node.0)
}

fn primary(node_count: usize, vnodes: usize) -> Box<dyn Scenario> {
    lookups(node_count, vnodes, |ring, token, _| black_box(ring.primary(token, DcIdx(0)).0))
}

fn build(node_count: usize, vnodes: usize) -> Box<dyn Scenario> {
    let hasher = KeyHasher::new(HashKind::Murmur, None);
    let nodes = nodes(node_count, vnodes);
    scenario(
        (Vec::new(), None),
        move |(copy, built)| {
            copy.clone_from(&nodes);
            *built = None;
        },
        move |(copy, built)| {
            *built = Ring::build(hasher, 1, std::mem::take(copy)).ok();
            assert!(built.is_some(), "the nodes make a ring");
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hash_is_measured() {
        for (_, name) in HashKind::ALL {
            assert!(CASES.iter().any(|case| case.name == format!("hash/{name}")), "{name}");
        }
    }
}

//! Ring lookups, building and hashing.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use dynomite_ring::{DcIdx, HashKind, KeyHasher, Node, Ring, Token};

/// A small generator of numbers (SplitMix64): tokens unlike in every rack, the hardest case for a lookup.
struct Numbers(u64);

impl Iterator for Numbers {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        Some((mixed ^ mixed >> 31) as u32)
    }
}

/// `node_count` nodes in two datacenters with three racks each.
fn nodes(node_count: usize, vnodes: usize) -> Vec<Node> {
    let mut numbers = Numbers(1);
    let mut taken = std::collections::HashSet::new();
    (0..node_count)
        .map(|number| {
            let tokens =
                numbers.by_ref().filter(|token| taken.insert(*token)).take(vnodes).map(Token).collect();
            let (dc, rack) = (number % 2, number % 6 / 2);
            Node::new(format!("node-{number}"), format!("dc{dc}"), format!("rack{rack}"), tokens)
        })
        .collect()
}

fn lookup(criterion: &mut Criterion) {
    let hasher = KeyHasher::new(HashKind::Murmur, None);
    let mut group = criterion.benchmark_group("ring");
    for (node_count, vnodes) in [(6, 16), (1000, 16), (1000, 256)] {
        let ring = Ring::build(hasher, 1, nodes(node_count, vnodes)).expect("the nodes make a ring");
        let mut tokens = Numbers(2);
        group.bench_function(format!("replicas/{node_count}x{vnodes}"), |bencher| {
            bencher.iter(|| {
                let token = Token(tokens.next().unwrap_or(0));
                black_box(ring.replicas(token).in_dc(DcIdx(1))[0])
            });
        });
        group.bench_function(format!("primary/{node_count}x{vnodes}"), |bencher| {
            bencher.iter(|| {
                let token = Token(tokens.next().unwrap_or(0));
                black_box(ring.primary(token, DcIdx(1)))
            });
        });
    }
    group.finish();
}

fn build(criterion: &mut Criterion) {
    let hasher = KeyHasher::new(HashKind::Murmur, None);
    let mut group = criterion.benchmark_group("ring");
    group.sample_size(10);
    let nodes = nodes(1000, 256);
    group.bench_function("build/1000x256", |bencher| {
        bencher.iter(|| Ring::build(hasher, 1, black_box(nodes.clone())));
    });
    group.finish();
}

fn hash(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hash");
    for (kind, name) in HashKind::ALL {
        let hasher = KeyHasher::new(kind, None);
        group.bench_function(name, |bencher| {
            bencher.iter(|| hasher.token(black_box(b"user:1000:session:42")));
        });
    }
    group.finish();
}

criterion_group!(benches, lookup, build, hash);
criterion_main!(benches);

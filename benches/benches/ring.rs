//! Hashes and look-ups in the ring, in nanoseconds.

use criterion::{Criterion, criterion_group, criterion_main};
use dynomite_benches::{measure, ring};

fn ring(criterion: &mut Criterion) {
    measure(criterion, ring::CASES);
}

criterion_group!(benches, ring);
criterion_main!(benches);

//! The memory store, in nanoseconds.

use criterion::{Criterion, criterion_group, criterion_main};
use dynomite_benches::{measure, memory};

fn memory(criterion: &mut Criterion) {
    measure(criterion, memory::CASES);
}

criterion_group!(benches, memory);
criterion_main!(benches);

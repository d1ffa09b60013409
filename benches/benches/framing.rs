//! Framing, recognising and the write queue, in nanoseconds.

use criterion::{Criterion, criterion_group, criterion_main};
use dynomite_benches::{framing, measure, write_queue};

fn framing(criterion: &mut Criterion) {
    measure(criterion, framing::CASES);
    measure(criterion, write_queue::CASES);
}

criterion_group!(benches, framing);
criterion_main!(benches);

//! The replication engine and its messages, in nanoseconds.

use criterion::{Criterion, criterion_group, criterion_main};
use dynomite_benches::{measure, operation, plan, records, wire};

fn engine(criterion: &mut Criterion) {
    measure(criterion, plan::CASES);
    measure(criterion, operation::CASES);
    measure(criterion, records::CASES);
    measure(criterion, wire::CASES);
}

criterion_group!(benches, engine);
criterion_main!(benches);

//! Nanoseconds, by criterion.

use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode};

use crate::Case;

/// Measures the time that one element of each case takes.
pub fn measure(criterion: &mut Criterion, cases: &[Case]) {
    for case in cases {
        let (group_name, name) = case.name.split_once('/').unwrap_or((case.name, "all"));
        let mut group = criterion.benchmark_group(group_name);
        // A batch is the least that can be timed, so samples cannot grow by single elements.
        group.sampling_mode(SamplingMode::Flat);
        // Set up by the first call only: criterion leaves out what its filter does not name.
        let mut prepared = None;
        group.bench_function(name, |bencher| {
            let scenario = prepared.get_or_insert_with(case.prepare);
            bencher.iter_custom(|elements| {
                let batches = elements.div_ceil(case.elements as u64);
                let mut spent = Duration::ZERO;
                for _ in 0..batches {
                    scenario.reset();
                    let started_at = Instant::now();
                    scenario.run();
                    spent += started_at.elapsed();
                }
                let measured = (batches * case.elements as u64) as f64;
                spent.mul_f64(elements as f64 / measured)
            });
        });
        group.finish();
    }
}

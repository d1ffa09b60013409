//! Every case in instructions, counted by callgrind. `cargo xtask bench instructions` runs it, names the cases and
//! compares them with `benches/instructions.json`.

#![expect(missing_docs, reason = "the macros of gungraun write items without documentation")]

use std::env;

use dynomite_benches::{Case, Scenario, selected};
use gungraun::main;
use gungraun::prelude::*;

/// Only the cases whose names contain this are counted.
const FILTER_VARIABLE: &str = "DYNOMITE_BENCH_FILTER";
/// Batches before the one that counts: buffers have their size then, and tables have been looked at.
const WARM_UP_BATCHES: usize = 2;

/// The cases to count; all of them unless the environment says otherwise.
fn cases() -> Vec<&'static Case> {
    selected(&env::var(FILTER_VARIABLE).unwrap_or_default()).collect()
}

fn warmed_up(case: &'static Case) -> Box<dyn Scenario> {
    let mut scenario = (case.prepare)();
    for _ in 0..WARM_UP_BATCHES {
        scenario.reset();
        scenario.run();
    }
    scenario.reset();
    scenario
}

// The scenario is given back, so that dropping it is not counted.
#[library_benchmark]
#[benches::case(iter = cases(), setup = warmed_up)]
fn batch(mut scenario: Box<dyn Scenario>) -> Box<dyn Scenario> {
    scenario.run();
    scenario
}

library_benchmark_group!(name = instructions, benchmarks = batch);

main!(
    config = LibraryBenchmarkConfig::default().pass_through_env(FILTER_VARIABLE),
    library_benchmark_groups = instructions
);

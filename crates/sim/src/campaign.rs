//! Many runs: every scenario with many seeds, on several threads.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    plan::Micros,
    run::{Verdict, run},
    scenario::{Invariant, Runnable},
};

/// What is run.
#[derive(Debug, Clone)]
pub struct Campaign {
    /// The scenarios.
    pub scenarios: Vec<Runnable>,
    /// The first seed of each.
    pub first_seed: u64,
    /// How many seeds of each, unless the time is up earlier.
    pub seed_count: u64,
    /// When to stop, whatever is left.
    pub time_max: Option<Duration>,
    /// Only these invariants are demanded, of those that a scenario demands.
    pub invariants: Vec<Invariant>,
    /// Threads.
    pub job_count: usize,
}

/// What came of one scenario's runs.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Runs.
    pub run_count: u64,
    /// Commands that clients sent.
    pub command_count: u64,
    /// Commands that a datastore's reply answered.
    pub done_count: u64,
    /// Faults.
    pub fault_count: u64,
    /// Runs in which something was wrong.
    pub failed_count: u64,
    /// In how many runs each invariant did not hold.
    pub violations: BTreeMap<Invariant, u64>,
    /// The smallest seed with which something was wrong.
    pub first_failure: Option<u64>,
    /// Simulated time of all runs.
    pub simulated: Micros,
    /// Real time of all runs, over all threads.
    pub real: Duration,
}

/// A script leaves little open: it is run with so many seeds at most.
const SCRIPT_SEEDS_MAX: u64 = 10;

impl Campaign {
    /// What `runnable` must keep in this campaign.
    pub fn demands(&self, runnable: Runnable) -> Vec<Invariant> {
        let is_wanted = |invariant: &Invariant| self.invariants.contains(invariant);
        runnable.demands().iter().copied().filter(is_wanted).collect()
    }

    /// Runs everything; `progress` is told now and then how many runs are over, how many of them failed, and how many
    /// there may be in all. Gives what came of each scenario, in their order.
    pub fn run(&self, progress: impl Fn(u64, u64, u64) + Sync) -> Vec<Tally> {
        let began_at = Instant::now();
        let tallies: Vec<Mutex<Tally>> = self.scenarios.iter().map(|_| Mutex::default()).collect();
        let (next, over, failed) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let total = self.seed_count.saturating_mul(self.scenarios.len() as u64);
        let work = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= total || self.time_max.is_some_and(|max| began_at.elapsed() >= max) {
                    return;
                }
                let place = (number % self.scenarios.len() as u64) as usize;
                let nth = number / self.scenarios.len() as u64;
                if self.is_over(self.scenarios[place], nth) {
                    continue;
                }
                let is_good = self.run_one(self.scenarios[place], self.first_seed + nth, &tallies[place]);
                failed.fetch_add(u64::from(!is_good), Ordering::Relaxed);
                progress(over.fetch_add(1, Ordering::Relaxed) + 1, failed.load(Ordering::Relaxed), total);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..self.job_count {
                scope.spawn(work);
            }
        });
        tallies.into_iter().map(|tally| tally.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
    }

    /// Whether `runnable` is not run with the `nth` seed any more.
    pub(crate) fn is_over(&self, runnable: Runnable, nth: u64) -> bool {
        matches!(runnable, Runnable::Script(_)) && nth >= SCRIPT_SEEDS_MAX
    }

    fn run_one(&self, runnable: Runnable, seed: u64, tally: &Mutex<Tally>) -> bool {
        let began_at = Instant::now();
        let plan = runnable.plan(seed);
        let verdict = run(&plan, &self.demands(runnable));
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.add(seed, plan.faults.len(), &verdict, began_at.elapsed());
        verdict.violations.is_empty()
    }
}

impl Tally {
    fn add(&mut self, seed: u64, fault_count: usize, verdict: &Verdict, took: Duration) {
        self.run_count += 1;
        self.command_count += verdict.command_count as u64;
        self.done_count += verdict.done_count as u64;
        self.fault_count += fault_count as u64;
        self.simulated += verdict.lasted;
        self.real += took;
        if verdict.violations.is_empty() {
            return;
        }
        self.failed_count += 1;
        self.first_failure = Some(self.first_failure.map_or(seed, |first| first.min(seed)));
        let mut invariants: Vec<Invariant> =
            verdict.violations.iter().map(|violation| violation.invariant).collect();
        invariants.sort_unstable();
        invariants.dedup();
        for invariant in invariants {
            *self.violations.entry(invariant).or_default() += 1;
        }
    }
}

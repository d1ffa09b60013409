//! Are the checkers any good? Bugs are planted in the engine, one after the other, and each must be found.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use dynomite_replication::planted::{ALL, Planted, set};

use crate::{
    campaign::Campaign,
    check::Violation,
    run::run,
    scenario::{Invariant, Runnable},
};

/// What came of one planted bug.
#[derive(Debug, Clone)]
pub struct Hunt {
    /// The bug.
    pub name: String,
    /// Runs with it.
    pub run_count: u64,
    /// Where it showed, if it did.
    pub found: Option<Found>,
}

/// A run that shows a planted bug: without the bug nothing is wrong with it.
#[derive(Debug, Clone)]
pub struct Found {
    /// The scenario.
    pub scenario: &'static str,
    /// The seed.
    pub seed: u64,
    /// What was wrong.
    pub violation: Violation,
}

/// Runs the scenarios of `campaign` with each planted bug, until it is found or the seeds are used up. `tell` hears of each.
pub fn hunt_all(campaign: &Campaign, tell: impl Fn(&Hunt) + Sync) -> Vec<Hunt> {
    let bugs: Vec<Planted> = ALL.iter().copied().collect();
    let next = AtomicUsize::new(0);
    let hunts: Vec<Mutex<Option<Hunt>>> = bugs.iter().map(|_| Mutex::default()).collect();
    let work = || {
        while let Some(place) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|place| *place < bugs.len())
        {
            let hunt = hunt(campaign, bugs[place]);
            tell(&hunt);
            *hunts[place].lock().unwrap_or_else(PoisonError::into_inner) = Some(hunt);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..campaign.job_count {
            scope.spawn(work);
        }
    });
    hunts.into_iter().filter_map(|hunt| hunt.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

fn hunt(campaign: &Campaign, bug: Planted) -> Hunt {
    let mut hunt = Hunt { name: format!("{bug:?}"), run_count: 0, found: None };
    for seed in campaign.first_seed..campaign.first_seed.saturating_add(campaign.seed_count) {
        for runnable in &campaign.scenarios {
            hunt.run_count += 1;
            hunt.found = find(*runnable, seed, &campaign.demands(*runnable), bug);
            if hunt.found.is_some() {
                return hunt;
            }
        }
    }
    hunt
}

fn find(runnable: Runnable, seed: u64, demands: &[Invariant], bug: Planted) -> Option<Found> {
    let plan = runnable.plan(seed);
    set(Some(bug));
    let mut verdict = run(&plan, demands);
    set(None);
    let violation = verdict.violations.drain(..).next()?;
    let is_the_bugs = run(&plan, demands).violations.is_empty();
    is_the_bugs.then(|| Found { scenario: runnable.name(), seed, violation })
}

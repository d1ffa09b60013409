//! Are the checkers any good? Bugs are planted in the engine, one after the other, and each must be found.

mod aims;

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

pub use dynomite_replication::planted::{Planted, plant};

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
    pub bug: Planted,
    /// Runs with it.
    pub run_count: u64,
    /// How long they took.
    pub took: Duration,
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

/// Runs the scenarios of `campaign` with each of `bugs`, until it is found or the seeds are used up; first those that the bug
/// is expected to show in. `tell` hears of each bug when it is done with.
pub fn hunt_all(campaign: &Campaign, bugs: &[Planted], tell: impl Fn(&Hunt) + Sync) -> Vec<Hunt> {
    debug_assert!(
        Planted::ALL.iter().all(|bug| is_aimed(*bug)),
        "every bug is expected in scenarios that there are"
    );
    let next = AtomicUsize::new(0);
    let hunts: Vec<Mutex<Option<Hunt>>> = bugs.iter().map(|_| Mutex::default()).collect();
    let work = || {
        while let Some((bug, place)) = {
            let number = next.fetch_add(1, Ordering::Relaxed);
            bugs.get(number).zip(hunts.get(number))
        } {
            let hunt = hunt(campaign, *bug);
            tell(&hunt);
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(hunt);
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
    let began_at = Instant::now();
    let mut run_count = 0;
    let found = runs(campaign, bug).find_map(|(runnable, seed)| {
        run_count += 1;
        find(runnable, seed, &campaign.demands(runnable), bug)
    });
    Hunt { bug, run_count, took: began_at.elapsed(), found }
}

/// All runs of a campaign, those first in which the bug is expected to show.
fn runs(campaign: &Campaign, bug: Planted) -> impl Iterator<Item = (Runnable, u64)> {
    let aims = aims::of(bug);
    let all = || campaign.scenarios.iter().copied();
    let first: Vec<Runnable> =
        aims.iter().filter_map(|aim| all().find(|runnable| runnable.name() == *aim)).collect();
    let others: Vec<Runnable> = all().filter(|runnable| !aims.contains(&runnable.name())).collect();
    [first, others].into_iter().flat_map(move |scenarios| {
        let seeds = 0..if scenarios.is_empty() { 0 } else { campaign.seed_count };
        seeds.flat_map(move |nth| {
            let is_run = move |runnable: &Runnable| !campaign.is_over(*runnable, nth);
            let seed = campaign.first_seed + nth;
            scenarios.clone().into_iter().filter(is_run).map(move |runnable| (runnable, seed))
        })
    })
}

fn is_aimed(bug: Planted) -> bool {
    let aims = aims::of(bug);
    !aims.is_empty() && aims.iter().all(|aim| Runnable::all().any(|runnable| runnable.name() == *aim))
}

fn find(runnable: Runnable, seed: u64, demands: &[Invariant], bug: Planted) -> Option<Found> {
    let plan = runnable.plan(seed);
    plant(Some(bug));
    let verdict = run(&plan, demands);
    plant(None);
    let violation = verdict.violations.into_iter().next()?;
    let is_the_bugs = run(&plan, demands).violations.is_empty();
    is_the_bugs.then(|| Found { scenario: runnable.name(), seed, violation })
}

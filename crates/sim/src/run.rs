//! One run from its plan to its verdict.

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind, set_hook},
};

use crate::{
    check::{Violation, check, has_converged},
    plan::{MS, Micros, Plan},
    scenario::Invariant,
    trace::{Trace, TraceTo},
    world::{CLOCK_AHEAD_MAX_MS, REQUEST_TIMEOUT, World},
};

/// Once clients are done and nothing is broken, replicas become equal within this time. Comparisons leave out what was stamped
/// ahead of the present, as all is that is claimed by a node that has lost its log, until that time has come; and they go on with
/// another node's mark that is so old.
const SETTLING_MAX: Micros = (60_000 + CLOCK_AHEAD_MAX_MS + MARK_AGE_MAX_MS) * MS;
const MARK_AGE_MAX_MS: u64 = 120_000;
/// Replicas are compared this often.
const SETTLING_STEP: Micros = 500 * MS;
/// What the engines still have to do takes at least this long.
const SETTLING_MIN: Micros = 3 * REQUEST_TIMEOUT;
/// Every node has a moment with nothing in flight within this time; it is looked for this often.
const RESTING_MAX: Micros = 2 * REQUEST_TIMEOUT;
const RESTING_STEP: Micros = 20 * MS;
/// Clients give up in time; if they do not, the run is cut off.
const CLIENTS_MAX: Micros = 600_000 * MS;

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// What was wrong.
    pub violations: Vec<Violation>,
    /// A digest over everything that happened.
    pub digest: u64,
    /// Commands that were sent.
    pub command_count: usize,
    /// Commands that were answered by a datastore's reply.
    pub done_count: usize,
    /// How long the run took in simulated time.
    pub lasted: Micros,
}

impl Verdict {
    /// Whether something that `other` found was found here too.
    pub fn resembles(&self, other: &Self) -> bool {
        self.violations
            .iter()
            .any(|violation| other.violations.iter().any(|known| known.invariant == violation.invariant))
    }
}

/// Runs a plan and judges it by `demands`.
pub fn run(plan: &Plan, demands: &[Invariant]) -> Verdict {
    run_with(plan, demands, TraceTo::Nowhere, |_, _| {})
}

/// As [`run`], with the events traced, and `at_end` called with the cluster as it stands at the end.
pub fn run_with(
    plan: &Plan,
    demands: &[Invariant],
    trace: TraceTo,
    at_end: impl FnOnce(&mut World, &[Violation]),
) -> Verdict {
    let running = || {
        let mut world = World::new(plan.clone(), Trace::new(trace));
        play(&mut world);
        let violations = check(&mut world, demands);
        at_end(&mut world, &violations);
        verdict_of(&world, violations)
    };
    catch_unwind(AssertUnwindSafe(running)).unwrap_or_else(|panic| {
        let text = LAST_PANIC
            .take()
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
            .unwrap_or_default();
        let violation = Violation { invariant: Invariant::NoPanic, key: None, text, entries: Vec::new() };
        Verdict { violations: vec![violation], digest: 0, command_count: 0, done_count: 0, lasted: 0 }
    })
}

thread_local! {
    /// What the last panic of this thread said, and where it was.
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on panics of this process are not printed: [`run()`] reports those of the engine. For programs that do nothing else.
pub fn catch_panics_quietly() {
    set_hook(Box::new(|panic| LAST_PANIC.set(Some(panic.to_string()))));
}

fn verdict_of(world: &World, violations: Vec<Violation>) -> Verdict {
    let entries = &world.history().entries;
    Verdict {
        violations,
        digest: world.digest(),
        command_count: entries.len(),
        done_count: entries.iter().filter(|entry| entry.saw().is_some()).count(),
        lasted: world.now(),
    }
}

/// Lets all that is planned happen, and then the cluster come to rest.
pub(crate) fn play(world: &mut World) {
    world.run_until(world.plan().quiet_at());
    while !(world.clients_are_idle() && world.changes_are_over()) && world.now() < CLIENTS_MAX {
        world.run_until(world.now() + SETTLING_STEP);
    }
    let quiet_at = world.now();
    world.run_until(quiet_at + SETTLING_MIN);
    while world.now() < quiet_at + SETTLING_MAX {
        let goes_on = world.run_until(world.now() + SETTLING_STEP);
        if !goes_on || has_converged(world) {
            break;
        }
    }
    // What nodes do by themselves may be under way at any one moment, and is over now and then.
    let rests_by = world.now() + RESTING_MAX;
    while !world.all_have_rested() && world.now() < rests_by {
        world.run_until(world.now() + RESTING_STEP);
    }
}

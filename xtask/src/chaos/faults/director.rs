//! Carries out the plan: several faults at once, but no two at the same thing, and never so many that what is demanded
//! in the end could not be demanded.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::chaos::run::{Run, guarded};
use crate::chaos::violations;

use super::{Fault, Kind, Target};

/// Faults at one time.
const ACTIVE_MAX: usize = 3;
/// A fault that cannot begin for so long is left out.
const POSTPONED_MAX: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// By then a node has found out that its datastore is another process.
const NOTICED_AFTER: Duration = Duration::from_secs(1);
/// A node that says for so long that it is not whole is left to the verdict.
const RECOVERY_MAX: Duration = Duration::from_secs(60);

/// What only one fault can be at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thing {
    Server(usize),
    Store(usize),
    Disk(usize),
    /// The lower end first.
    Link(usize, usize),
    /// The data of a datacenter: one of its racks may miss some at a time, which is less than a majority.
    Data(u8),
}

#[derive(Default)]
struct Board {
    /// What is taken, by the number of the fault.
    taken: Mutex<BTreeMap<usize, Vec<Thing>>>,
}

/// What became of the plan.
#[derive(Debug, Clone, Default)]
pub(in crate::chaos) struct Outcome {
    pub(in crate::chaos) inflicted: BTreeMap<Kind, u64>,
    pub(in crate::chaos) left_out: BTreeMap<Kind, u64>,
}

/// Works until the plan is done or the run is over. In the end nothing is broken any more.
pub(in crate::chaos) fn carry_out(run: &Run, plan: &[Fault]) -> Outcome {
    let began_at = run.clock.now();
    let board = &Board::default();
    let mut outcome = Outcome::default();
    let mut coming = plan.iter().enumerate().peekable();
    let mut waiting: Vec<(usize, &Fault)> = Vec::new();
    thread::scope(|scope| {
        while (coming.peek().is_some() || !waiting.is_empty()) && run.pause(POLL_INTERVAL) {
            let now = Duration::from_micros(run.clock.now() - began_at);
            while let Some(due) = coming.next_if(|(_, fault)| fault.begins_at <= now) {
                waiting.push(due);
            }
            waiting.retain(|&(number, fault)| {
                if board.try_take(number, &things(run, fault)) {
                    *outcome.inflicted.entry(fault.kind).or_default() += 1;
                    scope.spawn(move || see_through(run, board, number, fault));
                    return false;
                }
                if fault.begins_at + POSTPONED_MAX > now {
                    return true;
                }
                *outcome.left_out.entry(fault.kind).or_default() += 1;
                run.journal.line(&format!("left out: {}", fault.shown(run)));
                false
            });
        }
    });
    outcome
}

/// Inflicts a fault, and waits until what it took is there again.
fn see_through(run: &Run, board: &Board, number: usize, fault: &Fault) {
    run.journal.line(&format!("begin {}", fault.shown(run)));
    match guarded(|| fault.inflict(run)) {
        Ok(()) => run.journal.line(&format!("end   {}", fault.shown(run))),
        Err(error) => {
            run.journal.line(&format!("FAILED {}: {error:#}", fault.shown(run)));
            run.violations.add(violations::Kind::Ended, fault.shown(run), format!("{error:#}"));
        }
    }
    board.give_back(number, |thing| !matches!(thing, Thing::Data(_)));
    if data_of(run, fault).is_some() {
        await_recovery(run, fault);
        board.give_back(number, |thing| matches!(thing, Thing::Data(_)));
    }
}

/// The datacenter that a fault takes data from.
fn data_of(run: &Run, fault: &Fault) -> Option<u8> {
    match fault.target {
        Target::Host(host) if fault.kind.takes_data() => Some(run.cluster.hosts[host].dc),
        _ => None,
    }
}

/// Waits until the node has its data again; ends with the run.
fn await_recovery(run: &Run, fault: &Fault) {
    let Target::Host(host) = fault.target else { return };
    let host = &run.cluster.hosts[host];
    let began_at = Instant::now();
    run.pause(NOTICED_AFTER);
    while run.pause(POLL_INTERVAL) {
        let took = began_at.elapsed();
        // A node that does not answer is not whole.
        if matches!(host.facts().and_then(|facts| facts.shortage()), Ok(None)) {
            return run.journal.line(&format!("{} is whole after {:.1} s", host.name, took.as_secs_f64()));
        }
        if took > RECOVERY_MAX {
            return run.journal.line(&format!("{} is still not whole after {took:.0?}", host.name));
        }
    }
}

fn things(run: &Run, fault: &Fault) -> Vec<Thing> {
    let mut things = match &fault.target {
        Target::Links { ends, .. } => {
            ends.iter().map(|(one, other)| Thing::Link(*one.min(other), *one.max(other))).collect()
        }
        Target::Host(host) => vec![match fault.kind {
            Kind::NodeKilled | Kind::NodeStopped | Kind::NodeFrozen => Thing::Server(*host),
            Kind::DiskFull => Thing::Disk(*host),
            _ => Thing::Store(*host),
        }],
    };
    things.extend(data_of(run, fault).map(Thing::Data));
    things
}

impl Board {
    /// Takes things for a fault, if all of them are free.
    fn try_take(&self, number: usize, wanted: &[Thing]) -> bool {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let is_active = |things: &&Vec<Thing>| things.iter().any(|thing| !matches!(thing, Thing::Data(_)));
        let is_free = taken.values().flatten().all(|thing| !wanted.contains(thing));
        if !is_free || taken.values().filter(is_active).count() >= ACTIVE_MAX {
            return false;
        }
        taken.insert(number, wanted.to_vec());
        true
    }

    fn give_back(&self, number: usize, is_given: impl Fn(Thing) -> bool) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(things) = taken.get_mut(&number) {
            things.retain(|thing| !is_given(*thing));
            if things.is_empty() {
                taken.remove(&number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_faults_are_at_the_same_thing() {
        let board = Board::default();
        assert!(board.try_take(1, &[Thing::Store(1), Thing::Data(0)]));
        assert!(!board.try_take(2, &[Thing::Store(1)]));
        assert!(!board.try_take(2, &[Thing::Store(2), Thing::Data(0)]), "a majority would lose data");
        assert!(board.try_take(2, &[Thing::Store(4), Thing::Data(1)]));
        assert!(board.try_take(3, &[Thing::Link(0, 1)]));
        assert!(!board.try_take(4, &[Thing::Link(0, 2)]), "enough is broken");
        // A copy that recovers is not broken any more, and its datacenter's data is not whole yet.
        board.give_back(1, |thing| !matches!(thing, Thing::Data(_)));
        assert!(board.try_take(4, &[Thing::Link(0, 2)]));
        board.give_back(3, |_| true);
        assert!(!board.try_take(5, &[Thing::Store(2), Thing::Data(0)]));
        board.give_back(1, |_| true);
        assert!(board.try_take(5, &[Thing::Store(2), Thing::Data(0)]));
    }
}

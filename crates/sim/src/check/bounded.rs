//! At rest nothing is in flight, and nothing is kept without a reason.

use std::collections::BTreeSet;

use super::Violation;
use crate::{command::Key, plan::MS, scenario::Invariant, world::World};

/// A worker that wants to be woken more often than this, in the average of a run, does not sleep at all at times.
const WAKES_PER_MS: u64 = 1;

/// Notes what is left over on any node.
pub(super) fn check(world: &mut World, violations: &mut Vec<Violation>) {
    let keys: BTreeSet<Key> = world.history().entries.iter().map(|entry| entry.command.key).collect();
    let topology = world.plan().topology;
    for node in 0..topology.len() {
        let (peak, window) = (world.lane_peak(node), world.plan().surroundings.lane_window_max);
        let Some(stats) = world.stats(node) else { continue };
        let mut note = |text: String| {
            let text = format!("node {node}: {text}");
            violations.push(Violation {
                invariant: Invariant::Bounded,
                key: None,
                text,
                entries: Vec::new(),
            });
        };
        if !world.has_rested(node) {
            let (operations, lane) = (stats.operations_in_flight, stats.lane_in_flight);
            note(format!("never at rest: {operations} operations are in flight, {lane} on the lane"));
        }
        if peak > window {
            note(format!("{peak} operations were on a lane, {window} are allowed"));
        }
        let wakes_max = WAKES_PER_MS * topology.worker_count as u64 * (world.now() / MS);
        if world.wake_count(node) > wakes_max {
            note(format!("woken {} times, {wakes_max} are allowed", world.wake_count(node)));
        }
        if stats.records > keys.len() as u64 {
            note(format!("{} records of {} keys", stats.records, keys.len()));
        }
    }
}

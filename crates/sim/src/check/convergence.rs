//! Convergence: when faults have stopped, all replicas of every key hold equal state.

use std::collections::{BTreeMap, BTreeSet};

use super::Violation;
use crate::{
    command::Key,
    scenario::Invariant,
    world::{KeyState, World},
};

/// Notes every key whose replicas differ, and changes that have not come to an end.
pub(super) fn check(world: &mut World, violations: &mut Vec<Violation>) {
    if !world.changes_are_over() {
        let text = "nodes have not got the last ring, or have not rebuilt what it gave to them".to_owned();
        let (invariant, entries) = (Invariant::Converges, Vec::new());
        violations.push(Violation { invariant, key: None, text, entries });
    }
    for key in keys(world) {
        let states = states(world, key);
        if states.len() > 1 {
            let mut text = String::from("replicas differ");
            for (state, nodes) in &states {
                text.push_str(&format!("; nodes {nodes:?} hold {state}"));
            }
            violations.push(Violation::of(Invariant::Converges, key, text).shown_by(touching(world, key)));
        }
    }
}

/// Whether all replicas of every key are equal.
pub(crate) fn has_converged(world: &mut World) -> bool {
    keys(world).into_iter().all(|key| states(world, key).len() == 1)
}

fn keys(world: &World) -> BTreeSet<Key> {
    world.history().entries.iter().map(|entry| entry.command.key).collect()
}

fn states(world: &mut World, key: Key) -> BTreeMap<KeyState, Vec<usize>> {
    let mut states: BTreeMap<KeyState, Vec<usize>> = BTreeMap::new();
    for node in world.replicas(key) {
        states.entry(world.state_of(node, key)).or_default().push(node);
    }
    states
}

/// The last writes on the key.
fn touching(world: &World, key: Key) -> Vec<usize> {
    let entries = world.history().entries.iter().enumerate().rev();
    let writes = entries.filter(|(_, entry)| entry.command.key == key && entry.may_have_run());
    writes.map(|(place, _)| place).take(SHOWN_MAX).collect()
}

/// So many entries show how replicas came to differ.
const SHOWN_MAX: usize = 6;

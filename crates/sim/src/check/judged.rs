//! One key's history and end, as the checkers see it.

use std::collections::BTreeSet;

use crate::{
    command::{Action, Command, Key, Saw, saw},
    history::Entry,
    plan::Micros,
    scenario::Invariant,
    world::World,
};

use super::Violation;

/// A key with all that was done with it.
pub(crate) struct Judged {
    pub(crate) key: Key,
    /// Its entries, with their places in the history.
    pub(crate) entries: Vec<(usize, Entry)>,
    /// The states that its replicas hold at the end: one, unless they have not converged.
    pub(crate) finals: Vec<State>,
    /// Whether so many replicas kept their data that nothing may be lost.
    pub(crate) keeps_writes: bool,
    /// How much one datacenter's clocks can be ahead of another's.
    pub(crate) slack: Micros,
}

/// What a replica holds at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    /// Read as a client would read it; `None` when it is nothing that the commands on the key can have left.
    pub(crate) saw: Option<Saw>,
    pub(crate) nodes: Vec<usize>,
}

impl Judged {
    /// All keys of a run.
    pub(crate) fn keys(world: &mut World) -> Vec<Self> {
        let slack = world.plan().version_spread_us();
        let losers: BTreeSet<usize> =
            world.plan().faults.iter().filter_map(|planned| planned.fault.loses_data_of()).collect();
        let mut entries = std::collections::BTreeMap::<Key, Vec<(usize, Entry)>>::new();
        for (place, entry) in world.history().entries.iter().enumerate() {
            entries.entry(entry.command.key).or_default().push((place, entry.clone()));
        }
        entries
            .into_iter()
            .map(|(key, entries)| Self {
                key,
                entries,
                finals: finals(world, key),
                keeps_writes: keeps_writes(world, key, &losers),
                slack,
            })
            .collect()
    }

    /// Whether entry `first` was over for good before `second` began, as far as versions can tell.
    pub(crate) fn is_before(&self, first: &Entry, second: &Entry) -> bool {
        let slack = if first.dc == second.dc { 0 } else { self.slack + BETWEEN_DCS };
        first.over_at().saturating_add(slack) < second.invoked_at
    }

    /// Whether `entry` makes the key expire in a way that later writes do not undo.
    pub(crate) fn expiry_survives(&self, entry: &Entry) -> bool {
        let expires = matches!(entry.command.action, Action::Expire { .. } | Action::SetExpiring { .. });
        let is_kept = |(_, other): &(usize, Entry)| other.command.action == Action::SetKeepingExpiry;
        expires && (self.key.kind.is_collection() || self.entries.iter().any(is_kept))
    }

    /// Whether readers in the datacenter of `read` must see what `write` wrote, or something later.
    pub(crate) fn must_see(&self, read: &Entry, write: &Entry) -> bool {
        let level = write.command.level;
        write.ended_at < read.invoked_at
            && write.is_acknowledged_at_quorum()
            && (write.dc == read.dc || level == dynomite_replication::Level::DcEachSafeQuorum)
    }

    /// Checks what the replicas hold. Of replicas that differ one may be right: that they differ is another matter.
    pub(crate) fn check_finals(
        &self,
        violations: &mut Vec<Violation>,
        check: impl Fn(&State, &mut Vec<Violation>),
    ) {
        let mut found = Vec::new();
        for state in &self.finals {
            let before = found.len();
            check(state, &mut found);
            if found.len() == before {
                return;
            }
        }
        violations.append(&mut found);
    }

    pub(crate) fn violation(&self, invariant: Invariant, text: impl Into<String>) -> Violation {
        Violation::of(invariant, self.key, text)
    }

    /// The entry whose element, or value, is `element`.
    pub(crate) fn writer(&self, element: u32) -> Option<&(usize, Entry)> {
        self.entries.iter().find(|(_, entry)| entry.command.element == element && is_writer(&entry.command))
    }
}

/// Stamps of two datacenters follow real time as closely as their clocks, and this.
const BETWEEN_DCS: Micros = 5000;

/// Whether a command's element can be found in its key.
pub(crate) fn is_writer(command: &Command) -> bool {
    matches!(
        command.action,
        Action::Set
            | Action::SetPair
            | Action::SetExpiring { .. }
            | Action::SetIfAbsent
            | Action::SetIfPresent
            | Action::SetAndGet
            | Action::SetKeepingExpiry
            | Action::Add
    )
}

fn finals(world: &mut World, key: Key) -> Vec<State> {
    let read = Command { key, element: 0, action: Action::Read, level: dynomite_replication::Level::DcOne };
    let mut finals: Vec<State> = Vec::new();
    for node in world.replicas(key) {
        let reply = world.value_of(node, &read.request());
        let saw = saw(&read, &reply);
        match finals.iter_mut().find(|state| state.saw == saw) {
            Some(state) => state.nodes.push(node),
            None => finals.push(State { saw, nodes: vec![node] }),
        }
    }
    finals
}

/// Whether a majority of the key's replicas in each datacenter kept its data throughout.
fn keeps_writes(world: &World, key: Key, losers: &BTreeSet<usize>) -> bool {
    let topology = world.plan().topology;
    let replicas = world.replicas(key);
    (0..topology.dc_count).all(|dc| {
        let lost =
            replicas.iter().filter(|node| topology.dc_of(**node) == dc && losers.contains(node)).count();
        topology.rack_count - lost > topology.rack_count / 2
    })
}

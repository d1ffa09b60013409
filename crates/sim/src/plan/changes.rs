//! Which nodes come and go.

use super::{Micros, workload::Workload};
use crate::{random::Random, topology::Topology};

/// A change of the cluster. It goes as many rings as seats move, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A node that was never in the cluster takes its share of its rack.
    Join {
        /// The node.
        node: usize,
    },
    /// A node gives what it has to the others of its rack, and ends.
    Leave {
        /// The node.
        node: usize,
    },
    /// A node dies for good, and all that it had goes to one that was never in the cluster.
    Replace {
        /// Who dies.
        dead: usize,
        /// Who takes its place.
        node: usize,
    },
    /// One seat goes from one node to another of its rack.
    Give {
        /// Who has it.
        from: usize,
        /// Who gets it.
        to: usize,
    },
    /// All nodes remove what they hold of keys that are not theirs.
    CleanUp,
}

/// One change with the time at which it is asked for. It begins when those before it are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedChange {
    /// When it is asked for.
    pub at: Micros,
    /// What it is.
    pub change: Change,
}

/// The changes of a scenario.
#[derive(Debug, Clone, Copy)]
pub struct ChangeMix {
    /// At most so many; 0 for none.
    pub count_max: u64,
    /// Nodes of each rack that may join.
    pub spare_count: usize,
    /// Whether nodes die and are replaced.
    pub replaces: bool,
}

/// Draws the changes of a run. What cannot be done when its turn comes is left out.
pub(super) fn draw(
    topology: &Topology,
    mix: &ChangeMix,
    workload: &Workload,
    random: &mut Random,
) -> Vec<PlannedChange> {
    let mut changes = Vec::new();
    if mix.count_max == 0 {
        return changes;
    }
    for _ in 0..random.between(1, mix.count_max) {
        let (node, other) = (random.index(topology.len()), random.index(topology.node_count));
        let neighbour = node - node % topology.node_count + other;
        let change = match random.below(100) {
            0..45 => Change::Join { node },
            45..65 => Change::Leave { node },
            65..75 => Change::CleanUp,
            75..90 if mix.replaces => Change::Replace { dead: node, node: neighbour },
            _ => Change::Give { from: node, to: neighbour },
        };
        changes.push(PlannedChange { at: random.below(workload.lasts), change });
    }
    changes.sort_by_key(|change| change.at);
    changes
}

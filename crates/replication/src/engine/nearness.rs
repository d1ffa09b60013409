//! How near other nodes are, and whose datastore is known to be dead. It decides only who is asked first: of replicas that are
//! equally good for a read, of those that may run a write, and of those that may take it on behalf of a datacenter.

use dynomite_ring::{NodeId, RackIdx};
use hashbrown::{HashMap, HashSet};

use super::Engine;
use crate::operation::replicas::Replicas;

/// Nodes that are nearer than this are equally near; beyond it each doubling is one class further.
const NEAR_US: u64 = 500;
/// A measurement counts for one part in so many.
const SMOOTHING: u64 = 8;
/// And for at most so many times what was measured before: a machine that was busy for a moment has not moved away.
const OUTLIER: u64 = 4;

/// What is known of the other nodes.
#[derive(Debug)]
pub(super) struct Nearness {
    distances: HashMap<NodeId, Distance>,
    dead_datastores: HashSet<NodeId>,
    /// Whether no node is worse than another.
    are_all_alike: bool,
}

#[derive(Debug, Clone, Copy)]
struct Distance {
    smoothed_us: u64,
    /// Only left when the measurements are well beyond its bounds, so that nobody is now nearer and now further.
    class: u32,
}

impl Default for Nearness {
    fn default() -> Self {
        Self { distances: HashMap::new(), dead_datastores: HashSet::new(), are_all_alike: true }
    }
}

impl Nearness {
    /// How little a node is wanted.
    fn rank(&self, node: NodeId) -> (bool, u32) {
        let class = self.distances.get(&node).map_or(0, |distance| distance.class);
        (self.dead_datastores.contains(&node), class)
    }

    pub(super) fn has_dead_datastore(&self, node: NodeId) -> bool {
        self.dead_datastores.contains(&node)
    }

    fn note_change(&mut self) {
        self.are_all_alike =
            self.dead_datastores.is_empty() && self.distances.values().all(|distance| distance.class == 0);
    }
}

impl Distance {
    fn measured(before: Option<Self>, us: u64) -> Self {
        let Some(Self { smoothed_us, class }) = before else {
            return Self { smoothed_us: us, class: class_of(us) };
        };
        let us = us.min(smoothed_us * OUTLIER + NEAR_US);
        let smoothed_us = (smoothed_us * (SMOOTHING - 1) + us) / SMOOTHING;
        let is_further = class_of(smoothed_us * 4 / 5) > class;
        let is_nearer = class_of(smoothed_us * 5 / 4) < class;
        let class = if is_further || is_nearer { class_of(smoothed_us) } else { class };
        Self { smoothed_us, class }
    }
}

fn class_of(us: u64) -> u32 {
    (us / NEAR_US).checked_ilog2().map_or(0, |doublings| doublings + 1)
}

impl Engine {
    /// A message to a node and back took so many microseconds.
    pub fn handle_latency(&mut self, node: NodeId, micros: u64) {
        let before = self.nearness.distances.get(&node).copied();
        self.nearness.distances.insert(node, Distance::measured(before, micros.max(1)));
        self.nearness.note_change();
    }

    /// How long a message to a node and back takes of late, in microseconds.
    pub fn latency_us(&self, node: NodeId) -> Option<u64> {
        self.nearness.distances.get(&node).map(|distance| distance.smoothed_us)
    }

    /// A node says that its datastore cannot be used: it is asked for nothing that another can do as well. Writes that it
    /// must have go there as before.
    pub fn handle_datastore_down(&mut self, node: NodeId) {
        self.nearness.dead_datastores.insert(node);
        self.nearness.note_change();
    }

    /// A node says that its datastore can be used again.
    pub fn handle_datastore_up(&mut self, node: NodeId) {
        self.nearness.dead_datastores.remove(&node);
        self.nearness.note_change();
    }

    /// Puts replicas in the order in which a read asks them: the own rack first, then the nearest; those that cannot read last.
    pub(super) fn order_for_reading(&self, replicas: &mut Replicas) {
        if self.nearness.are_all_alike {
            return;
        }
        let own: RackIdx = self.place.rack;
        replicas.sort_by_key(|replica| {
            let (is_dead, class) = self.nearness.rank(replica.node);
            (is_dead, replica.rack != own, class)
        });
    }

    /// The nearest of `nodes` that can be reached; of equally near ones the first.
    pub(super) fn nearest(&self, mut nodes: impl Iterator<Item = NodeId>) -> Option<NodeId> {
        if self.nearness.are_all_alike {
            return nodes.find(|node| self.reachable.contains(node));
        }
        nodes.filter(|node| self.reachable.contains(node)).min_by_key(|node| self.nearness.rank(*node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(measurements: impl IntoIterator<Item = u64>) -> Distance {
        let mut distance = None;
        for us in measurements {
            distance = Some(Distance::measured(distance, us));
        }
        distance.unwrap()
    }

    #[test]
    fn classes_double() {
        let classes = [0, 499, 500, 999, 1000, 1999, 2000, 80_000].map(class_of);
        assert_eq!(classes, [0, 0, 1, 1, 2, 2, 3, 8]);
    }

    #[test]
    fn a_latency_around_a_bound_does_not_change_the_class_again_and_again() {
        let mut distance = after([950]);
        for round in 0..200 {
            distance = Distance::measured(Some(distance), if round / 20 % 2 == 0 { 1100 } else { 900 });
            assert_eq!(distance.class, 1, "in round {round}");
        }
        assert_eq!(after([950].into_iter().chain([3500; 30])).class, class_of(3500), "a lasting change does");
        assert_eq!(after([2500].into_iter().chain([100; 60])).class, 0, "also to the better");
    }

    #[test]
    fn one_late_answer_moves_nobody_far() {
        assert!(after([200, 200, 5_000_000]).class <= 1);
    }
}

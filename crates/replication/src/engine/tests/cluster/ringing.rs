//! What tests of rings that change do to a cluster.

use std::sync::Arc;

use dynomite_ring::{Node, Ring, Token};

use super::Cluster;
use crate::{RingRefused, engine::CleanupStatus};

impl Cluster {
    /// The ring after the present one, in which some nodes have other tokens; a node that has none is not in it.
    pub(in crate::engine::tests) fn next_ring(&self, changes: &[(&str, &[u32])]) -> Arc<Ring> {
        let tokens = |node: &Node| {
            let change = changes.iter().find(|(name, _)| *name == node.name);
            change.map_or(node.tokens.clone(), |(_, tokens)| tokens.iter().copied().map(Token).collect())
        };
        let nodes = self.ring.nodes().iter().map(|node| Node { tokens: tokens(node), ..node.clone() });
        let nodes = nodes.filter(|node| !node.tokens.is_empty()).collect();
        Arc::new(Ring::build(self.ring.hasher(), self.ring.epoch() + 1, nodes).unwrap())
    }

    /// A member gets a ring.
    pub(in crate::engine::tests) fn hand(
        &mut self,
        member: usize,
        ring: &Arc<Ring>,
    ) -> Result<(), RingRefused> {
        let (now, ring) = (self.now(member), Arc::clone(ring));
        let mut result = Ok(());
        self.feed(member, |engine, out| result = engine.handle_ring(now, ring, out));
        result
    }

    /// All members get a ring, but for some that have it already; it is the cluster's from now on.
    pub(in crate::engine::tests) fn hand_to_all(&mut self, ring: &Arc<Ring>) {
        for member in 0..self.members.len() {
            if self.members[member].engine.ring_epoch() < ring.epoch() {
                self.hand(member, ring).unwrap();
            }
        }
        self.ring = Arc::clone(ring);
    }

    /// Whether a member has rebuilt what it gained.
    pub(in crate::engine::tests) fn is_settled_in_ring(&self, member: usize) -> bool {
        self.members[member].engine.is_settled_in_ring()
    }

    /// A member removes what is not its own.
    pub(in crate::engine::tests) fn clean_up(&mut self, member: usize) -> CleanupStatus {
        self.members[member].engine.start_cleanup().unwrap();
        while self.members[member].engine.cleanup_status().is_running {
            self.advance(10);
        }
        self.members[member].engine.cleanup_status()
    }
}

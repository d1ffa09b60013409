//! The clusters that are simulated: datacenters, racks, nodes, and who owns which tokens.

use std::sync::Arc;

use dynomite_ring::{HashKind, KeyHasher, Node, NodeId, Ring, RingError, Token, allocate_static};

/// The shape of a cluster. All racks of all datacenters have equally many nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topology {
    /// Datacenters.
    pub dc_count: usize,
    /// Racks of each datacenter.
    pub rack_count: usize,
    /// Nodes of each rack.
    pub node_count: usize,
    /// So many of these, the last ones, are not in the cluster when it begins, and may join.
    pub spare_count: usize,
    /// Tokens of each node.
    pub vnode_count: usize,
    /// Workers of each node, each with an engine and a lane of its own.
    pub worker_count: usize,
    /// How keys become tokens.
    pub hash: HashKind,
}

impl Topology {
    /// One node with one worker in each rack.
    pub const fn racks(dc_count: usize, rack_count: usize) -> Self {
        let hash = HashKind::RedisSlot;
        Self { dc_count, rack_count, node_count: 1, spare_count: 0, vnode_count: 16, worker_count: 1, hash }
    }

    /// Nodes in all. Node `n` of this simulator is the `n`th in the order of datacenter, rack and place in the rack.
    pub fn len(&self) -> usize {
        self.dc_count * self.rack_count * self.node_count
    }

    /// Whether there is no node at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The datacenter of node `node`.
    pub fn dc_of(&self, node: usize) -> usize {
        node / (self.rack_count * self.node_count)
    }

    /// The rack of node `node`, counted over all datacenters.
    pub fn rack_of(&self, node: usize) -> usize {
        node / self.node_count
    }

    /// Whether node `node` is in the cluster when it begins.
    pub fn is_first(&self, node: usize) -> bool {
        node % self.node_count < self.node_count - self.spare_count
    }

    /// The name of node `node`.
    pub fn name_of(&self, node: usize) -> String {
        let rack = self.rack_of(node) % self.rack_count + 1;
        format!("dc{}-rack{rack}-n{}", self.dc_of(node) + 1, node % self.node_count + 1)
    }

    /// The ring, made as a node makes it from its configuration.
    ///
    /// # Errors
    /// When the numbers make no ring.
    pub fn ring(&self) -> Result<Arc<Ring>, RingError> {
        self.ring_of(1, &self.first_tokens()).map(Arc::new)
    }

    /// The tokens of all nodes when the cluster begins; none of those that are not in it.
    pub fn first_tokens(&self) -> Vec<Vec<Token>> {
        let mut all = Vec::with_capacity(self.len());
        for rack in 0..self.dc_count * self.rack_count {
            let nodes =
                (rack * self.node_count..(rack + 1) * self.node_count).filter(|node| self.is_first(*node));
            let names: Vec<String> = nodes.map(|node| self.name_of(node)).collect();
            let texts: Vec<&str> = names.iter().map(String::as_str).collect();
            all.extend(allocate_static(self.hash.space(), &texts, self.vnode_count));
            all.resize((rack + 1) * self.node_count, Vec::new());
        }
        all
    }

    /// The ring in which nodes have `tokens`, by their numbers; those that have none are not in it.
    ///
    /// # Errors
    /// When they make no ring.
    pub fn ring_of(&self, epoch: u64, tokens: &[Vec<Token>]) -> Result<Ring, RingError> {
        let members = tokens.iter().enumerate().filter(|(_, tokens)| !tokens.is_empty());
        let nodes = members.map(|(node, tokens)| {
            let (dc, rack) = (self.dc_of(node) + 1, self.rack_of(node) % self.rack_count + 1);
            Node::new(self.name_of(node), format!("dc{dc}"), format!("rack{rack}"), tokens.clone())
        });
        Ring::build(KeyHasher::new(self.hash, None), epoch, nodes.collect())
    }

    /// The ids of all nodes, by their numbers.
    pub fn ids(&self) -> Vec<NodeId> {
        (0..self.len()).map(|node| NodeId::from_name(&self.name_of(node))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_one_replica_in_each_rack() {
        let topology = Topology { node_count: 3, ..Topology::racks(2, 3) };
        let (ring, ids) = (topology.ring().unwrap(), topology.ids());
        let replicas = ring.replicas(ring.token(b"some key"));
        let racks: Vec<usize> = replicas
            .all()
            .iter()
            .map(|index| ids.iter().position(|id| *id == ring.node(*index).id).unwrap())
            .map(|node| topology.rack_of(node))
            .collect();
        assert_eq!(racks, [0, 1, 2, 3, 4, 5]);
        assert_eq!((topology.len(), topology.dc_of(8), topology.dc_of(9)), (18, 0, 1));
    }
}

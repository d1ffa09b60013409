//! The clusters that are simulated: datacenters, racks, nodes, and who owns which tokens.

use std::sync::Arc;

use dynomite_ring::{HashKind, KeyHasher, Node, NodeId, Ring, RingError, allocate_static};

/// The shape of a cluster. All racks of all datacenters have equally many nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topology {
    /// Datacenters.
    pub dc_count: usize,
    /// Racks of each datacenter.
    pub rack_count: usize,
    /// Nodes of each rack.
    pub node_count: usize,
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
        Self { dc_count, rack_count, node_count: 1, vnode_count: 16, worker_count: 1, hash }
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
        let mut nodes = Vec::with_capacity(self.len());
        for rack in 0..self.dc_count * self.rack_count {
            let names: Vec<String> =
                (0..self.node_count).map(|place| self.name_of(rack * self.node_count + place)).collect();
            let texts: Vec<&str> = names.iter().map(String::as_str).collect();
            let tokens = allocate_static(self.hash.space(), &texts, self.vnode_count);
            let (dc, rack) = (rack / self.rack_count + 1, rack % self.rack_count + 1);
            nodes.extend(
                texts
                    .iter()
                    .zip(tokens)
                    .map(|(name, tokens)| Node::new(*name, format!("dc{dc}"), format!("rack{rack}"), tokens)),
            );
        }
        Ok(Arc::new(Ring::build(KeyHasher::new(self.hash, None), 1, nodes)?))
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

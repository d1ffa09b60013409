//! The answer to a lookup.

use crate::{Dc, DcIdx, NodeIdx, RackIdx};

/// The nodes that hold one token: exactly one in each rack. Borrowed from the ring, cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Replicas<'a> {
    nodes: &'a [NodeIdx],
    digest: u32,
    dcs: &'a [Dc],
}

impl<'a> Replicas<'a> {
    pub(super) fn new((nodes, digest): (&'a [NodeIdx], u32), dcs: &'a [Dc]) -> Self {
        Self { nodes, digest, dcs }
    }

    /// A digest of the nodes' ids, rack by rack: two rings that give the token to the same nodes have the same one, however
    /// they number them. Costs nothing.
    pub fn digest(&self) -> u32 {
        self.digest
    }

    /// One node for each rack of the datacenter, in the order of its racks.
    pub fn in_dc(&self, dc: DcIdx) -> &'a [NodeIdx] {
        &self.nodes[self.dcs[usize::from(dc.0)].rack_range()]
    }

    /// The node in one rack.
    pub fn in_rack(&self, rack: RackIdx) -> NodeIdx {
        self.nodes[usize::from(rack.0)]
    }

    /// One node for each rack of all datacenters, in the order of [`RackIdx`].
    pub fn all(&self) -> &'a [NodeIdx] {
        self.nodes
    }

    /// Each rack with its node.
    pub fn by_rack(&self) -> impl ExactSizeIterator<Item = (RackIdx, NodeIdx)> + Clone + 'a {
        self.nodes.iter().enumerate().map(|(rack, node)| (RackIdx(rack as u16), *node))
    }
}

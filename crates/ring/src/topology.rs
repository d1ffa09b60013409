//! Datacenters and racks of a ring, and the small numbers by which everything in one ring is addressed.
//!
//! The numbers hold within one snapshot: another ring may number the same rack or node differently. What travels
//! between nodes or outlives a snapshot is a name or a [`crate::NodeId`].

use std::ops::Range;
use std::sync::Arc;

use crate::Token;

/// Number of a datacenter in one ring, in order of name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DcIdx(pub u16);

/// Number of a rack in one ring, in order of datacenter, then name: the racks of a datacenter are contiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RackIdx(pub u16);

/// Number of a node in one ring, in order of datacenter, rack, then name: the nodes of a rack are contiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIdx(pub u32);

/// A datacenter and its racks.
#[derive(Debug, Clone)]
pub struct Dc {
    pub(crate) name: Arc<str>,
    pub(crate) index: DcIdx,
    pub(crate) racks: Vec<Rack>,
}

impl Dc {
    /// Name of the datacenter.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number in this ring.
    pub fn index(&self) -> DcIdx {
        self.index
    }

    /// Its racks in order of name, at least one. Their number is the number of replicas in the datacenter.
    pub fn racks(&self) -> &[Rack] {
        &self.racks
    }

    /// The numbers of its racks, as a range to index lists kept per rack.
    pub fn rack_range(&self) -> Range<usize> {
        let first = usize::from(self.racks[0].index.0);
        first..first + self.racks.len()
    }
}

/// A rack: one full copy of the data.
#[derive(Debug, Clone)]
pub struct Rack {
    pub(crate) name: Arc<str>,
    pub(crate) dc: DcIdx,
    pub(crate) index: RackIdx,
    pub(crate) nodes: Range<u32>,
    pub(crate) tokens: Vec<(Token, NodeIdx)>,
    /// Sets the rack apart from the others of its datacenter when a key's primary is chosen.
    pub(crate) seed: u64,
}

impl Rack {
    /// Name of the rack.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The datacenter it belongs to.
    pub fn dc(&self) -> DcIdx {
        self.dc
    }

    /// Its number in this ring.
    pub fn index(&self) -> RackIdx {
        self.index
    }

    /// Its nodes in order of name, at least one.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeIdx> + Clone + use<> {
        // A range of u32 has no exact size of its own on 16-bit targets; nodes never number more than usize holds.
        let first = self.nodes.start;
        (0..self.nodes.len()).map(move |offset| NodeIdx(first + offset as u32))
    }

    /// Its tokens, ascending, each with the node that owns the hashes up to it.
    pub fn tokens(&self) -> &[(Token, NodeIdx)] {
        &self.tokens
    }

    /// The owner of `token` in this rack. Costs a binary search; [`crate::Ring::replicas`] is faster.
    pub fn owner(&self, token: Token) -> NodeIdx {
        let found = self.tokens.partition_point(|(end, _)| *end < token);
        self.tokens.get(found).unwrap_or(&self.tokens[0]).1
    }
}

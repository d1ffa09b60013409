//! One member of the cluster as the ring sees it.

use std::fmt;

use crate::{Token, hash};

/// A node's number in peer frames and versions, derived from its name: the same on every node and over restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The id of the node called `name`: FNV-1a, 32 bits. Two names may share an id; a ring refuses such a pair.
    pub fn from_name(name: &str) -> Self {
        Self(hash::fnv1a_32(name.as_bytes()))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// A node of the cluster: where it stands, what it owns and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Number of the node; unique in a ring.
    pub id: NodeId,
    /// Name of the node; unique in a ring.
    pub name: String,
    /// Name of its datacenter.
    pub dc: String,
    /// Name of its rack; racks of different datacenters may share a name.
    pub rack: String,
    /// Its tokens, in any order; a ring keeps them sorted.
    pub tokens: Vec<Token>,
    /// Where clients reach it. The ring only carries it.
    pub client_address: String,
    /// Where other nodes reach it. The ring only carries it.
    pub peer_address: String,
}

impl Node {
    /// A node with the id of its name and no addresses.
    pub fn new(
        name: impl Into<String>,
        dc: impl Into<String>,
        rack: impl Into<String>,
        tokens: Vec<Token>,
    ) -> Self {
        let name = name.into();
        Self {
            id: NodeId::from_name(&name),
            name,
            dc: dc.into(),
            rack: rack.into(),
            tokens,
            client_address: String::new(),
            peer_address: String::new(),
        }
    }
}

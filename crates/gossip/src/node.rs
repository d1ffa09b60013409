//! Who a member is, and what it says of itself.

use std::fmt;
use std::net::SocketAddr;

/// A member's number: unique in the cluster and the same over its restarts. Which number a node has is the embedder's
/// to say, a hash of its name for instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// One run of one node: what it is called, where it is reached, and what tells it from its earlier runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The node's number.
    pub id: NodeId,
    /// Where other members reach it.
    pub addr: SocketAddr,
    /// Grows with every start: a counter that is kept on disk, or the seconds since 1970.
    pub generation: u64,
    /// Drawn at random at every start: it tells two processes with one id and one generation apart.
    pub nonce: u32,
}

/// What a member says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// It is here and not ready to serve.
    Joining,
    /// It serves.
    Normal,
    /// It still serves and is about to go.
    Leaving,
    /// It has gone for good, in this generation.
    Left,
}

/// What the others say of one incarnation of a member. Of two the greater holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Verdict {
    None,
    Down,
    /// It was down and an operator gave it up.
    Removed,
}

/// Everything about a member but its items: what is told of it from node to node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) id: NodeId,
    pub(crate) addr: SocketAddr,
    pub(crate) generation: u64,
    pub(crate) nonce: u32,
    /// Only the member itself raises it: to change its status, and to refute a verdict.
    pub(crate) incarnation: u64,
    pub(crate) status: Status,
    pub(crate) verdict: Verdict,
    /// Of a live member its heartbeats so far; of one that has gone, for how many seconds it has been so.
    pub(crate) pulse: u64,
}

impl Life {
    /// The greater of two is the later, whatever the order in which they arrive.
    pub(crate) fn rank(&self) -> (u64, u32, u64, Verdict) {
        (self.generation, self.nonce, self.incarnation, self.verdict)
    }

    pub(crate) fn run(&self) -> (u64, u32) {
        (self.generation, self.nonce)
    }

    pub(crate) fn is_live(&self) -> bool {
        self.verdict == Verdict::None && self.status != Status::Left
    }

    pub(crate) fn is_down(&self) -> bool {
        self.verdict == Verdict::Down && self.status != Status::Left
    }

    /// It left or was given up, and is kept only so that nobody brings it back.
    pub(crate) fn is_gone(&self) -> bool {
        self.verdict == Verdict::Removed || self.status == Status::Left
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity { id: self.id, addr: self.addr, generation: self.generation, nonce: self.nonce }
    }
}

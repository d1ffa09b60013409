//! A hint being replayed: what a key holds, on its way to who missed it.

use bytes::Bytes;
use dynomite_ring::{NodeId, Token};

use crate::{Record, hints::HintTarget};

/// A hint under way.
#[derive(Debug)]
pub(crate) struct HandoffOperation {
    pub(crate) target: HintTarget,
    pub(crate) key: Bytes,
    pub(crate) token: Token,
    pub(crate) began_ms: u64,
    pub(crate) phase: Phase,
}

impl HandoffOperation {
    /// Whether `node` has been sent something, and has not answered.
    pub(crate) fn waits_for(&self, node: NodeId) -> bool {
        matches!(self.phase, Phase::Pushing(to, _) if to == node)
    }
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The own copy is being read, to be pushed to this node.
    Fetching(NodeId),
    /// The state of this record was pushed to the node.
    Pushing(NodeId, Record),
    /// The key is being healed, or its state sent to another datacenter.
    Waiting,
}

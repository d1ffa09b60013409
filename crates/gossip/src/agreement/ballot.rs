//! What tells attempts apart.

use std::fmt;

use crate::NodeId;

/// The number of one attempt of one proposer. Of two the greater outbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ballot {
    /// Grows with every attempt.
    pub round: u64,
    /// Who attempts; makes ballots of one round differ.
    pub node: NodeId,
}

impl Ballot {
    /// Below all that are used.
    pub(super) const NONE: Self = Self { round: 0, node: NodeId(0) };
}

impl fmt::Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.round, self.node)
    }
}

//! What can be wrong with what is asked of an [`super::Agreement`], and why a proposal did not come through.

use std::fmt;

use crate::NodeId;

/// Why something was not done. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AgreementError {
    /// The value does not say who votes next. Whose fault: the embedder's.
    #[error("what is meant for epoch {epoch} is no value that names voters")]
    NoValue {
        /// The epoch.
        epoch: u64,
    },
    /// The value is longer than it may be. Whose fault: the embedder's.
    #[error("the value has {byte_count} bytes; at most {max}")]
    ValueTooLong {
        /// Its length.
        byte_count: usize,
        /// [`super::Config::value_bytes_max`].
        max: usize,
    },
    /// A proposal is under way: wait until it is told how that came out. Whose fault: the embedder's.
    #[error("a proposal for epoch {epoch} is under way; wait for its outcome")]
    Busy {
        /// The epoch.
        epoch: u64,
    },
    /// This node has not heard yet what is decided. Whose fault: nobody's; it has to be told of another node's epoch.
    #[error("no decided epoch is known here yet; try again when this node has heard from others")]
    NothingDecided,
    /// This node has voted on a later epoch than it knows: what was decided between was not stored, or lost. Whose
    /// fault: nobody's once it has heard from others again.
    #[error(
        "this node has voted on epoch {voted} and knows epoch {known} only; try again when it has heard from others"
    )]
    Behind {
        /// The epoch that it voted on.
        voted: u64,
        /// The last that it knows.
        known: u64,
    },
    /// Two values are stored for one epoch. Whose fault: the operator's, who mixed the data of two clusters or nodes.
    #[error(
        "two different values are stored for epoch {epoch}; restore this node's own data, or start it as a new node"
    )]
    DecidedTwice {
        /// The epoch.
        epoch: u64,
    },
    /// The stored vote cannot be read. Whose fault: the disk's. A node that has lost its vote must not vote in that epoch
    /// again.
    #[error("the stored vote cannot be read; restore it, or start this node as a new one under another name")]
    VoteUnreadable,
    /// A message that is not one. Whose fault: the sender's.
    #[error("not an agreement message of this version")]
    Malformed,
}

/// Why it is not known what became of a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Too few voters answered in the last attempt.
    NoMajority {
        /// Who did not.
        silent: Vec<NodeId>,
        /// How many answers a decision takes.
        needed: usize,
        /// How many voters there are.
        voter_count: usize,
    },
    /// Another node's ballot was greater each time.
    Outbid {
        /// The one that was met last.
        by: NodeId,
    },
    /// The others are further already, and nobody keeps what was decided between.
    Passed {
        /// The epoch that is decided.
        epoch: u64,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMajority { silent, needed, voter_count } => {
                write!(f, "{needed} of {voter_count} nodes must answer, and these did not:")?;
                silent.iter().try_for_each(|node| write!(f, " {node}"))
            }
            Self::Outbid { by } => write!(f, "node {by} proposed something at the same time"),
            Self::Passed { epoch } => write!(f, "the others have decided epoch {epoch} meanwhile"),
        }
    }
}

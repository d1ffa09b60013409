//! What a call wants done, and what it tells.

use super::Cause;
use crate::NodeId;

/// What is to be done, **in the order of the list**: what is to be stored must be stored for good before anything after it
/// is done. If it cannot be, drop the rest and the [`super::Agreement`] too, and start again from what is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Store this in place of the vote stored before.
    PersistVote(Vec<u8>),
    /// Store this beside what is decided.
    PersistDecided {
        /// The epoch.
        epoch: u64,
        /// Its value.
        value: Vec<u8>,
        /// What is stored of epochs below this one may be forgotten.
        oldest: u64,
    },
    /// Send a message. Losing it is harmless.
    Send {
        /// To whom.
        to: NodeId,
        /// The message.
        bytes: Vec<u8>,
    },
    /// An epoch is decided. Told once for each, ascending; some are left out when this node was away for long.
    Decided {
        /// The epoch.
        epoch: u64,
        /// Its value.
        value: Vec<u8>,
    },
    /// How what this node proposed came out.
    Proposed {
        /// The epoch that it was proposed for.
        epoch: u64,
        /// How it came out.
        outcome: Outcome,
    },
    /// Another node has another value for an epoch that is decided here, so the two are not of one history: their
    /// clusters began with different values, or two were forced. One of them must be started anew.
    Conflict {
        /// The epoch.
        epoch: u64,
        /// The other node.
        with: NodeId,
    },
}

/// How a proposal came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The proposed value is decided.
    Won,
    /// Another value is decided in its epoch, as the [`Output::Decided`] before this says.
    Other,
    /// Not known: it may be decided, or become so as long as its epoch is open.
    Unknown(Cause),
}

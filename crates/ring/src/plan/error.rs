//! Why a change is not planned, and what to do instead. All of these are the operator's to mend.

use crate::{RingError, Token};

/// Why a change cannot be made. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A node that is to come has the name of one that is there.
    #[error("a node called {name:?} is in the ring already: give the new one another name")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// No such node.
    #[error("no node of the ring is called {name:?}: check the name")]
    UnknownNode {
        /// The name.
        name: String,
    },
    /// No such rack.
    #[error("the ring has no rack {rack:?} in {dc:?}: check the names")]
    UnknownRack {
        /// The datacenter's name.
        dc: String,
        /// The rack's name.
        rack: String,
    },
    /// The node is in another rack, and its copies are that rack's.
    #[error("node {name:?} belongs to rack {rack:?} of {dc:?}: name that rack, or let it leave first")]
    OtherRack {
        /// The node's name.
        name: String,
        /// The datacenter that it belongs to.
        dc: String,
        /// The rack that it belongs to.
        rack: String,
    },
    /// Without the node its rack would hold nothing.
    #[error(
        "node {name:?} is the last one of rack {rack:?} of {dc:?}: replace it, let another node join that rack first, \
         or remove the rack"
    )]
    LastOfRack {
        /// The node's name.
        name: String,
        /// The datacenter's name.
        dc: String,
        /// The rack's name.
        rack: String,
    },
    /// Without the rack there would be no ring.
    #[error("rack {rack:?} of {dc:?} is the only one: add another one first")]
    LastRack {
        /// The datacenter's name.
        dc: String,
        /// The rack's name.
        rack: String,
    },
    /// The datacenter has one copy of each key. Who gets a range has nobody to get its keys from, once its owner has lost
    /// it.
    #[error(
        "rack {rack:?} is the only one of {dc:?}, so nobody could rebuild what moves in it: add a second rack to {dc:?} \
         first"
    )]
    OnlyCopy {
        /// The datacenter's name.
        dc: String,
        /// The rack's name.
        rack: String,
    },
    /// The token has another owner.
    #[error("token {token} of rack {rack:?} of {dc:?} belongs to node {owner:?}: choose another one")]
    TokenTaken {
        /// The token.
        token: Token,
        /// The datacenter's name.
        dc: String,
        /// The rack's name.
        rack: String,
        /// The name of its owner.
        owner: String,
    },
    /// A node without tokens owns nothing.
    #[error("node {name:?} would have no token: give it at least one, or let it leave")]
    NoTokens {
        /// The node's name.
        name: String,
    },
    /// Every value that the hash can give is a token already.
    #[error(
        "rack {rack:?} of {dc:?} has no free token: its {token_count} tokens are all that the hash can tell apart; let a \
         node leave, or replace one"
    )]
    SpaceFull {
        /// The datacenter's name.
        dc: String,
        /// The rack's name.
        rack: String,
        /// How many tokens the rack has.
        token_count: usize,
    },
    /// The ring is not the one that the step was planned for.
    #[error("the ring has changed since this was planned ({step}): plan again")]
    Outdated {
        /// The step that does not fit.
        step: String,
    },
    /// What would come out is no ring.
    #[error(transparent)]
    Ring(#[from] RingError),
}

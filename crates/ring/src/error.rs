//! What can be wrong with a topology or a name. All of these are the operator's to mend; nothing was changed.

use crate::Token;

/// Why a set of nodes does not make a ring.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
    /// No node was given.
    #[error("a ring needs at least one node")]
    NoNodes,
    /// Two nodes have the same name.
    #[error("two nodes are called {name:?}: rename one of them")]
    DuplicateName {
        /// The name that both have.
        name: String,
    },
    /// Two different names give the same id.
    #[error("the names of nodes {first:?} and {second:?} give the same id: rename one of them")]
    DuplicateId {
        /// One of the two names.
        first: String,
        /// The other.
        second: String,
    },
    /// A node owns nothing.
    #[error("node {name:?} has no token")]
    NoTokens {
        /// The node's name.
        name: String,
    },
    /// Within a rack every token has one owner.
    #[error("token {token} is given twice in rack {rack:?} of {dc:?}: by nodes {first:?} and {second:?}")]
    DuplicateToken {
        /// The token.
        token: Token,
        /// The datacenter's name.
        dc: String,
        /// The rack's name.
        rack: String,
        /// One of the owners.
        first: String,
        /// The other; the same one when it names the token twice.
        second: String,
    },
    /// More racks than a [`crate::RackIdx`] can number.
    #[error("{count} racks are too many: 65535 at most")]
    TooManyRacks {
        /// How many racks the nodes name.
        count: usize,
    },
}

/// The text is not the name of a hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown hash {name:?}: one of {}", crate::HashKind::names())]
pub struct ParseHashError {
    /// The text.
    pub name: String,
}

/// The text is not a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a token: a whole number from 0 to 4294967295")]
pub struct ParseTokenError {
    /// The text.
    pub text: String,
}

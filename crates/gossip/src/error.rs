//! What can be wrong with what the embedder asks for. After each of them nothing was changed.
//!
//! What others send is never an error: it is counted, see [`crate::Counts`].

use std::net::SocketAddr;

use crate::NodeId;

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GossipError {
    /// The configuration contradicts itself. Whose fault: the embedder's, or its operator's.
    #[error("the configuration does not work: {what}")]
    Config {
        /// Which value, and why.
        what: &'static str,
    },
    /// The item does not fit a message. Whose fault: the embedder's.
    #[error("item {key} has {byte_count} bytes; at most {max}")]
    ItemTooLong {
        /// The item's key.
        key: u16,
        /// Its length.
        byte_count: usize,
        /// The most that [`crate::Config::item_bytes_max`] allows.
        max: usize,
    },
    /// This member has as many items as it may, or as many bytes in them. Whose fault: the embedder's.
    #[error("no room for item {key}: items_max or items_bytes_max is reached")]
    NoRoom {
        /// The key of the item that was to be added.
        key: u16,
    },
    /// There are as many seeds as there may be. Whose fault: the operator's.
    #[error("no room for another seed: at most {max}")]
    TooManySeeds {
        /// `seeds_max`.
        max: usize,
    },
    /// Nobody of this number is known. Whose fault: the operator's.
    #[error("member {id} is not known")]
    UnknownMember {
        /// The number.
        id: NodeId,
    },
    /// Only a member that is down is given up. Whose fault: the operator's.
    #[error("member {id} is not down")]
    NotDown {
        /// The member.
        id: NodeId,
    },
    /// It left: nothing is said any more. Whose fault: the embedder's.
    #[error("this member has left the cluster")]
    HasLeft,
    /// The driver cannot have this address. Whose fault: the operator's.
    #[error("cannot listen at {addr}: {kind}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// Why not.
        kind: std::io::ErrorKind,
    },
    /// The driver's task has ended. Whose fault: the embedder's, who left or let the runtime go.
    #[error("the driver has stopped")]
    Stopped,
    /// A message that is not one. Whose fault: the sender's.
    #[error("not a gossip message of this version")]
    Malformed,
}

//! What happened, as the embedder is told.

use std::net::SocketAddr;
use std::time::Duration;

use crate::{Identity, NodeId, Status};

/// Something that happened to the membership.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A member came to be known, alive or down.
    Joined {
        /// Who.
        id: NodeId,
    },
    /// A known member is there with a greater generation: it started again. Its items begin anew.
    Restarted {
        /// Who.
        id: NodeId,
    },
    /// A member said what it is now.
    StatusChanged {
        /// Who.
        id: NodeId,
        /// What it is now.
        status: Status,
    },
    /// An item of another member has a new value.
    ItemSet {
        /// Whose.
        id: NodeId,
        /// Which.
        key: u16,
    },
    /// Another member removed an item.
    ItemRemoved {
        /// Whose.
        id: NodeId,
        /// Which.
        key: u16,
    },
    /// This node suspects a member and probes it. An opinion, and often wrong.
    Suspected {
        /// Whom.
        id: NodeId,
    },
    /// A member is down: it answered neither this node nor those that were asked, or others say so and it is silent here.
    Down {
        /// Who.
        id: NodeId,
    },
    /// A member that was down is there again.
    Up {
        /// Who.
        id: NodeId,
    },
    /// A member that left or was given up is not remembered any longer.
    Forgotten {
        /// Who.
        id: NodeId,
    },
    /// This node was called down and says that it is not.
    Refuted {
        /// The incarnation that it has now.
        incarnation: u64,
    },
    /// The cluster remembers a run of this node with a generation that is not below the present one: its clock went back, or
    /// its memory was lost. It goes on above.
    GenerationRaised {
        /// The generation that it was started with, or raised to before.
        from: u64,
        /// The generation that it has now.
        to: u64,
    },
    /// Two processes that both live claim one identity. The one that was there first keeps its place; the other is not
    /// heard. One of the two must be stopped.
    IdentityConflict {
        /// The identity.
        id: NodeId,
        /// The one that keeps its place.
        kept: Identity,
        /// The one that is refused.
        refused: Identity,
    },
    /// Somebody of another cluster sends here.
    OtherCluster {
        /// From where.
        from: SocketAddr,
    },
    /// As many members are known as may be; one more was refused.
    MembersFull {
        /// Who was refused.
        id: NodeId,
    },
    /// This process did not run for so long; the silence of the others in that time says nothing.
    Paused {
        /// How much too late it was called.
        late: Duration,
    },
}

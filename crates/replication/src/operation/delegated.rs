//! An overwrite whose primary is another node: that stamps it, and this node may bring the last copy that is needed.

use bytes::Bytes;
use dynomite_ring::NodeId;

use crate::{ClientCommand, Record, Version};

/// An overwrite that was sent to its primary.
#[derive(Debug)]
pub(crate) struct DelegatedOverwrite {
    pub(crate) command: ClientCommand,
    pub(crate) primary: NodeId,
    /// What the primary said, once this node applies the write to its own copy.
    pub(crate) stamp: Option<Stamp>,
    /// Whether the client was told that the outcome is unknown. The own copy still gets what the primary may stamp.
    pub(crate) is_given_up: bool,
    /// Whether the primary refused it for another ring, with which it is to begin anew.
    pub(crate) waits_for_ring: bool,
    /// Whether the key's holders have changed since the primary was asked.
    pub(crate) has_ring_changed: bool,
}

/// What the primary says of an overwrite that the sender completes.
#[derive(Debug)]
pub(crate) struct Stamp {
    pub(crate) version: Version,
    /// What the replica that knew most had before, and its reply.
    pub(crate) prior: Record,
    pub(crate) reply: Bytes,
    /// When the own datastore is no longer waited for, in `Now::ms`.
    pub(crate) slow_at_ms: u64,
}

impl DelegatedOverwrite {
    /// When something should have been heard, short of the deadline.
    pub(crate) fn slow_at_ms(&self) -> Option<u64> {
        self.stamp.as_ref().map(|stamp| stamp.slow_at_ms)
    }
}

//! What an engine is told when it is made.

use bytes::Bytes;
use dynomite_ring::NodeId;

use super::RepairConfig;
use crate::SequencingRules;

/// Settings of an engine.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// This node; it must be in the ring.
    pub node: NodeId,
    /// Which of the node's workers the engine is, and how many there are: each is responsible for a part of the buckets.
    pub worker: usize,
    /// See `worker`.
    pub workers: usize,
    /// How long what this engine does on its own may take; half of it is how long a datastore may be silent.
    pub request_timeout_ms: u64,
    /// When a read is also sent to the next replica, and a silent replica is no longer waited for.
    pub failover_ms: u64,
    /// Operations in flight at most; more are refused.
    pub operations_max: usize,
    /// Operations in flight on the lane at most; more are refused.
    pub lane_window_max: usize,
    /// How far another node's clock may be ahead of this one's.
    pub clock_ahead_max_ms: u64,
    /// Whether what is known of keys is to be kept in a log: see [`Engine::seal_log`](crate::Engine::seal_log).
    pub keeps_log: bool,
    /// A key of the datastore that is this engine's own; there it marks how far the datastore has come. Without it, a datastore
    /// that begins anew counts as having lost everything.
    pub marker_key: Option<Bytes>,
    /// What the names of keys begin with that nodes keep in their datastores for themselves, if they do.
    pub reserved_prefix: Option<Bytes>,
    /// Who sequences which keys.
    pub sequencing: SequencingRules,
    /// Memory for hints, in bytes, for each node and datacenter that missed writes. What does not fit is left to comparisons.
    pub hints_bytes_max: usize,
    /// How long a hint is kept.
    pub hint_window_ms: u64,
    /// Hints that are replayed at the same time, for each target.
    pub handoff_max: usize,
    /// How copies are compared and repaired.
    pub repair: RepairConfig,
    /// From how many bytes on the datastore calls a state large; such states move in pieces.
    pub large_bytes_min: u64,
}

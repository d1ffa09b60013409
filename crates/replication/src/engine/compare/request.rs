//! What a round of comparing is asked to do, and what it tells of itself.

use dynomite_ring::NodeId;

use crate::{BucketSet, Mark};

/// How copies are compared and repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepairConfig {
    /// Time from one round to the next, which varies by a quarter of it; 0 for no rounds but those that are asked for.
    pub compare_interval_ms: u64,
    /// Makes the variation.
    pub seed: u64,
    /// Keys that rounds heal in each second.
    pub keys_per_s: u64,
    /// Bytes of values that rounds install in each second.
    pub bytes_per_s: u64,
    /// How long lost copies wait for racks or datacenters that cannot be reached before they are rebuilt from what there is.
    pub rebuild_wait_ms: u64,
}

impl Default for RepairConfig {
    fn default() -> Self {
        Self {
            compare_interval_ms: 10 * 60_000,
            seed: 0,
            keys_per_s: 2000,
            bytes_per_s: 16 << 20,
            rebuild_wait_ms: 10 * 60_000,
        }
    }
}

/// What a round is to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RepairRequest {
    /// Which buckets; all when `None`.
    pub buckets: Option<BucketSet>,
    /// Whether differences are only counted.
    pub preview: bool,
    /// Whether every key is compared by itself, where digests agree too, and its value with those of the other racks.
    pub full: bool,
    /// With which nodes; all when `None`.
    pub peers: Option<Vec<NodeId>>,
}

/// How far the current round has come, or how the last one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RepairStatus {
    /// What it is doing.
    pub phase: RepairPhase,
    /// Up to when copies are compared.
    pub mark: Mark,
    /// Buckets, counted once for each node that they are compared with.
    pub buckets_done: u64,
    /// See `buckets_done`.
    pub buckets_total: u64,
    /// Those that were not equal.
    pub buckets_differing: u64,
    /// Those that were equal with everybody and told so.
    pub buckets_settled: u64,
    /// Keys in them, counted once for each node.
    pub keys_compared: u64,
    /// Keys that differ.
    pub keys_differing: u64,
    /// Keys whose copies are equal again, or whose state was sent to another datacenter.
    pub keys_healed: u64,
    /// Keys that could not be healed.
    pub keys_failed: u64,
    /// Nodes that could not be compared with.
    pub peers_failed: u64,
}

/// What a round is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RepairPhase {
    /// There is no round.
    #[default]
    Idle,
    /// Records are being summed up, here or elsewhere.
    Counting,
    /// Buckets are being compared, and keys healed.
    Comparing,
    /// Equal buckets are being settled.
    Settling,
}

/// A round is under way already; nothing was begun. Whose fault: the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a round of repair is under way")]
pub struct RepairBusy;

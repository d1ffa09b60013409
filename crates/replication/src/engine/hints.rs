//! Writes that a replica missed (hinted handoff).

use bytes::Bytes;
use dynomite_ring::{DcIdx, NodeId};

use super::{Engine, Now};
use crate::{
    operation::{
        overwrite::RemoteDc,
        replicas::{Replica, State},
    },
    planted::{self, Planted},
};

/// A write whose requester was answered waits so long for the replicas that have not answered.
const LINGER_MS: u64 = 1000;

impl Engine {
    /// How long a write waits for the last of its replicas when its requester does not wait any more; not at all when there
    /// are many, so that these take no room from others.
    pub(super) fn linger_ms(&self) -> u64 {
        if self.operations.len() > self.config.operations_max / 2 { 0 } else { LINGER_MS }
    }

    /// Notes who has missed a write.
    pub(super) fn note_missed(&mut self, now: Now, key: &Bytes, replicas: &[Replica], dcs: &[RemoteDc]) {
        for replica in replicas {
            if matches!(replica.state, State::Failed(_)) {
                self.missed(now, replica.node, key.clone());
            }
        }
        if replicas.iter().any(|replica| replica.state == State::Newer) {
            self.heal_soon(key.clone());
        }
        for dc in dcs {
            if matches!(dc.state, State::Failed(_)) {
                self.missed_by_dc(now, dc.dc, key.clone());
            }
        }
    }

    /// Notes that `node` has missed a write on `key`.
    pub(super) fn missed(&mut self, _now: Now, node: NodeId, key: Bytes) {
        if planted::has(Planted::SkipsHints) {
            return;
        }
        let _ = (node, key);
        self.stats.writes_missed += 1;
    }

    /// Notes that nobody in the datacenter `dc` got a write on `key`.
    pub(super) fn missed_by_dc(&mut self, _now: Now, dc: DcIdx, key: Bytes) {
        let _ = (dc, key);
        self.stats.cross_dc_dropped += 1;
    }
}

//! Writes that a replica missed: who it was is noted, and kept until it has got them (`engine/handoff.rs`).

use bytes::Bytes;
use dynomite_ring::{DcIdx, NodeId};
use smallvec::SmallVec;

use super::{Engine, Now};
use crate::{
    Bucket, BucketSet, HintLogError, HintTarget, Record, Version,
    operation::{
        Kind, OperationId,
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

    /// Notes who is known to have missed a write that is being acknowledged while others have yet to answer: the hints are in
    /// the log before the acknowledgement leaves.
    pub(super) fn note_known(&mut self, now: Now, id: OperationId) {
        if planted::has(Planted::SkipsHints) {
            return;
        }
        let Some(operation) = self.operations.get(id) else { return };
        let (key, replicas, dcs): (&[u8], &[Replica], &[RemoteDc]) = match &operation.kind {
            Kind::Overwrite(overwrite) => (overwrite.command.key(), &overwrite.replicas, &overwrite.dcs),
            Kind::Run(run) => (&run.key, &run.replicas, &[]),
            Kind::Relay(relay) => (&relay.key, &relay.replicas, &[]),
            _ => return,
        };
        let failed = |state: &State| matches!(state, State::Failed(_));
        let nodes = replicas.iter().filter(|replica| failed(&replica.state));
        let nodes = nodes.map(|replica| HintTarget::Node(replica.node));
        let dcs = dcs.iter().filter(|dc| failed(&dc.state)).map(|dc| HintTarget::Dc(dc.dc));
        let targets: SmallVec<[HintTarget; 4]> = nodes.chain(dcs).collect();
        for target in targets {
            self.hints.note(now, target, key);
        }
    }

    /// All replicas of `key` have applied the overwrite `version`. If the own copy is that too, it is what hints on the key would bring.
    pub(super) fn applied_everywhere(&mut self, key: &Bytes, version: Version, replicas: &[Replica]) {
        let own = HintTarget::Node(self.config.node);
        let entry = self.records.of(key);
        let is_own = replicas.iter().any(|replica| replica.node == self.config.node);
        // As for a replay: what this node knows to have missed itself, it cannot hand over.
        if !is_own
            || !entry.trust.is_trusted()
            || entry.record != Record::overwritten(version)
            || self.hints.contains(own, key)
        {
            return;
        }
        for replica in replicas {
            self.hints.covered(HintTarget::Node(replica.node), key);
        }
    }

    /// Notes that `node` has missed a write on `key`.
    pub(super) fn missed(&mut self, now: Now, node: NodeId, key: Bytes) {
        if planted::has(Planted::SkipsHints) {
            return;
        }
        self.stats.writes_missed += 1;
        self.hints.note(now, HintTarget::Node(node), &key);
    }

    /// Notes that nobody in the datacenter `dc` got a write on `key`.
    pub(super) fn missed_by_dc(&mut self, now: Now, dc: DcIdx, key: Bytes) {
        self.stats.cross_dc_dropped += 1;
        self.hints.note(now, HintTarget::Dc(dc), &key);
    }

    /// Has changes of hints written down from now on, for [`Engine::seal_hints`]. Call it before anything happens, and only if
    /// the frames are taken.
    pub fn keep_hint_log(&mut self) {
        self.hints.keep_log();
    }

    /// Takes over the payload of one frame of an earlier process's hint log, as far as it is about this engine's buckets; all
    /// frames, in their order, before anything happens. Frames that [`Engine::seal_hints`] makes continue their numbers.
    ///
    /// Of several logs (there were more or fewer workers) each is given as a whole; call [`Engine::rewrite_hint_log`] then.
    ///
    /// # Errors
    /// The bytes are not what an engine wrote. Nothing was taken over; see [`Engine::handle_hint_log_lost`].
    pub fn recover_hints_frame(&mut self, payload: &[u8]) -> Result<(), HintLogError> {
        self.hints.recover_frame(payload)
    }

    /// Appends one frame with all changes of hints since the last to `into`, and returns its number; `None` when there are
    /// none. It is to be in the log before anything leaves of what this engine gave out by then.
    pub fn seal_hints(&mut self, into: &mut Vec<u8>) -> Option<u64> {
        self.hints.seal(into)
    }

    /// Frames of the hint log with lower numbers are not needed.
    pub fn hints_floor(&self) -> u64 {
        self.hints.floor()
    }

    /// The frame that [`Engine::seal_hints`] gave last was not written, or not wholly. All hints are still in memory and
    /// are replayed; the next frames say all of them again. Until then a crash loses up to `Stats::hints_at_risk` of them.
    pub fn handle_hint_log_failed(&mut self) {
        self.hints.log_failed();
    }

    /// The hint log, or a part of it, is gone or damaged: which hints it held is not known, so every bucket needs repair.
    pub fn handle_hint_log_lost(&mut self) {
        self.hints.mark_all();
    }

    /// Has the next frames say everything that is live. When [`Engine::hints_floor`] has reached the number that this returns,
    /// all earlier frames can go, those of other logs too.
    pub fn rewrite_hint_log(&mut self) -> u64 {
        self.hints.rewrite_log()
    }

    /// The buckets in which `target` may have missed writes that there are no hints for.
    pub fn needs_repair(&self, target: HintTarget) -> &BucketSet {
        self.hints.needs_repair(target)
    }

    /// A comparison of `bucket` with `target` begins. A mark that is set from now on is not covered by it.
    pub fn handle_repair_begun(&mut self, target: HintTarget, bucket: Bucket) {
        self.hints.repair_begins(target, bucket);
    }

    /// That comparison has ended, and `target` holds what it missed: the mark is taken away, unless it was set anew.
    pub fn handle_repair_ended(&mut self, target: HintTarget, bucket: Bucket) {
        self.hints.repaired(target, bucket);
    }
}

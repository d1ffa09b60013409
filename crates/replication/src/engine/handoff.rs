//! Hinted handoff: who missed writes gets what the keys hold by now, as soon as it can be reached, and at a pace that leaves
//! room for clients.
//!
//! A node of this datacenter is pushed the own copy, if there is one that may be trusted; otherwise the key is healed.
//! Another datacenter is sent the state again that a majority of this one holds.

use bytes::Bytes;
use dynomite_ring::{NodeId, Rack, Token};
use smallvec::SmallVec;

use super::{Engine, Now, Out, Requester, replica::told};
use crate::{
    Content, Failure, PushPurpose, Record, RequestBody, ResponseBody,
    hints::{HintTarget, Replay},
    operation::{
        Kind, OperationId,
        handoff::{HandoffOperation, Phase},
    },
};

/// With so many operations of clients in flight half as many hints are replayed as without, with twice as many a third.
const BUSY_OPERATIONS: usize = 64;
/// A replay that waits for a heal or an export ends after so many times the request timeout: these begin anew when something
/// changes meanwhile.
const PATIENCE: u64 = 4;

impl Engine {
    /// Replays hints whose targets can be reached, as far as there is room for it, and drops those that are too old.
    pub(super) fn pump_hints(&mut self, now: Now, out: &mut Out) {
        if self.hints.is_empty() {
            return;
        }
        let targets: SmallVec<[HintTarget; 8]> = self.hints.waiting().collect();
        for target in targets {
            self.hints.expire(now, target);
            self.replay_hints(now, target, out);
        }
    }

    /// When hints are to be looked at again, in `Now::ms`: not before something can be done about them.
    pub(super) fn hints_due_ms(&self) -> Option<u64> {
        if self.hints.is_empty() {
            return None;
        }
        let due_ms = |target| match self.can_be_reached(target) {
            true => self.hints.replay_ms(target).min(self.hints.expiry_ms(target)),
            false => self.hints.expiry_ms(target),
        };
        self.hints.waiting().map(due_ms).min()
    }

    fn replay_hints(&mut self, now: Now, target: HintTarget, out: &mut Out) {
        if !self.can_be_reached(target) || self.lane_refusal(now).is_some() {
            return;
        }
        while self.operations.len() < self.config.operations_max / 2
            && let Some(key) = self.hints.begin(now, target, self.slowdown())
        {
            self.begin_handoff(now, target, key, out);
        }
    }

    /// Whether hints may be replayed to a target. Without the own copy nothing can be decided.
    fn can_be_reached(&self, target: HintTarget) -> bool {
        let is_there = match target {
            HintTarget::Node(node) => node == self.config.node || self.reachable.contains(&node),
            HintTarget::Dc(dc) => {
                let mut nodes = self.ring.dc(dc).racks().iter().flat_map(Rack::nodes);
                nodes.any(|node| self.reachable.contains(&self.ring.node(node).id))
            }
        };
        is_there && self.lane.is_up()
    }

    /// By how much the work for clients slows the replay down.
    fn slowdown(&self) -> usize {
        let own = self.hints.replaying_count() + self.heals.len();
        1 + self.operations.len().saturating_sub(own) / BUSY_OPERATIONS
    }

    fn begin_handoff(&mut self, now: Now, target: HintTarget, key: Bytes, out: &mut Out) {
        let token = self.ring.token(&key);
        match target {
            HintTarget::Dc(dc) => {
                let id = self.insert_handoff(now, target, &key, token, Phase::Waiting);
                self.export_again(now, key, dc, Some(id), out);
            }
            HintTarget::Node(node) if !self.is_replica_at(node, token) => {
                // The ring was another one when it was noted.
                self.hints.end(now, target, &key, now.ms, Replay::Done);
            }
            HintTarget::Node(node) if self.can_push(node, &key, token) => {
                let id = self.insert_handoff(now, target, &key, token, Phase::Fetching(node));
                let body = RequestBody::Fetch { key, doubtful: false, whole: false };
                self.serve(now, Requester::Operation(id), token, body, out);
            }
            // One that began before the write was missed says nothing about it.
            HintTarget::Node(_) if self.heals.contains_key(&key) => {
                self.hints.end(now, target, &key, now.ms, Replay::Failed);
            }
            HintTarget::Node(_) => {
                let id = self.insert_handoff(now, target, &key, token, Phase::Waiting);
                self.heal(now, key, Some(id), out);
            }
        }
    }

    fn insert_handoff(
        &mut self,
        now: Now,
        target: HintTarget,
        key: &Bytes,
        token: Token,
        phase: Phase,
    ) -> OperationId {
        let timeout_ms = match phase {
            Phase::Waiting => PATIENCE * self.config.request_timeout_ms,
            Phase::Fetching(_) | Phase::Pushing(..) => self.config.request_timeout_ms,
        };
        let handoff = HandoffOperation { target, key: key.clone(), token, began_ms: now.ms, phase };
        self.insert(now, timeout_ms, Kind::Handoff(Box::new(handoff)))
    }

    fn is_replica_at(&self, node: NodeId, token: Token) -> bool {
        let index = self.ring.index_of(node);
        index.is_some_and(|index| self.ring.replicas(token).in_dc(self.place.dc).contains(&index))
    }

    /// Whether the own copy of a key will do for `node`: it is there, trusted, and is not known to have missed a write.
    fn can_push(&mut self, node: NodeId, key: &[u8], token: Token) -> bool {
        let own = self.config.node;
        let entry = self.look_up(key, token).1;
        node != own
            && self.is_replica_at(own, token)
            && entry.trust.is_trusted()
            && entry.record != Record::default()
            && !self.hints.contains(HintTarget::Node(own), key)
    }

    /// The own copy was read, or the target has answered.
    pub(super) fn handoff_answered(&mut self, now: Now, id: OperationId, body: ResponseBody, out: &mut Out) {
        let Some(Kind::Handoff(handoff)) = self.operations.get(id).map(|operation| &operation.kind) else {
            return;
        };
        let replay = match (handoff.phase, body) {
            (Phase::Fetching(node), ResponseBody::State { record, trust, state }) if trust.is_trusted() => {
                // A mark is no write: where it is installed, it may not be known.
                return self.push_handoff(now, id, node, told(record), state, out);
            }
            (Phase::Pushing(..), ResponseBody::Accepted { .. }) => Replay::Done,
            (Phase::Pushing(_, pushed), ResponseBody::Nacked { record, dirty: false })
                if record >= pushed =>
            {
                let (key, token) = (handoff.key.clone(), handoff.token);
                if record > self.look_up(&key, token).1.record {
                    self.heal_soon(key);
                }
                Replay::Done
            }
            (Phase::Pushing(..), ResponseBody::Failed(Failure::Changed)) => {
                return self.heal_for_handoff(now, id, out);
            }
            (_, ResponseBody::Failed(failure)) if is_away(&failure) => Replay::TargetAway,
            _ => Replay::Failed,
        };
        self.end_handoff(now, id, replay, out);
    }

    /// The state changed while it was fetched in pieces: it is left to a heal, which gets it there whatever happens.
    fn heal_for_handoff(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Handoff(handoff) = &mut operation.kind else { return };
        handoff.phase = Phase::Waiting;
        operation.deadline_ms = now.ms + PATIENCE * self.config.request_timeout_ms;
        let key = handoff.key.clone();
        if self.heals.contains_key(&key) {
            return self.end_handoff(now, id, Replay::Failed, out);
        }
        self.heal(now, key, Some(id), out);
    }

    fn push_handoff(
        &mut self,
        now: Now,
        id: OperationId,
        node: NodeId,
        record: Record,
        state: Content,
        out: &mut Out,
    ) {
        let Some(Kind::Handoff(handoff)) = self.operations.find(id).map(|operation| &mut operation.kind)
        else {
            return;
        };
        handoff.phase = Phase::Pushing(node, record);
        let (key, token) = (handoff.key.clone(), handoff.token);
        let (target, is_large) = (handoff.target, state.is_in_pieces());
        if is_large && !self.wait_for_pieces(now, id) {
            return self.end_handoff(now, id, Replay::Later, out);
        }
        let body = RequestBody::Push { key, record, state, purpose: PushPurpose::Heal };
        self.ask(now, node, token, id, body, out);
        if is_large {
            // It has made room for another.
            self.replay_hints(now, target, out);
        }
    }

    /// A hint was replayed, or could not be: goes on with the next.
    pub(super) fn end_handoff(&mut self, now: Now, id: OperationId, replay: Replay, out: &mut Out) {
        let Some(operation) = self.operations.remove(id) else { return };
        let Kind::Handoff(handoff) = operation.kind else { return };
        match replay {
            Replay::Done => self.stats.hints_replayed += 1,
            Replay::TargetAway | Replay::Failed => self.stats.handoff_failures += 1,
            Replay::Later => {}
        }
        self.hints.end(now, handoff.target, &handoff.key, handoff.began_ms, replay);
        self.replay_hints(now, handoff.target, out);
    }
}

/// Whether a failure says that nothing can be done at a node now. One that did not answer in time may only take long with this
/// key.
fn is_away(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Unreachable
            | Failure::LinkLost
            | Failure::Overloaded
            | Failure::DatastoreDown
            | Failure::DatastoreStalled
    )
}

//! The one healing operation (rule R15): gather a key's records, fetch the greatest trusted state, install it where it is
//! missing. Whoever notices a difference asks for it; it may run at any time, several times, and at several nodes at once.

use std::collections::VecDeque;

use bytes::Bytes;
use dynomite_ring::Token;
use hashbrown::HashSet;
use smallvec::SmallVec;

use super::{Engine, Now, Out, replica::told};
use crate::{
    Content, Failure, RequestBody, ResponseBody,
    heal::{Behind, Copy, CountsLost, Plan, plan},
    hints::Replay,
    operation::{
        Kind, OperationId,
        heal::{Fetched, HealOperation, Phase},
        replicas::State,
    },
};

/// Keys that are healed at the same time.
const RUNNING_MAX: usize = 64;
/// Keys that wait to be healed; the buckets of more are marked as needing repair.
const WAITING_MAX: usize = 100_000;
/// When a key that could not be healed is tried again.
const RETRY_MS: u64 = 1000;
/// A heal begins anew at most so often because something changed meanwhile.
const RESTARTS_MAX: u8 = 3;
/// After so many a large state is moved whole: it changes faster than its pieces can be fetched.
pub(super) const RESTARTS_IN_PIECES: u8 = 2;
/// Heals of large states under way; more wait until others have ended.
const LARGE_MAX: usize = 64;

/// Keys that wait to be healed, each once.
#[derive(Debug, Default)]
pub(super) struct HealQueue {
    due: VecDeque<Bytes>,
    /// Those that were tried in vain, with the time from which they are tried again.
    later: VecDeque<(u64, Bytes)>,
    keys: HashSet<Bytes>,
}

impl HealQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many keys wait.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// All that wait.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Bytes> {
        self.due.iter().chain(self.later.iter().map(|(_, key)| key))
    }

    /// Adds a key, to be healed from `at_ms` on if there is such a time; `false` when there is no room.
    fn put(&mut self, at_ms: Option<u64>, key: Bytes) -> bool {
        if self.keys.contains(&key) {
            return true;
        }
        if self.keys.len() >= WAITING_MAX {
            return false;
        }
        self.keys.insert(key.clone());
        match at_ms {
            Some(at_ms) => self.later.push_back((at_ms, key)),
            None => self.due.push_back(key),
        }
        true
    }

    /// The next key whose time has come.
    fn take(&mut self, now: Now) -> Option<Bytes> {
        let waited = self.later.pop_front_if(|(at_ms, _)| *at_ms <= now.ms).map(|(_, key)| key);
        let key = waited.or_else(|| self.due.pop_front())?;
        self.keys.remove(&key);
        Some(key)
    }
}

impl Engine {
    /// Has a key healed in the background.
    pub(super) fn heal_soon(&mut self, key: Bytes) {
        self.queue_heal(None, key);
    }

    fn queue_heal(&mut self, at_ms: Option<u64>, key: Bytes) {
        if self.place.is_alone {
            return;
        }
        if !self.heal_queue.put(at_ms, key) {
            self.stats.heals_dropped += 1;
        }
    }

    /// Begins heals that wait, as far as there is room for them.
    pub(super) fn pump_heals(&mut self, now: Now, out: &mut Out) {
        // Without the own copy nothing can be decided.
        while self.heals.len().saturating_sub(self.large_heals) < RUNNING_MAX
            && self.lane_refusal(now).is_none()
        {
            let Some(key) = self.heal_queue.take(now) else { return };
            self.heal(now, key, None, out);
        }
    }

    /// Heals a key; `waiting` is told when that has ended, well or not.
    pub(super) fn heal(&mut self, now: Now, key: Bytes, waiting: Option<OperationId>, out: &mut Out) {
        if let Some(id) = self.heals.get(&key).copied()
            && let Some(Kind::Heal(heal)) = self.operations.find(id).map(|operation| &mut operation.kind)
        {
            heal.waiting.extend(waiting);
            let is_large = heal.is_large;
            if let Some(waiting) = waiting.filter(|_| is_large) {
                self.wait_for_pieces(now, waiting);
            }
            return;
        }
        let token = self.ring.token(&key);
        self.begin_heal(now, (key, token), waiting.into_iter().collect(), CountsLost::No, 0, out);
    }

    /// Heals a key whose copy here is lost. If it is being healed already, that counts lost copies as well.
    pub(super) fn heal_lost(&mut self, now: Now, key: Bytes, counts_lost: CountsLost, out: &mut Out) {
        let under_way = self.heals.get(&key).and_then(|id| self.operations.find(*id));
        if let Some(Kind::Heal(heal)) = under_way.map(|operation| &mut operation.kind) {
            heal.counts_lost = heal.counts_lost.max(counts_lost);
        } else if !self.heals.contains_key(&key) {
            let token = self.ring.token(&key);
            self.begin_heal(now, (key, token), SmallVec::new(), counts_lost, 0, out);
        }
    }

    fn begin_heal(
        &mut self,
        now: Now,
        (key, token): (Bytes, Token),
        waiting: SmallVec<[OperationId; 1]>,
        counts_lost: CountsLost,
        restarts: u8,
        out: &mut Out,
    ) {
        self.stats.heals += 1;
        let replicas = self.local_replicas(token, &State::Asked);
        let nodes: SmallVec<[_; 3]> = replicas.iter().map(|replica| replica.node).collect();
        let copies = replicas.iter().map(|_| None).collect();
        let slow_at_ms = now.ms + self.config.failover_ms;
        let phase = Phase::Gathering;
        let heal = HealOperation {
            key: key.clone(),
            token,
            replicas,
            copies,
            phase,
            counts_lost,
            slow_at_ms,
            is_large: false,
            restarts,
            waiting,
        };
        let id = self.insert(now, self.config.request_timeout_ms, Kind::Heal(Box::new(heal)));
        self.heals.insert(key.clone(), id);
        for (index, node) in nodes.into_iter().enumerate() {
            let body = RequestBody::Inspect { key: key.clone() };
            self.ask(now, node, token, id.of_replica(index), body, out);
        }
    }

    /// A replica has told its record or state, or has taken one, or will not.
    pub(super) fn heal_answered(&mut self, now: Now, id: OperationId, body: ResponseBody, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Heal(heal) = &mut operation.kind else { return };
        let Some(replica) = heal.replicas.get_mut(id.replica()) else { return };
        if replica.state != State::Asked {
            // It is not waited for any more.
            return;
        }
        if let Phase::Fetching(_) = heal.phase {
            return self.heal_fetched(now, id, body, out);
        }
        replica.state = match body {
            ResponseBody::Inspected { record, trust } => {
                heal.copies[id.replica()] = Some(Copy { record, trust });
                State::Ok
            }
            ResponseBody::Accepted { .. } => State::Ok,
            ResponseBody::Failed(failure) => State::Failed(failure),
            // It has changed meanwhile, and is not behind any more.
            _ => State::Newer,
        };
        if !heal.is_open() {
            self.continue_heal(now, id, out);
        }
    }

    /// All that were asked have answered, or are not waited for any longer.
    pub(super) fn continue_heal(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Heal(heal) = &mut operation.kind else { return };
        match heal.phase {
            Phase::Fetching(_) => {}
            Phase::Installing if heal.has_changed() && heal.restarts < RESTARTS_MAX => {
                self.heal_anew(now, id, out);
            }
            Phase::Installing => {
                let is_installed = (0..heal.replicas.len()).all(|index| heal.is_in_order(index, true));
                self.end_heal(now, id, is_installed, out);
            }
            Phase::Gathering => {
                let plan = plan(&heal.copies, heal.counts_lost);
                self.carry_out(now, id, plan, out);
            }
        }
    }

    fn carry_out(&mut self, now: Now, id: OperationId, plan: Plan, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Heal(heal) = &mut operation.kind else { return };
        match plan {
            Plan::Equal => {
                self.end_heal(now, id, true, out);
            }
            Plan::TooFew => self.end_heal(now, id, false, out),
            Plan::Claim => {
                let (key, token) = (heal.key.clone(), heal.token);
                let is_replica = self.is_replica(token);
                self.end_heal(now, id, false, out);
                if is_replica {
                    self.claim_to_heal(now, key, token, out);
                }
            }
            Plan::Install { from: Some(from), behind, .. } => {
                let (node, token, key) = (heal.replicas[from].node, heal.token, heal.key.clone());
                heal.replicas[from].state = State::Asked;
                heal.phase = Phase::Fetching(behind);
                let whole = heal.restarts >= RESTARTS_IN_PIECES;
                let body = RequestBody::Fetch { key, doubtful: false, whole };
                self.ask(now, node, token, id.of_replica(from), body, out);
            }
            Plan::Install { from: None, record, behind } => {
                self.install_at(now, id, behind, &Fetched { record, state: Content::Whole(None) }, out);
            }
        }
    }

    /// The state to install has come, or will not.
    fn heal_fetched(&mut self, now: Now, id: OperationId, body: ResponseBody, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Heal(heal) = &mut operation.kind else { return };
        let wanted = heal.copies.get(id.replica()).copied().flatten();
        let Phase::Fetching(behind) = std::mem::replace(&mut heal.phase, Phase::Installing) else { return };
        if let Some(replica) = heal.replicas.get_mut(id.replica()) {
            replica.state = State::Ok;
        }
        match body {
            ResponseBody::State { record, trust, state }
                if trust.is_trusted() && wanted.is_some_and(|copy| told(record) >= copy.record) =>
            {
                // A mark is no write: where it is installed, it may not be known.
                let record = told(record);
                if state.is_in_pieces() && !self.begin_large_heal(now, id, out) {
                    return;
                }
                self.install_at(now, id, behind, &Fetched { record, state }, out);
            }
            // In doubt since, or behind: somebody else has the greatest now.
            ResponseBody::State { .. } | ResponseBody::Failed(Failure::Untrusted | Failure::CopyLost) => {
                self.heal_anew(now, id, out);
            }
            _ => self.end_heal(now, id, false, out),
        }
    }

    /// The state is large: it will take its time, and does not count among those that keep others from being healed. Whether
    /// there is room for it; if not, the key is healed later.
    fn begin_large_heal(&mut self, now: Now, id: OperationId, out: &mut Out) -> bool {
        let Some(operation) = self.operations.find(id) else { return false };
        let Kind::Heal(heal) = &mut operation.kind else { return false };
        if self.large_heals < LARGE_MAX {
            self.large_heals += 1;
            heal.is_large = true;
            let waiting = heal.waiting.clone();
            self.wait_for_pieces(now, id);
            for waiting in waiting {
                self.wait_for_pieces(now, waiting);
            }
            return true;
        }
        let (key, waiting) = (heal.key.clone(), std::mem::take(&mut heal.waiting));
        self.operations.remove(id);
        self.heals.remove(&key);
        self.queue_heal(Some(now.ms + RETRY_MS), key);
        waiting.into_iter().for_each(|waiting| self.ended_for(now, waiting, false, out));
        false
    }

    fn install_at(&mut self, now: Now, id: OperationId, behind: Behind, fetched: &Fetched, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Heal(heal) = &mut operation.kind else { return };
        heal.phase = Phase::Installing;
        let (token, key, record) = (heal.token, heal.key.clone(), fetched.record);
        let mut targets: SmallVec<[_; 3]> = SmallVec::new();
        for (index, purpose) in behind {
            heal.replicas[index].state = State::Asked;
            targets.push((index, heal.replicas[index].node, purpose));
        }
        for (index, node, purpose) in targets {
            self.stats.heals_installed += 1;
            let large_bytes =
                if fetched.state.is_in_pieces() { self.config.large_bytes_min as usize } else { 0 };
            self.spend_on_repair(&key, fetched.state.len() + large_bytes);
            let (key, state) = (key.clone(), fetched.state.clone());
            let body = RequestBody::Push { key, record, state, purpose };
            self.ask(now, node, token, id.of_replica(index), body, out);
        }
    }

    fn heal_anew(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Heal(heal) = &mut operation.kind else { return };
        if heal.restarts >= RESTARTS_MAX {
            return self.end_heal(now, id, false, out);
        }
        let (key, counts_lost, restarts) =
            ((heal.key.clone(), heal.token), heal.counts_lost, heal.restarts + 1);
        let waiting = std::mem::take(&mut heal.waiting);
        self.large_heals -= usize::from(heal.is_large);
        self.operations.remove(id);
        self.begin_heal(now, key, waiting, counts_lost, restarts, out);
    }

    /// Begins a heal again with those that hold the key by the new ring.
    pub(super) fn heal_by_new_ring(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.remove(id) else { return };
        let Kind::Heal(heal) = operation.kind else { return };
        self.large_heals -= usize::from(heal.is_large);
        let key = (heal.key, heal.token);
        self.begin_heal(now, key, heal.waiting, heal.counts_lost, heal.restarts, out);
    }

    /// A heal has ended. Replicas that could not be heard, or took nothing, get a hint; an own copy that is still in doubt is
    /// tried again.
    fn end_heal(&mut self, now: Now, id: OperationId, is_healed: bool, out: &mut Out) {
        let Some(operation) = self.operations.remove(id) else { return };
        let Kind::Heal(mut heal) = operation.kind else { return };
        self.heals.remove(&heal.key);
        self.large_heals -= usize::from(heal.is_large);
        let is_retried = !is_healed
            && self.is_replica(heal.token)
            && !self.look_up(&heal.key, heal.token).1.trust.is_trusted();
        self.repaired(&heal.key, is_healed);
        self.rebuilt(now, &heal.key);
        for replica in &heal.replicas {
            let is_own = replica.node == self.config.node;
            if matches!(replica.state, State::Failed(_)) && !(is_own && is_retried) {
                self.missed(now, replica.node, heal.key.clone());
            }
        }
        self.stats.heals_failed += u64::from(!is_healed);
        if is_retried {
            self.queue_heal(Some(now.ms + RETRY_MS), heal.key.clone());
        }
        if is_healed && heal.outdone().is_some_and(|version| self.is_sequenced_here(version)) {
            self.outdo_other_dcs(now, &heal.key, heal.token, out);
        }
        for waiting in std::mem::take(&mut heal.waiting) {
            let is_done = match self.operations.get(waiting).map(|operation| &operation.kind) {
                Some(Kind::Handoff(handoff)) => heal.has_reached(handoff.target, is_healed),
                _ => is_healed,
            };
            self.ended_for(now, waiting, is_done, out);
        }
        self.pump_heals(now, out);
    }

    /// What an operation waited for has ended: a heal, or a state sent to another datacenter.
    pub(super) fn ended_for(&mut self, now: Now, id: OperationId, is_done: bool, out: &mut Out) {
        match self.operations.get(id).map(|operation| &operation.kind) {
            Some(Kind::Read(_)) => self.continue_read(now, id, out),
            Some(Kind::ExportAgain(_)) => self.export_anew(now, id, out),
            Some(Kind::Handoff(_)) => {
                let replay = if is_done { Replay::Done } else { Replay::Failed };
                self.end_handoff(now, id, replay, out);
            }
            _ => {}
        }
    }

    /// Some replicas are silent: goes on without them.
    pub(super) fn heal_slow(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Heal(heal) = &mut operation.kind else { return };
        heal.slow_at_ms = u64::MAX;
        if let Phase::Gathering = heal.phase {
            for replica in &mut heal.replicas {
                if replica.state == State::Asked {
                    replica.state = State::Failed(Failure::Timeout);
                }
            }
            self.continue_heal(now, id, out);
        }
    }

    /// It takes too long.
    pub(super) fn heal_overdue(&mut self, now: Now, id: OperationId, out: &mut Out) {
        if let Some(Kind::Heal(heal)) = self.operations.find(id).map(|operation| &mut operation.kind) {
            crate::operation::replicas::time_out(&mut heal.replicas);
        }
        self.end_heal(now, id, false, out);
    }
}

//! Overwrites by their coordinator: sent to every rack and datacenter, acknowledged by as many as the level needs.

use bytes::Bytes;
use dynomite_ring::{NodeId, RackIdx, Token};
use smallvec::SmallVec;

use super::{ClientCommand, Engine, Now, Out, Requester};
use crate::{
    Failure, KeyRequest, Level, RequestBody, ResponseBody, Stamper, Version,
    operation::{
        Kind, OperationId,
        overwrite::{OverwriteOperation, Step},
        replicas::{self, Near, Replicas, State},
    },
    planted::{self, Planted},
    texts::{self, Outcome},
};

/// An overwrite with what its coordinator has to know.
pub(super) struct Overwrite<'a> {
    pub(super) requester: Requester,
    pub(super) command: &'a KeyRequest,
    pub(super) token: Token,
    pub(super) level: Level,
    /// The rack whose replica is waited for a little: that of the client's node.
    pub(super) near: Option<RackIdx>,
    /// Whether the requester applies the write in `near` itself, once it is told the version.
    pub(super) sender_applies: bool,
    pub(super) timeout_ms: u64,
}

impl Engine {
    /// Stamps a client's overwrite and coordinates it.
    pub(super) fn overwrite_here(&mut self, now: Now, command: &ClientCommand, out: &mut Out) {
        if !self.knows_clock(now) {
            let failed = ResponseBody::Failed(Failure::CopyLost);
            return self.answer_or_explain(
                Requester::Client(command.ticket),
                self.config.node,
                failed,
                true,
                out,
            );
        }
        let version = self.clock.stamp(now.wall_us);
        // The reply to a deletion tells what was there, and the client knows its own rack.
        let near = is_deletion(&command.command).then_some(self.place.rack);
        let part = Overwrite {
            requester: Requester::Client(command.ticket),
            command: &command.command,
            token: command.token,
            level: command.level,
            near,
            sender_applies: false,
            timeout_ms: command.deadline_ms.saturating_sub(now.ms),
        };
        self.coordinate_overwrite(now, part, version, out);
    }

    /// Sends an overwrite to all replicas of all datacenters, and waits for as many as the level needs (rule R4).
    pub(super) fn coordinate_overwrite(
        &mut self,
        now: Now,
        part: Overwrite<'_>,
        version: Version,
        out: &mut Out,
    ) {
        let Overwrite { requester, token, level, .. } = part;
        let is_primary = self.ring.primary(token, self.place.dc) == self.place.index;
        let mut replicas = self.local_replicas(token, &State::Idle);
        let dcs = self.awaited_dcs(token, level);
        if self.is_out_of_reach(now, &mut replicas, &dcs, level) {
            return self.refuse_write(requester, level, &replicas, &dcs, out);
        }
        let stamper = if is_primary || level == Level::DcOne { Stamper::Local } else { Stamper::StandIn };
        self.begin_overwrite_of(now, &part, version, stamper, replicas, out);
    }

    /// Sends an overwrite to replicas of which none was asked, and to the other datacenters.
    pub(super) fn begin_overwrite_of(
        &mut self,
        now: Now,
        part: &Overwrite<'_>,
        version: Version,
        stamper: Stamper,
        mut replicas: Replicas,
        out: &mut Out,
    ) {
        let Overwrite { command, token, level, timeout_ms, .. } = *part;
        // The other racks shall get what this primary writes in the order in which it writes it. A sequenced write leaves
        // when it was executed here; an overwrite that was submitted behind one must not leave before it.
        let is_primary = self.ring.primary(token, self.place.dc) == self.place.index;
        let waits_for_own = is_primary && !self.lane.has_executed(self.records.of(command.key()).written_at);
        let node = replicas[0].node;
        replicas[0].state = State::Asked;
        let dcs = self.awaited_dcs(token, level);
        let mut overwrite = self.new_overwrite(now, part, version, replicas);
        overwrite.stamper = stamper;
        overwrite.awaits_dcs = !dcs.is_empty();
        overwrite.dcs = dcs;
        let overwrite = self.operations.overwrites.put(overwrite);
        let id = self.insert(now, timeout_ms, Kind::Overwrite(overwrite));
        if node == self.config.node {
            let requester = Requester::Operation(id);
            self.overwrite(now, requester, token, version, command.clone(), stamper, out);
        } else {
            let body = RequestBody::Overwrite { version, command: command.clone(), stamper };
            self.ask(now, node, token, id, body, out);
        }
        if !waits_for_own {
            self.spread_overwrite(now, id, out);
        }
    }

    /// What counts the answers to an overwrite that is sent to `replicas`.
    pub(super) fn new_overwrite(
        &self,
        now: Now,
        part: &Overwrite<'_>,
        version: Version,
        mut replicas: Replicas,
    ) -> OverwriteOperation {
        let racks = replicas.len();
        let near = part.near.and_then(|rack| Near::new(&replicas, rack));
        let (near, left_to_requester) = match near {
            Some(near) if part.sender_applies => (None, Some(near.take_from(&mut replicas))),
            near => (near, None),
        };
        OverwriteOperation {
            requester: part.requester,
            version,
            stamper: Stamper::Local,
            command: part.command.clone(),
            token: part.token,
            level: part.level,
            timeout_ms: part.timeout_ms,
            needed: part.level.needed(racks) - usize::from(left_to_requester.is_some()),
            near,
            left_to_requester,
            slow_at_ms: now.ms + self.config.failover_ms,
            replicas,
            is_spread: false,
            replies: SmallVec::new(),
            dcs: SmallVec::new(),
            awaits_dcs: false,
            is_stamped_too_early: false,
            reply_otherwise: if is_deletion(part.command) { b":1\r\n" } else { dynomite_codec::encode::OK },
        }
    }

    /// Sends an overwrite to everybody who has not got it yet.
    pub(super) fn spread_overwrite(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Overwrite(overwrite) = &mut operation.kind else { return };
        if overwrite.is_spread {
            return;
        }
        self.send_overwrite_to_racks(now, id, out);
        self.send_overwrite_to_datacenters(now, id, out);
    }

    /// Sends an overwrite to all racks of this datacenter but the operation's first.
    pub(super) fn send_overwrite_to_racks(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Overwrite(overwrite) = &mut operation.kind else { return };
        overwrite.is_spread = true;
        for replica in &mut overwrite.replicas[1..] {
            replica.state = State::Asked;
        }
        let nodes: SmallVec<[NodeId; 3]> = overwrite.replicas.iter().map(|replica| replica.node).collect();
        let (version, token, command) = (overwrite.version, overwrite.token, overwrite.command.clone());
        let stamper = overwrite.stamper;
        for (index, node) in nodes.iter().enumerate().skip(1) {
            let body = RequestBody::Overwrite { version, command: command.clone(), stamper };
            self.ask(now, *node, token, id.of_replica(index), body, out);
        }
    }

    /// Sends an overwrite to the forwarders of the other datacenters.
    fn send_overwrite_to_datacenters(&mut self, now: Now, id: OperationId, out: &mut Out) {
        if self.ring.dcs().len() == 1 {
            return;
        }
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Overwrite(overwrite) = &operation.kind else { return };
        let ack = overwrite.awaits_dcs;
        let (version, token, command) = (overwrite.version, overwrite.token, overwrite.command.clone());
        let (racks, timeout_ms) = (overwrite.replicas.len(), overwrite.timeout_ms as u32);
        let bytes = command.request().raw().len();
        let forwarders = if ack { overwrite.dcs.clone() } else { self.open_forwarders(now, token, bytes) };
        if let Some(Kind::Overwrite(overwrite)) =
            self.operations.find(id).map(|operation| &mut operation.kind)
        {
            overwrite.dcs.clone_from(&forwarders);
        }
        for (index, dc) in forwarders.iter().enumerate() {
            let body = RequestBody::RelayOverwrite { version, command: command.clone(), ack, timeout_ms };
            self.ask_forwarder(now, dc, token, id.of_replica(racks + index), body, out);
        }
    }

    /// A replica has answered, or will not.
    pub(super) fn overwrite_answered(
        &mut self,
        now: Now,
        id: OperationId,
        mut body: ResponseBody,
        out: &mut Out,
    ) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Overwrite(overwrite) = &mut operation.kind else { return };
        let version = overwrite.version;
        if let ResponseBody::Refused { record } = body
            && record.base.node == self.config.node
            && overwrite.version.node == self.config.node
            && record.base <= self.records.of(overwrite.command.key()).record.base
        {
            // A later write that was stamped here got there first (rule R4).
            body = ResponseBody::Applied { prior: record, reply: None };
        }
        let is_missed = matches!(body, ResponseBody::Failed(_))
            && overwrite.replicas.get(id.replica()).is_some_and(|replica| replica.node == self.config.node);
        let key = is_missed.then(|| Bytes::copy_from_slice(overwrite.command.key()));
        overwrite.answered(id.replica(), body);
        let is_to_be_spread = overwrite.is_to_be_spread();
        if let Some(key) = key {
            // Others have it now, and what runs here must not go on from before it.
            self.lose_claim(&key, version);
        }
        if is_to_be_spread {
            self.spread_overwrite(now, id, out);
        }
        self.continue_overwrite(now, id, out);
    }

    /// Answers the requester when that can be done, and ends the operation when nothing more can come.
    pub(super) fn continue_overwrite(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Overwrite(overwrite) = &operation.kind else { return };
        if overwrite.requester != Requester::Nobody {
            match overwrite.next_step() {
                Step::Wait => return,
                Step::Reply(reply) => self.reply_overwrite(now, id, ResponseBody::Done { reply }, out),
                Step::LeaveToRequester { prior, reply } => {
                    let version = overwrite.version;
                    self.reply_overwrite(now, id, ResponseBody::Stamped { version, prior, reply }, out);
                }
                // It begins anew with the ring that others have already.
                Step::Fail { .. } if replicas::await_ring(&overwrite.replicas) => return,
                Step::Fail { disagree } => return self.overwrite_failed(now, id, disagree, out),
            }
        }
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Overwrite(overwrite) = &operation.kind else { return };
        if overwrite.is_finished() {
            self.end_overwrite(now, id, out);
        }
    }

    fn reply_overwrite(&mut self, now: Now, id: OperationId, body: ResponseBody, out: &mut Out) {
        self.note_known(now, id);
        let lingers_until_ms = now.ms + self.linger_ms();
        let Some(operation) = self.operations.find(id) else { return };
        operation.deadline_ms = operation.deadline_ms.min(lingers_until_ms);
        let Kind::Overwrite(overwrite) = &mut operation.kind else { return };
        let requester = std::mem::replace(&mut overwrite.requester, Requester::Nobody);
        self.answer(requester, body, out);
    }

    /// Ends an overwrite whose requester was answered; who has missed it is noted.
    fn end_overwrite(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Overwrite(overwrite) = &operation.kind else { return };
        let too_early = overwrite.is_stamped_too_early.then(|| (overwrite.command.clone(), overwrite.token));
        let is_complete = |state: &State| *state == State::Ok;
        if !overwrite.replicas.iter().all(|replica| is_complete(&replica.state))
            || !overwrite.dcs.iter().all(|dc| is_complete(&dc.state))
        {
            let key = Bytes::copy_from_slice(overwrite.command.key());
            let (replicas, dcs) = (overwrite.replicas.clone(), overwrite.dcs.clone());
            self.note_missed(now, &key, &replicas, &dcs);
        } else if !self.hints.is_empty() {
            let key = Bytes::copy_from_slice(overwrite.command.key());
            let (version, replicas) = (overwrite.version, overwrite.replicas.clone());
            self.applied_everywhere(&key, version, &replicas);
        }
        self.operations.end(id);
        if let Some((command, token)) = too_early {
            self.outdo_other_dcs(now, command.key(), token, out);
        }
    }

    /// The deadline has come, of the requester or of those that have not answered since it was.
    pub(super) fn overwrite_overdue(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Overwrite(overwrite) = &mut operation.kind else { return };
        overwrite.time_out();
        if overwrite.requester == Requester::Nobody {
            self.end_overwrite(now, id, out);
        } else {
            self.overwrite_failed(now, id, false, out);
        }
    }

    /// Too few replicas have applied it. It stays until those that were asked have answered, so that whoever has missed it is
    /// noted: a write of unknown outcome is there for good once anybody has it.
    pub(super) fn overwrite_failed(&mut self, now: Now, id: OperationId, disagree: bool, out: &mut Out) {
        if planted::has(Planted::OverwriteIsRestamped) {
            return self.restamp(now, id, out);
        }
        self.stats.quorum_failures += 1;
        let lingers_until_ms = now.ms + self.linger_ms();
        let has_other_dcs = self.ring.dcs().len() > 1;
        let Some(operation) = self.operations.find(id) else { return };
        operation.deadline_ms = operation.deadline_ms.min(lingers_until_ms);
        let Kind::Overwrite(overwrite) = &mut operation.kind else { return };
        // A remote datacenter that was asked may have applied it; a reply shows that somebody has.
        let not_run = replicas::certainly_not_run(&overwrite.replicas)
            && overwrite.replies.is_empty()
            && !has_other_dcs;
        let requester = std::mem::replace(&mut overwrite.requester, Requester::Nobody);
        let left_to_requester = overwrite.left_to_requester.take();
        let mut replicas = overwrite.replicas.clone();
        let needed = overwrite.needed + usize::from(left_to_requester.is_some());
        let dcs = overwrite.awaited_outcomes();
        let (version, token, command) = (overwrite.version, overwrite.token, overwrite.command.clone());
        let stamper = overwrite.stamper;
        let is_finished = not_run || overwrite.is_finished();
        if let Some(replica) = left_to_requester {
            if !not_run {
                // The requester hears of a failure, and its replica would be left behind.
                let body = RequestBody::Overwrite { version, command, stamper };
                self.ask(now, replica.node, token, OperationId::NOBODY, body, out);
            }
            replicas.push(replica);
        }
        let outcome = if not_run { Outcome::NotRun } else { Outcome::Unknown };
        let reply = texts::quorum(&self.ring, needed, &replicas, &dcs, disagree, outcome);
        self.answer(requester, ResponseBody::Done { reply }, out);
        if not_run {
            self.operations.end(id);
        } else if is_finished {
            self.end_overwrite(now, id, out);
        }
    }

    /// Stamps a write anew that has failed: what must not be done.
    fn restamp(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.remove(id) else { return };
        let Kind::Overwrite(overwrite) = operation.kind else { return };
        let version = self.clock.stamp(now.wall_us);
        let OverwriteOperation { requester, ref command, token, level, timeout_ms, .. } = *overwrite;
        let part =
            Overwrite { requester, command, token, level, near: None, sender_applies: false, timeout_ms };
        self.coordinate_overwrite(now, part, version, out);
    }
}

/// Whether a canonical overwrite is a deletion: all others have a value.
fn is_deletion(command: &KeyRequest) -> bool {
    command.request().arg_count() == 2
}

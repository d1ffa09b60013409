//! The coordinator: plans a client's command and decides who leads it; reads are gathered here.

use dynomite_codec::Class;
use dynomite_ring::{NodeId, RackIdx, Token};
use smallvec::SmallVec;

use super::{ClientCommand, Engine, Now, Out, Requester};
use crate::{
    Failure, KeyRequest, Level, RequestBody, ResponseBody,
    operation::{
        Kind, OperationId,
        overwrite::RemoteDc,
        read::{ReadOperation, Step as ReadStep},
        replicas::{self, Replica, Replicas, State},
        sequenced::SequencedElsewhere,
    },
    planted::{self, Planted},
    rewrite,
    texts::{self, Outcome},
};

/// A remote primary is given this part of the time, in tenths, so that its own verdict arrives before the deadline.
const PRIMARY_TENTHS: u64 = 9;

/// A write for its primary, with what that has to know.
#[derive(Debug)]
pub(crate) struct Sequenced {
    pub(super) requester: Requester,
    pub(super) command: KeyRequest,
    pub(super) token: Token,
    pub(super) level: Level,
    /// The rack of the client's node.
    pub(super) near: RackIdx,
    /// When it must have been answered, in `Now::ms`.
    pub(super) deadline_ms: u64,
}

impl Engine {
    /// Starts a client's command.
    pub(super) fn begin(&mut self, now: Now, command: ClientCommand, out: &mut Out) {
        self.stats.commands += 1;
        match command.command.call().class {
            _ if self.place.is_alone => self.begin_plain(now, command, out),
            Class::Read => self.begin_read(now, command, out),
            Class::Overwrite => self.begin_overwrite(now, command, out),
            Class::Sequenced | Class::Effect => self.begin_sequenced(now, command, out),
            Class::Connection => {
                let text = "ERR Dynomite: a command without a key cannot be replicated; not run";
                out.replies.push((command.ticket, texts::error(text)));
            }
        }
    }

    /// One rack in all: the owner's datastore answers, wherever it is.
    fn begin_plain(&mut self, now: Now, command: ClientCommand, out: &mut Out) {
        let node = self.ring.node(self.ring.replicas(command.token).in_rack(self.place.rack)).id;
        let requester = Requester::Client(command.ticket);
        let kind = Kind::Plain { requester, node, is_write: command.command.call().class != Class::Read };
        let id = self.insert(now, command.deadline_ms.saturating_sub(now.ms), kind);
        if node == self.config.node {
            self.execute(now, Requester::Operation(id), command.command, out);
        } else {
            self.ask(now, node, command.token, id, RequestBody::Execute(command.command), out);
        }
    }

    pub(super) fn plain_answered(&mut self, id: OperationId, body: ResponseBody, out: &mut Out) {
        let Some(operation) = self.operations.remove(id) else { return };
        let Kind::Plain { requester, node, is_write } = operation.kind else { return };
        self.answer_or_explain(requester, node, body, is_write, out);
    }

    /// Passes on the reply of the only node that could give it, or says why there is none.
    pub(super) fn answer_or_explain(
        &mut self,
        requester: Requester,
        node: NodeId,
        body: ResponseBody,
        is_write: bool,
        out: &mut Out,
    ) {
        let reply = match body {
            ResponseBody::Done { reply } => reply,
            ResponseBody::Failed(failure) => {
                self.stats.quorum_failures += 1;
                let outcome = match (is_write, failure.not_run()) {
                    (false, _) => Outcome::Read,
                    (true, true) => Outcome::NotRun,
                    (true, false) => Outcome::Unknown,
                };
                self.explain(node, &failure, outcome)
            }
            _ => self.explain(node, &Failure::Datastore("unexpected answer".into()), Outcome::Unknown),
        };
        self.answer(requester, ResponseBody::Done { reply }, out);
    }

    pub(super) fn explain(&self, node: NodeId, failure: &Failure, outcome: Outcome) -> bytes::Bytes {
        match self.ring.index_of(node) {
            Some(index) => {
                let rack = self.ring.rack(self.ring.rack_of(index)).name();
                texts::single(&self.ring.node(index).name, rack, failure, outcome)
            }
            None => texts::single("a node that has left", "an unknown rack", failure, outcome),
        }
    }

    fn begin_read(&mut self, now: Now, command: ClientCommand, out: &mut Out) {
        let mut replicas = self.local_replicas(command.token, &State::Idle);
        self.order_for_reading(&mut replicas);
        let read = ReadOperation {
            ticket: command.ticket,
            command: command.command,
            token: command.token,
            level: command.level,
            needed: command.level.needed(replicas.len()),
            answers: replicas.iter().map(|_| Default::default()).collect(),
            replicas,
            failover_at_ms: now.ms + self.config.failover_ms,
            was_healed: false,
        };
        let timeout_ms = command.deadline_ms.saturating_sub(now.ms);
        let read = self.operations.reads.put(read);
        let id = self.insert(now, timeout_ms, Kind::Read(read));
        self.continue_read(now, id, out);
    }

    pub(super) fn continue_read(&mut self, now: Now, id: OperationId, out: &mut Out) {
        loop {
            let Some(operation) = self.operations.find(id) else { return };
            let Kind::Read(read) = &mut operation.kind else { return };
            match read.next_step() {
                ReadStep::Wait => return,
                ReadStep::Ask { replica, value } => {
                    if read.is_retry(replica) {
                        self.stats.read_retries += 1;
                    }
                    let (node, token, command) =
                        (read.replicas[replica].node, read.token, read.command.clone());
                    let about = id.of_replica(replica);
                    if node == self.config.node {
                        self.read(now, Requester::Operation(about), token, command, value, out);
                    } else {
                        self.ask(now, node, token, about, RequestBody::Read { command, value }, out);
                    }
                }
                ReadStep::Reply(reply) => {
                    out.replies.push((read.ticket, reply));
                    if read.has_seen_difference() {
                        let key = bytes::Bytes::copy_from_slice(read.command.key());
                        self.stats.read_repairs += 1;
                        self.heal_soon(key);
                    }
                    self.operations.end(id);
                    return;
                }
                // The values are made equal, and asked for once more.
                ReadStep::Fail { disagree: true } if !read.was_healed => {
                    read.start_over();
                    let key = bytes::Bytes::copy_from_slice(read.command.key());
                    self.stats.read_repairs += 1;
                    return self.heal(now, key, Some(id), out);
                }
                // Whoever holds the key now is asked with the ring that tells so.
                ReadStep::Fail { .. } if replicas::await_ring(&read.replicas) => return,
                ReadStep::Fail { disagree } => return self.read_failed(id, disagree, out),
            }
        }
    }

    pub(super) fn read_failed(&mut self, id: OperationId, disagree: bool, out: &mut Out) {
        let Some(operation) = self.operations.remove(id) else { return };
        let Kind::Read(read) = operation.kind else { return };
        if planted::has(Planted::FailsSilently) {
            return;
        }
        self.stats.quorum_failures += 1;
        let text = texts::quorum(&self.ring, read.needed, &read.replicas, &[], disagree, Outcome::Read);
        out.replies.push((read.ticket, text));
    }

    /// An overwrite at `DC_ONE` is stamped here. Above it the key's primary stamps, so that overwrites which arrive through
    /// several nodes at once do not refuse each other; without it, this node does, unless it does not know the time yet.
    fn begin_overwrite(&mut self, now: Now, mut command: ClientCommand, out: &mut Out) {
        let Some(canonical) = rewrite::overwrite(&command.command, now.wall_ms()) else {
            // The datastore will refuse it, in its own words, and change nothing.
            command.command = rewrite::sequenced(command.command);
            return self.begin_sequenced(now, command, out);
        };
        command.command = canonical;
        self.lead_overwrite(now, command, out);
    }

    /// Chooses who stamps a canonical overwrite.
    pub(super) fn lead_overwrite(&mut self, now: Now, command: ClientCommand, out: &mut Out) {
        let primary = self.ring.node(self.ring.primary(command.token, self.place.dc)).id;
        // With a single replica here, that one is also the only judge of which write is newer.
        let is_one_of_many = command.level == Level::DcOne && self.ring.dc(self.place.dc).racks().len() > 1;
        let stamps_here = is_one_of_many || primary == self.config.node || !self.reachable.contains(&primary);
        let stand_in = || {
            let mut replicas = self.local_replicas(command.token, &State::Idle).into_iter();
            replicas
                .find(|replica| replica.node != self.config.node && self.reachable.contains(&replica.node))
                .map(|replica| replica.node)
        };
        if !stamps_here {
            self.delegate(now, primary, command, out);
        } else if let Some(node) = (!self.knows_clock(now)).then(stand_in).flatten() {
            self.delegate(now, node, command, out);
        } else {
            self.overwrite_here(now, &command, out);
        }
    }

    /// What a write's primary is asked.
    pub(super) fn sequence(
        &self,
        command: KeyRequest,
        level: Level,
        sender_applies: bool,
        timeout_ms: u64,
    ) -> RequestBody {
        let timeout_ms = (timeout_ms * PRIMARY_TENTHS / 10) as u32;
        RequestBody::Sequence { command, level, near: self.place.rack, sender_applies, timeout_ms }
    }

    /// Sequenced and effect writes go to the key's primary; to the replica in the next rack when that does not run it. Who is
    /// alive decides only who is asked: what may be run is a matter of claims (rules R5 to R7).
    pub(super) fn begin_sequenced(&mut self, now: Now, mut command: ClientCommand, out: &mut Out) {
        command.command = rewrite::absolute(command.command, now.wall_ms());
        let near = self.place.rack;
        let ClientCommand { ticket, token, level, deadline_ms, .. } = command;
        let first = self.sequencer(command.command.key(), token, 0);
        if first.is_some_and(|(_, node)| node == self.config.node) {
            let (requester, command) = (Requester::Client(ticket), command.command);
            let write = Sequenced { requester, command, token, level, near, deadline_ms };
            return self.run(now, write, out);
        }
        let sent = SequencedElsewhere { command, attempt: 0, node: self.config.node, waits_for_ring: false };
        let sent = self.operations.sequenced.put(sent);
        let id = self.insert(now, deadline_ms.saturating_sub(now.ms), Kind::Await(sent));
        self.ask_sequencer(now, id, Failure::Unreachable, out);
    }

    /// The replica that is asked at the `attempt`th time or, where that cannot be reached, a later one, with the number of the
    /// attempt: the primary first, then the racks that follow it, of the key's home or else of this datacenter. In a second
    /// round those come that say their datastore is dead.
    pub(super) fn sequencer(&self, key: &[u8], token: Token, attempt: usize) -> Option<(usize, NodeId)> {
        let dc = self.config.sequencing.of(key).home.unwrap_or(self.place.dc);
        let primary = self.ring.primary_rack(token, dc);
        let first = self.ring.dc(dc).racks().iter().position(|rack| rack.index() == primary).unwrap_or(0);
        let nodes = self.ring.replicas(token).in_dc(dc);
        (attempt..nodes.len() * 2)
            .map(|attempt| (attempt, self.ring.node(nodes[(first + attempt) % nodes.len()]).id))
            .filter(|(attempt, node)| self.nearness.has_dead_datastore(*node) == (*attempt >= nodes.len()))
            .find(|(_, node)| *node == self.config.node || self.reachable.contains(node))
    }

    /// Asks the next replica that can be reached to run a client's write. Without one, `failure` is what the client hears.
    pub(super) fn ask_sequencer(&mut self, now: Now, id: OperationId, failure: Failure, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let deadline_ms = operation.deadline_ms;
        let Kind::Await(sent) = &operation.kind else { return };
        let ClientCommand { ticket, ref command, token, level, .. } = sent.command;
        let (command, attempt) = (command.clone(), sent.attempt);
        let Some((attempt, node)) = self.sequencer(command.key(), token, attempt) else {
            return self.end_sequenced(id, ResponseBody::Failed(failure), out);
        };
        if node == self.config.node {
            self.operations.end(id);
            let (requester, near) = (Requester::Client(ticket), self.place.rack);
            let write = Sequenced { requester, command, token, level, near, deadline_ms };
            return self.run(now, write, out);
        }
        if let Some(Kind::Await(sent)) = self.operations.find(id).map(|operation| &mut operation.kind) {
            sent.attempt = attempt + 1;
            sent.node = node;
        }
        let body = self.sequence(command, level, false, deadline_ms.saturating_sub(now.ms));
        self.ask(now, node, token, id, body, out);
    }

    /// The replica that was asked to run a client's sequenced write has answered, or will not.
    pub(super) fn sequenced_answered(
        &mut self,
        now: Now,
        id: OperationId,
        body: ResponseBody,
        out: &mut Out,
    ) {
        match body {
            ResponseBody::Failed(Failure::RingChanged) => self.await_ring(id),
            ResponseBody::Failed(failure) if failure.not_run() => self.ask_sequencer(now, id, failure, out),
            body => self.end_sequenced(id, body, out),
        }
    }

    /// Who was asked has a newer ring: this node will have it soon.
    fn await_ring(&mut self, id: OperationId) {
        if let Some(Kind::Await(sent)) = self.operations.find(id).map(|operation| &mut operation.kind) {
            sent.waits_for_ring = true;
        }
    }

    /// The client can wait no longer.
    pub(super) fn sequenced_overdue(&mut self, id: OperationId, out: &mut Out) {
        let Some(Kind::Await(sent)) = self.operations.get(id).map(|operation| &operation.kind) else {
            return;
        };
        let failure = if sent.waits_for_ring { Failure::RingChanged } else { Failure::Timeout };
        self.end_sequenced(id, ResponseBody::Failed(failure), out);
    }

    pub(super) fn end_sequenced(&mut self, id: OperationId, body: ResponseBody, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Await(sent) = &operation.kind else { return };
        let (requester, mut node) = (Requester::Client(sent.command.ticket), sent.node);
        if node == self.config.node {
            // Nobody was asked.
            let dc = self.config.sequencing.of(sent.command.command.key()).home.unwrap_or(self.place.dc);
            node = self.ring.node(self.ring.primary(sent.command.token, dc)).id;
        }
        self.operations.end(id);
        self.answer_or_explain(requester, node, body, true, out);
    }

    /// The key's replicas in this datacenter, own rack first, then the racks that follow it.
    pub(super) fn local_replicas(&self, token: Token, state: &State) -> Replicas {
        let nodes = self.ring.replicas(token).in_dc(self.place.dc);
        let racks = self.ring.dc(self.place.dc).racks();
        let own = racks.iter().position(|rack| rack.index() == self.place.rack).unwrap_or(0);
        (0..racks.len())
            .map(|step| (own + step) % racks.len())
            .map(|index| Replica {
                node: self.ring.node(nodes[index]).id,
                rack: racks[index].index(),
                state: state.clone(),
            })
            .collect()
    }

    /// For each other datacenter, who there takes writes for all its racks: the nearest that can be reached; of equally near
    /// ones this rack's counterpart, or the next.
    pub(super) fn forwarders(&self, token: Token) -> SmallVec<[RemoteDc; 2]> {
        self.ring
            .other_dcs(self.place.dc)
            .map(|dc| {
                let order = self.ring.forwarder_order(token, self.place.rack, dc);
                let node = self.nearest(order.map(|node| self.ring.node(node).id));
                RemoteDc { dc, node, state: State::Asked }
            })
            .collect()
    }

    /// The other datacenters, if `level` waits for them.
    pub(super) fn awaited_dcs(&self, token: Token, level: Level) -> SmallVec<[RemoteDc; 2]> {
        if level == Level::DcEachSafeQuorum { self.forwarders(token) } else { SmallVec::new() }
    }

    /// Whether a write can be refused before any of it is done, because too few of its replicas can be reached. If so, the
    /// replicas tell why.
    pub(super) fn is_out_of_reach(
        &self,
        now: Now,
        replicas: &mut Replicas,
        dcs: &[RemoteDc],
        level: Level,
    ) -> bool {
        if self.is_everybody_there && self.lane_refusal(now).is_none() {
            return false;
        }
        let failure = |replica: &Replica| match replica.node == self.config.node {
            true => self.lane_refusal(now),
            false => (!self.reachable.contains(&replica.node)).then_some(Failure::Unreachable),
        };
        let missing = replicas.iter().filter(|replica| failure(replica).is_some()).count();
        let is_out_of_reach =
            replicas.len() - missing < level.needed(replicas.len()) || dcs.iter().any(|dc| dc.node.is_none());
        if is_out_of_reach {
            for replica in replicas {
                replica.state = failure(replica).map_or(State::Idle, State::Failed);
            }
        }
        is_out_of_reach
    }

    /// Refuses a write of which nothing was done. Another node's client may be served without this primary.
    pub(super) fn refuse_write(
        &mut self,
        requester: Requester,
        level: Level,
        replicas: &[Replica],
        dcs: &[RemoteDc],
        out: &mut Out,
    ) {
        let body = match requester {
            Requester::Client(_) => {
                self.stats.quorum_failures += 1;
                let needed = level.needed(replicas.len());
                let reply = texts::quorum(&self.ring, needed, replicas, dcs, false, Outcome::NotRun);
                ResponseBody::Done { reply }
            }
            _ => ResponseBody::Failed(Failure::TooFewReplicas),
        };
        self.answer(requester, body, out);
    }

    /// Sends to a datacenter's forwarder, or counts the write as missed there.
    pub(super) fn ask_forwarder(
        &mut self,
        now: Now,
        dc: &RemoteDc,
        token: Token,
        id: OperationId,
        body: RequestBody,
        out: &mut Out,
    ) {
        match dc.node {
            Some(node) => self.ask(now, node, token, id, body, out),
            None => {
                if id != OperationId::NOBODY {
                    self.own_answers.push_back((id, ResponseBody::Failed(Failure::Unreachable)));
                }
            }
        }
    }
}

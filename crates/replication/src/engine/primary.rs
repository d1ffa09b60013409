//! The primary: runs a sequenced write once and has the other racks follow it (rules R8 to R11).
//!
//! A write is forwarded when its own datastore has answered, so that what is forwarded is what happened: the same command,
//! the result of a random one, or nothing when it was refused. The lane answers in order, so forwards leave in the order
//! in which the writes ran.

use bytes::Bytes;
use dynomite_codec::{Class, Operation as LaneOperation, command::flags};
use dynomite_ring::{NodeId, RackIdx, Token};
use smallvec::SmallVec;

use super::{
    Engine, Now, Out, Requester, coordinator::Sequenced, lane::JobKind, overwriting::Overwrite,
    replica::error_text,
};
use crate::{
    Content, Failure, Level, PushPurpose, Record, RequestBody, ResponseBody, Trust, Version,
    operation::{
        Kind, OperationId, PushOperation,
        replicas::{self, Near, State},
        run::{RunOperation, Step},
    },
    planted::{self, Planted},
    presence,
    records::{Claim, Doubt, Entry},
    rewrite,
    texts::{self, Outcome},
};

impl Engine {
    /// Another node sends a write that this replica shall run, or stamp.
    pub(super) fn serve_sequence(&mut self, now: Now, write: Sequenced, sender_applies: bool, out: &mut Out) {
        if !self.is_replica(write.token) {
            return self.answer(write.requester, ResponseBody::Failed(Failure::NotOwner), out);
        }
        if write.command.call().class != Class::Overwrite {
            return self.run(now, write, out);
        }
        if !self.knows_clock(now) {
            return self.answer(write.requester, ResponseBody::Failed(Failure::CopyLost), out);
        }
        let version = self.clock.stamp(now.wall_us);
        let Sequenced { requester, ref command, token, level, near, deadline_ms } = write;
        let (near, timeout_ms) = (Some(near), deadline_ms.saturating_sub(now.ms));
        let part = Overwrite { requester, command, token, level, near, sender_applies, timeout_ms };
        self.coordinate_overwrite(now, part, version, out);
    }

    /// Runs a sequenced write here, after the key was claimed if that is needed (rule R6).
    pub(super) fn run(&mut self, now: Now, write: Sequenced, out: &mut Out) {
        let (_, entry) = self.look_up_to_build_on(write.command.key(), write.token);
        let refusal = match entry.trust {
            Trust::Lost => Some(Failure::CopyLost),
            _ => self.lane_refusal_of(now, 1 + usize::from(self.is_expiring(now, &entry))),
        };
        if let Some(failure) = refusal {
            return self.refuse_run(write.requester, failure, out);
        }
        let is_trusted = entry.trust.is_trusted();
        if is_trusted && self.config.sequencing.of(write.command.key()).available {
            return self.run_under(now, write, entry.record.term, out);
        }
        match self.may_run(&entry, write.token) {
            Some(term) => self.run_under(now, write, term, out),
            None => self.claim(now, write, out),
        }
    }

    /// The claim under which this replica may run sequenced writes on a key (rules R5 and R6).
    pub(super) fn may_run(&self, entry: &Entry, token: Token) -> Option<Version> {
        let is_owner = || self.ring.primary(token, self.place.dc) == self.place.index;
        let claimed = match entry.claim {
            Claim::Birth if planted::has(Planted::EverybodyOwns) => Version::ZERO,
            Claim::Birth => is_owner().then_some(Version::ZERO)?,
            Claim::Void => return None,
            Claim::Term(term) => term,
        };
        if planted::has(Planted::RunsAfterPromise) && entry.trust.is_trusted() {
            return Some(claimed.max(entry.record.term));
        }
        let least = entry.promised.max(self.gained.ended(token));
        let may = entry.trust.is_trusted() && claimed >= least && claimed >= entry.record.term;
        may.then_some(claimed)
    }

    /// Runs a write under the claim `term` (rule R8).
    fn run_under(&mut self, now: Now, write: Sequenced, term: Version, out: &mut Out) {
        let Sequenced { requester, command, token, level, near, deadline_ms } = write;
        let timeout_ms = deadline_ms.saturating_sub(now.ms);
        let (copy, entry) = self.look_up(command.key(), token);
        let prior = entry.record;
        let mut replicas = self.local_replicas(token, &State::Idle);
        let racks = replicas.len();
        let dcs = self.awaited_dcs(token, level);
        if self.is_out_of_reach(now, &mut replicas, &dcs, level) {
            return self.refuse_write(requester, level, &replicas, &dcs, out);
        }
        let stamp = self.clock.stamp_sequenced(now.wall_us);
        let record = prior.sequenced(term, stamp, crc32fast::hash(command.request().raw()));
        replicas.retain(|replica| replica.node != self.config.node);
        let key = Bytes::copy_from_slice(command.key());
        let request = command.request().clone();
        let is_read = command.call().command.flags.contains(flags::READONLY);
        let asks_expiry = !is_read && self.is_expiring(now, &entry);
        let run = RunOperation {
            requester,
            command,
            key: key.clone(),
            token,
            prior,
            record,
            asks_expiry,
            awaits_expiry: None,
            reply: None,
            expires_at_ms: None,
            near: Near::new(&replicas, near),
            slow_at_ms: now.ms + self.config.failover_ms,
            replicas,
            needed: level.needed(racks) - 1,
            majority: Level::DcQuorum.needed(racks) - 1,
            is_settled: false,
            dcs,
        };
        let run = self.operations.runs.put(run);
        let id = self.insert(now, timeout_ms, Kind::Run(run));
        let copy = self.records.advance(copy, &key, record, self.lane.next_number());
        let absent_from = presence::after_step(&entry, (!is_read).then_some(&request), asks_expiry);
        self.records.set_absent_from(copy, absent_from);
        self.note_step_size(copy, &request, stamp);
        self.lane.push(now, Requester::Nobody, JobKind::Run(id));
        out.lane.push(LaneOperation::Command(request));
        if asks_expiry {
            self.lane.push(now, Requester::Nobody, JobKind::RunExpiry(id));
            out.lane.push(presence::question(&key));
        }
    }

    /// Whether a write on a key with this entry may meet the key's expiry here or at another replica.
    pub(super) fn is_expiring(&self, now: Now, entry: &Entry) -> bool {
        let spread_ms = self.config.clock_ahead_max_ms + self.config.request_timeout_ms;
        presence::is_expiring(entry, now.wall_ms(), spread_ms)
    }

    pub(super) fn refuse_run(&mut self, requester: Requester, failure: Failure, out: &mut Out) {
        let body = match requester {
            Requester::Client(_) => {
                self.stats.quorum_failures += 1;
                ResponseBody::Done { reply: self.explain(self.config.node, &failure, Outcome::NotRun) }
            }
            _ => ResponseBody::Failed(failure),
        };
        self.answer(requester, body, out);
    }

    /// The primary's datastore has run the write: forward what happened, if all is known of that.
    pub(super) fn ran(&mut self, now: Now, id: OperationId, reply: Bytes, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Run(run) = &mut operation.kind else { return };
        if run.asks_expiry {
            run.awaits_expiry = Some(reply);
        } else {
            self.forward(now, id, reply, None, out);
        }
    }

    /// The primary's datastore has told until when the key of a write is there.
    pub(super) fn run_expiry_told(&mut self, now: Now, id: OperationId, told: &Bytes, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Run(run) = &mut operation.kind else { return };
        let Some(reply) = run.awaits_expiry.take() else { return };
        let (key, record) = (run.key.clone(), run.record);
        self.note_presence(now, self.records.find(&key), &record, told);
        self.forward(now, id, reply, presence::expiry(told), out);
    }

    /// Has the other racks follow a write that was run.
    fn forward(
        &mut self,
        now: Now,
        id: OperationId,
        reply: Bytes,
        expires_at_ms: Option<i64>,
        out: &mut Out,
    ) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Run(run) = &mut operation.kind else { return };
        run.reply = Some(reply);
        run.expires_at_ms = expires_at_ms;
        self.forward_to(now, id, |state| *state == State::Idle, out);
        self.continue_run(now, id, out);
    }

    /// Forwards a write once more to those that have refused it for another ring; if it has been forwarded at all.
    pub(super) fn forward_again(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let is_refused = |state: &State| *state == State::Failed(Failure::RingChanged);
        self.forward_to(now, id, is_refused, out);
        self.continue_run(now, id, out);
    }

    fn forward_to(&mut self, now: Now, id: OperationId, is_asked: impl Fn(&State) -> bool, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Run(run) = &mut operation.kind else { return };
        let Some(reply) = run.reply.clone() else { return };
        let (effect, reply_crc) = match (error_text(&reply), run.command.call().class) {
            (Some(_), _) => (None, None),
            // It was run for its version alone.
            (None, _) if run.command.call().command.flags.contains(flags::READONLY) => (None, None),
            (None, Class::Effect) => (rewrite::effect(run.command.request(), &reply), None),
            (None, _) => (Some(run.command.request().clone()), Some(crc32fast::hash(&reply))),
        };
        let (prior, record, key, token) = (run.prior, run.record, run.key.clone(), run.token);
        let expires_at_ms = run.expires_at_ms;
        let mut nodes: SmallVec<[(usize, NodeId); 3]> = SmallVec::new();
        for (index, replica) in run.replicas.iter_mut().enumerate() {
            if is_asked(&replica.state) {
                replica.state = State::Asked;
                nodes.push((index, replica.node));
            }
        }
        for (index, node) in nodes {
            let (key, effect) = (key.clone(), effect.clone());
            let body = RequestBody::Forward { prior, record, key, effect, reply_crc, expires_at_ms };
            self.ask(now, node, token, id.of_replica(index), body, out);
        }
    }

    /// The lane broke before the write was answered: it may have run.
    pub(super) fn run_lost(&mut self, now: Now, id: OperationId, reason: &str, out: &mut Out) {
        let Some(operation) = self.operations.remove(id) else { return };
        let Kind::Run(run) = operation.kind else { return };
        self.doubt(self.records.find(&run.key), &run.record, Doubt::Step);
        let failure = Failure::Datastore(format!("Datastore connection lost ({reason})"));
        let reply = self.explain(self.config.node, &failure, Outcome::Unknown);
        self.answer(run.requester, ResponseBody::Done { reply }, out);
        self.export_unsettled(now, &run.key, &run.record);
    }

    /// A rack has answered a forward.
    pub(super) fn run_answered(&mut self, now: Now, id: OperationId, body: ResponseBody, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Run(run) = &mut operation.kind else { return };
        let Some(replica) = run.replicas.get_mut(id.replica()) else { return };
        if let State::Failed(Failure::NotOwner | Failure::RingChanged) = replica.state {
            // The key has moved away from who answers now, or it has refused already.
            return;
        }
        match body {
            ResponseBody::Accepted { .. } => replica.state = State::Ok,
            ResponseBody::Failed(failure) => {
                let is_outbid = failure == Failure::Outbid;
                replica.state = State::Failed(failure);
                if is_outbid {
                    let (key, term) = (run.key.clone(), run.record.term);
                    self.lose_claim(&key, term);
                }
            }
            ResponseBody::Nacked { record, dirty } => {
                let (node, key, token, wanted) = (replica.node, run.key.clone(), run.token, run.record);
                let own = self.records.of(&key);
                // This primary has overwritten the write since; nothing was acknowledged in between that it would hide.
                let is_superseded = record.base.node == self.config.node
                    && record.base > wanted.last
                    && record.base <= own.record.base
                    && !dirty;
                if is_superseded {
                    self.mark(id, State::Ok);
                } else if own.trust.is_trusted() && (record < own.record || dirty && record == own.record) {
                    return self.push(now, node, key, token, (id, wanted), out);
                } else if planted::has(Planted::GreaterAcknowledges) {
                    self.mark(id, State::Ok);
                } else {
                    self.mark(id, State::Newer);
                    if record > own.record {
                        self.lose_claim(&key, wanted.term);
                    }
                }
            }
            _ => replica.state = State::Failed(Failure::Datastore("unexpected answer".into())),
        }
        self.continue_run(now, id, out);
    }

    /// Another rack has claimed the key since it was claimed here with `term`, or has a write that is missing here: what runs
    /// here next claims it anew, and does not end with an unknown outcome as well.
    pub(super) fn lose_claim(&mut self, key: &Bytes, term: Version) {
        let (copy, entry) = self.look_up(key, self.ring.token(key));
        if entry.trust == Trust::Lost {
            // It holds none; and an entry would make the copy look as if it was rebuilt.
            return;
        }
        let held = match entry.claim {
            Claim::Birth => Version::ZERO,
            Claim::Void => return,
            Claim::Term(held) => held,
        };
        if held <= term {
            self.records.claim(copy, key, Claim::Void);
        }
    }

    fn mark(&mut self, id: OperationId, state: State) {
        if let Some(Kind::Run(run)) = self.operations.find(id).map(|operation| &mut operation.kind)
            && let Some(replica) = run.replicas.get_mut(id.replica())
        {
            replica.state = state;
        }
    }

    /// Answers the requester when that can be done, and ends the operation when nothing more can come.
    pub(super) fn continue_run(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Run(run) = &mut operation.kind else { return };
        let settles = !run.is_settled && run.has_majority();
        run.is_settled |= settles;
        if settles && self.ring.dcs().len() > 1 {
            let waits = (!run.dcs.is_empty()).then_some((id, run.record.last));
            let (key, token, record) = (run.key.clone(), run.token, run.record);
            self.export_settled(now, key, token, record, waits, out);
        }
        self.note_known(now, id);
        self.conclude_run(id, out);
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Run(run) = &operation.kind else { return };
        if run.is_finished() {
            let (key, record, is_settled) = (run.key.clone(), run.record, run.is_settled);
            if !run.replicas.iter().all(|replica| replica.state == State::Ok) {
                let replicas = run.replicas.clone();
                self.note_missed(now, &key, &replicas, &[]);
            }
            self.operations.end(id);
            if !is_settled {
                self.export_unsettled(now, &key, &record);
            }
        }
    }

    fn conclude_run(&mut self, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Run(run) = &mut operation.kind else { return };
        let reply = match (run.requester, run.next_step()) {
            (Requester::Nobody, _) | (_, Step::Wait) => return,
            (_, Step::Reply(reply)) => reply,
            // Others have a newer ring: with that they are asked again.
            (_, Step::Fail) if replicas::await_ring(&run.replicas) => return,
            (_, Step::Fail) => {
                self.stats.quorum_failures += 1;
                unknown_outcome(&self.ring, self.place.rack, self.config.node, run)
            }
        };
        let requester = std::mem::replace(&mut run.requester, Requester::Nobody);
        self.answer(requester, ResponseBody::Done { reply }, out);
    }

    /// The write's deadline has come. One that the datastore has not answered yet stays, to be forwarded when it does.
    pub(super) fn run_overdue(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let is_running = matches!(&operation.kind, Kind::Run(run) if run.reply.is_none());
        operation.deadline_ms = now.ms + self.config.request_timeout_ms;
        let Kind::Run(run) = &mut operation.kind else { return };
        replicas::time_out(&mut run.replicas);
        for dc in &mut run.dcs {
            dc.time_out();
        }
        run.near = None;
        self.conclude_run(id, out);
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Run(run) = &mut operation.kind else { return };
        let requester = std::mem::replace(&mut run.requester, Requester::Nobody);
        if requester != Requester::Nobody {
            self.stats.quorum_failures += 1;
            let reply = unknown_outcome(&self.ring, self.place.rack, self.config.node, run);
            self.answer(requester, ResponseBody::Done { reply }, out);
        }
        if !is_running {
            self.continue_run(now, id, out);
        }
    }

    /// Helps a replica that is behind with the whole state (rule R10). Writes to one key that wait for one replica share
    /// a push.
    fn push(
        &mut self,
        now: Now,
        node: NodeId,
        key: Bytes,
        token: Token,
        waiting: (OperationId, Record),
        out: &mut Out,
    ) {
        if let Some(id) = self.pushes.get(&(key.clone(), node)).copied()
            && let Some(Kind::Push(push)) = self.operations.find(id).map(|operation| &mut operation.kind)
        {
            push.waiting.push(waiting);
            return;
        }
        if let Some(failure) = self.lane_refusal(now) {
            self.own_answers.push_back((waiting.0, ResponseBody::Failed(failure)));
            return;
        }
        self.stats.pushes += 1;
        let record = self.records.of(&key).record;
        let push = PushOperation { key: key.clone(), token, node, record, waiting: vec![waiting] };
        let id = self.insert(now, self.config.request_timeout_ms, Kind::Push(Box::new(push)));
        self.pushes.insert((key.clone(), node), id);
        let body = RequestBody::Fetch { key, doubtful: false, whole: false };
        self.serve(now, Requester::Operation(id), token, body, out);
    }

    /// The state to be pushed was read.
    fn push_read(&mut self, now: Now, id: OperationId, record: Record, state: Content, out: &mut Out) {
        let patience_ms = self.patience_ms(&state);
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Push(push) = &mut operation.kind else { return };
        operation.deadline_ms = operation.deadline_ms.max(now.ms + patience_ms);
        push.record = record;
        let (key, token, node, purpose) = (push.key.clone(), push.token, push.node, PushPurpose::Acknowledge);
        self.ask(now, node, token, id, RequestBody::Push { key, record, state, purpose }, out);
    }

    /// The own state was read, or the replica has taken it, or has not: tell the writes that waited.
    pub(super) fn push_answered(&mut self, now: Now, id: OperationId, body: ResponseBody, out: &mut Out) {
        if let ResponseBody::State { record, state, .. } = body {
            return self.push_read(now, id, record, state, out);
        }
        let Some(operation) = self.operations.remove(id) else { return };
        let Kind::Push(push) = operation.kind else { return };
        self.pushes.remove(&(push.key.clone(), push.node));
        for (run, wanted) in push.waiting {
            match &body {
                ResponseBody::Accepted { .. } if !push.record.includes(&wanted) => {
                    // It came after the state was read, or was superseded by an overwrite.
                    if self.records.of(&push.key).record.includes(&wanted) {
                        self.push(now, push.node, push.key.clone(), push.token, (run, wanted), out);
                    } else {
                        self.mark(run, State::Newer);
                        self.continue_run(now, run, out);
                    }
                }
                answer => self.run_answered(now, run, answer.clone(), out),
            }
        }
    }
}

fn unknown_outcome(ring: &dynomite_ring::Ring, rack: RackIdx, node: NodeId, run: &RunOperation) -> Bytes {
    let mut all = run.replicas.clone();
    let state = if run.reply.is_some() { State::Ok } else { State::Failed(Failure::DatastoreStalled) };
    all.insert(0, replicas::Replica { node, rack, state });
    let outcome = if planted::has(Planted::RunIsNotRun) { Outcome::NotRun } else { Outcome::Unknown };
    texts::quorum(ring, run.needed + 1, &all, &run.dcs, false, outcome)
}

//! The whole logic of one worker, fed with events: coordinator, primary, replica and forwarder for its slice of the keys.
//!
//! Every `handle_x` says what happened; what is to be done comes out in [`Out`]. Nothing here blocks, reads a clock or
//! draws a random number, so the same events give the same outputs.
//!
//! Invariants:
//! * every command gets exactly one reply, at its deadline at the latest;
//! * every request of another node gets exactly one response, or none when that node no longer waits for it;
//! * operations for the lane are answered in the order in which they were given out.

mod again;
mod census;
mod claims;
mod cleanup;
mod compare;
mod config;
mod coordinator;
mod copies;
mod cross_dc;
mod datacenters;
mod delegation;
mod digests;
mod executed;
mod gained;
mod handoff;
mod heal;
mod hints;
mod lane;
mod leaving;
mod nearness;
mod overwriting;
mod pieces;
mod primary;
mod rebuild;
mod replica;
mod rings;
mod settle;
mod strays;
mod transfers;
mod waiting;

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use dynomite_codec::{Operation as LaneOperation, Output};
use dynomite_ring::{DcIdx, NodeId, NodeIdx, RackIdx, Ring, Token};
use hashbrown::{HashMap, HashSet};

use crate::{
    Clock, Failure, KeyRequest, Level, Mark, ReplicaRequest, ReplicaResponse, RequestBody, ResponseBody,
    Stats,
    hints::{HintTarget, Hints, HintsFor, Limits, Replay},
    marks::Marks,
    operation::{
        Kind, Operation, OperationId, Operations,
        export::Export,
        replicas::{self, State},
    },
    records::Records,
    texts,
};
use census::{Censuses, Partners};
use cleanup::Cleanup;
pub use cleanup::{CleanupBusy, CleanupStatus};
use compare::Repair;
pub use compare::{RepairBusy, RepairConfig, RepairPhase, RepairRequest, RepairStatus};
pub use config::EngineConfig;
pub(crate) use coordinator::Sequenced;
use copies::{LostCopies, Marker};
pub use copies::{Recovery, StoreSeen};
use datacenters::Gate;
pub use datacenters::{DcFlow, DcStatus};
use gained::Gained;
use heal::HealQueue;
use lane::LaneQueue;
use nearness::Nearness;
use pieces::LikelyLarge;
use rebuild::Rebuild;
pub use rings::RingRefused;
use rings::{Fit, Parked};
use strays::Strays;
use transfers::Transfers;

/// The present, as the caller's clocks show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds of a clock that never jumps; deadlines are measured on it.
    pub ms: u64,
    /// Microseconds since the Unix epoch; versions and expiries are stamped with it.
    pub wall_us: u64,
}

impl Now {
    /// Milliseconds since the Unix epoch.
    pub fn wall_ms(self) -> u64 {
        self.wall_us / 1000
    }
}

/// The caller's name for a client's command; comes back with the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

/// The caller's name for where another node's request came from; comes back with the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin(pub u64);

/// A client's command on one key, ready to be run.
#[derive(Debug, Clone)]
pub struct ClientCommand {
    /// Whom the reply is for.
    pub ticket: Ticket,
    /// The command.
    pub command: KeyRequest,
    /// Its key's token.
    pub token: Token,
    /// The level to run it at.
    pub level: Level,
    /// When it must have been answered, in `Now::ms`.
    pub deadline_ms: u64,
}

/// Something that has arrived for the engine.
#[derive(Debug)]
pub enum Input {
    /// See [`Engine::handle_command`].
    Command(ClientCommand),
    /// See [`Engine::handle_request`].
    Request(Origin, ReplicaRequest),
    /// See [`Engine::handle_response`].
    Response(ReplicaResponse),
}

impl Input {
    /// The key whose record will be wanted.
    fn key<'a>(&'a self, operations: &'a Operations) -> Option<&'a [u8]> {
        match self {
            Self::Command(command) => Some(command.command.key()),
            Self::Request(_, request) => Some(request.body.key()),
            Self::Response(ReplicaResponse { id, body: ResponseBody::Stamped { .. }, .. }) => {
                match &operations.get(OperationId::from_wire(*id))?.kind {
                    Kind::Delegated(delegated) => Some(delegated.command.command.key()),
                    _ => None,
                }
            }
            Self::Response(_) => None,
        }
    }
}

/// What the engine wants done. The caller takes everything out after each call or after several; order within each list
/// is kept.
#[derive(Debug, Default)]
pub struct Out {
    /// Replies for clients, whole RESP2 values.
    pub replies: Vec<(Ticket, Bytes)>,
    /// Requests for other nodes. One that cannot be sent is given back by [`Engine::handle_send_failed`].
    pub requests: Vec<(NodeId, ReplicaRequest)>,
    /// Answers to other nodes' requests.
    pub responses: Vec<(Origin, ReplicaResponse)>,
    /// Operations for the lane.
    pub lane: Vec<LaneOperation>,
}

impl Out {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.replies.is_empty()
            && self.requests.is_empty()
            && self.responses.is_empty()
            && self.lane.is_empty()
    }
}

/// The ring does not hold this node. Whose fault: the operator's configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this node is not in the ring")]
pub struct NotInRing;

/// Who gets an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Requester {
    Client(Ticket),
    Peer { origin: Origin, id: u64 },
    Operation(OperationId),
    Nobody,
}

/// Where this node stands in the ring.
#[derive(Debug, Clone, Copy)]
struct Place {
    index: NodeIdx,
    dc: DcIdx,
    rack: RackIdx,
    /// One rack in all: nothing is replicated, and no versions are needed.
    is_alone: bool,
}

/// One worker's logic. See the module's documentation.
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
    ring: Arc<Ring>,
    place: Place,
    clock: Clock,
    operations: Operations,
    lane: LaneQueue,
    records: Records,
    reachable: HashSet<NodeId>,
    /// Whether all nodes of the ring are known to be among them.
    is_everybody_there: bool,
    /// Requests that wait for a ring.
    parked: Parked,
    nearness: Nearness,
    /// Pushes under way, by key and replica.
    pushes: HashMap<(Bytes, NodeId), OperationId>,
    exports: HashMap<Bytes, Export>,
    /// Claims and heals under way, by key.
    claims: HashMap<Bytes, OperationId>,
    heals: HashMap<Bytes, OperationId>,
    /// How many of the heals move a large state.
    large_heals: usize,
    heal_queue: HealQueue,
    likely_large: LikelyLarge,
    transfers: Transfers,
    hints: Hints,
    lost: LostCopies,
    gained: Gained,
    /// Whether there may be copies of ranges that are other nodes' by now.
    has_leftovers: bool,
    cleanup: Cleanup,
    marker: Marker,
    is_log_failing: bool,
    rebuild: Rebuild,
    strays: Strays,
    partners: Partners,
    census: Censuses,
    repair: Repair,
    /// What nodes have told of buckets whose copies were equal, and the notes that keep it.
    marks: Marks,
    mark_notes: HashMap<NodeIdx, u32>,
    /// Overwrites up to this are refused.
    floor: Mark,
    /// When all nodes had last confirmed what this one told, by the latest of their clocks.
    settled_on: Mark,
    /// Of datacenters to which not everything may be sent at once.
    gates: HashMap<DcIdx, Gate>,
    /// Answers of this node to itself; taken up at the end of each event, so that no operation changes under another's feet.
    own_answers: VecDeque<(OperationId, ResponseBody)>,
    swept_at_ms: u64,
    expired: Vec<OperationId>,
    stats: Stats,
}

/// Deadlines are looked at this often; a request is answered at most this long after its own.
const SWEEP_MS: u64 = 10;

impl Engine {
    /// An engine for one worker of `config.node`. Its lane starts down and all other nodes unreachable.
    ///
    /// # Errors
    /// [`NotInRing`].
    pub fn new(config: EngineConfig, ring: Arc<Ring>) -> Result<Self, NotInRing> {
        let index = ring.index_of(config.node).ok_or(NotInRing)?;
        let rack = ring.rack_of(index);
        let place = Place { index, dc: ring.rack(rack).dc(), rack, is_alone: ring.rack_count() == 1 };
        let limits = Limits {
            bytes_max: config.hints_bytes_max,
            window_ms: config.hint_window_ms,
            handoff_max: config.handoff_max,
        };
        Ok(Self {
            hints: Hints::new(limits, Arc::clone(&ring), place.dc, config.worker, config.workers),
            partners: Partners::of(&ring, place),
            clock: Clock::new(config.node, config.clock_ahead_max_ms),
            place,
            ring,
            config,
            operations: Operations::default(),
            lane: LaneQueue::default(),
            records: Records::default(),
            reachable: HashSet::new(),
            is_everybody_there: false,
            parked: Parked::default(),
            nearness: Nearness::default(),
            pushes: HashMap::new(),
            exports: HashMap::new(),
            claims: HashMap::new(),
            heals: HashMap::new(),
            large_heals: 0,
            heal_queue: HealQueue::default(),
            likely_large: LikelyLarge::default(),
            transfers: Transfers::default(),
            lost: LostCopies::default(),
            gained: Gained::default(),
            has_leftovers: false,
            cleanup: Cleanup::default(),
            marker: Marker::default(),
            is_log_failing: false,
            rebuild: Rebuild::default(),
            strays: Strays::default(),
            census: Censuses::default(),
            repair: Repair::default(),
            marks: Marks::default(),
            mark_notes: HashMap::new(),
            floor: Mark::NEVER,
            settled_on: Mark::NEVER,
            gates: HashMap::new(),
            own_answers: VecDeque::new(),
            swept_at_ms: 0,
            expired: Vec::new(),
            stats: Stats::default(),
        })
    }

    /// What the engine has counted.
    pub fn stats(&self) -> Stats {
        Stats {
            operations_in_flight: self.operations.len() as u64,
            lane_in_flight: self.lane.len() as u64,
            records: self.records.len() as u64,
            buckets_lost: self.lost_bucket_count() as u64,
            copies_untrusted: self.records.untrusted_count() as u64,
            hints_stored: self.hints.stored_count(),
            hints_dropped: self.hints.dropped_count(),
            hints_pending: self.hints.len() as u64,
            hint_bytes: self.hints.bytes() as u64,
            hint_log_failures: self.hints.log_failure_count(),
            hints_at_risk: self.hints.at_risk_count() as u64,
            buckets_needing_repair: self.hints.mark_count() as u64,
            record_bytes: self.records.bytes() as u64,
            ..self.stats.with_repair(&self.repair_status())
        }
    }

    /// What is kept for each node of the datacenter and each other datacenter that may miss writes.
    pub fn hint_targets(&self) -> impl Iterator<Item = HintsFor> {
        self.hints.targets()
    }

    /// The ring that it works by.
    pub fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    /// How many operations are in flight; at `operations_max` the caller should stop taking commands from clients.
    pub fn in_flight(&self) -> usize {
        self.operations.len()
    }

    /// Takes in all that has arrived, in its order, and leaves `inputs` empty. Does the same as the single calls, in less time: what is
    /// known of the keys is brought near the processor first, for all of them at once.
    pub fn handle_inputs(&mut self, now: Now, inputs: &mut Vec<Input>, out: &mut Out) {
        if inputs.len() > 1 && !self.place.is_alone {
            let Self { operations, records, .. } = self;
            records.fetch(inputs.iter().filter_map(|input| input.key(operations)));
        }
        for input in inputs.drain(..) {
            match input {
                Input::Command(command) => self.handle_command(now, command, out),
                Input::Request(origin, request) => self.handle_request(now, origin, request, out),
                Input::Response(response) => self.handle_response(now, response, out),
            }
        }
    }

    /// A client sent a command.
    pub fn handle_command(&mut self, now: Now, command: ClientCommand, out: &mut Out) {
        if self.operations.len() >= self.config.operations_max {
            self.stats.operations_refused += 1;
            let text = format!(
                "ERR Dynomite: Too many operations in flight (limits.operations_max = {}); not run, try again",
                self.config.operations_max
            );
            out.replies.push((command.ticket, texts::error(&text)));
            return;
        }
        self.begin(now, command, out);
        self.take_own_answers(now, out);
    }

    /// Another node asked for something. `origin` tells where the response must go.
    pub fn handle_request(&mut self, now: Now, origin: Origin, request: ReplicaRequest, out: &mut Out) {
        let requester = Requester::Peer { origin, id: request.id };
        if !self.follows_clock(now, request.clock) {
            self.answer(requester, ResponseBody::Failed(Failure::ClockAhead), out);
            return;
        }
        match self.fit(&request) {
            Fit::Same => self.serve(now, requester, request.token, request.body, out),
            fit => self.put_off(now, origin, request, fit, out),
        }
        self.take_own_answers(now, out);
    }

    /// Another node answered. Late and repeated answers are ignored.
    pub fn handle_response(&mut self, now: Now, response: ReplicaResponse, out: &mut Out) {
        // An answer counts whatever its sender's clock shows.
        self.follows_clock(now, response.clock);
        self.answered(now, OperationId::from_wire(response.id), response.body, out);
        self.take_own_answers(now, out);
    }

    /// A request from [`Out::requests`] could not be sent, for `failure`.
    pub fn handle_send_failed(&mut self, now: Now, id: u64, failure: Failure, out: &mut Out) {
        self.answered(now, OperationId::from_wire(id), ResponseBody::Failed(failure), out);
        self.take_own_answers(now, out);
    }

    /// The lane finished its oldest operation.
    pub fn handle_output(&mut self, now: Now, output: Output, out: &mut Out) {
        self.lane_done(now, output, out);
        self.take_own_answers(now, out);
    }

    /// The lane broke: none of its operations will be answered, and which of them ran is unknown.
    pub fn handle_lane_down(&mut self, now: Now, reason: &str, out: &mut Out) {
        self.lane_lost(now, reason, out);
        self.take_own_answers(now, out);
    }

    /// There is a link to `node`.
    pub fn handle_peer_up(&mut self, node: NodeId) {
        self.reachable.insert(node);
        self.note_who_is_there();
        match self.ring.dc_of(node) {
            Some(dc) if dc != self.place.dc => self.hints.resume(HintTarget::Dc(dc)),
            _ => self.hints.resume(HintTarget::Node(node)),
        }
    }

    /// The link to `node` is gone: what was asked of it there will not be answered.
    pub fn handle_peer_down(&mut self, now: Now, node: NodeId, out: &mut Out) {
        self.reachable.remove(&node);
        self.note_who_is_there();
        let mut lost = Vec::new();
        for (id, operation) in self.operations.iter_mut() {
            operation.kind.asked_of(node, |replica| lost.push(id.of_replica(replica)));
        }
        for id in lost {
            self.answered(now, id, ResponseBody::Failed(Failure::LinkLost), out);
            self.take_own_answers(now, out);
        }
    }

    /// When [`Engine::handle_timeout`] is wanted, in `Now::ms`; `None` while nothing is in flight, no hint can be replayed and
    /// no copies are compared.
    pub fn next_deadline(&self) -> Option<u64> {
        let is_idle = self.operations.is_empty() && self.heal_queue.is_empty() && !self.transfers.is_due();
        let sweep_at_ms = self.swept_at_ms + SWEEP_MS;
        let sweep = (!is_idle).then_some(sweep_at_ms);
        let due = [
            self.hints_due_ms(),
            self.rebuild_due_ms(),
            self.strays.due_ms(),
            self.census.due_ms(),
            self.repair_due_ms(),
            self.cleanup.due_ms(),
            self.parked.due_ms(),
        ];
        let background = due.into_iter().flatten().min().map(|due_ms| due_ms.max(sweep_at_ms));
        [sweep, background, self.marker_wake_ms()].into_iter().flatten().min()
    }

    /// Time passed: answers what is overdue, and asks further replicas for slow reads.
    pub fn handle_timeout(&mut self, now: Now, out: &mut Out) {
        if now.ms < self.swept_at_ms + SWEEP_MS {
            return;
        }
        self.swept_at_ms = now.ms;
        let mut due = std::mem::take(&mut self.expired);
        for (id, operation) in self.operations.iter_mut() {
            let slow_at_ms = operation.kind.slow_at_ms();
            if slow_at_ms.is_some_and(|at_ms| at_ms <= now.ms) || operation.deadline_ms <= now.ms {
                due.push(id);
            }
        }
        for id in due.drain(..) {
            self.overdue(now, id, out);
            self.take_own_answers(now, out);
        }
        self.expired = due;
        self.expire_parked(now, out);
        self.pump_heals(now, out);
        self.pump_transfers(now, out);
        if self.marker_due_ms().is_some_and(|due_ms| due_ms <= now.ms) {
            self.write_marker(now, out);
        }
        self.pump_hints(now, out);
        self.pump_census(now, out);
        self.pump_rebuild(now, out);
        self.pump_strays(now, out);
        self.pump_repair(now, out);
        self.pump_cleanup(now, out);
        self.take_own_answers(now, out);
    }

    /// Sends a request to a node of the ring, which may be this one.
    fn ask(
        &mut self,
        now: Now,
        node: NodeId,
        token: Token,
        id: OperationId,
        body: RequestBody,
        out: &mut Out,
    ) {
        if node == self.config.node {
            self.serve(now, Requester::Operation(id), token, body, out);
        } else if self.reachable.contains(&node) {
            let clock = self.clock.last();
            let seats = self.seats(token);
            out.requests.push((node, ReplicaRequest { id: id.to_wire(), token, clock, seats, body }));
        } else {
            self.own_answers.push_back((id, ResponseBody::Failed(Failure::Unreachable)));
        }
    }

    /// Notes whether every node of the ring can be reached.
    fn note_who_is_there(&mut self) {
        let is_there = |id: NodeId| id == self.config.node || self.reachable.contains(&id);
        self.is_everybody_there = self.ring.nodes().iter().all(|node| is_there(node.id));
    }

    /// Takes note of a clock value from another node (rule R2). Whether it is near enough to be followed.
    fn follows_clock(&mut self, now: Now, clock: u64) -> bool {
        let follows = self.clock.observe(now.wall_us, clock).is_ok();
        self.stats.clocks_refused += u64::from(!follows);
        follows
    }

    /// Gives an answer to whoever asked.
    fn answer(&mut self, requester: Requester, body: ResponseBody, out: &mut Out) {
        match requester {
            Requester::Operation(id) => self.own_answers.push_back((id, body)),
            Requester::Peer { origin, id } => {
                let clock = self.clock.last();
                out.responses.push((origin, ReplicaResponse { id, clock, body }));
            }
            Requester::Client(ticket) => {
                let reply = match body {
                    ResponseBody::Done { reply } => reply,
                    other => texts::error(&format!("ERR Dynomite: unexpected answer {other:?}")),
                };
                out.replies.push((ticket, reply));
            }
            Requester::Nobody => {}
        }
    }

    fn take_own_answers(&mut self, now: Now, out: &mut Out) {
        while let Some((id, body)) = self.own_answers.pop_front() {
            self.answered(now, id, body, out);
        }
    }

    fn answered(&mut self, now: Now, id: OperationId, body: ResponseBody, out: &mut Out) {
        if id == OperationId::NOBODY {
            // Other datacenters are written to without waiting, and replicas of writes that have failed already.
            self.stats.unawaited_failures += u64::from(matches!(body, ResponseBody::Failed(_)));
            return;
        }
        let Some(operation) = self.operations.find(id) else {
            self.stats.late_answers += 1;
            return;
        };
        match &mut operation.kind {
            Kind::Plain { .. } => self.plain_answered(id, body, out),
            Kind::Await(_) => self.sequenced_answered(now, id, body, out),
            Kind::Claim(_) => self.claim_answered(now, id, body, out),
            Kind::ExportAgain(_) => self.export_again_answered(now, id, body, out),
            Kind::Import(_) => self.import_answered(now, id, body, out),
            Kind::Heal(_) => self.heal_answered(now, id, body, out),
            Kind::Stray(_) => self.stray_answered(now, id, body, out),
            Kind::Handoff(_) => self.handoff_answered(now, id, body, out),
            Kind::Compare(_) => self.end_comparison(now, id, body, out),
            Kind::Transfer(_) => self.transfer_answered(now, id, body, out),
            Kind::Check(_) => self.check_answered(now, id, body, out),
            Kind::ReadForExport(_) => self.export_read(now, id, body, out),
            Kind::Delegated(_) => self.delegated_answered(now, id, body, out),
            Kind::Read(read) => {
                read.answered(id.replica(), body);
                self.continue_read(now, id, out);
            }
            Kind::Overwrite(_) => self.overwrite_answered(now, id, body, out),
            Kind::Run(_) => self.run_answered(now, id, body, out),
            Kind::Push(_) => self.push_answered(now, id, body, out),
            Kind::Relay(relay) => {
                relay.answered(id.replica(), body);
                self.continue_relay(now, id, out);
            }
            Kind::Export(export) => {
                if let Some(dc) = export.dcs.get_mut(id.replica()) {
                    dc.answered(body);
                }
                self.continue_export(now, id, out);
            }
        }
    }

    fn overdue(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        if operation.deadline_ms > now.ms {
            return self.slow(now, id, out);
        }
        self.stats.timeouts += 1;
        match &mut operation.kind {
            Kind::Plain { .. } => self.plain_answered(id, ResponseBody::Failed(Failure::Timeout), out),
            Kind::Await(_) => self.sequenced_overdue(id, out),
            Kind::Claim(_) => self.claim_overdue(now, id, out),
            Kind::ExportAgain(_) => self.end_export_again(now, id, false, out),
            Kind::Import(_) => self.import_slow(now, id, out),
            Kind::Heal(_) => self.heal_overdue(now, id, out),
            Kind::Stray(_) => self.end_stray(now, id, out),
            Kind::Handoff(_) => self.end_handoff(now, id, Replay::Failed, out),
            Kind::Compare(_) => self.end_comparison(now, id, ResponseBody::Failed(Failure::Timeout), out),
            Kind::Delegated(_) => self.delegated_overdue(now, id, out),
            Kind::Transfer(_) => self.end_transfer(now, id, Some(Failure::Timeout), out),
            Kind::Check(_) => self.check_failed(id),
            Kind::ReadForExport(_) => {
                self.export_read(now, id, ResponseBody::Failed(Failure::Timeout), out);
            }
            Kind::Read(read) => {
                replicas::time_out(&mut read.replicas);
                self.read_failed(id, false, out);
            }
            Kind::Overwrite(_) => self.overwrite_overdue(now, id, out),
            Kind::Run(_) => self.run_overdue(now, id, out),
            Kind::Push(_) => self.push_answered(now, id, ResponseBody::Failed(Failure::Timeout), out),
            Kind::Relay(_) => self.relay_overdue(now, id, out),
            Kind::Export(_) => self.export_overdue(now, id, out),
        }
    }

    /// Something takes longer than it should, but may yet end well.
    fn slow(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        match &mut operation.kind {
            Kind::Read(read) => {
                read.failover_at_ms = u64::MAX;
                read.fail_over();
                self.stats.slow_reads += 1;
                self.continue_read(now, id, out);
            }
            Kind::Overwrite(overwrite) => {
                overwrite.near = None;
                self.spread_overwrite(now, id, out);
                self.continue_overwrite(now, id, out);
            }
            Kind::Run(run) => {
                run.near = None;
                self.continue_run(now, id, out);
            }
            Kind::Delegated(_) => self.complete_elsewhere(now, id, State::Failed(Failure::Timeout), out),
            Kind::Heal(_) => self.heal_slow(now, id, out),
            Kind::ExportAgain(_) => self.export_again_slow(now, id, out),
            Kind::Import(_) => self.import_slow(now, id, out),
            Kind::Await(_)
            | Kind::Plain { .. }
            | Kind::Relay(_)
            | Kind::Push(_)
            | Kind::Export(_)
            | Kind::Handoff(_)
            | Kind::Transfer(_)
            | Kind::ReadForExport(_)
            | Kind::Check(_)
            | Kind::Compare(_)
            | Kind::Stray(_)
            | Kind::Claim(_) => {}
        }
    }

    fn insert(&mut self, now: Now, timeout_ms: u64, kind: Kind) -> OperationId {
        self.operations.insert(Operation { began_ms: now.ms, deadline_ms: now.ms + timeout_ms, kind })
    }
}

#[cfg(test)]
mod tests;

//! A cluster in simulated time: engines, links, datastores, disks and clients in one thread, and one queue of events.
//!
//! Invariant: what happens depends on the plan alone. Equal plans give equal digests of all events.

mod changes;
mod clients;
mod clock;
mod datastore;
mod disk;
mod events;
mod faults;
mod lane;
mod links;
mod messages;
mod network;
mod node;
mod states;

use std::sync::Arc;

use dynomite_replication::{Engine, EngineConfig, Now, Out, RepairConfig, SequencingRules, Stats};
use dynomite_ring::{NodeId, NodeIdx, Ring, Token};

use crate::{
    command::Key,
    history::History,
    plan::{MS, Micros, Plan},
    random::Dice,
    trace::Trace,
};
use changes::Changes;
use clients::Clients;
use events::EventQueue;
use network::Network;
use node::Node;

pub use disk::Disk;
pub(crate) use events::Event;
pub use states::KeyState;

/// Timeouts and limits of the nodes, those of the real ones.
pub(crate) const REQUEST_TIMEOUT: Micros = 2000 * MS;
const FAILOVER_MS: u64 = 200;
pub(crate) const CLOCK_AHEAD_MAX_MS: u64 = 60_000;

/// A running cluster.
pub struct World {
    plan: Plan,
    ring: Arc<Ring>,
    ids: Vec<NodeId>,
    changes: Changes,
    dice: Dice,
    now: Micros,
    events: EventQueue,
    nodes: Vec<Node>,
    network: Network,
    clients: Clients,
    history: History,
    out: Out,
    trace: Trace,
    /// Messages that could not be read. There must be none.
    undecoded: Vec<String>,
}

impl World {
    /// The cluster of a plan, all of it up and linked.
    pub fn new(plan: Plan, trace: Trace) -> Self {
        let topology = plan.topology;
        let ring = topology.ring().expect("scenarios have rings");
        let ids = topology.ids();
        let mut world = Self {
            dice: plan.dice(),
            now: 0,
            events: EventQueue::default(),
            nodes: (0..topology.len()).map(|node| Node::new(&plan, node, &ring)).collect(),
            changes: Changes::new(&ring, topology.first_tokens()),
            network: Network::new(&plan),
            clients: Clients::new(&plan),
            history: History::default(),
            out: Out::default(),
            trace,
            undecoded: Vec::new(),
            ids,
            ring,
            plan,
        };
        world.begin();
        world
    }

    /// Starts the nodes and plans all that the plan says.
    fn begin(&mut self) {
        for node in 0..self.nodes.len() {
            if self.plan.topology.is_first(node) {
                self.start_node(node);
            }
        }
        self.link_all();
        self.expect_changes();
        for index in 0..self.plan.commands.len() {
            self.events.push(self.plan.commands[index].at, Event::Send { command: index });
        }
        for index in 0..self.plan.faults.len() {
            self.events.push(self.plan.faults[index].at, Event::FaultBegins { fault: index });
        }
    }

    /// Lets everything happen until `until`. Whether anything is left to happen.
    pub fn run_until(&mut self, until: Micros) -> bool {
        while let Some((at, event)) = self.events.pop_before(until) {
            self.now = at;
            self.trace.event(at, &event);
            self.happen(event);
        }
        self.now = self.now.max(until);
        !self.events.is_empty()
    }

    /// The simulated time.
    pub fn now(&self) -> Micros {
        self.now
    }

    /// Whether no client waits for an answer.
    pub fn clients_are_idle(&self) -> bool {
        self.clients.are_idle()
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What clients did and were told until now.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// A digest over all events so far.
    pub fn digest(&self) -> u64 {
        self.trace.digest()
    }

    /// The lines of all events so far, if they were kept.
    pub fn trace_lines(&self) -> &[String] {
        self.trace.lines()
    }

    /// Messages that could not be read.
    pub fn undecoded(&self) -> &[String] {
        &self.undecoded
    }

    /// What all engines of a node count; `None` while it is down.
    pub fn stats(&self, node: usize) -> Option<Stats> {
        self.nodes[node].stats()
    }

    /// Notes which nodes have nothing in flight now. Whether all were seen so at one time or another since the first call.
    pub(crate) fn all_have_rested(&mut self) -> bool {
        let mut all = true;
        for node in &mut self.nodes {
            all &= node.note_rest();
        }
        all
    }

    /// Whether a node had nothing in flight when [`World::all_have_rested`] looked.
    pub(crate) fn has_rested(&self, node: usize) -> bool {
        self.nodes[node].has_rested
    }

    /// The most operations that were ever on one of a node's lanes.
    pub fn lane_peak(&self, node: usize) -> usize {
        self.nodes[node].lane_peak()
    }

    /// How often a node's workers were woken because they had asked for it.
    pub(crate) fn wake_count(&self, node: usize) -> u64 {
        self.nodes[node].wake_count
    }

    /// When a node did not run, from and to.
    pub fn absences(&self, node: usize) -> &[(Micros, Micros)] {
        &self.nodes[node].absences
    }

    /// The nodes that hold a key, in the order of racks.
    pub fn replicas(&self, key: Key) -> Vec<usize> {
        let token = self.ring.token(key.to_string().as_bytes());
        self.ring.replicas(token).all().iter().map(|index| self.number(*index)).collect()
    }

    fn number(&self, index: NodeIdx) -> usize {
        let id = self.ring.node(index).id;
        self.ids.iter().position(|known| *known == id).expect("the ring has these nodes alone")
    }

    fn now_of(&self, node: usize) -> Now {
        self.nodes[node].now(self.now)
    }

    /// The worker that owns a token's slice, on every node.
    fn worker_of(&self, token: Token) -> usize {
        let bucket = token.0.wrapping_mul(BUCKET_FACTOR) >> BUCKET_SHIFT;
        (bucket as usize * self.plan.topology.worker_count) >> (u32::BITS - BUCKET_SHIFT)
    }

    pub(in crate::world) fn engine_config(&self, node: usize, worker: usize) -> EngineConfig {
        EngineConfig {
            node: self.ids[node],
            worker,
            workers: self.plan.topology.worker_count,
            keeps_log: true,
            marker_key: Some(marker_key(worker)),
            reserved_prefix: Some(bytes::Bytes::from_static(MARKER_PREFIX.as_bytes())),
            sequencing: SequencingRules::default(),
            hints_bytes_max: HINTS_BYTES_MAX,
            hint_window_ms: HINT_WINDOW_MS,
            handoff_max: HANDOFF_MAX,
            repair: RepairConfig {
                compare_interval_ms: COMPARE_INTERVAL_MS,
                seed: self.plan.seed ^ node as u64,
                rebuild_wait_ms: REBUILD_WAIT_MS,
                ..RepairConfig::default()
            },
            request_timeout_ms: REQUEST_TIMEOUT / MS,
            failover_ms: FAILOVER_MS,
            operations_max: self.plan.surroundings.operations_max,
            lane_window_max: self.plan.surroundings.lane_window_max,
            clock_ahead_max_ms: CLOCK_AHEAD_MAX_MS,
            large_bytes_min: self.plan.surroundings.piece_sizes.large_bytes_min,
        }
    }

    fn happen(&mut self, event: Event) {
        if let Some(node) = event.process().filter(|node| self.nodes[*node].is_frozen()) {
            self.nodes[node].defer(event);
            return;
        }
        match event {
            Event::Send { command } => self.send_command(command),
            Event::Command { entry, node, incarnation } => self.take_command(entry, node, incarnation),
            Event::Reply { entry, reply } => self.take_reply(entry, &reply),
            Event::ClientLost { entry, why } => self.lose_client(entry, why),
            Event::Request { link, generation, number, bytes } => {
                self.take_request(link, generation, number, bytes);
            }
            Event::Response { link, generation, number, bytes } => {
                self.take_response(link, generation, number, bytes);
            }
            Event::LinkDown { link, generation } => self.link_down(link, generation),
            Event::Redial { link, attempt, incarnation } => self.redial(link, attempt, incarnation),
            Event::Silence { from, to, epoch } => self.silence(from, to, epoch),
            Event::FrozenSilence { node, epoch } => self.frozen_silence(node, epoch),
            Event::Timer { node, worker, incarnation } => self.timer(node, worker, incarnation),
            Event::LaneRuns { node, worker, generation } => self.lane_runs(node, worker, generation),
            Event::LaneAnswers { node, worker, generation, output } => {
                self.lane_answers(node, worker, generation, output);
            }
            Event::LaneDown { node, worker, incarnation } => self.lane_down(node, worker, incarnation),
            Event::LaneOpens { node, worker, incarnation } => self.lane_opens(node, worker, incarnation),
            Event::Restart { node } => self.restart(node),
            Event::FaultBegins { fault } => self.fault_begins(fault),
            Event::FaultEnds { fault } => self.fault_ends(fault),
            Event::RingStep => self.ring_step(),
            Event::RingComes { node, epoch } => self.ring_comes(node, epoch),
            Event::Leaves { node } => self.leaves(node),
        }
    }

    /// Does what an engine wants done after `event` was fed to it. Nothing happens when the worker does not run.
    fn feed(&mut self, node: usize, worker: usize, event: impl FnOnce(&mut Engine, Now, &mut Out)) {
        let now = self.now_of(node);
        let mut out = std::mem::take(&mut self.out);
        if let Some(engine) = self.nodes[node].engine(worker) {
            event(engine, now, &mut out);
            self.carry_out(node, worker, &mut out);
            self.arm_timer(node, worker);
        }
        self.out = out;
    }

    fn carry_out(&mut self, node: usize, worker: usize, out: &mut Out) {
        let mut failed = Vec::new();
        loop {
            self.nodes[node].seal(worker, self.now);
            for operation in out.lane.drain(..) {
                self.submit(node, worker, operation);
            }
            for (ticket, reply) in out.replies.drain(..) {
                self.answer_client(node, ticket.0 as usize, reply);
            }
            for (origin, response) in out.responses.drain(..) {
                self.send_response(node, origin, &response);
            }
            for (to, request) in out.requests.drain(..) {
                let id = request.id;
                if let Err(failure) = self.send_request(node, worker, to, &request) {
                    failed.push((id, failure));
                }
            }
            let Some((id, failure)) = failed.pop() else { return };
            let now = self.now_of(node);
            if let Some(engine) = self.nodes[node].engine(worker) {
                engine.handle_send_failed(now, id, failure, out);
            }
        }
    }

    fn timer(&mut self, node: usize, worker: usize, incarnation: u32) {
        if self.nodes[node].disarm(worker, incarnation, self.now) {
            self.feed(node, worker, Engine::handle_timeout);
        }
    }

    fn arm_timer(&mut self, node: usize, worker: usize) {
        if let Some(at) = self.nodes[node].arm(worker, self.now) {
            let incarnation = self.nodes[node].incarnation;
            self.events.push(at, Event::Timer { node, worker, incarnation });
        }
    }
}

/// Keys fall into 4096 buckets by their tokens; a worker has a contiguous range of buckets.
const BUCKET_FACTOR: u32 = 0x9E37_79B1;
const BUCKET_SHIFT: u32 = 20;

/// Memory for the hints of one target, in bytes.
const HINTS_BYTES_MAX: usize = 1 << 20;
/// How long hints are kept.
const HINT_WINDOW_MS: u64 = 60_000;
/// From one comparison of all copies to the next.
const COMPARE_INTERVAL_MS: u64 = 10_000;
/// How long lost copies wait for racks that do not answer.
const REBUILD_WAIT_MS: u64 = 20_000;
/// Hints that are replayed at the same time.
const HANDOFF_MAX: usize = 16;

/// The key by which an engine marks how far its datastore has come.
fn marker_key(worker: usize) -> bytes::Bytes {
    format!("{MARKER_PREFIX}{worker}").into()
}

/// What the names of all of them begin with.
const MARKER_PREFIX: &str = "marker:";

//! A cluster of one-worker engines over memory stores, without links, clocks or waiting.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use dynomite_backend::{MemoryConfig, MemoryStore, SyncStore};
use dynomite_codec::Request;
use dynomite_replication::{
    ClientCommand, Engine, EngineConfig, Level, Now, Origin, Out, RepairConfig, SequencingRules, StoreSeen,
    Ticket,
};
use dynomite_ring::{HashKind, KeyHasher, Node, NodeId, Ring, Token};

use crate::arrival::{arrive, recognised};

const TIMEOUT_MS: u64 = 1000;
const FAILOVER_MS: u64 = 100;
/// Any day will do.
const WALL_MS: u64 = 1_700_000_000_000;
/// More than any batch has in flight.
const IN_FLIGHT_MAX: usize = 1 << 16;
/// Replies are cut from buffers of this size, as a memory store's lane does.
const REPLY_BUFFER_BYTES: usize = 16 << 10;
/// What is left of a buffer that is too small for another reply.
const REPLY_BUFFER_LEFT_MIN: usize = 64;

/// The nodes of one datacenter, one in each rack. Clients talk to the first.
pub(crate) struct Cluster {
    ring: Arc<Ring>,
    members: Vec<Member>,
    now: Now,
    replies: Replies,
}

/// What clients were told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Replies {
    pub(crate) good: usize,
    pub(crate) errors: usize,
}

struct Member {
    id: NodeId,
    engine: Engine,
    store: MemoryStore,
    /// What its engine wants done, and what is being done of it.
    out: Out,
    work: Out,
    buffer: BytesMut,
}

impl Cluster {
    pub(crate) fn new(racks: usize) -> Self {
        let name = |rack: usize| format!("node{rack}");
        let nodes = (0..racks)
            .map(|rack| Node::new(name(rack), "dc", format!("rack{rack}"), vec![Token(0)]))
            .collect();
        let hasher = KeyHasher::new(HashKind::RedisSlot, None);
        let ring = Arc::new(Ring::build(hasher, 1, nodes).expect("the nodes make a ring"));
        let mut members: Vec<Member> = (0..racks).map(|rack| Member::new(&name(rack), &ring)).collect();
        for other in ring.nodes() {
            for member in members.iter_mut().filter(|member| member.id != other.id) {
                member.engine.handle_peer_up(other.id);
            }
        }
        Self { ring, members, now: Now { ms: 0, wall_us: WALL_MS * 1000 }, replies: Replies::default() }
    }

    /// A client's command.
    pub(crate) fn command(&self, args: &[&[u8]], level: Level) -> ClientCommand {
        let command = recognised(Request::from_args(args));
        let token = self.ring.token(command.key());
        ClientCommand { ticket: Ticket(0), command, token, level, deadline_ms: 0 }
    }

    /// Lets a millisecond pass, and puts `commands`, as they come from a client and with new deadlines, into `batch`.
    pub(crate) fn renew(&mut self, commands: &[ClientCommand], batch: &mut Vec<ClientCommand>) {
        self.now.ms += 1;
        self.now.wall_us += 1000;
        let deadline_ms = self.now.ms + TIMEOUT_MS;
        batch.clear();
        let requests = arrive(commands.iter().map(|command| command.command.request()));
        batch.extend(commands.iter().zip(requests).map(|(command, request)| ClientCommand {
            command: recognised(request),
            deadline_ms,
            ..*command
        }));
    }

    /// Gives a client's command to the first node, and lets nothing else happen yet.
    pub(crate) fn submit(&mut self, command: ClientCommand) {
        let first = &mut self.members[0];
        first.engine.handle_command(self.now, command, &mut first.out);
    }

    /// How many things the first node now wants done, replies included.
    pub(crate) fn wanted(&self) -> usize {
        let out = &self.members[0].out;
        out.replies.len() + out.requests.len() + out.responses.len() + out.lane.len()
    }

    /// Delivers messages and runs lanes until nothing moves.
    pub(crate) fn settle(&mut self) {
        while let Some(at) = self.members.iter().position(|member| !member.out.is_empty()) {
            self.work(at);
        }
    }

    /// What clients were told since the last time.
    pub(crate) fn take_replies(&mut self) -> Replies {
        std::mem::take(&mut self.replies)
    }

    /// Does all that one node wants done.
    fn work(&mut self, at: usize) {
        let now = self.now;
        let Member { out, work, .. } = &mut self.members[at];
        std::mem::swap(out, work);
        let mut work = std::mem::take(work);
        for (_, reply) in work.replies.drain(..) {
            self.replies.note(&reply);
        }
        let member = &mut self.members[at];
        for operation in work.lane.drain(..) {
            if member.buffer.capacity() < REPLY_BUFFER_LEFT_MIN {
                member.buffer.reserve(REPLY_BUFFER_BYTES);
            }
            let output = member.store.run(now.wall_ms(), &operation, &mut member.buffer);
            member.engine.handle_output(now, output, &mut member.out);
        }
        for (to, request) in work.requests.drain(..) {
            let receiver = self.members.iter_mut().find(|member| member.id == to);
            let receiver = receiver.expect("engines write to nodes of the ring");
            receiver.engine.handle_request(now, Origin(at as u64), request, &mut receiver.out);
        }
        for (origin, response) in work.responses.drain(..) {
            let receiver = &mut self.members[origin.0 as usize];
            receiver.engine.handle_response(now, response, &mut receiver.out);
        }
        self.members[at].work = work;
    }
}

impl Replies {
    fn note(&mut self, reply: &Bytes) {
        if reply.starts_with(b"-") {
            self.errors += 1;
        } else {
            self.good += 1;
        }
    }
}

impl Member {
    fn new(name: &str, ring: &Arc<Ring>) -> Self {
        let id = NodeId::from_name(name);
        Self {
            id,
            engine: engine(id, ring),
            store: MemoryStore::new(1, MemoryConfig::default()),
            out: Out::default(),
            work: Out::default(),
            buffer: BytesMut::new(),
        }
    }
}

/// An engine of node `id` whose lane is up.
pub(crate) fn engine(id: NodeId, ring: &Arc<Ring>) -> Engine {
    let config = EngineConfig {
        node: id,
        worker: 0,
        workers: 1,
        request_timeout_ms: TIMEOUT_MS,
        failover_ms: FAILOVER_MS,
        operations_max: IN_FLIGHT_MAX,
        lane_window_max: IN_FLIGHT_MAX,
        clock_ahead_max_ms: TIMEOUT_MS,
        keeps_log: false,
        marker_key: None,
        reserved_prefix: None,
        sequencing: SequencingRules::default(),
        hints_bytes_max: 1 << 20,
        hint_window_ms: TIMEOUT_MS,
        handoff_max: 1,
        large_bytes_min: 1 << 20,
        repair: RepairConfig { compare_interval_ms: 0, ..RepairConfig::default() },
    };
    let mut engine = Engine::new(config, Arc::clone(ring)).expect("the ring has the node");
    let (now, seen) = (Now { ms: 1, wall_us: 1_000 }, StoreSeen { run_id: "1", marker: None });
    engine.handle_lane_up(now, seen, &mut Out::default());
    engine
}

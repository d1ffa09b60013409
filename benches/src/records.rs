//! The table of records, as a replica's work on requests of another node shows it: with 100,000 keys in no order, so that
//! the processor's caches hold the smaller part.
//!
//! A look-up is a question for the record alone, which is answered at once; a write also passes through the lane.

use std::sync::Arc;

use bytes::Bytes;
use dynomite_codec::{Output, Request, encode};
use dynomite_replication::{
    Engine, KeyRequest, Now, Origin, Out, ReplicaRequest, RequestBody, Stamper, Version,
};
use dynomite_ring::{HashKind, KeyHasher, Node, NodeId, Ring, Token};

use crate::arrival::{arrive, recognised};
use crate::case::{Case, Scenario, scenario};
use crate::cluster::engine;
use crate::numbers::Numbers;

const KEYS: usize = 100_000;
/// Requests of a batch on a table that stays as large as it is.
const BATCH: usize = 1024;
/// Requests that one turn of a worker brings; then the lane has its turn.
const TURN: usize = 128;
const VALUE: &[u8] = &[b'v'; 64];
/// Milliseconds since the Unix epoch; any day will do.
const WALL_MS: u64 = 1_700_000_000_000;
/// A version holds milliseconds above so many bits.
const CLOCK_FRACTION_BITS: u32 = 16;

/// The records of many keys.
pub const CASES: &[Case] = &[
    Case { name: "records/look_up/absent", elements: BATCH, prepare: || look_ups("other") },
    Case { name: "records/look_up/present", elements: BATCH, prepare: || look_ups("user") },
    Case { name: "records/overwrite/known", elements: BATCH, prepare: overwrites },
    Case { name: "records/overwrite/new", elements: KEYS, prepare: insertions },
];

/// A replica, and the requests of a batch.
struct Replica {
    ring: Arc<Ring>,
    engine: Engine,
    out: Out,
    clock: u64,
    batch: Vec<ReplicaRequest>,
}

const NOW: Now = Now { ms: 0, wall_us: WALL_MS * 1000 };

impl Replica {
    fn new() -> Self {
        let nodes = ["here", "there"].map(|name| Node::new(name, "dc", name, vec![Token(0)]));
        let hasher = KeyHasher::new(HashKind::RedisSlot, None);
        let ring = Arc::new(Ring::build(hasher, 1, nodes.to_vec()).expect("the nodes make a ring"));
        let engine = engine(NodeId::from_name("here"), &ring);
        Self { ring, engine, out: Out::default(), clock: WALL_MS << CLOCK_FRACTION_BITS, batch: Vec::new() }
    }

    /// A replica that has written every key.
    fn filled(commands: &[Request]) -> Self {
        let mut replica = Self::new();
        replica.overwrite(commands);
        replica.run();
        assert_eq!(replica.engine.stats().records, KEYS as u64, "every key has a record");
        replica
    }

    /// Forgets everything.
    fn clear(&mut self) {
        self.engine = engine(NodeId::from_name("here"), &self.ring);
    }

    /// Takes overwrites with new versions for the next batch.
    fn overwrite(&mut self, commands: &[Request]) {
        let node = NodeId::from_name("there");
        self.ask(commands, |clock, command| RequestBody::Overwrite {
            version: Version { clock, node },
            command,
            stamper: Stamper::Local,
        });
    }

    fn ask(&mut self, commands: &[Request], body: impl Fn(u64, KeyRequest) -> RequestBody) {
        self.batch.clear();
        let seats = self.engine.seats(Token(0));
        for request in arrive(commands.iter()) {
            self.clock += 1;
            let body = body(self.clock, recognised(request));
            let (id, clock) = (self.clock, self.clock);
            self.batch.push(ReplicaRequest { id, token: Token(0), clock, seats, body });
        }
    }

    /// Serves the batch, with a turn of the lane now and then.
    fn run(&mut self) {
        let Self { engine, out, batch, .. } = self;
        let mut requests = batch.drain(..);
        let mut unanswered = requests.len();
        while requests.len() > 0 {
            for request in requests.by_ref().take(TURN) {
                engine.handle_request(NOW, Origin(0), request, out);
            }
            let operation_count = out.lane.len();
            out.lane.clear();
            for _ in 0..operation_count {
                engine.handle_output(NOW, Output::Reply(Bytes::from_static(encode::OK)), out);
            }
            unanswered -= out.responses.len();
            out.responses.clear();
        }
        assert_eq!(unanswered, 0, "every request has an answer");
    }
}

/// `SET` of every key, in no order. Keys of another prefix are others.
fn commands(prefix: &str) -> Vec<Request> {
    let command = |number: usize| {
        let key = format!("{prefix}:{}", 1_000_000 + number);
        Request::from_args([b"SET", key.as_bytes(), VALUE])
    };
    let mut commands: Vec<Request> = (0..KEYS).map(command).collect();
    Numbers::new(3).shuffle(&mut commands);
    commands
}

/// The next [`BATCH`] of `commands`, going round.
fn next_batch<'a>(commands: &'a [Request], next: &mut usize) -> &'a [Request] {
    if *next + BATCH > commands.len() {
        *next = 0;
    }
    let batch = &commands[*next..*next + BATCH];
    *next += BATCH;
    batch
}

fn look_ups(prefix: &str) -> Box<dyn Scenario> {
    let commands = commands(prefix);
    let replica = Replica::filled(&self::commands("user"));
    let mut next = 0;
    let make_ready = move |replica: &mut Replica| {
        let body = |_, command| RequestBody::Read { command, value: false };
        replica.ask(next_batch(&commands, &mut next), body);
    };
    scenario(replica, make_ready, Replica::run)
}

fn overwrites() -> Box<dyn Scenario> {
    let commands = commands("user");
    let mut next = 0;
    let replica = Replica::filled(&commands);
    let make_ready = move |replica: &mut Replica| replica.overwrite(next_batch(&commands, &mut next));
    scenario(replica, make_ready, Replica::run)
}

/// All keys into an empty table: its growth is part of the cost.
fn insertions() -> Box<dyn Scenario> {
    let commands = commands("user");
    let make_ready = move |replica: &mut Replica| {
        replica.clear();
        replica.overwrite(&commands);
    };
    scenario(Replica::new(), make_ready, |replica| {
        replica.run();
        assert_eq!(replica.engine.stats().records, KEYS as u64, "every key has a record");
    })
}

//! Whole commands: from the client's command at one node, over all replicas and their memory stores, to its reply and the
//! last of the answers. A third of the keys have their primary at the client's node.

use dynomite_replication::{ClientCommand, Level};

use crate::case::{Case, Scenario, scenario};
use crate::cluster::{Cluster, Replies};

/// Commands that are in flight together, as a busy pipeline's are.
pub(crate) const PIPELINE: usize = 128;
/// Keys, used one after another; a multiple of [`PIPELINE`].
const KEYS: usize = 1024;
const VALUE: &[u8] = &[b'v'; 64];
/// What counters begin with: all have as many digits, for as long as anybody measures.
const COUNTER: &[u8] = b"1000000000";

/// What clients ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Get,
    Set,
    Incr,
}

/// Commands from their beginning to their end.
pub const CASES: &[Case] = &[
    Case { name: "operation/one_node/get", elements: PIPELINE, prepare: || one_node(Asked::Get) },
    Case { name: "operation/one_node/set_64", elements: PIPELINE, prepare: || one_node(Asked::Set) },
    Case { name: "operation/one_node/incr", elements: PIPELINE, prepare: || one_node(Asked::Incr) },
    Case { name: "operation/dc_one/get", elements: PIPELINE, prepare: || dc_one(Asked::Get) },
    Case { name: "operation/dc_one/set_64", elements: PIPELINE, prepare: || dc_one(Asked::Set) },
    Case { name: "operation/dc_one/incr", elements: PIPELINE, prepare: || dc_one(Asked::Incr) },
    Case { name: "operation/dc_quorum/get", elements: PIPELINE, prepare: || dc_quorum(Asked::Get) },
    Case { name: "operation/dc_quorum/set_64", elements: PIPELINE, prepare: || dc_quorum(Asked::Set) },
    Case { name: "operation/dc_quorum/incr", elements: PIPELINE, prepare: || dc_quorum(Asked::Incr) },
    Case { name: "operation/dc_safe_quorum/get", elements: PIPELINE, prepare: || dc_safe(Asked::Get) },
    Case { name: "operation/dc_safe_quorum/set_64", elements: PIPELINE, prepare: || dc_safe(Asked::Set) },
    Case { name: "operation/dc_safe_quorum/incr", elements: PIPELINE, prepare: || dc_safe(Asked::Incr) },
];

fn one_node(asked: Asked) -> Box<dyn Scenario> {
    whole(1, asked, Level::DcOne)
}

fn dc_one(asked: Asked) -> Box<dyn Scenario> {
    whole(3, asked, Level::DcOne)
}

fn dc_quorum(asked: Asked) -> Box<dyn Scenario> {
    whole(3, asked, Level::DcQuorum)
}

fn dc_safe(asked: Asked) -> Box<dyn Scenario> {
    whole(3, asked, Level::DcSafeQuorum)
}

fn whole(racks: usize, asked: Asked, level: Level) -> Box<dyn Scenario> {
    scenario(Clients::new(racks, asked, level), Clients::make_ready, |clients| {
        clients.submit();
        clients.settle();
    })
}

/// A cluster whose keys all have a value, and the commands of a batch.
pub(crate) struct Clients {
    pub(crate) cluster: Cluster,
    commands: Vec<ClientCommand>,
    next: usize,
    batch: Vec<ClientCommand>,
}

impl Clients {
    pub(crate) fn new(racks: usize, asked: Asked, level: Level) -> Self {
        let mut cluster = Cluster::new(racks);
        let keys: Vec<String> = (0..KEYS).map(|number| format!("user:{}", 1_000_000 + number)).collect();
        let first_value = if asked == Asked::Incr { COUNTER } else { VALUE };
        let fill = keys.iter().map(|key| cluster.command(&[b"SET", key.as_bytes(), first_value], level));
        let fill: Vec<ClientCommand> = fill.collect();
        let mut batch = Vec::new();
        cluster.renew(&fill, &mut batch);
        for command in batch.drain(..) {
            cluster.submit(command);
        }
        cluster.settle();
        assert_eq!(cluster.take_replies(), Replies { good: KEYS, errors: 0 }, "every key has a value");
        let commands = keys.iter().map(|key| match asked {
            Asked::Get => cluster.command(&[b"GET", key.as_bytes()], level),
            Asked::Set => cluster.command(&[b"SET", key.as_bytes(), VALUE], level),
            Asked::Incr => cluster.command(&[b"INCR", key.as_bytes()], level),
        });
        let commands = commands.collect();
        Self { cluster, commands, next: 0, batch }
    }

    /// Takes the next keys' commands.
    pub(crate) fn make_ready(&mut self) {
        self.cluster.renew(&self.commands[self.next..self.next + PIPELINE], &mut self.batch);
        self.next = (self.next + PIPELINE) % KEYS;
    }

    /// Gives a batch to the first node.
    pub(crate) fn submit(&mut self) {
        for command in self.batch.drain(..) {
            self.cluster.submit(command);
        }
    }

    /// Lets everything else happen, after which every command has had its reply.
    pub(crate) fn settle(&mut self) {
        self.cluster.settle();
        let replies = self.cluster.take_replies();
        assert_eq!(replies, Replies { good: PIPELINE, errors: 0 }, "every command succeeds");
    }
}

//! Configuration: what a node is told before it starts.
//!
//! [`Config`] is the validated form that a node runs on. It comes from a TOML file ([`Config::load`]), from text
//! ([`Config::parse`]) or is built in Rust: all fields are public and [`Config::default`] is a working single node
//! over the memory store. A value that would have no effect is refused, so what the file says is what the node does.

mod address;
mod build;
mod datastore;
mod discovery;
mod document;
mod error;
mod keys;
mod limits;
mod overrides;
mod print;
mod repair;
mod schema;
mod suggest;
mod timeouts;
mod topology;
mod units;
mod validate;

#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

pub use dynomite_ring::HashKind;

pub use address::HostPort;
pub use datastore::{Credentials, Datastore, Password, RedisAddress, Secret};
pub use discovery::{Discovery, HttpUrl, PEER_PORT, SeedSource};
pub use dynomite_replication::Level;
pub use error::{ConfigError, Origin, Problem};
pub use keys::{KEYS, Key};
pub use limits::Limits;
pub use overrides::Overrides;
pub use repair::Repair;
pub use timeouts::Timeouts;
pub use topology::Member;
pub use units::ByteSize;

use document::Document;

/// The port that clients are served on unless the configuration says otherwise.
pub const CLIENT_PORT: u16 = 8102;
/// The most workers a node can have.
pub const WORKERS_MAX: u16 = 256;

const NOTE_ONE_COPY: &str = "data_dir is not set: records are kept in memory only; with one copy of each key in the \
                             whole cluster nothing depends on them";
const NOTE_SEVERAL_COPIES: &str = "data_dir is not set: records and hints are kept in memory only; after a restart \
                                   this node cannot tell how new its copies are, and they count as outdated until \
                                   they are written again or brought up to date by the other racks";

/// Everything a node needs to know to start. `docs/configuration.md` describes every key.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Name of the cluster; nodes of another cluster are refused at the handshake.
    pub cluster: String,
    /// Name of this node, unique in the cluster.
    pub name: String,
    /// Datacenter of this node.
    pub datacenter: String,
    /// Rack of this node. Each rack holds one full copy of the data.
    pub rack: String,
    /// Where clients are served.
    pub listen: SocketAddr,
    /// Where clients are told to find this node; `None`: see [`Config::advertised_client_address`].
    pub client_address: Option<HostPort>,
    /// Where peers are served; set exactly when there are seeds or sources of them.
    pub peer_listen: Option<SocketAddr>,
    /// Where peers are told to find this node; `None`: see [`Config::advertised_peer_address`].
    pub peer_address: Option<HostPort>,
    /// How many workers (threads) serve.
    pub workers: Workers,
    /// Where the node keeps what it must still know after a restart; `None`: in memory only, see
    /// [`Config::memory_only_note`].
    pub data_dir: Option<PathBuf>,
    /// How keys become tokens. The same on every node of the cluster.
    pub hash: HashKind,
    /// The two characters that enclose the part of a key that is hashed; only with a legacy hash.
    pub hash_tag: Option<(u8, u8)>,
    /// Tokens per node where they are allocated, not given. The same on every node of the cluster.
    pub vnodes: u16,
    /// Whether a node that is new to its cluster is taken in without an operator's order.
    pub auto_join: bool,
    /// The node, which is down for good, whose place it takes.
    pub replaces: Option<String>,
    /// This node's tokens; `None` means allocated.
    pub tokens: Option<Vec<u32>>,
    /// The datastore that this node stands in front of.
    pub datastore: Datastore,
    /// The nodes of the cluster. This node may be among them, recognised by its name.
    pub seeds: Vec<Seed>,
    /// How further nodes are found.
    pub discovery: Discovery,
    /// How many replicas must answer.
    pub consistency: Consistency,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How large things may become.
    pub limits: Limits,
    /// What is sent to other datacenters.
    pub cross_dc: CrossDc,
    /// How copies are compared and rebuilt.
    pub repair: Repair,
    /// Logging; for the program that hosts the node, which itself never sets up a subscriber.
    pub log: Log,
}

/// One node of the cluster, as the configuration lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// The node's name.
    pub name: String,
    /// Where its peers reach it.
    pub peer_address: HostPort,
    /// Where clients are told to find it; `None` means the host of `peer_address` and this node's own client port.
    pub client_address: Option<HostPort>,
    /// Its datacenter.
    pub datacenter: String,
    /// Its rack.
    pub rack: String,
    /// Its tokens; `None` means allocated. All nodes of a rack have them, or none has.
    pub tokens: Option<Vec<u32>>,
}

/// How many workers a node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// One for every two cores that the process may use: the datastore needs its share.
    Auto,
    /// This many.
    Count(u16),
}

impl Workers {
    /// The number of workers on this machine, 1 to [`WORKERS_MAX`].
    pub fn count(self) -> usize {
        let count = match self {
            Self::Auto => std::thread::available_parallelism().map_or(1, |cores| cores.get() / 2),
            Self::Count(count) => usize::from(count),
        };
        count.clamp(1, usize::from(WORKERS_MAX))
    }
}

/// Consistency levels of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consistency {
    /// Level of reads.
    pub read: Level,
    /// Level of writes.
    pub write: Level,
    /// Exceptions for keys that begin with a prefix; the longest matching prefix decides.
    pub prefixes: Vec<PrefixLevels>,
}

/// Levels for the keys that begin with one prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixLevels {
    /// What the keys begin with.
    pub prefix: String,
    /// Level of reads; `None` means the node's.
    pub read: Option<Level>,
    /// Level of writes; `None` means the node's.
    pub write: Option<Level>,
    /// The datacenter that alone sequences them; `None` means each for itself.
    pub home: Option<String>,
    /// How their sequenced writes are ordered; `None` means by claims.
    pub sequencing: Option<SequencingMode>,
}

impl PrefixLevels {
    /// No exception at all for keys that begin with `prefix`.
    pub fn of(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), read: None, write: None, home: None, sequencing: None }
    }
}

/// How a replica gets the right to order the sequenced writes on a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SequencingMode {
    /// It is the key's primary, or claims the key with a majority of the racks.
    Claimed,
    /// It takes it. Writes go on with fewer than a majority; of two racks that do so at once, one loses its writes.
    Available,
}

/// How other datacenters are talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CrossDc {
    /// How what is sent there is made smaller.
    pub compression: Compression,
}

/// A way to make what is sent smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// As it is.
    #[default]
    None,
    /// LZ4: fast, and text becomes about half as large.
    Lz4,
}

/// What a program that hosts a node shall log, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A level or a list of `target=level` directives, as `tracing_subscriber::EnvFilter` takes them.
    pub filter: String,
    /// The form of a line.
    pub format: LogFormat,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// A single node over the memory store, clients at `127.0.0.1:8102`: the same as [`Config::default`].
    pub fn single_node() -> Self {
        Self::default()
    }

    /// Reads and validates a file.
    ///
    /// # Errors
    /// When the file cannot be read, or with every problem that was found in it and its position.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::load_with(Some(path), &Overrides::default())
    }

    /// Reads a file, if there is one, puts `overrides` over it and validates the result.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_with(path: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let Some(path) = path else {
            return Self::parse_with("", "defaults", overrides);
        };
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse_with(&text, &name, overrides),
            Err(error) => Err(ConfigError::unreadable(&name, &error)),
        }
    }

    /// Validates a configuration in TOML; `name` is the file name that errors speak of.
    ///
    /// # Errors
    /// With every problem that was found and its position.
    pub fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        Self::parse_with(text, name, &Overrides::default())
    }

    /// Validates a configuration in TOML with `overrides` put over it.
    ///
    /// # Errors
    /// As [`Config::parse`].
    pub fn parse_with(text: &str, name: &str, overrides: &Overrides) -> Result<Self, ConfigError> {
        let document = Document::parse(text, name, overrides)?;
        let raw = document.read()?;
        let mut problems = Vec::new();
        let config = build::build(raw, &mut problems);
        // A value that was refused has its default here, so what follows from it would mislead.
        if problems.is_empty() {
            problems = config.check();
        }
        if problems.is_empty() { Ok(config) } else { Err(document.locate(problems)) }
    }

    /// Checks a configuration that was built in Rust. [`Config::parse`] and [`Config::load`] have done it already.
    ///
    /// # Errors
    /// With every problem that was found.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let problems = self.check();
        if problems.is_empty() { Ok(()) } else { Err(ConfigError::new(problems)) }
    }

    /// This node's entry among the seeds, if it is there.
    pub fn own_seed(&self) -> Option<&Seed> {
        self.seeds.iter().find(|seed| seed.name == self.name)
    }

    /// Whether this node is one of several: it lists others, or asks for their addresses.
    pub fn has_peers(&self) -> bool {
        !self.seeds.is_empty() || !self.discovery.sources.is_empty()
    }

    /// Whether this node learns of its cluster's ring from other nodes: it asks for them, and lists none.
    pub fn finds_its_cluster(&self) -> bool {
        self.seeds.is_empty() && !self.discovery.sources.is_empty()
    }

    /// What it means that there is no data directory, in one sentence for the operator; `None` when there is one.
    pub fn memory_only_note(&self) -> Option<&'static str> {
        if self.data_dir.is_some() {
            return None;
        }
        Some(if self.has_one_copy() { NOTE_ONE_COPY } else { NOTE_SEVERAL_COPIES })
    }

    /// Whether all nodes are known to be in one rack, so that there is one copy of each key.
    pub fn has_one_copy(&self) -> bool {
        if !self.discovery.sources.is_empty() {
            return false;
        }
        let members = self.members();
        let place = |member: &Member| (member.datacenter.clone(), member.rack.clone());
        members.iter().all(|member| place(member) == place(&members[0]))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cluster: "dynomite".to_owned(),
            name: "node1".to_owned(),
            datacenter: "dc1".to_owned(),
            rack: "rack1".to_owned(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, CLIENT_PORT)),
            client_address: None,
            peer_listen: None,
            peer_address: None,
            workers: Workers::Auto,
            data_dir: None,
            hash: HashKind::RedisSlot,
            hash_tag: None,
            vnodes: 16,
            auto_join: true,
            replaces: None,
            tokens: None,
            datastore: Datastore::default(),
            seeds: Vec::new(),
            discovery: Discovery::default(),
            consistency: Consistency::default(),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            cross_dc: CrossDc::default(),
            repair: Repair::default(),
            log: Log::default(),
        }
    }
}

impl Default for Consistency {
    fn default() -> Self {
        Self { read: Level::DcOne, write: Level::DcOne, prefixes: Vec::new() }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text }
    }
}

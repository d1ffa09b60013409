//! What all workers of a node share: settings that never change, and a few numbers that do.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use dynomite_codec::Class;
use dynomite_replication::Level;
use dynomite_ring::{KeyHasher, NodeId, Ring, Token};

use crate::config::Config;
use crate::counters::SharedCounters;
use crate::flows::Flows;
use crate::membership::Membership;
use crate::missed::Missed;
use crate::repairs::Repairs;
use crate::slice::slice_of;

/// See [`Shared::keys_together`].
const KEYS_TOGETHER_MAX: usize = 32;

/// Shared by the workers; nothing on the way of a command is locked.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) rings: Rings,
    pub(crate) node: NodeId,
    pub(crate) worker_count: usize,
    /// Whether each worker's lane has data of its own.
    pub(crate) has_parts: bool,
    pub(crate) client_address: SocketAddr,
    pub(crate) peer_address: Option<SocketAddr>,
    /// What the datastore calls itself, for `INFO`.
    pub(crate) datastore: String,
    pub(crate) levels: Levels,
    /// What may be sent to other datacenters.
    pub(crate) flows: Flows,
    /// What others have missed.
    pub(crate) missed: Missed,
    /// What operators want compared.
    pub(crate) repairs: Repairs,
    pub(crate) started_at: Instant,
    /// Client connections of all workers.
    pub(crate) client_count: AtomicUsize,
    /// The id that the next client connection gets.
    pub(crate) next_client_id: AtomicU64,
    /// Bytes in the buffers of all clients, with the replies that are expected.
    pub(crate) buffered_bytes: AtomicUsize,
    /// How many workers have a link to a node, and how fast it is.
    pub(crate) links_up: LinksUp,
    /// Who is in the cluster.
    pub(crate) membership: Membership,
    /// One for each worker.
    pub(crate) counters: Vec<SharedCounters>,
}

impl Shared {
    /// When a time of the engines' clock comes.
    pub(crate) fn instant_of(&self, ms: u64) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.started_at + Duration::from_millis(ms.saturating_sub(1)))
    }

    /// Whether there is more than one rack, and so more than one copy of a key.
    pub(crate) fn is_replicated(&self) -> bool {
        self.rings.rack_count.load(Ordering::Relaxed) > 1
    }

    /// The worker that must run what concerns `token` when worker `own` has it at hand. Without copies and parts every
    /// worker can: the datastore alone decides on the order, and nothing is handed over.
    pub(crate) fn worker_for(&self, token: Token, own: usize) -> usize {
        if self.is_replicated() || self.has_parts { slice_of(token, self.worker_count) } else { own }
    }

    /// How many keys of one command may go to the datastore together. Where one datastore has all keys, few enough that their
    /// values are no large reply; elsewhere each key has its own way.
    pub(crate) fn keys_together(&self) -> usize {
        let has_one_datastore =
            self.rings.node_count.load(Ordering::Relaxed) == 1 && (!self.has_parts || self.worker_count == 1);
        if has_one_datastore { KEYS_TOGETHER_MAX } else { 1 }
    }

    /// Whether every worker has a link to the node.
    pub(crate) fn is_linked(&self, node: NodeId) -> bool {
        self.links_up.of(node) == self.worker_count
    }

    /// The ring in force. Takes a lock: not for the way of a command.
    pub(crate) fn ring(&self) -> Arc<Ring> {
        self.rings.current()
    }

    /// The token of `key`, which is the same in every ring of the cluster.
    pub(crate) fn token(&self, key: &[u8]) -> Token {
        self.rings.hasher.token(key)
    }
}

/// The ring in force, and what the way of a command needs to know of it.
#[derive(Debug)]
pub(crate) struct Rings {
    hasher: KeyHasher,
    current: RwLock<Arc<Ring>>,
    node_count: AtomicUsize,
    rack_count: AtomicUsize,
}

impl Rings {
    pub(crate) fn new(ring: Arc<Ring>) -> Self {
        Self {
            hasher: ring.hasher(),
            node_count: ring.nodes().len().into(),
            rack_count: ring.rack_count().into(),
            current: RwLock::new(ring),
        }
    }

    /// Another ring is in force.
    pub(crate) fn set(&self, ring: Arc<Ring>) {
        self.node_count.store(ring.nodes().len(), Ordering::Relaxed);
        self.rack_count.store(ring.rack_count(), Ordering::Relaxed);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = ring;
    }

    fn current(&self) -> Arc<Ring> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// For each node, how many workers have a link to it, and how long a message there and back takes.
#[derive(Debug, Default)]
pub(crate) struct LinksUp {
    counts: Mutex<BTreeMap<NodeId, usize>>,
    latencies_us: Mutex<BTreeMap<NodeId, u64>>,
}

impl LinksUp {
    /// A worker has a link to the node, or has lost it.
    pub(crate) fn count(&self, node: NodeId, is_up: bool) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(node).or_default();
        *count = if is_up { *count + 1 } else { count.saturating_sub(1) };
    }

    /// How long a message to the node and back takes, in microseconds; 0 when that is not known any more.
    pub(crate) fn set_latency(&self, node: NodeId, latency_us: u64) {
        self.latencies_us.lock().unwrap_or_else(PoisonError::into_inner).insert(node, latency_us);
    }

    /// How long a message to the node and back takes, in microseconds, when it is known.
    pub(crate) fn latency_us(&self, node: NodeId) -> Option<u64> {
        let latencies = self.latencies_us.lock().unwrap_or_else(PoisonError::into_inner);
        latencies.get(&node).copied().filter(|latency_us| *latency_us > 0)
    }

    /// How many workers have a link to the node.
    pub(crate) fn of(&self, node: NodeId) -> usize {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&node).copied().unwrap_or(0)
    }
}

/// The consistency levels in force on the node. Readers may see a change a moment late.
#[derive(Debug)]
pub(crate) struct Levels {
    read: AtomicU8,
    write: AtomicU8,
    /// Longest prefix first.
    prefixes: Vec<(Vec<u8>, Option<Level>, Option<Level>)>,
}

impl Levels {
    pub(crate) fn new(config: &Config) -> Self {
        let consistency = &config.consistency;
        let mut prefixes: Vec<_> = consistency
            .prefixes
            .iter()
            .map(|entry| (entry.prefix.clone().into_bytes(), entry.read, entry.write))
            .collect();
        prefixes.sort_by_key(|(prefix, ..)| std::cmp::Reverse(prefix.len()));
        Self { read: code(consistency.read).into(), write: code(consistency.write).into(), prefixes }
    }

    /// The node's level of reads.
    pub(crate) fn read(&self) -> Level {
        level(self.read.load(Ordering::Relaxed))
    }

    /// The node's level of writes.
    pub(crate) fn write(&self) -> Level {
        level(self.write.load(Ordering::Relaxed))
    }

    pub(crate) fn set_read(&self, to: Level) {
        self.read.store(code(to), Ordering::Relaxed);
    }

    pub(crate) fn set_write(&self, to: Level) {
        self.write.store(code(to), Ordering::Relaxed);
    }

    /// The level for a command on `key`: that of the longest prefix which has one, or else the node's.
    pub(crate) fn of(&self, class: Class, key: &[u8]) -> Level {
        let is_read = class == Class::Read;
        let with_prefix = self.prefixes.iter().find_map(|(prefix, read, write)| {
            let level = if is_read { *read } else { *write };
            level.filter(|_| key.starts_with(prefix))
        });
        with_prefix.unwrap_or_else(|| if is_read { self.read() } else { self.write() })
    }
}

fn code(level: Level) -> u8 {
    level as u8
}

fn level(code: u8) -> Level {
    Level::ALL.get(usize::from(code)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PrefixLevels;

    #[test]
    fn the_longest_prefix_that_has_a_level_decides() {
        let mut config = Config::default();
        let prefix = |prefix: &str, read, write| PrefixLevels { read, write, ..PrefixLevels::of(prefix) };
        config.consistency.prefixes = vec![
            prefix("user:", Some(Level::DcQuorum), Some(Level::DcQuorum)),
            prefix("user:tmp:", None, Some(Level::DcOne)),
        ];
        let levels = Levels::new(&config);
        levels.set_write(Level::DcSafeQuorum);
        assert_eq!(levels.of(Class::Overwrite, b"user:tmp:1"), Level::DcOne);
        assert_eq!(levels.of(Class::Read, b"user:tmp:1"), Level::DcQuorum);
        assert_eq!(levels.of(Class::Effect, b"x"), Level::DcSafeQuorum);
        assert_eq!(levels.of(Class::Read, b"x"), Level::DcOne);
    }
}

//! What all workers of a node share: settings that never change, and a few numbers that do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dynomite_codec::Class;
use dynomite_replication::Level;
use dynomite_ring::{NodeId, NodeIdx, Ring, Token};

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
    pub(crate) ring: Arc<Ring>,
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
    /// For each node of the ring, how many workers have a link to it.
    pub(crate) links_up: Vec<AtomicUsize>,
    /// For each node of the ring, how long a message there and back takes, in microseconds; 0 while unknown.
    pub(crate) latencies_us: Vec<AtomicU64>,
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
        self.ring.rack_count() > 1
    }

    /// The worker that must run what concerns `token` when worker `own` has it at hand. Without copies and parts every
    /// worker can: the datastore alone decides on the order, and nothing is handed over.
    pub(crate) fn worker_for(&self, token: Token, own: usize) -> usize {
        if self.is_replicated() || self.has_parts { slice_of(token, self.worker_count) } else { own }
    }

    /// How many keys of one command may go to the datastore together. Where one datastore has all keys, few enough that their
    /// values are no large reply; elsewhere each key has its own way.
    pub(crate) fn keys_together(&self) -> usize {
        let has_one_datastore = self.ring.nodes().len() == 1 && (!self.has_parts || self.worker_count == 1);
        if has_one_datastore { KEYS_TOGETHER_MAX } else { 1 }
    }

    /// Whether every worker has a link to the node.
    pub(crate) fn is_linked(&self, node: NodeIdx) -> bool {
        let up = self.links_up.get(node.0 as usize);
        up.is_some_and(|up| up.load(Ordering::Relaxed) == self.worker_count)
    }

    /// How long a message to the node and back takes, in microseconds, when it is known.
    pub(crate) fn latency_us(&self, node: NodeIdx) -> Option<u64> {
        let latency_us = self.latencies_us.get(node.0 as usize)?.load(Ordering::Relaxed);
        (latency_us > 0).then_some(latency_us)
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

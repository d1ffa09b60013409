//! What a worker counts, and how the other workers get to see it.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use dynomite_replication::Stats;

macro_rules! counters {
    ($($name:ident: $doc:literal,)*) => {
        /// What one worker has counted: plain numbers, written by that worker alone.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub(crate) struct Counters {
            $(#[doc = $doc] pub(crate) $name: u64,)*
        }

        const COUNTER_COUNT: usize = [$(stringify!($name)),*].len();

        impl Counters {
            fn fields_mut(&mut self) -> [&mut u64; COUNTER_COUNT] {
                [$(&mut self.$name),*]
            }
        }
    };
}

counters! {
    connections_received: "Client connections accepted.",
    connections_rejected: "Client connections refused because there were too many.",
    connections_stalled: "Client connections closed because their replies were not taken.",
    commands: "Commands of clients, those included that the node answers itself.",
    protocol_errors: "Client connections closed because what they sent was no RESP.",
    input_bytes: "Bytes read from clients.",
    output_bytes: "Bytes written to clients.",
    peer_requests: "Requests taken from other nodes.",
    links_refused: "Peer connections refused at the handshake.",
    links_lost: "Links to other nodes that broke.",
    record_log_bytes: "Bytes of this worker's record log on the disk.",
    hint_log_bytes: "Bytes of its hint log.",
    lane_is_up: "Whether this worker's lane takes operations.",
    ring_epoch: "The epoch of this worker's ring.",
}

/// A worker's numbers as last published. Relaxed atomics: each is right on its own.
#[derive(Debug)]
pub(crate) struct SharedCounters {
    counters: [AtomicU64; COUNTER_COUNT],
    stats: Vec<AtomicU64>,
}

impl Default for SharedCounters {
    fn default() -> Self {
        Self {
            counters: std::array::from_fn(|_| AtomicU64::new(0)),
            stats: Stats::default().fields().iter().map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl SharedCounters {
    /// Makes a worker's numbers visible to the others.
    pub(crate) fn publish(&self, mut counters: Counters, stats: &Stats) {
        for (shared, (_, own)) in self.stats.iter().zip(stats.fields()) {
            shared.store(own, Ordering::Relaxed);
        }
        // See `ring_standing`.
        fence(Ordering::Release);
        for (shared, own) in self.counters.iter().zip(counters.fields_mut()) {
            shared.store(*own, Ordering::Relaxed);
        }
    }

    /// What the worker has counted, as last published.
    fn counters(&self) -> Counters {
        let mut counters = Counters::default();
        for (value, shared) in counters.fields_mut().into_iter().zip(&self.counters) {
            *value = shared.load(Ordering::Relaxed);
        }
        counters
    }
}

/// Whether the datastore takes operations of all workers.
pub(crate) fn is_datastore_up(workers: &[SharedCounters]) -> bool {
    workers.iter().all(|worker| worker.counters().lane_is_up == 1)
}

/// The ring that all workers have, by its epoch, and in how many buckets they have lost copies by it.
pub(crate) fn ring_standing(workers: &[SharedCounters]) -> (u64, u64) {
    let epoch = workers.iter().map(|worker| worker.counters().ring_epoch).min().unwrap_or(0);
    // What a worker has lost by a ring, it tells before that ring.
    fence(Ordering::Acquire);
    let (_, stats) = totals(workers);
    let lost = stats.iter().find(|(name, _)| *name == "buckets_lost").map_or(0, |(_, lost)| *lost);
    (epoch, lost)
}

/// The sums over all workers: the counters, and the engines' statistics by name.
pub(crate) fn totals(workers: &[SharedCounters]) -> (Counters, Vec<(&'static str, u64)>) {
    let mut counters = Counters::default();
    let mut stats = Stats::default().fields().to_vec();
    for worker in workers {
        for (sum, value) in counters.fields_mut().into_iter().zip(&worker.counters) {
            *sum += value.load(Ordering::Relaxed);
        }
        for ((_, sum), value) in stats.iter_mut().zip(&worker.stats) {
            *sum += value.load(Ordering::Relaxed);
        }
    }
    (counters, stats)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_the_sums_of_what_was_published_last() {
        let workers = [SharedCounters::default(), SharedCounters::default()];
        let counted = |commands| Counters { commands, lane_is_up: commands / 7, ..Counters::default() };
        workers[0].publish(counted(5), &Stats { timeouts: 1, ..Stats::default() });
        workers[1].publish(counted(7), &Stats { timeouts: 2, ..Stats::default() });
        workers[0].publish(counted(6), &Stats { timeouts: 3, ..Stats::default() });
        let (counters, stats) = totals(&workers);
        assert_eq!(counters.commands, 13);
        assert!(!is_datastore_up(&workers), "the first worker's lane is down");
        assert!(is_datastore_up(&workers[1..]));
        assert!(stats.contains(&("timeouts", 5)));
    }
}

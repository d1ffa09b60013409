//! Keeps the link to one node up: dials, and dials again.

use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use dynomite_ring::NodeIdx;

use crate::link::{Closed, Hello, dial};
use crate::shared::Shared;
use crate::worker::{SharedWorker, Worker};

const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// After this long the next attempt begins with the shortest wait again.
const STABLE: Duration = Duration::from_secs(5);

/// Links this worker to `node`, until the task is aborted.
pub(in crate::worker) async fn keep_linked(
    worker: SharedWorker,
    shared: Arc<Shared>,
    index: usize,
    node: NodeIdx,
) {
    let peer = shared.ring.node(node);
    let own = Hello::new(&shared.config, &shared.ring, index, shared.worker_count);
    let dial_now = worker.borrow().links.waker_of(node);
    let mut backoff = Backoff::new();
    let mut last_reason = String::new();
    loop {
        let connected =
            dial(&peer.peer_address, Some(&peer.name), &own, &shared.ring, shared.config.timeouts.connect)
                .await;
        match connected {
            Ok((stream, welcome)) => {
                last_reason.clear();
                tracing::info!(worker = index, peer = %peer.name, address = %peer.peer_address, "link is up");
                let up_at = tokio::time::Instant::now();
                let closed = serve(&worker, node, stream, &welcome).await;
                if closed == Closed::ByPeer {
                    tracing::info!(worker = index, peer = %peer.name, "link is down: {closed}");
                } else {
                    tracing::warn!(worker = index, peer = %peer.name, "link is down: {closed}");
                }
                if up_at.elapsed() > STABLE {
                    backoff.reset();
                }
            }
            Err(refusal) => {
                let reason = refusal.to_string();
                if reason != last_reason {
                    tracing::warn!(worker = index, peer = %peer.name, "no link: {reason}; it is tried again and again");
                    last_reason = reason;
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.next()) => {}
            () = dial_now.notified() => backoff.reset(),
        }
    }
}

async fn serve(
    worker: &SharedWorker,
    node: NodeIdx,
    stream: tokio::net::TcpStream,
    welcome: &Hello,
) -> Closed {
    {
        let Worker { core, links, .. } = &mut *worker.borrow_mut();
        links.set_up(node, stream, welcome, core);
    }
    let closed = poll_fn(|cx| {
        let Worker { core, links, .. } = &mut *worker.borrow_mut();
        links.poll_outgoing(node, core, cx)
    })
    .await;
    let Worker { core, links, .. } = &mut *worker.borrow_mut();
    core.counters.links_lost += 1;
    links.take_down(node, core);
    closed
}

/// Doubling waits, each shortened by up to half at random, so that nodes which lost each other together do not dial
/// together.
struct Backoff {
    wait: Duration,
    random: RandomState,
    draws: u64,
}

impl Backoff {
    fn new() -> Self {
        Self { wait: BACKOFF_MIN, random: RandomState::new(), draws: 0 }
    }

    fn reset(&mut self) {
        self.wait = BACKOFF_MIN;
    }

    fn next(&mut self) -> Duration {
        self.draws += 1;
        let share = self.random.hash_one(self.draws) % 1024;
        let wait = self.wait / 2 + self.wait / 2 * share as u32 / 1024;
        self.wait = (self.wait * 2).min(BACKOFF_MAX);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew() {
        let mut backoff = Backoff::new();
        let waits: Vec<Duration> = (0..12).map(|_| backoff.next()).collect();
        assert!(waits[0] <= BACKOFF_MIN && waits[0] >= BACKOFF_MIN / 2, "{waits:?}");
        assert!(waits[11] <= BACKOFF_MAX && waits[11] >= BACKOFF_MAX / 2, "{waits:?}");
        backoff.reset();
        assert!(backoff.next() <= BACKOFF_MIN);
    }
}

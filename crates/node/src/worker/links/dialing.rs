//! Keeps the link to one node up: dials, and dials again.

use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dynomite_ring::Node;

use crate::link::{Closed, Hello, dial};
use crate::shared::Shared;
use crate::worker::{SharedWorker, Worker};

const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// After this long the next attempt begins with the shortest wait again.
const STABLE: Duration = Duration::from_secs(5);

/// Begins to link this worker to all other nodes of its ring to which it is not linked yet, and ends its links to all others.
pub(in crate::worker) fn link_to_all(worker: &SharedWorker) {
    let (ring, shared, tasks) = {
        let core = &worker.borrow().core;
        (Arc::clone(core.engine.ring()), Arc::clone(&core.shared), core.tasks.clone())
    };
    for node in ring.nodes().iter().filter(|node| node.id != shared.node) {
        let number = worker.borrow_mut().links.number(node.id);
        if !worker.borrow().links.is_dialled(number, &node.peer_address) {
            let task = keep_linked(Rc::clone(worker), Arc::clone(&shared), node.clone(), number);
            let dialler = tasks.spawn(task).abort_handle();
            worker.borrow_mut().dial(number, &node.peer_address, dialler);
        }
    }
    worker.borrow_mut().unlink_from_others(&ring);
}

/// Links this worker to `peer`, which has this number here, until the task is aborted.
async fn keep_linked(worker: SharedWorker, shared: Arc<Shared>, peer: Node, number: u32) {
    let index = worker.borrow().core.index;
    let dial_now = worker.borrow().links.waker_of(number);
    let mut backoff = Backoff::new();
    let mut last_reason = String::new();
    loop {
        let ring = shared.ring();
        let own = Hello::new(&shared.config, &ring, index, shared.worker_count);
        let connected =
            dial(&peer.peer_address, Some(&peer.name), &own, &ring, shared.config.timeouts.connect).await;
        match connected {
            Ok((stream, welcome)) => {
                last_reason.clear();
                tracing::info!(worker = index, peer = %peer.name, address = %peer.peer_address, "link is up");
                let up_at = tokio::time::Instant::now();
                let closed = serve(&worker, number, stream, &welcome).await;
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

async fn serve(worker: &SharedWorker, peer: u32, stream: tokio::net::TcpStream, welcome: &Hello) -> Closed {
    {
        let Worker { core, links, .. } = &mut *worker.borrow_mut();
        links.set_up(peer, stream, welcome, core);
    }
    let closed = poll_fn(|cx| {
        let Worker { core, links, .. } = &mut *worker.borrow_mut();
        links.poll_outgoing(peer, core, cx)
    })
    .await;
    let Worker { core, links, .. } = &mut *worker.borrow_mut();
    core.counters.links_lost += 1;
    links.take_down(peer, core);
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

//! Keeps the link to one node up: dials, and dials again.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dynomite_ring::Node;

use crate::backoff::Backoff;
use crate::link::{Closed, Hello, dial};
use crate::shared::Shared;
use crate::worker::{SharedWorker, Worker};

const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// After this long the next attempt begins with the shortest wait again.
const STABLE: Duration = Duration::from_secs(5);

/// Begins to link this worker to all other nodes of its ring to which it is not linked yet, and parts
/// from all others.
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
    worker.borrow_mut().links.part_from_others(&ring);
}

/// Links this worker to `peer`, which has this number here, as long as it is in the ring, or until the task is aborted.
async fn keep_linked(worker: SharedWorker, shared: Arc<Shared>, peer: Node, number: u32) {
    let index = worker.borrow().core.index;
    let dial_now = worker.borrow().links.waker_of(number);
    let mut backoff = Backoff::new(BACKOFF_MIN, BACKOFF_MAX);
    let mut last_reason = String::new();
    loop {
        let ring = shared.ring();
        if ring.index_of(peer.id).is_none() {
            tracing::info!(worker = index, peer = %peer.name, "no link any more: the node has left the ring");
            return worker.borrow_mut().links.forget_dialler(number);
        }
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

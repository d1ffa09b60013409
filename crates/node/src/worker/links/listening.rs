//! Links that other nodes make to this one.

use std::cell::Cell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::link::{Closed, Hello, Purpose, accept};
use crate::shared::Shared;
use crate::worker::{Mail, SharedWorker, Worker};

/// Connections in the middle of their handshake; further ones wait to be accepted.
const HANDSHAKES_MAX: usize = 256;
/// At most one line is logged about refused connections in this time.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Accepts peers until the task is aborted, and hands each link to the worker that it is for.
pub(in crate::worker) async fn accept_peers(
    worker: SharedWorker,
    shared: Arc<Shared>,
    listener: TcpListener,
) {
    let places = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let log = Rc::new(RefusalLog::default());
    let tasks = worker.borrow().core.tasks.clone();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, address)) => {
                let (worker, shared) = (Rc::clone(&worker), Arc::clone(&shared));
                let log = Rc::clone(&log);
                tasks.spawn(async move {
                    let taken = shake_hands(&worker, &shared, stream).await;
                    drop(place);
                    if let Err(reason) = taken {
                        worker.borrow_mut().core.counters.links_refused += 1;
                        log.warn(address, &reason);
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a peer");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn shake_hands(worker: &SharedWorker, shared: &Shared, mut stream: TcpStream) -> Result<(), String> {
    let ring = shared.ring();
    let own = Hello::new(&shared.config, &ring, 0, shared.worker_count);
    let hello = accept(&mut stream, &own, &ring, shared.config.timeouts.connect).await;
    let hello = hello.map_err(|refusal| refusal.to_string())?;
    if hello.purpose == Purpose::Membership {
        let stream = stream.into_std().map_err(|error| error.to_string())?;
        return shared.membership.take(stream, hello).map_err(|busy| busy.to_string());
    }
    let target = hello.worker as usize % shared.worker_count;
    let index = worker.borrow().core.index;
    if target == index {
        take_in(worker, stream, &hello);
    } else {
        let stream = stream.into_std().map_err(|error| error.to_string())?;
        let core = &mut worker.borrow_mut().core;
        core.mail.put(target, Mail::Link(stream, hello));
        core.wake_turn();
    }
    Ok(())
}

/// Serves a link after its handshake.
pub(in crate::worker) fn take_in(worker: &SharedWorker, stream: TcpStream, hello: &Hello) {
    let number = {
        let Worker { core, links, stage, .. } = &mut *worker.borrow_mut();
        let number = links.add_incoming(stream, hello, core);
        // Its handshake had begun before the node closed its doors.
        if stage.has_said_goodbye() {
            links.say_goodbye_to(number);
            core.wake_turn();
        }
        number
    };
    let (worker, peer, peer_worker) = (Rc::clone(worker), hello.node.clone(), hello.worker);
    let tasks = worker.borrow().core.tasks.clone();
    tracing::debug!(peer = %peer, peer_worker, version = %hello.version, "peer has linked to this node");
    tasks.spawn(async move {
        let closed = poll_fn(|cx| {
            let Worker { core, links, .. } = &mut *worker.borrow_mut();
            links.poll_incoming(number, core, cx)
        })
        .await;
        if matches!(closed, Closed::ByPeer | Closed::Unwanted) {
            tracing::debug!(peer = %peer, peer_worker, "peer's link is down: {closed}");
        } else {
            tracing::warn!(peer = %peer, peer_worker, "peer's link is down: {closed}");
        }
        let Worker { core, links, .. } = &mut *worker.borrow_mut();
        links.incoming.remove(number);
        core.wake_turn();
    });
}

/// One line a second at most, however many connections are refused.
#[derive(Default)]
struct RefusalLog {
    logged_at: Cell<Option<Instant>>,
    suppressed: Cell<u64>,
}

impl RefusalLog {
    fn warn(&self, address: SocketAddr, reason: &str) {
        if self.logged_at.get().is_some_and(|at| at.elapsed() < LOG_INTERVAL) {
            self.suppressed.set(self.suppressed.get() + 1);
            return;
        }
        self.logged_at.set(Some(Instant::now()));
        let suppressed = self.suppressed.take();
        tracing::warn!(%address, suppressed, "peer connection refused: {reason}");
    }
}

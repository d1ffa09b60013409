//! A worker's thread: its runtime and its tasks.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use dynomite_backend::Backend;
use dynomite_replication::{Engine, EngineConfig};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::oneshot;

use super::core::Core;
use super::lane::LanePort;
use super::mail::{Mailroom, Receiver, Sender};
use super::turn::Timer;
use super::{Clients, SharedWorker, Stage, Worker, clients};
use crate::shared::Shared;

/// What a worker needs to start.
pub(crate) struct Plan {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) listener: TcpListener,
    pub(crate) receiver: Receiver,
    pub(crate) senders: Vec<Sender>,
    /// Told when the worker serves, or why it cannot.
    pub(crate) ready: oneshot::Sender<io::Result<()>>,
}

/// Starts a worker's thread. It ends after [`super::Mail::Finish`] or [`super::Mail::Abort`].
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn spawn(plan: Plan) -> io::Result<JoinHandle<()>> {
    let name = format!("dynomite-{}", plan.index);
    std::thread::Builder::new().name(name).spawn(move || run(plan))
}

fn run(plan: Plan) {
    let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
        Ok(runtime) => runtime,
        Err(error) => return drop(plan.ready.send(Err(error))),
    };
    runtime.block_on(async move {
        let Plan { index, shared, backend, listener, receiver, senders, ready } = plan;
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return drop(ready.send(Err(error))),
        };
        let engine = match Engine::new(engine_config(&shared), Arc::clone(&shared.ring)) {
            Ok(engine) => engine,
            Err(error) => return drop(ready.send(Err(io::Error::other(error)))),
        };
        let lane = backend.open_lane(index, shared.worker_count);
        let worker: SharedWorker = Rc::new(RefCell::new(Worker {
            core: Core::new(index, shared, engine, Mailroom::new(receiver, senders)),
            lane: LanePort::new(lane),
            clients: Clients::default(),
            held: Default::default(),
            stage: Stage::Serving,
        }));
        tokio::task::spawn_local(clients::accept(Rc::clone(&worker), listener));
        let _ = ready.send(Ok(()));
        // A task of its own: waking the future that a runtime blocks on costs a system call.
        let turns = tokio::task::spawn_local(async move {
            let mut timer = Timer::new();
            poll_fn(|cx| worker.borrow_mut().turn(&mut timer, cx)).await;
        });
        if let Err(error) = turns.await
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    });
}

fn engine_config(shared: &Shared) -> EngineConfig {
    let (timeouts, limits) = (&shared.config.timeouts, &shared.config.limits);
    EngineConfig {
        node: shared.node,
        request_timeout_ms: timeouts.request.as_millis() as u64,
        failover_ms: timeouts.failover.as_millis() as u64,
        operations_max: limits.operations_max as usize,
        lane_window_max: limits.lane_window as usize,
        clock_ahead_max_ms: limits.clock_skew_max.as_millis() as u64,
    }
}

//! A worker's thread: its runtime and its tasks.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use dynomite_backend::{Backend, LARGE_BYTES_MIN, ReservedKeys};
use dynomite_replication::{Engine, EngineConfig, RepairConfig, Sequencing, SequencingRules};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::core::Core;
use super::lane::LanePort;
use super::mail::{Mailroom, Receiver, Sender};
use super::tasks::Tasks;
use super::turn::Timer;
use super::{Clients, Event, Links, Mail, SharedWorker, Stage, Worker, clients, links, upkeep};
use crate::config::SequencingMode;
use crate::journal::Journal;
use crate::shared::Shared;

/// Hints that a worker replays at the same time, for each node or datacenter that has missed writes.
const HANDOFF_MAX: usize = 24;

/// What a worker needs to start.
pub(crate) struct Plan {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) engine: Engine,
    /// Where what the engine wants kept goes.
    pub(crate) journal: Option<Journal>,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) listener: TcpListener,
    /// Given to one worker, which accepts for all.
    pub(crate) peer_listener: Option<TcpListener>,
    pub(crate) receiver: Receiver,
    pub(crate) senders: Vec<Sender>,
    pub(crate) events: UnboundedSender<Event>,
    /// Told when the worker serves, or why it cannot.
    pub(crate) ready: oneshot::Sender<io::Result<()>>,
}

/// Starts a worker's thread. It ends after [`super::Mail::Abort`], or when it fails.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn spawn(plan: Plan) -> io::Result<std::thread::JoinHandle<()>> {
    let name = format!("dynomite-{}", plan.index);
    std::thread::Builder::new().name(name).spawn(move || {
        let end = End {
            worker: plan.index,
            failed: true,
            events: plan.events.clone(),
            others: plan.senders.clone(),
        };
        run(plan, end);
    })
}

fn run(mut plan: Plan, mut end: End) {
    let (unused, _) = oneshot::channel();
    let ready = std::mem::replace(&mut plan.ready, unused);
    let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
        Ok(runtime) => runtime,
        Err(error) => return drop(ready.send(Err(error))),
    };
    runtime.block_on(async {
        let worker = match open(plan) {
            Ok(worker) => worker,
            Err(error) => return drop(ready.send(Err(error))),
        };
        // A datastore inside this process is up before the first client is.
        let first = Rc::clone(&worker);
        poll_fn(|cx| {
            first.borrow_mut().open_lane(cx);
            std::task::Poll::Ready(())
        })
        .await;
        let _ = ready.send(Ok(()));
        let tasks = worker.borrow().core.tasks.clone();
        // A task of its own: waking the future that a runtime blocks on costs a system call.
        let turns = tasks.spawn(take_turns(worker));
        tokio::select! {
            biased;
            () = tasks.failed() => tracing::error!(worker = end.worker, "a task panicked; the node stops"),
            _ = turns => end.failed = false,
        }
    });
    // A name that is being looked up may keep its thread for as long as the system's resolver is patient.
    runtime.shutdown_background();
}

fn open(plan: Plan) -> io::Result<SharedWorker> {
    let Plan {
        index,
        shared,
        engine,
        journal,
        backend,
        listener,
        peer_listener,
        receiver,
        senders,
        events,
        ..
    } = plan;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let peer_listener = peer_listener.map(tokio::net::TcpListener::from_std).transpose()?;
    let tasks = Tasks::default();
    let worker: SharedWorker = Rc::new(RefCell::new(Worker {
        lane: LanePort::new(backend.open_lane(index, shared.worker_count)),
        core: Core::new(
            index,
            Arc::clone(&shared),
            engine,
            journal,
            Mailroom::new(receiver, senders),
            tasks.clone(),
        ),
        clients: Clients::default(),
        links: Links::new(),
        held: VecDeque::new(),
        has_new_peers: false,
        handed: Vec::new(),
        entrances: Vec::new(),
        events,
        stage: Stage::Serving,
    }));
    let mut entrances = vec![tasks.spawn(clients::accept(Rc::clone(&worker), listener))];
    if let Some(listener) = peer_listener {
        entrances.push(tasks.spawn(links::accept_peers(Rc::clone(&worker), Arc::clone(&shared), listener)));
    }
    worker.borrow_mut().entrances = entrances.iter().map(JoinHandle::abort_handle).collect();
    links::link_to_all(&worker);
    tasks.spawn(upkeep::look_after(Rc::clone(&worker), shared.config.timeouts.heartbeat));
    Ok(worker)
}

async fn take_turns(worker: SharedWorker) {
    let mut timer = Timer::new();
    poll_fn(|cx| {
        let outcome = worker.borrow_mut().turn(&mut timer, cx);
        let handed = std::mem::take(&mut worker.borrow_mut().handed);
        if std::mem::take(&mut worker.borrow_mut().has_new_peers) {
            links::link_to_all(&worker);
        }
        for (stream, hello) in handed {
            match tokio::net::TcpStream::from_std(stream) {
                Ok(stream) => links::take_in(&worker, stream, &hello),
                Err(error) => tracing::warn!(peer = %hello.node, %error, "peer's link cannot be taken in"),
            }
        }
        outcome
    })
    .await;
}

/// Says that the thread ends, however it ends; after a failure the other workers end too.
struct End {
    worker: usize,
    failed: bool,
    events: UnboundedSender<Event>,
    others: Vec<Sender>,
}

impl Drop for End {
    fn drop(&mut self) {
        if self.failed {
            for other in &self.others {
                let _ = other.try_send(vec![Mail::Abort]);
            }
        }
        let _ = self.events.send(Event::Ended { worker: self.worker, failed: self.failed });
    }
}

/// The engine of one worker, which knows nothing yet.
pub(crate) fn engine_of(shared: &Shared, worker: usize) -> Engine {
    Engine::new(engine_config(shared, worker), shared.ring()).expect("the ring was made with this node")
}

fn engine_config(shared: &Shared, worker: usize) -> EngineConfig {
    let (timeouts, limits) = (&shared.config.timeouts, &shared.config.limits);
    EngineConfig {
        node: shared.node,
        worker,
        workers: shared.worker_count,
        request_timeout_ms: timeouts.request.as_millis() as u64,
        failover_ms: timeouts.failover.as_millis() as u64,
        operations_max: limits.operations_max as usize,
        lane_window_max: limits.lane_window as usize,
        clock_ahead_max_ms: limits.clock_skew_max.as_millis() as u64,
        keeps_log: shared.config.data_dir.is_some(),
        marker_key: Some(ReservedKeys::of_node(&shared.config.name).marker(worker)),
        reserved_prefix: Some(ReservedKeys::prefix_of_all()),
        sequencing: sequencing_rules(shared),
        hints_bytes_max: limits.hints_max.bytes(),
        hint_window_ms: timeouts.hint_window.as_millis() as u64,
        handoff_max: HANDOFF_MAX,
        large_bytes_min: LARGE_BYTES_MIN,
        repair: repair_config(shared, worker),
    }
}

/// What the node may do is divided among its workers.
fn repair_config(shared: &Shared, worker: usize) -> RepairConfig {
    let repair = &shared.config.repair;
    let share = |of_node: u64| (of_node / shared.worker_count as u64).max(1);
    RepairConfig {
        compare_interval_ms: repair.interval.as_millis() as u64,
        seed: u64::from(shared.node.0) ^ worker as u64,
        keys_per_s: share(u64::from(repair.keys_per_s)),
        bytes_per_s: share(repair.bytes_per_s.as_u64()),
        rebuild_wait_ms: repair.rebuild_wait.as_millis() as u64,
    }
}

fn sequencing_rules(shared: &Shared) -> SequencingRules {
    let ring = shared.ring();
    let prefixes = shared.config.consistency.prefixes.iter();
    let with_rule = prefixes.filter(|entry| entry.home.is_some() || entry.sequencing.is_some());
    SequencingRules::new(with_rule.map(|entry| {
        let home = entry.home.as_ref().and_then(|name| ring.dc_by_name(name)).map(dynomite_ring::Dc::index);
        let available = entry.sequencing == Some(SequencingMode::Available);
        (Bytes::copy_from_slice(entry.prefix.as_bytes()), Sequencing { home, available })
    }))
}

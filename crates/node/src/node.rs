//! A whole node: composes workers, listeners, links and datastore, and ends them again.

mod error;
mod listen;
mod topology;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dynomite_backend::{
    Backend, MemoryBackend, MemoryConfig, RedisAddress, RedisBackend, RedisConfig, ReservedKeys,
};
use dynomite_replication::Recovery;
use dynomite_ring::NodeId;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

pub use error::{NodeFailed, StartError};

use crate::config::{ByteSize, Config, Datastore, RedisAddress as ConfiguredAddress};
use crate::counters::{SharedCounters, totals};
use crate::disk::{DataDir, DiskSettings};
use crate::flows::Flows;
use crate::journal::{self, Remembering};
use crate::membership::{self, Membership};
use crate::missed::Missed;
use crate::repairs::Repairs;
use crate::shared::{Levels, LinksUp, Rings, Shared};
use crate::worker::{self, Event, Mail, Plan, Sender};

/// A running node.
///
/// It runs on threads of its own, so it can be started from any tokio runtime and lives until it is stopped or killed.
/// Dropping it kills it.
pub struct Node {
    shared: Arc<Shared>,
    senders: Vec<Sender>,
    threads: Vec<JoinHandle<()>>,
    events: mpsc::UnboundedReceiver<Event>,
    /// The thread of the membership ends when this is dropped.
    members: Option<oneshot::Sender<()>>,
    /// Locked for as long as the node lives.
    data_dir: Option<DataDir>,
}

impl Node {
    /// Starts a node over the datastore that the configuration names. Returns when it serves clients; it waits neither
    /// for the datastore nor for other nodes.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let backend = backend_of(&config)?;
        Self::start_with_backend(config, backend).await
    }

    /// Starts a node over a datastore of one's own; `config.datastore` is not looked at.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start_with_backend(
        mut config: Config,
        backend: Arc<dyn Backend>,
    ) -> Result<Self, StartError> {
        config.validate()?;
        let worker_count = config.workers.count();
        let bind_error = |key, address| move |source| StartError::Bind { key, address, source };
        let listeners = listen::client_listeners(config.listen, worker_count)
            .map_err(bind_error("listen", config.listen))?;
        config.listen = listeners[0].local_addr().map_err(bind_error("listen", config.listen))?;
        let mut peer_listener = None;
        if let Some(address) = config.peer_listen {
            let listener = listen::peer_listener(address).map_err(bind_error("peer_listen", address))?;
            config.peer_listen = Some(listener.local_addr().map_err(bind_error("peer_listen", address))?);
            peer_listener = Some(listener);
        }
        let listed = topology::ring_of(&config)?;
        let data_dir = DiskSettings::of(&config).map(DataDir::open).transpose()?;
        let rings = topology::begin(&config, data_dir.as_ref(), listed)?;
        let (membership, desk) = Membership::new();
        let shared = Arc::new(Shared {
            links_up: LinksUp::default(),
            membership,
            flows: Flows::new(&rings.first, worker_count),
            missed: Missed::new(&rings.first, &config.datacenter, worker_count),
            repairs: Repairs::new(worker_count),
            rings: Rings::new(Arc::clone(&rings.first)),
            node: NodeId::from_name(&config.name),
            worker_count,
            has_parts: backend.has_parts(),
            client_address: config.listen,
            peer_address: config.peer_listen,
            datastore: backend.describe(),
            levels: Levels::new(&config),
            started_at: Instant::now(),
            client_count: AtomicUsize::new(0),
            next_client_id: AtomicU64::new(1),
            buffered_bytes: AtomicUsize::new(0),
            counters: (0..worker_count).map(|_| SharedCounters::default()).collect(),
            config,
        });
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..worker_count).map(|_| worker::channel()).unzip();
        let (event_sender, events) = mpsc::unbounded_channel();
        let generation = run_number(data_dir.as_ref())?;
        let mut node = Self {
            shared: Arc::clone(&shared),
            senders,
            threads: Vec::new(),
            events,
            members: None,
            data_dir,
        };
        if let Some(address) = shared.config.advertised_peer_address() {
            let (members, stop) = oneshot::channel();
            let seeds = shared.config.seeds.iter().filter(|seed| seed.name != shared.config.name);
            let seeds = seeds.map(|seed| seed.peer_address.clone()).collect();
            shared.membership.add_seeds(seeds).expect("it is the first order");
            let workers = node.senders.clone();
            let door = match (&peer_listener, rings.joins) {
                (Some(listener), true) => Some(listener.try_clone().map_err(StartError::Members)?),
                _ => None,
            };
            let topology = rings.topology;
            let shared = Arc::clone(&shared);
            let plan = membership::Plan { shared, desk, workers, generation, address, topology, door, stop };
            node.threads.push(membership::spawn(plan).map_err(StartError::Members)?);
            node.members = Some(members);
        }
        let mut anew = Recovery::LogLost;
        if rings.joins {
            topology::taken_in(&shared).await;
            anew = Recovery::Joins;
        }
        let remembered = journal::remember(&shared, node.data_dir.as_ref(), anew)?;
        let mut waits = Vec::new();
        let parts = receivers.into_iter().zip(listeners).zip(remembered);
        for (index, ((receiver, listener), Remembering { engine, journal })) in parts.enumerate() {
            let (ready, wait) = oneshot::channel();
            let plan = Plan {
                index,
                shared: Arc::clone(&shared),
                engine,
                journal,
                backend: Arc::clone(&backend),
                listener,
                peer_listener: peer_listener.take(),
                receiver,
                senders: node.senders.clone(),
                events: event_sender.clone(),
                ready,
            };
            let thread =
                worker::spawn(plan).map_err(|source| StartError::Worker { worker: index, source })?;
            node.threads.push(thread);
            waits.push(wait);
        }
        for (worker, wait) in waits.into_iter().enumerate() {
            let ready = wait.await.unwrap_or_else(|_| Err(io::Error::other("it ended while it started")));
            ready.map_err(|source| StartError::Worker { worker, source })?;
        }
        Ok(node)
    }

    /// Where clients are served; with the port that was chosen if the configuration had port 0.
    pub fn client_address(&self) -> SocketAddr {
        self.shared.client_address
    }

    /// Where peers are served; `None` for a node without peers.
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.shared.peer_address
    }

    /// Returns when the node can vote on every key: its datastore is up, and what it holds is known to be right. In a new cluster
    /// that is when the nodes of all racks have found each other; after data was lost, when it is rebuilt.
    pub async fn ready(&self) {
        const INTERVAL: Duration = Duration::from_millis(20);
        loop {
            let (counters, stats) = totals(&self.shared.counters);
            let lost = stats.iter().find(|(name, _)| *name == "buckets_lost").map(|(_, lost)| *lost);
            if counters.lane_is_up == self.shared.worker_count as u64 && lost == Some(0) {
                return;
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Returns when the cluster has no place for the node any more, since it has left or was replaced: stop it then.
    ///
    /// # Errors
    /// When the node has ended by itself, which it does only because of a defect: what failed. May be dropped and called again.
    pub async fn wait(&mut self) -> Result<(), NodeFailed> {
        loop {
            match self.events.recv().await {
                Some(Event::Ended { worker, failed: true }) => return Err(NodeFailed { worker }),
                Some(Event::OutOfRing) | None => return Ok(()),
                Some(_) => {}
            }
        }
    }

    /// Stops gracefully: takes no more clients and commands, answers what is in flight within `timeouts.drain`, takes
    /// leave of the other nodes, and ends. Dropping the future kills the node.
    pub async fn stop(mut self) {
        if self.tell_all(|| Mail::Drain, Event::Drained).await {
            self.tell_all(|| Mail::Leave, Event::Left).await;
        }
        self.kill();
    }

    /// Ends at once, as a crash would: connections break and nothing in flight is answered.
    pub fn kill(self) {
        drop(self);
    }

    /// Tells all workers and waits until each has said `done`. `false` when one has ended instead.
    async fn tell_all(&mut self, order: fn() -> Mail, done: Event) -> bool {
        for sender in &self.senders {
            if sender.send(vec![order()]).await.is_err() {
                return false;
            }
        }
        let mut missing = self.senders.len();
        while missing > 0 {
            match self.events.recv().await {
                Some(event) if event == done => missing -= 1,
                Some(Event::Ended { .. }) | None => return false,
                Some(_) => {}
            }
        }
        true
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.members = None;
        for sender in &self.senders {
            // A worker takes its mail within moments; its box is full only while it is busy.
            let mut order = vec![Mail::Abort];
            while let Err(TrySendError::Full(back)) = sender.try_send(order) {
                order = back;
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

/// The number of this run of the node: greater than that of all earlier ones, as far as that can be known.
fn run_number(data_dir: Option<&DataDir>) -> Result<u64, StartError> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Ok(match data_dir {
        Some(data_dir) => data_dir.begin_run(seconds)?,
        None => seconds,
    })
}

fn backend_of(config: &Config) -> Result<Arc<dyn Backend>, StartError> {
    let (address, credentials) = match &config.datastore {
        Datastore::Memory { max_memory } => {
            let max_bytes = max_memory.map(ByteSize::bytes);
            return Ok(Arc::new(MemoryBackend::new(MemoryConfig { max_bytes })));
        }
        Datastore::Redis { address, credentials } => (address, credentials),
    };
    let mut redis = RedisConfig::new(match address {
        ConfiguredAddress::Tcp(address) => {
            RedisAddress::Tcp { host: address.host().to_owned(), port: address.port() }
        }
        ConfiguredAddress::Unix(path) => RedisAddress::Unix(path.clone()),
    });
    if let Some(credentials) = credentials {
        let password = credentials.password.reveal().map_err(StartError::Password)?;
        redis.username = credentials.username.clone();
        redis.password = Some(password.expose().to_owned());
    }
    redis.reserved = Some(ReservedKeys::of_node(&config.name));
    redis.connect_timeout = config.timeouts.connect;
    Ok(Arc::new(RedisBackend::new(redis)))
}

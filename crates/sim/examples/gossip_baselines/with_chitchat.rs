//! chitchat: Scuttlebutt with phi-accrual, as tasks of a tokio runtime whose clock is paused: it jumps to the next timer
//! when nothing is left to do.
//!
//! Only its own channel transport may see a message's bytes. So some messages are sent through one to be weighed, and stand
//! for the others; all of them are carried as they are.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use async_trait::async_trait;
use chitchat::transport::{ChannelTransport, RecvOutcome, SendOutcome, Socket, Transport};
use chitchat::{
    Chitchat, ChitchatConfig, ChitchatEnvelope, ChitchatHandle, ChitchatId, FailureDetectorConfig,
    ProtocolVersion, spawn_chitchat,
};
use dynomite_sim::{Cluster, Link, Random, addr_of, place_of};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep;

/// One in so many messages is weighed.
const WEIGHED_IN: u64 = 16;
const KEY: &str = "value";

/// The members, their network and their clock.
pub(crate) struct ChitchatCluster {
    runtime: Runtime,
    network: SimulatedTransport,
    /// `None`: killed.
    members: Vec<Option<ChitchatHandle>>,
    called_down: Vec<HashSet<usize>>,
    down_count: u64,
}

/// What lies between the members.
#[derive(Clone)]
struct SimulatedTransport(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
}

struct State {
    random: Random,
    link: Link,
    inboxes: HashMap<SocketAddr, UnboundedSender<RecvOutcome>>,
}

struct SimulatedSocket {
    addr: SocketAddr,
    network: SimulatedTransport,
    inbox: UnboundedReceiver<RecvOutcome>,
    scale: Box<dyn Socket>,
    message_count: u64,
    /// Of the last message that was weighed, by the kind of message.
    weights: HashMap<std::mem::Discriminant<chitchat::ChitchatMessage>, usize>,
}

impl ChitchatCluster {
    /// Members that all start within a second and know the first as a seed.
    pub(crate) fn start(count: usize, seed: u64) -> Self {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime without sockets needs nothing");
        let state = State { random: Random::new(seed), link: Link::GOOD, inboxes: HashMap::new() };
        let (sent_bytes, received_bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        let network =
            SimulatedTransport(Arc::new(Shared { state: Mutex::new(state), sent_bytes, received_bytes }));
        let members = runtime.block_on(async {
            let mut members = Vec::with_capacity(count);
            for place in 0..count {
                sleep(Duration::from_secs(1) / count as u32).await;
                let member = spawn_chitchat(config(place), Vec::new(), &network).await;
                members.push(Some(member.expect("the address is free")));
            }
            members
        });
        Self { runtime, network, members, called_down: vec![HashSet::new(); count], down_count: 0 }
    }

    fn running(&self) -> impl Iterator<Item = (usize, &ChitchatHandle)> {
        let members = self.members.iter().enumerate();
        members.filter_map(|(place, member)| Some((place, member.as_ref()?)))
    }

    /// How many of those that run see it so.
    fn count(&self, mut sees: impl FnMut(&mut Chitchat) -> bool) -> usize {
        self.runtime.block_on(async {
            let mut count = 0;
            for (_, member) in self.running() {
                count += usize::from(member.with_chitchat(&mut sees).await);
            }
            count
        })
    }

    fn count_down(&mut self) {
        let seen = self.runtime.block_on(async {
            let mut seen = Vec::with_capacity(self.members.len());
            for (place, member) in self.running() {
                let down: HashSet<usize> = member.with_chitchat(|chitchat| down_places(chitchat)).await;
                seen.push((place, down));
            }
            seen
        });
        for (place, down) in seen {
            self.down_count += down.difference(&self.called_down[place]).count() as u64;
            self.called_down[place] = down;
        }
    }
}

/// The defaults, and the shorter of the two forms of a message.
fn config(place: usize) -> ChitchatConfig {
    ChitchatConfig {
        chitchat_id: id_of(place),
        cluster_id: "simulated".to_owned(),
        gossip_interval: Duration::from_secs(1),
        listen_addr: addr_of(place),
        seed_nodes: vec![addr_of(0).to_string()],
        failure_detector_config: FailureDetectorConfig::default(),
        marked_for_deletion_grace_period: Duration::from_secs(3600),
        catchup_callback: None,
        extra_liveness_predicate: None,
        protocol_version: ProtocolVersion::V1,
    }
}

fn id_of(place: usize) -> ChitchatId {
    ChitchatId::new(format!("node-{place}"), 1, addr_of(place))
}

fn down_places(chitchat: &Chitchat) -> HashSet<usize> {
    chitchat.dead_nodes().filter_map(|id| place_of(id.gossip_advertise_addr)).collect()
}

impl Cluster for ChitchatCluster {
    fn run(&mut self, duration: Duration) {
        // Whether somebody is there is looked at once in a second.
        const LOOK: Duration = Duration::from_secs(1);
        let mut left = duration;
        while !left.is_zero() {
            let step = left.min(LOOK);
            self.runtime.block_on(async { sleep(step).await });
            left -= step;
            self.count_down();
        }
    }

    fn set_link(&mut self, link: Link) {
        self.network.with(|state| state.link = link);
    }

    fn kill(&mut self, place: usize) {
        if let Some(member) = self.members[place].take() {
            member.abort();
        }
    }

    fn change(&mut self, place: usize, value: u64) {
        if let Some(member) = &self.members[place] {
            let set = member.with_chitchat(|chitchat| chitchat.self_node_state().set(KEY, value.to_string()));
            self.runtime.block_on(set);
        }
    }

    fn size(&self) -> usize {
        self.running().count()
    }

    fn agree(&self) -> bool {
        let all = self.size();
        self.count(|chitchat| chitchat.live_nodes().count() == all) == all
    }

    fn down_at(&self, place: usize) -> usize {
        let id = id_of(place);
        self.count(|chitchat| chitchat.dead_nodes().any(|dead| *dead == id))
    }

    fn know(&self, place: usize, value: u64) -> usize {
        let (id, value) = (id_of(place), value.to_string());
        self.count(|chitchat| chitchat.node_state(&id).and_then(|state| state.get(KEY)) == Some(&value))
    }

    fn down_count(&self) -> u64 {
        self.down_count
    }

    fn byte_counts(&self) -> (u64, u64) {
        let Shared { sent_bytes, received_bytes, .. } = &*self.network.0;
        (sent_bytes.load(Ordering::Relaxed), received_bytes.load(Ordering::Relaxed))
    }
}

impl SimulatedTransport {
    fn with<T>(&self, call: impl FnOnce(&mut State) -> T) -> T {
        call(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn carry(&self, to: SocketAddr, message: RecvOutcome) {
        self.0.sent_bytes.fetch_add(message.num_bytes_received as u64, Ordering::Relaxed);
        let carried =
            self.with(|state| Some((state.link.carry(&mut state.random)?, state.inboxes.get(&to)?.clone())));
        let Some((time, inbox)) = carried else { return };
        let network = self.clone();
        tokio::spawn(async move {
            sleep(time).await;
            let byte_count = message.num_bytes_received as u64;
            // Whoever was killed has closed its inbox.
            if inbox.send(message).is_ok() {
                network.0.received_bytes.fetch_add(byte_count, Ordering::Relaxed);
            }
        });
    }
}

#[async_trait]
impl Transport for SimulatedTransport {
    async fn open(&self, addr: SocketAddr) -> Result<Box<dyn Socket>> {
        let (sender, inbox) = unbounded_channel();
        self.with(|state| state.inboxes.insert(addr, sender));
        let scale = ChannelTransport::default().open(addr).await?;
        let (network, weights) = (self.clone(), HashMap::new());
        Ok(Box::new(SimulatedSocket { addr, network, inbox, scale, message_count: 0, weights }))
    }
}

#[async_trait]
impl Socket for SimulatedSocket {
    fn local_addr(&self) -> Result<SocketAddr> {
        Ok(self.addr)
    }

    async fn send(&mut self, to: SocketAddr, envelope: ChitchatEnvelope) -> Result<SendOutcome> {
        let kind = std::mem::discriminant(&envelope.message);
        self.message_count += 1;
        let message = match self.weights.get(&kind) {
            Some(weight) if !self.message_count.is_multiple_of(WEIGHED_IN) => {
                RecvOutcome { from_addr: self.addr, envelope, num_bytes_received: *weight }
            }
            _ => {
                self.scale.send(self.addr, envelope).await?;
                self.scale.recv().await?
            }
        };
        let num_bytes_sent = message.num_bytes_received;
        self.weights.insert(kind, num_bytes_sent);
        self.network.carry(to, message);
        Ok(SendOutcome { num_bytes_sent })
    }

    async fn recv(&mut self) -> Result<RecvOutcome> {
        self.inbox.recv().await.context("the network is gone")
    }
}

//! The thread of the membership: gives the state machine messages, time and evidence, and carries out what it wants.

mod door;
mod evidence;
mod mailing;
mod rings;
mod seeds;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dynomite_gossip::{Config, Event, Gossip, Health, Identity, NodeId as MemberId, Out};
use dynomite_ring::NodeId;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use super::items::{NodeItem, Told};
use super::links::{Links, Received, Target};
use super::{Desk, MemberView, Order, View};
use crate::config::HostPort;
use crate::counters::is_datastore_up;
use crate::link::{Hello, Kind};
use crate::seeds::Finder;
use crate::shared::Shared;
use crate::topology::{Standing, Topology};
use crate::worker::Sender;
use evidence::Evidence;
use mailing::Mailing;
use seeds::Seeds;

/// How often links and datastore are looked at.
const TICK: Duration = Duration::from_millis(100);
/// A datastore that cannot be used for so long is told of; shorter breaks, as of a restart, are not worth it.
const DATASTORE_PATIENCE: Duration = Duration::from_millis(300);
/// How often this node looks whether it has something new to tell of itself.
const FACTS_EVERY: Duration = Duration::from_secs(1);
/// Numbers that change all the time are told less often where there are many members: about so many changes a second in the
/// whole cluster, of the hundred for which messages have room.
const LOADS_PER_SECOND: u32 = 20;
/// What the workers see of the members is renewed so soon after a change, and so often without one.
const VIEW_AFTER: Duration = Duration::from_millis(20);
const VIEW_EVERY: Duration = Duration::from_millis(500);
/// An address of this node's own that cannot be resolved is tried again after so long.
const RESOLVE_AGAIN: Duration = Duration::from_secs(2);
/// Messages taken before other things have their turn.
const BATCH_MAX: usize = 64;
/// Those of the configuration, and some that are added later.
const SEEDS_MAX: usize = 4096;
/// Connections are not forgotten more often than this.
const TIDY_EVERY: Duration = Duration::from_secs(10);

/// What the membership needs to start.
pub(crate) struct Plan {
    pub(crate) shared: Arc<Shared>,
    pub(crate) desk: Desk,
    pub(crate) workers: Vec<Sender>,
    /// Greater than in all earlier runs of the node.
    pub(crate) generation: u64,
    /// Where other nodes are told to find this one.
    pub(crate) address: HostPort,
    /// Its part in the decisions on the ring.
    pub(crate) topology: Topology,
    /// Where others connect as long as the node joins: its workers do not run yet.
    pub(crate) door: Option<std::net::TcpListener>,
    /// The thread ends when this does.
    pub(crate) stop: oneshot::Receiver<()>,
}

/// Starts the thread.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn spawn(plan: Plan) -> io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name("dynomite-members".to_owned()).spawn(move || run(plan))
}

fn run(mut plan: Plan) {
    let _alarm = Alarm;
    let (_, unused) = oneshot::channel();
    let stop = std::mem::replace(&mut plan.stop, unused);
    let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!(%error, "this node cannot tell others of itself"),
    };
    runtime.block_on(async {
        tokio::select! {
            _ = stop => {}
            () = work(plan) => {}
        }
    });
    // A name that is being looked up holds up nobody.
    runtime.shutdown_background();
}

/// Says that the thread failed; the rest of the node goes on.
struct Alarm;

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("the membership failed: other nodes will call this one down; restart it");
        }
    }
}

async fn work(mut plan: Plan) {
    let address = own_address(&plan).await;
    if let Some(listener) = plan.door.take() {
        tokio::task::spawn_local(door::keep(Arc::clone(&plan.shared), listener));
    }
    find_seeds(&plan.shared);
    let (mut task, received) = Task::new(plan, address);
    task.run(received).await;
}

/// Looks for members where the configuration says, again and again.
fn find_seeds(shared: &Arc<Shared>) {
    let discovery = shared.config.discovery.clone();
    if discovery.sources.is_empty() {
        return;
    }
    let mut found = Finder::start(discovery.sources, discovery.interval);
    let shared = Arc::clone(shared);
    tokio::task::spawn_local(async move {
        while found.changed().await.is_ok() {
            let own = shared.peer_address;
            let addresses: Vec<SocketAddr> = found.borrow_and_update().clone();
            let seeds = addresses.iter().filter(|address| Some(**address) != own);
            let seeds = seeds.copied().map(HostPort::from);
            // When it is busy, the next change or round of questions tells them again.
            let _ = shared.membership.add_seeds(seeds.collect());
        }
    });
}

/// This node's address as others shall use it. An address that was given is taken as it is; a name may stand for the machine's own
/// loopback address on the machine itself, which is no address for others.
async fn own_address(plan: &Plan) -> SocketAddr {
    let own = &plan.address;
    if let Ok(ip) = own.host().parse() {
        return SocketAddr::new(ip, own.port());
    }
    let listens_locally = plan.shared.peer_address.is_some_and(|address| address.ip().is_loopback());
    let is_local = listens_locally || own.host() == "localhost";
    let mut last_reason = String::new();
    loop {
        let resolved = tokio::net::lookup_host((own.host(), own.port())).await;
        let reason = match resolved.map(|mut all| all.find(|found| is_local || !found.ip().is_loopback())) {
            Ok(Some(address)) => return address,
            Ok(None) => "it is this machine's own loopback address, or none".to_owned(),
            Err(error) => error.to_string(),
        };
        if reason != last_reason {
            tracing::warn!(
                address = %own,
                "this node's own address cannot be told to others: {reason}; it is tried again and again (peer_address)"
            );
            last_reason = reason;
        }
        sleep(RESOLVE_AGAIN).await;
    }
}

/// What a member told in one run, up to one of its changes.
struct TellsOf {
    generation: u64,
    version: u64,
    told: Arc<Told>,
}

struct Task {
    shared: Arc<Shared>,
    desk: Desk,
    gossip: Gossip,
    links: Links,
    seeds: Seeds,
    evidence: Evidence,
    mailing: Mailing,
    topology: Topology,
    /// How this node stands to the ring, as it has told, and when.
    standing: Option<(Standing, Instant)>,
    out: Out,
    /// What each member tells, read anew only when it changes.
    told: HashMap<MemberId, TellsOf>,
    started_at: Instant,
    /// Since when the datastore cannot be used.
    datastore_down_since: Option<Instant>,
    /// What was told of it last.
    datastore_told: Option<bool>,
    facts_at: Instant,
    load_at: Instant,
    view_at: Instant,
    tidy_at: Instant,
}

impl Task {
    fn new(plan: Plan, address: SocketAddr) -> (Self, mpsc::Receiver<Received>) {
        let Plan { shared, desk, workers, generation, topology, .. } = plan;
        let random = || RandomState::new().hash_one(address);
        let id = MemberId(u64::from(shared.node.0));
        let identity = Identity { id, addr: address, generation, nonce: random() as u32 };
        let config = Config { seeds_max: SEEDS_MAX, ..Config::new(&*shared.config.cluster) };
        let gossip = Gossip::new(Duration::ZERO, identity, config, random())
            .expect("the defaults are in their ranges");
        let own = Hello::of_member(&shared.config, &shared.ring(), address, shared.worker_count);
        let (links, received) = Links::new(Arc::clone(&shared), own, Arc::clone(&desk.traffic));
        let now = Instant::now();
        let task = Self {
            evidence: Evidence::default(),
            mailing: Mailing::new(workers),
            topology,
            standing: None,
            shared,
            desk,
            gossip,
            links,
            seeds: Seeds::default(),
            out: Out::new(),
            told: HashMap::new(),
            started_at: now,
            datastore_down_since: None,
            datastore_told: None,
            facts_at: now,
            load_at: now,
            view_at: now,
            tidy_at: now,
        };
        (task, received)
    }

    /// Until it is dropped.
    async fn run(&mut self, mut received: mpsc::Receiver<Received>) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while let Some(deadline) = self.gossip.next_deadline() {
            let deadline = self.topology.next_deadline().map_or(deadline, |other| deadline.min(other));
            tokio::select! {
                Some(message) = received.recv() => self.take_messages(message, &mut received),
                Some(order) = self.desk.orders.recv() => self.obey(order),
                _ = ticks.tick() => self.tick(),
                () = sleep_until(self.started_at + deadline) => {}
            }
            let now = self.now();
            if self.gossip.next_deadline().is_some_and(|deadline| deadline <= now) {
                self.gossip.handle_timeout(now, &mut self.out);
            }
            if self.topology.next_deadline().is_some_and(|deadline| deadline <= now) {
                self.topology.handle_timeout(now);
            }
            self.follow_topology();
            self.carry_out();
            self.publish();
        }
    }

    fn now(&self) -> Duration {
        self.started_at.elapsed()
    }

    fn take_messages(&mut self, first: Received, received: &mut mpsc::Receiver<Received>) {
        let mut next = Some(first);
        for _ in 0..BATCH_MAX {
            let Some(message) = next.take() else { return };
            self.take_message(&message);
            next = received.try_recv().ok();
        }
        if let Some(message) = next {
            self.take_message(&message);
        }
    }

    fn take_message(&mut self, Received { from, kind, body }: &Received) {
        let now = self.now();
        match kind {
            Kind::Agreement => self.take_agreement(now, body),
            _ => self.gossip.handle_message(now, *from, body, &mut self.out),
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Take(stream, hello) => self.links.take(stream, &hello),
            Order::AddSeeds(seeds) => seeds.iter().for_each(|seed| self.add_seed(seed)),
            Order::Topology(order) => {
                let (now, view) = (self.now(), self.desk.view.borrow().clone());
                self.topology.order(now, order, &view);
                self.view_at = Instant::now();
            }
        }
    }

    fn add_seed(&mut self, seed: &HostPort) {
        let address = self.seeds.add(seed);
        if let Err(error) = self.gossip.add_seed(address) {
            tracing::warn!(%seed, "a seed is not used: {error}");
        }
    }

    /// What is looked at now and then.
    fn tick(&mut self) {
        let now = Instant::now();
        self.evidence.tell(&self.shared, self.started_at.elapsed(), &mut self.gossip, &mut self.out);
        self.tell_datastore(now);
        self.tell_standing(now);
        if now >= self.facts_at {
            self.facts_at = now + FACTS_EVERY;
            self.tell_facts(now);
        }
        if now >= self.tidy_at {
            self.tidy_at = now + TIDY_EVERY;
            self.links.tidy();
        }
    }

    /// Says whether the datastore can be used: that it can at once, that it cannot after a moment.
    fn tell_datastore(&mut self, now: Instant) {
        let is_up = is_datastore_up(&self.shared.counters);
        if is_up {
            self.datastore_down_since = None;
        }
        let is_certain = is_up || now - *self.datastore_down_since.get_or_insert(now) >= DATASTORE_PATIENCE;
        if is_certain && self.datastore_told.replace(is_up) != Some(is_up) {
            self.set(&NodeItem::Datastore { is_up });
        }
    }

    fn tell_facts(&mut self, now: Instant) {
        let told = Told::of(&self.shared);
        told.facts().for_each(|item| self.set(&item));
        if now >= self.load_at {
            let spread = FACTS_EVERY * self.gossip.live_count() as u32 / LOADS_PER_SECOND;
            self.load_at = now + spread.max(FACTS_EVERY);
            told.load().for_each(|item| self.set(&item));
        }
    }

    /// Tells an item if it is another than before.
    fn set(&mut self, item: &NodeItem) {
        if let Err(error) = self.gossip.set(self.started_at.elapsed(), item) {
            tracing::warn!("what others should know is not told: {error}");
        }
    }

    /// Sends, logs and passes on what the state machine wants.
    fn carry_out(&mut self) {
        if !self.out.events().is_empty() {
            for event in self.out.events() {
                self.log(event);
                if let Event::Restarted { id } | Event::Up { id } = event {
                    self.mailing.is_there(NodeId(id.0 as u32));
                }
            }
            self.mailing.compare(&self.gossip, &self.shared);
            self.view_at = self.view_at.min(Instant::now() + VIEW_AFTER);
        }
        for (to, message) in self.out.sends() {
            self.links
                .send(to, Kind::Gossip, message, || target_of(&self.gossip, &self.seeds, &self.shared, to));
        }
        self.out.clear();
        self.mailing.send();
    }

    fn publish(&mut self) {
        let now = Instant::now();
        if now < self.view_at {
            return;
        }
        self.view_at = now + VIEW_EVERY;
        let mut before = std::mem::take(&mut self.told);
        let mut members = Vec::with_capacity(before.len() + 1);
        for member in self.gossip.members() {
            let (generation, version) = (member.identity().generation, member.version());
            let known = before
                .remove(&member.id())
                .filter(|known| (known.generation, known.version) == (generation, version));
            let told = known.map_or_else(|| Arc::new(member.items().collect()), |known| known.told);
            self.told.insert(member.id(), TellsOf { generation, version, told: Arc::clone(&told) });
            members.push(MemberView {
                id: NodeId(member.id().0 as u32),
                address: member.addr(),
                generation,
                incarnation: member.incarnation(),
                status: member.status(),
                health: member.health(),
                phi: self.gossip.phi(self.started_at.elapsed(), member.id()).unwrap_or(0.0),
                version,
                told,
            });
        }
        let topology = self.topology.view();
        let view = View { members, counts: self.gossip.counts(), digest: self.gossip.digest(), topology };
        let view = Arc::new(view);
        self.desk.view.send_replace(Arc::clone(&view));
        let now = self.now();
        self.topology.look(now, &view);
        self.follow_topology();
    }

    fn log(&self, event: &Event) {
        let name = |id: &MemberId| name_of(&self.gossip, &self.shared, *id);
        match event {
            Event::Joined { id } => tracing::info!(member = %name(id), "member found"),
            Event::Restarted { id } => tracing::info!(member = %name(id), "member has started again"),
            Event::Up { id } => tracing::info!(member = %name(id), "member is up"),
            Event::Down { id } => tracing::warn!(member = %name(id), "member is down"),
            Event::StatusChanged { id, status } => {
                tracing::info!(member = %name(id), "member is {}", super::json::state_word(*status));
            }
            Event::Forgotten { id } => tracing::info!(member = %id, "member is forgotten"),
            Event::IdentityConflict { id, kept, refused } => tracing::error!(
                member = %name(id), kept = %kept.addr, refused = %refused.addr,
                "two nodes have one name: stop one of them"
            ),
            Event::GenerationRaised { from, to } => {
                tracing::warn!(from, to, "the cluster knows a later run of this node; it goes on above it");
            }
            Event::Refuted { incarnation } => {
                tracing::info!(incarnation, "others called this node down, and it told them that it is up");
            }
            Event::MembersFull { id } => {
                tracing::warn!(member = %id, "too many members: one is not known here");
            }
            Event::Paused { late } => tracing::warn!(?late, "this node did not run for a while"),
            other => tracing::debug!(?other, "membership"),
        }
    }
}

/// Whom to dial to reach the member at `to`: a node of the ring as the configuration says, since it may be known there by a
/// name, and any other as it says itself.
fn target_of(gossip: &Gossip, seeds: &Seeds, shared: &Shared, to: SocketAddr) -> Target {
    if let Some(seed) = seeds.name_of(to) {
        return Target { address: seed.to_string(), name: None };
    }
    let ring = shared.ring();
    let member = gossip.members().find(|member| member.addr() == to && member.health() != Health::Gone);
    let index = member.and_then(|member| ring.index_of(NodeId(member.id().0 as u32)));
    match index.map(|index| ring.node(index)) {
        Some(node) if !node.peer_address.is_empty() => {
            Target { address: node.peer_address.clone(), name: Some(node.name.clone()) }
        }
        _ => Target { address: to.to_string(), name: None },
    }
}

/// What a member is called, as far as that is known.
fn name_of(gossip: &Gossip, shared: &Shared, id: MemberId) -> String {
    let ring = shared.ring();
    if let Some(index) = ring.index_of(NodeId(id.0 as u32)) {
        return ring.node(index).name.clone();
    }
    let told: Option<Told> = gossip.member(id).map(|member| member.items().collect());
    told.and_then(|told| told.name).unwrap_or_else(|| id.to_string())
}

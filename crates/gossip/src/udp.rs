//! A driver for tokio: the state machine on a UDP socket, in one task.
//!
//! [`UdpGossip::start`] binds and starts the task; the handle may be cloned. Members are read from a snapshot that is
//! renewed when something changed, events come over a channel. When the last handle is dropped the task ends without a word,
//! as in a crash; [`UdpGossip::leave`] says farewell. Messages are neither signed nor encrypted: whoever reaches the
//! port can say anything, so keep it inside a trusted network.

mod snapshot;
mod task;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::UdpSocket;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::{Config, Event, Gossip, GossipError, Identity, Item, NodeId, Status};
use task::{Command, Task};

pub use snapshot::{MemberSnapshot, Snapshot};

/// Events that a slow reader may be behind; then it loses the oldest and is told so.
const EVENTS_MAX: usize = 4096;
/// Requests of handles that wait for the task; further ones wait their turn.
const COMMANDS_MAX: usize = 64;

/// How a member is started.
#[derive(Debug, Clone)]
pub struct UdpOptions {
    /// The member's number.
    pub id: NodeId,
    /// Where to listen, IPv4 or IPv6; port 0: any that is free.
    pub listen: SocketAddr,
    /// Where others reach this one; `None`: where it listens.
    pub advertise: Option<SocketAddr>,
    /// Grows with every start; `None`: the seconds since 1970.
    pub generation: Option<u64>,
    /// Where other members may be.
    pub seeds: Vec<SocketAddr>,
    /// How it gossips.
    pub config: Config,
}

impl UdpOptions {
    /// Listens at `listen`, knows no seeds, and has the defaults otherwise.
    pub fn new(id: NodeId, listen: SocketAddr, cluster: impl Into<String>) -> Self {
        let config = Config::new(cluster);
        Self { id, listen, advertise: None, generation: None, seeds: Vec::new(), config }
    }
}

/// A handle to a member that runs.
#[derive(Debug, Clone)]
pub struct UdpGossip {
    identity: Identity,
    commands: mpsc::Sender<Command>,
    members: watch::Receiver<Arc<Snapshot>>,
    events: broadcast::Sender<Event>,
}

impl UdpGossip {
    /// Binds the socket and starts the task on the present runtime.
    ///
    /// # Errors
    /// [`GossipError::Bind`] when the address is not to be had, [`GossipError::Config`] when the options do not work or the
    /// socket listens at all addresses and none is advertised.
    pub async fn start(options: UdpOptions) -> Result<Self, GossipError> {
        let bind = |error: std::io::Error| GossipError::Bind { addr: options.listen, kind: error.kind() };
        let socket = UdpSocket::bind(options.listen).await.map_err(bind)?;
        let addr = options.advertise.map_or_else(|| socket.local_addr().map_err(bind), Ok)?;
        if addr.ip().is_unspecified() {
            return Err(GossipError::Config {
                what: "an address to advertise is needed, others cannot reach all",
            });
        }
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let random = || RandomState::new().hash_one(since_1970);
        let identity = Identity {
            id: options.id,
            addr,
            generation: options.generation.unwrap_or(since_1970.as_secs()),
            nonce: random() as u32,
        };
        let mut gossip = Gossip::new(Duration::ZERO, identity, options.config, random())?;
        for seed in options.seeds {
            gossip.add_seed(seed)?;
        }
        let (commands, commands_in) = mpsc::channel(COMMANDS_MAX);
        let (members_out, members) = watch::channel(Arc::new(Snapshot::of(&gossip)));
        let (events, _) = broadcast::channel(EVENTS_MAX);
        let task = Task::new(socket, gossip, commands_in, members_out, events.clone());
        tokio::spawn(task.run());
        Ok(Self { identity, commands, members, events })
    }

    /// Who this member is: its address has the port that was bound.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// All members as they were known a moment ago, this one included.
    pub fn members(&self) -> Arc<Snapshot> {
        Arc::clone(&self.members.borrow())
    }

    /// Follows the snapshots: `changed().await`, then `borrow()`.
    pub fn watch_members(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.members.clone()
    }

    /// What happens from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Tells an item of this member: see [`Gossip::set`].
    ///
    /// # Errors
    /// Those of [`Gossip::set`], and [`GossipError::Stopped`].
    pub async fn set(&self, item: &impl Item) -> Result<(), GossipError> {
        let mut bytes = Vec::new();
        item.encode(&mut bytes);
        let key = item.key();
        self.ask(|reply| Command::Set { key, bytes: Some(bytes), reply }).await?
    }

    /// Takes an item back: see [`Gossip::remove`].
    ///
    /// # Errors
    /// Those of [`Gossip::remove`], and [`GossipError::Stopped`].
    pub async fn remove(&self, key: u16) -> Result<(), GossipError> {
        self.ask(|reply| Command::Set { key, bytes: None, reply }).await?
    }

    /// Says what this member is now: see [`Gossip::set_status`].
    ///
    /// # Errors
    /// [`GossipError::Stopped`].
    pub async fn set_status(&self, status: Status) -> Result<(), GossipError> {
        self.ask(|reply| Command::SetStatus { status, reply }).await
    }

    /// One more address where members may be.
    ///
    /// # Errors
    /// Those of [`Gossip::add_seed`], and [`GossipError::Stopped`].
    pub async fn add_seed(&self, seed: SocketAddr) -> Result<(), GossipError> {
        self.ask(|reply| Command::AddSeed { seed, reply }).await?
    }

    /// Gives up a member that is down: see [`Gossip::give_up`].
    ///
    /// # Errors
    /// Those of [`Gossip::give_up`], and [`GossipError::Stopped`].
    pub async fn give_up(&self, id: NodeId) -> Result<(), GossipError> {
        self.ask(|reply| Command::GiveUp { id, reply }).await?
    }

    /// Says farewell, and stops: see [`Gossip::leave`]. When this returns the messages were sent.
    ///
    /// # Errors
    /// [`GossipError::Stopped`] when it was stopped already.
    pub async fn leave(&self) -> Result<(), GossipError> {
        self.ask(|reply| Command::Leave { reply }).await
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, GossipError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| GossipError::Stopped)?;
        answer.await.map_err(|_| GossipError::Stopped)
    }
}

//! The connections that carry gossip: at most one is dialled to each address, when there is something to send, and used in
//! both directions; those that other nodes dialled are used too.
//!
//! A message that cannot be sent now is lost, and so is the oldest of those that wait for a slow connection: gossip bears
//! losses, and late messages are of no use.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout};

use super::Traffic;
use crate::link::{BODY_MAX, Decoder, HEADER_BYTES, Hello, Kind, Message, dial, member_frame};
use crate::shared::Shared;

/// Messages that wait for one address.
const QUEUED_MAX: usize = 64;
/// Messages that have come and wait for the state machine; then connections are not read.
const RECEIVED_MAX: usize = 256;
/// A connection on which nothing came for so long is closed. A cluster of 100 nodes uses each of its own every 16 s.
const IDLE: Duration = Duration::from_secs(60);
/// What was sent and not acknowledged for so long says that the network swallows it.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(5);
/// After a failure an address is not dialled for so long; doubles with each.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Connections of one address. More can only be left over from a peer that lost its own without a word.
const CONNECTIONS_MAX: usize = 8;
/// Addresses; messages to others are lost.
const PEERS_MAX: usize = 20_000;

/// A message that came.
#[derive(Debug)]
pub(super) struct Received {
    /// Where an answer goes.
    pub(super) from: SocketAddr,
    /// [`Kind::Gossip`] or [`Kind::Agreement`].
    pub(super) kind: Kind,
    pub(super) body: Bytes,
}

/// Whom to dial for an address.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// Host and port; the name is resolved when it is dialled.
    pub(super) address: String,
    /// The node that has to answer there, if it is known.
    pub(super) name: Option<String>,
}

/// All connections.
pub(super) struct Links {
    peers: HashMap<SocketAddr, Rc<Peer>>,
    common: Rc<Common>,
}

/// What the tasks of all connections share.
struct Common {
    shared: Arc<Shared>,
    own: Hello,
    received: mpsc::Sender<Received>,
    traffic: Arc<Traffic>,
}

/// What there is for one address.
#[derive(Default)]
struct Peer {
    queue: RefCell<VecDeque<Bytes>>,
    is_queued: Notify,
    connections: Cell<usize>,
    is_dialled: Cell<bool>,
    failures: Cell<u32>,
    /// Not dialled before.
    paused_until: Cell<Option<Instant>>,
    used_at: Cell<Option<Instant>>,
    /// Told once until it changes.
    last_reason: RefCell<String>,
}

impl Links {
    /// No connections yet; `own` introduces this node. Messages that come are taken from the receiver.
    pub(super) fn new(
        shared: Arc<Shared>,
        own: Hello,
        traffic: Arc<Traffic>,
    ) -> (Self, mpsc::Receiver<Received>) {
        let (received, receiver) = mpsc::channel(RECEIVED_MAX);
        let common = Rc::new(Common { shared, own, received, traffic });
        (Self { peers: HashMap::new(), common }, receiver)
    }

    /// Sends a message, over a connection that there is or a new one to `target`.
    pub(super) fn send(
        &mut self,
        to: SocketAddr,
        kind: Kind,
        message: &[u8],
        target: impl FnOnce() -> Target,
    ) {
        let Some(peer) = self.peer(to) else { return self.common.traffic.dropped(1) };
        let now = Instant::now();
        peer.used_at.set(Some(now));
        let is_paused = peer.paused_until.get().is_some_and(|until| now < until);
        if is_paused && peer.connections.get() == 0 {
            return self.common.traffic.dropped(1);
        }
        self.common.traffic.dropped(peer.push(member_frame(kind, message)));
        if peer.connections.get() == 0 && !peer.is_dialled.replace(true) {
            let (common, target) = (Rc::clone(&self.common), target());
            tokio::task::spawn_local(async move {
                match common.dial(&target).await {
                    Ok(stream) => {
                        peer.reached();
                        common.serve(&peer, to, stream).await;
                    }
                    Err(reason) => {
                        peer.pause();
                        common.traffic.dropped(peer.forget());
                        if *peer.last_reason.borrow() != reason {
                            tracing::debug!(address = %target.address, "no gossip: {reason}");
                            *peer.last_reason.borrow_mut() = reason;
                        }
                    }
                }
            });
        }
    }

    /// Serves a connection that another node has made.
    pub(super) fn take(&mut self, stream: std::net::TcpStream, hello: &Hello) {
        let Some(from) = hello.member_address else {
            return tracing::warn!(peer = %hello.node, "gossip refused: it does not say where it is reached");
        };
        let Some(peer) = self.peer(from).filter(|peer| peer.connections.get() < CONNECTIONS_MAX) else {
            return tracing::warn!(peer = %hello.node, "gossip refused: it has too many connections here");
        };
        match TcpStream::from_std(stream) {
            Ok(stream) => {
                let common = Rc::clone(&self.common);
                peer.reached();
                tokio::task::spawn_local(async move { common.serve(&peer, from, stream).await });
            }
            Err(error) => tracing::warn!(peer = %hello.node, %error, "gossip connection cannot be taken in"),
        }
    }

    /// Forgets addresses that have not been used for long.
    pub(super) fn tidy(&mut self) {
        self.peers.retain(|_, peer| {
            let is_used = peer.used_at.get().is_some_and(|at| at.elapsed() < IDLE);
            is_used || peer.connections.get() > 0 || peer.is_dialled.get()
        });
    }

    fn peer(&mut self, address: SocketAddr) -> Option<Rc<Peer>> {
        if let Some(peer) = self.peers.get(&address) {
            return Some(Rc::clone(peer));
        }
        if self.peers.len() >= PEERS_MAX {
            return None;
        }
        let peer = Rc::new(Peer::default());
        peer.used_at.set(Some(Instant::now()));
        self.peers.insert(address, Rc::clone(&peer));
        Some(peer)
    }
}

impl Common {
    async fn dial(&self, target: &Target) -> Result<TcpStream, String> {
        let within = self.shared.config.timeouts.connect;
        let dialled =
            dial(&target.address, target.name.as_deref(), &self.own, &self.shared.ring(), within).await;
        dialled.map(|(stream, _)| stream).map_err(|refusal| refusal.to_string())
    }

    /// Carries messages both ways until the connection ends.
    async fn serve(&self, peer: &Peer, address: SocketAddr, stream: TcpStream) {
        limit_unacknowledged(&stream);
        let (reader, writer) = stream.into_split();
        peer.connections.set(peer.connections.get() + 1);
        self.traffic.connections.fetch_add(1, Ordering::Relaxed);
        let ended = tokio::select! {
            ended = self.read(address, reader) => ended,
            ended = self.write(peer, writer) => ended,
        };
        self.traffic.connections.fetch_sub(1, Ordering::Relaxed);
        peer.connections.set(peer.connections.get() - 1);
        if peer.connections.get() == 0 {
            self.traffic.dropped(peer.forget());
        }
        tracing::debug!(%address, "gossip connection ended: {ended}");
    }

    async fn read(&self, from: SocketAddr, mut reader: OwnedReadHalf) -> String {
        let mut decoder = Decoder::new(BODY_MAX);
        let mut input = BytesMut::new();
        loop {
            match decoder.next(&mut input) {
                Ok(Some(Message { kind: kind @ (Kind::Gossip | Kind::Agreement), body })) => {
                    self.traffic.received(body.len() + HEADER_BYTES);
                    if self.received.send(Received { from, kind, body }).await.is_err() {
                        return "this node stops".to_owned();
                    }
                    continue;
                }
                Ok(Some(message)) => return format!("unexpected message {:?}", message.kind),
                Ok(None) => {}
                Err(error) => return error.to_string(),
            }
            input.reserve(4096);
            match timeout(IDLE, reader.read_buf(&mut input)).await {
                Err(_) => return "not used".to_owned(),
                Ok(Ok(0)) => return "closed by the other side".to_owned(),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return error.to_string(),
            }
        }
    }

    async fn write(&self, peer: &Peer, mut writer: OwnedWriteHalf) -> String {
        loop {
            let message = peer.next().await;
            let written: io::Result<()> = writer.write_all(&message).await;
            match written {
                Ok(()) => self.traffic.sent(message.len()),
                Err(error) => {
                    self.traffic.dropped(1);
                    return error.to_string();
                }
            }
        }
    }
}

impl Peer {
    /// Appends a message; gives how many were dropped for it.
    fn push(&self, message: Bytes) -> usize {
        let mut queue = self.queue.borrow_mut();
        let is_full = queue.len() >= QUEUED_MAX;
        if is_full {
            queue.pop_front();
        }
        queue.push_back(message);
        self.is_queued.notify_one();
        usize::from(is_full)
    }

    /// The next message.
    async fn next(&self) -> Bytes {
        loop {
            let message = self.queue.borrow_mut().pop_front();
            match message {
                Some(message) => return message,
                None => self.is_queued.notified().await,
            }
        }
    }

    /// Drops all that waits; gives how much it was.
    fn forget(&self) -> usize {
        let mut queue = self.queue.borrow_mut();
        let count = queue.len();
        queue.clear();
        count
    }

    fn reached(&self) {
        self.is_dialled.set(false);
        self.failures.set(0);
        self.paused_until.set(None);
        self.last_reason.borrow_mut().clear();
    }

    fn pause(&self) {
        self.is_dialled.set(false);
        let failures = self.failures.get();
        self.failures.set(failures.saturating_add(1));
        let pause = (PAUSE_MIN * (1 << failures.min(8))).min(PAUSE_MAX);
        self.paused_until.set(Some(Instant::now() + pause));
    }
}

/// A peer that vanished without a word, or a network that swallows packets, would keep a connection for a quarter of an hour.
fn limit_unacknowledged(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    if let Err(error) = SockRef::from(stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX)) {
        tracing::debug!(%error, "the system does not limit how long a connection waits");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, UNACKNOWLEDGED_MAX);
}

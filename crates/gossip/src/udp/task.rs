//! The task that owns the socket and the state machine.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::Snapshot;
use crate::{Event, Gossip, GossipError, Health, NodeId, Out, Status};

/// Snapshots are at least so far apart: they copy every member.
const SNAPSHOT_EVERY: Duration = Duration::from_millis(20);
/// After a failed read, so that a broken socket does not take a whole core.
const AFTER_ERROR: Duration = Duration::from_millis(10);
/// Messages taken before other things have their turn.
const BATCH_MAX: usize = 64;

/// What a handle asks for.
pub(super) enum Command {
    Set { key: u16, bytes: Option<Vec<u8>>, reply: Reply },
    SetStatus { status: Status, reply: oneshot::Sender<()> },
    AddSeed { seed: SocketAddr, reply: Reply },
    GiveUp { id: NodeId, reply: Reply },
    Leave { reply: oneshot::Sender<()> },
}

type Reply = oneshot::Sender<Result<(), GossipError>>;

pub(super) struct Task {
    socket: UdpSocket,
    is_ipv6: bool,
    gossip: Gossip,
    commands: mpsc::Receiver<Command>,
    members: watch::Sender<Arc<Snapshot>>,
    events: broadcast::Sender<Event>,
    started_at: Instant,
    out: Out,
    buf: Vec<u8>,
    /// When the next snapshot is due; `None`: nothing changed.
    snapshot_at: Option<Instant>,
    last_snapshot_at: Instant,
}

impl Task {
    pub(super) fn new(
        socket: UdpSocket,
        gossip: Gossip,
        commands: mpsc::Receiver<Command>,
        members: watch::Sender<Arc<Snapshot>>,
        events: broadcast::Sender<Event>,
    ) -> Self {
        let is_ipv6 = socket.local_addr().is_ok_and(|addr| addr.is_ipv6());
        // One byte more than is read: a longer message is seen to be one.
        let buf = vec![0; gossip.config().received_bytes_max.min(usize::from(u16::MAX)) + 1];
        let now = Instant::now();
        Self {
            socket,
            is_ipv6,
            gossip,
            commands,
            members,
            events,
            started_at: now,
            out: Out::new(),
            buf,
            snapshot_at: None,
            last_snapshot_at: now,
        }
    }

    /// Until it leaves, or nobody has a handle any more.
    pub(super) async fn run(mut self) {
        while let Some(deadline) = self.gossip.next_deadline() {
            let deadline = self.started_at + deadline;
            let wake_at = self.snapshot_at.map_or(deadline, |at| at.min(deadline));
            tokio::select! {
                received = self.socket.recv_from(&mut self.buf) => match received {
                    Ok((len, from)) => self.take_messages(len, from),
                    // An earlier message was refused by its receiver's machine, on some systems; nothing to be done.
                    Err(_) => sleep(AFTER_ERROR).await,
                },
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => return,
                },
                () = sleep_until(wake_at) => {}
            }
            let now = self.now();
            if self.gossip.next_deadline().is_some_and(|deadline| deadline <= now) {
                self.gossip.handle_timeout(now, &mut self.out);
                // A suspicion ends without an event.
                let has_suspects = self.members.borrow().count(Health::Suspect) > 0;
                self.note_change(has_suspects);
            }
            self.carry_out().await;
            self.publish();
        }
        self.snapshot_at = Some(Instant::now());
        self.publish();
    }

    fn now(&self) -> Duration {
        self.started_at.elapsed()
    }

    fn take_messages(&mut self, len: usize, from: SocketAddr) {
        let mut next = Some((len, from));
        for _ in 0..BATCH_MAX {
            let Some((len, from)) = next else { return };
            let from = SocketAddr::new(from.ip().to_canonical(), from.port());
            self.gossip.handle_message(self.started_at.elapsed(), from, &self.buf[..len], &mut self.out);
            next = self.socket.try_recv_from(&mut self.buf).ok();
        }
        // The last one read, when the batch was full.
        if let Some((len, from)) = next {
            let from = SocketAddr::new(from.ip().to_canonical(), from.port());
            self.gossip.handle_message(self.started_at.elapsed(), from, &self.buf[..len], &mut self.out);
        }
    }

    async fn obey(&mut self, command: Command) {
        let now = self.now();
        // Whoever asked may have gone: then nobody wants the answer.
        match command {
            Command::Set { key, bytes, reply } => {
                let result = match bytes {
                    Some(bytes) => self.gossip.set_raw(now, key, &bytes),
                    None => self.gossip.remove(now, key),
                };
                let _ = reply.send(result);
            }
            Command::SetStatus { status, reply } => {
                self.gossip.set_status(now, status);
                let _ = reply.send(());
            }
            Command::AddSeed { seed, reply } => {
                let _ = reply.send(self.gossip.add_seed(seed));
            }
            Command::GiveUp { id, reply } => {
                let _ = reply.send(self.gossip.give_up(now, id, &mut self.out));
            }
            Command::Leave { reply } => {
                self.gossip.leave(now, &mut self.out);
                self.carry_out().await;
                let _ = reply.send(());
            }
        }
        self.note_change(true);
    }

    async fn carry_out(&mut self) {
        self.note_change(!self.out.events().is_empty());
        for event in self.out.events() {
            // Nobody may be listening.
            let _ = self.events.send(event.clone());
        }
        for (to, bytes) in self.out.sends() {
            let to = if self.is_ipv6 { mapped(to) } else { to };
            // One that is not sent is a lost one.
            let _ = self.socket.send_to(bytes, to).await;
        }
        self.out.clear();
    }

    fn note_change(&mut self, has_changed: bool) {
        if has_changed && self.snapshot_at.is_none() {
            self.snapshot_at = Some((self.last_snapshot_at + SNAPSHOT_EVERY).max(Instant::now()));
        }
    }

    fn publish(&mut self) {
        let now = Instant::now();
        if self.snapshot_at.is_some_and(|at| at <= now) {
            self.snapshot_at = None;
            self.last_snapshot_at = now;
            self.members.send_replace(Arc::new(Snapshot::of(&self.gossip)));
        }
    }
}

/// An IPv6 socket reaches IPv4 by mapped addresses.
fn mapped(to: SocketAddr) -> SocketAddr {
    match to {
        SocketAddr::V4(to) => SocketAddr::from((to.ip().to_ipv6_mapped(), to.port())),
        SocketAddr::V6(_) => to,
    }
}

//! The client connections of a worker.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dynomite_replication::Ticket;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};

use super::{Core, Worker};
use crate::client::{Client, Session};
use crate::slots::Slots;

/// Sequence numbers take the low 32 bits of a ticket, the connection's number 24, the worker's 8.
const NUMBER_SHIFT: u32 = 32;
const WORKER_SHIFT: u32 = 56;
const NUMBER_MAX: u32 = (1 << (WORKER_SHIFT - NUMBER_SHIFT)) - 1;

/// A client that vanished without a word is noticed after about this long; as in Redis.
const KEEPALIVE: Duration = Duration::from_secs(300);
const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";

/// The connections, and what is to be done for them in the next turn.
#[derive(Default)]
pub(crate) struct Clients {
    slots: Slots<Client>,
    /// For each number, where the next connection's sequence begins: a late reply to an earlier one then fits nothing.
    sequences: Vec<u32>,
    dirty: Vec<u32>,
    /// Connections with input that has to wait.
    waiting: Vec<u32>,
    /// Those of them that are being resumed; empty between calls.
    resuming: Vec<u32>,
    /// The worker's read buffer, empty between reads.
    scratch: BytesMut,
    is_draining: bool,
}

impl Clients {
    /// The worker that a ticket came from.
    pub(crate) fn worker_of(ticket: Ticket) -> usize {
        (ticket.0 >> WORKER_SHIFT) as usize
    }

    /// Takes a connection in and gives its number; `None` when no number is left.
    fn insert(&mut self, stream: TcpStream, session: Session, core: &mut Core) -> Option<u32> {
        let number = self.slots.next_number();
        if number > NUMBER_MAX {
            return None;
        }
        if self.sequences.len() <= number as usize {
            self.sequences.resize(number as usize + 1, 0);
        }
        let ticket_base = (core.index as u64) << WORKER_SHIFT | u64::from(number) << NUMBER_SHIFT;
        let client = Client::new(stream, session, ticket_base, self.sequences[number as usize], core);
        self.slots.insert(client);
        Some(number)
    }

    fn poll(&mut self, number: u32, core: &mut Core, cx: &mut Context<'_>) -> Poll<()> {
        let Some(client) = self.slots.get_mut(number) else { return Poll::Ready(()) };
        let outcome = client.poll(core, &mut self.scratch, cx);
        self.note(number);
        outcome
    }

    fn remove(&mut self, number: u32, core: &mut Core) {
        if let Some(mut client) = self.slots.remove(number) {
            client.release(core);
            self.sequences[number as usize] = client.next_sequence();
        }
    }

    /// A reply to one of this worker's clients.
    pub(crate) fn take_reply(&mut self, ticket: Ticket, reply: Bytes) {
        let number = (ticket.0 >> NUMBER_SHIFT) as u32 & NUMBER_MAX;
        if let Some(client) = self.slots.get_mut(number) {
            client.take_reply(ticket.0 as u32, reply);
            self.note(number);
        }
    }

    /// Takes input that had to wait, where it no longer has to. Whether there was any.
    pub(crate) fn resume(&mut self, core: &mut Core) -> bool {
        if self.waiting.is_empty() || !core.has_room() {
            return false;
        }
        let mut resumed = false;
        let mut resuming = std::mem::take(&mut self.resuming);
        std::mem::swap(&mut resuming, &mut self.waiting);
        for number in resuming.drain(..) {
            let Some(client) = self.slots.get_mut(number) else { continue };
            client.is_listed = false;
            resumed |= client.resume(core);
            self.note(number);
        }
        self.resuming = resuming;
        // The next time another is first, in case there is not room for all.
        if self.waiting.len() > 1 {
            self.waiting.rotate_left(1);
        }
        resumed
    }

    /// Writes to all connections for which there is something new.
    pub(crate) fn flush(&mut self, core: &mut Core) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for number in dirty.drain(..) {
            if let Some(client) = self.slots.get_mut(number) {
                client.is_dirty = false;
                client.flush(core);
            }
        }
        self.dirty = dirty;
    }

    /// Closes connections that have taken none of their replies since `since_ms`.
    pub(crate) fn cut_stalled(&mut self, since_ms: u64, core: &mut Core) {
        for (_, client) in self.slots.iter_mut().filter(|(_, client)| client.is_stalled_since(since_ms)) {
            core.counters.connections_stalled += 1;
            tracing::warn!(client = %client.address(), "client closed: it takes none of its replies");
            client.cut();
        }
    }

    /// No connection takes further commands.
    pub(crate) fn drain(&mut self) {
        self.is_draining = true;
        let mut numbers = Vec::new();
        for (number, client) in self.slots.iter_mut() {
            client.end();
            numbers.push(number);
        }
        for number in numbers {
            self.note(number);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Lists a connection for what the turn has to do for it.
    fn note(&mut self, number: u32) {
        let Some(client) = self.slots.get_mut(number) else { return };
        if !client.is_dirty {
            client.is_dirty = true;
            self.dirty.push(number);
        }
        if client.is_waiting() && !client.is_listed {
            client.is_listed = true;
            self.waiting.push(number);
        }
    }
}

/// Accepts clients until the task is aborted.
pub(crate) async fn accept(worker: Rc<RefCell<Worker>>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                prepare(&stream);
                let local = stream.local_addr().unwrap_or(address);
                take_in(&worker, stream, address, local);
            }
            Err(error) => {
                // Out of file descriptors, most likely: others must close before it can go on.
                if error.kind() != ErrorKind::ConnectionAborted {
                    tracing::warn!(%error, "cannot accept a client");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Settings without which it works too, only worse.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE));
}

fn take_in(
    worker: &Rc<RefCell<Worker>>,
    stream: TcpStream,
    address: std::net::SocketAddr,
    local: std::net::SocketAddr,
) {
    let Worker { core, clients, .. } = &mut *worker.borrow_mut();
    let shared = core.shared.clone();
    core.counters.connections_received += 1;
    let before = shared.client_count.fetch_add(1, Ordering::Relaxed);
    let session = Session::new(shared.next_client_id.fetch_add(1, Ordering::Relaxed), address, local);
    let has_room = before < shared.config.limits.clients_max as usize && !clients.is_draining;
    // A new socket's buffer has room for one line.
    let refuse = |stream: &TcpStream| drop(stream.try_write(TOO_MANY));
    let number = if has_room {
        clients.insert(stream, session, core)
    } else {
        refuse(&stream);
        None
    };
    let Some(number) = number else {
        core.counters.connections_rejected += 1;
        shared.client_count.fetch_sub(1, Ordering::Relaxed);
        return;
    };
    let (worker, tasks) = (Rc::clone(worker), core.tasks.clone());
    tasks.spawn(async move {
        poll_fn(|cx| {
            let Worker { core, clients, .. } = &mut *worker.borrow_mut();
            clients.poll(number, core, cx)
        })
        .await;
        let Worker { core, clients, .. } = &mut *worker.borrow_mut();
        clients.remove(number, core);
        core.shared.client_count.fetch_sub(1, Ordering::Relaxed);
        core.wake_turn();
    });
}

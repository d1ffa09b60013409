//! What workers of one node hand to each other: a batch for each worker and turn.
//!
//! Invariants: mail from one worker to another arrives in its order. A channel that is full delays mail and loses none;
//! what then waits is bounded by what may be in flight: operations of clients, and the windows of peer links.

use std::net::TcpStream;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use dynomite_replication::{ClientCommand, Origin, ReplicaRequest, ReplicaResponse, Ticket};
use dynomite_ring::{NodeId, Ring};
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

use crate::link::Hello;
use crate::repairs::RepairOrder;

/// Batches that a worker has not yet taken, from all others together.
const BATCHES_MAX: usize = 64;
/// Emptied batches that a worker has at most.
const SPARES_MAX: usize = 16;
/// Those that it keeps for what it sends; the rest goes to whom it sends something next.
const SPARES_KEPT: usize = 4;
/// A batch with room for more mail than this is not kept: it was a burst's.
const SPARE_MAIL_MAX: usize = 256;

/// One thing for another worker.
#[derive(Debug)]
pub(crate) enum Mail {
    /// A client of the sender wants this run.
    Command(ClientCommand),
    /// The answer to a [`Mail::Command`].
    Reply(Ticket, Bytes),
    /// Another node asks for this.
    Request(Origin, ReplicaRequest),
    /// The answer to a [`Mail::Request`].
    Response(Origin, ReplicaResponse),
    /// An emptied batch: the sender has more of them than it needs.
    Spare(Vec<Mail>),
    /// A peer's connection after its handshake.
    Link(TcpStream, Hello),
    /// An operator wants all copies compared, or no longer.
    Repair(RepairOrder),
    /// The next ring, in the order in which rings were decided.
    Ring(Arc<Ring>),
    /// Remove what is other nodes' by now.
    Cleanup,
    /// Something about another node.
    Peer(PeerNews),
    /// Begin to stop.
    Drain,
    /// Say goodbye to the other nodes.
    Leave,
    /// End at once.
    Abort,
}

/// What the membership says of another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerNews {
    /// It is there again.
    Up(NodeId),
    /// It is called down. A link to it on which signs of life come says otherwise, and stays.
    Down(NodeId),
    /// Its datastore can be used again.
    DatastoreUp(NodeId),
    /// Its datastore cannot be used.
    DatastoreDown(NodeId),
}

impl PeerNews {
    /// Whether it is a later word on the same thing.
    pub(crate) fn replaces(self, older: Self) -> bool {
        let about = |news| match news {
            Self::Up(node) | Self::Down(node) => (node, false),
            Self::DatastoreUp(node) | Self::DatastoreDown(node) => (node, true),
        };
        about(self) == about(older)
    }
}

pub(crate) type Sender = mpsc::Sender<Vec<Mail>>;
pub(crate) type Receiver = mpsc::Receiver<Vec<Mail>>;

/// The way to a worker.
pub(crate) fn channel() -> (Sender, Receiver) {
    mpsc::channel(BATCHES_MAX)
}

/// A worker's side of all channels.
pub(crate) struct Mailroom {
    receiver: Receiver,
    boxes: Vec<Outbox>,
    /// Emptied batches, for those that go out. Who receives more of them than it sends gives some back.
    spares: Vec<Vec<Mail>>,
}

struct Outbox {
    sender: PollSender<Vec<Mail>>,
    batch: Vec<Mail>,
}

impl Mailroom {
    /// `senders` leads to every worker of the node, this one included.
    pub(crate) fn new(receiver: Receiver, senders: Vec<Sender>) -> Self {
        let boxes =
            senders.into_iter().map(|sender| Outbox { sender: PollSender::new(sender), batch: Vec::new() });
        Self { receiver, boxes: boxes.collect(), spares: Vec::with_capacity(SPARES_MAX) }
    }

    /// Puts mail for `worker` into the batch that leaves at the end of the turn.
    pub(crate) fn put(&mut self, worker: usize, mail: Mail) {
        // A worker that is not there can only be named by a ticket or origin that this process made up wrongly.
        if let Some(outbox) = self.boxes.get_mut(worker) {
            outbox.batch.push(mail);
        }
    }

    /// The next batch that has arrived; `None` for now, and then `cx` is woken for the next one.
    pub(crate) fn poll_batch(&mut self, cx: &mut Context<'_>) -> Option<Vec<Mail>> {
        match self.receiver.poll_recv(cx) {
            Poll::Ready(batch) => batch,
            Poll::Pending => None,
        }
    }

    /// Takes back a batch that [`Mailroom::poll_batch`] gave, when all its mail is taken out.
    pub(crate) fn take_back(&mut self, batch: Vec<Mail>) {
        debug_assert!(batch.is_empty(), "mail would be lost, or come again");
        if self.spares.len() < SPARES_MAX && batch.capacity() <= SPARE_MAIL_MAX {
            self.spares.push(batch);
        }
    }

    /// Hands out all batches for which there is room; `cx` is woken when there is room for the rest.
    pub(crate) fn send(&mut self, cx: &mut Context<'_>) {
        for outbox in self.boxes.iter_mut().filter(|outbox| !outbox.batch.is_empty()) {
            match outbox.sender.poll_reserve(cx) {
                Poll::Ready(Ok(())) => {
                    let surplus = self.spares.len().min(SPARES_KEPT)..;
                    outbox.batch.extend(self.spares.drain(surplus).map(Mail::Spare));
                    let next = self.spares.pop().unwrap_or_default();
                    // It can only fail when that worker has ended, and then nobody waits for the mail.
                    let _ = outbox.sender.send_item(std::mem::replace(&mut outbox.batch, next));
                }
                Poll::Ready(Err(_)) => outbox.batch.clear(),
                Poll::Pending => {}
            }
        }
    }
}

//! Who is in the cluster and how they are, as the nodes tell each other: the gossip of this node, on a thread of its own.
//!
//! `task` drives the state machine of `dynomite-gossip`: it gives it time, messages and what the data links show, and tells
//! the workers what follows for their routing. `links` carries its messages on connections to other nodes' peer port,
//! `items` is what each node tells of itself, `json` what operators get to see.
//!
//! Invariants: the thread holds up no worker; what waits for it and what it waits to send is bounded, and of messages that
//! cannot be sent the oldest are lost, which gossip bears.

mod items;
mod json;
mod links;
mod task;

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dynomite_gossip::{Counts, Health, Status};
use dynomite_ring::NodeId;
use tokio::sync::{mpsc, watch};

use crate::config::HostPort;
use crate::link::Hello;
use crate::topology::{Order as TopologyOrder, TopologyView};
use items::Told;

pub(crate) use json::{health_word, members_json};
pub(crate) use task::{Plan, spawn};

/// Orders that the thread has not yet taken; further ones are refused.
const ORDERS_MAX: usize = 256;

/// The way to the membership, for the workers.
#[derive(Debug)]
pub(crate) struct Membership {
    orders: mpsc::Sender<Order>,
    view: watch::Receiver<Arc<View>>,
    traffic: Arc<Traffic>,
}

/// The other end of a [`Membership`].
#[derive(Debug)]
pub(crate) struct Desk {
    orders: mpsc::Receiver<Order>,
    view: watch::Sender<Arc<View>>,
    traffic: Arc<Traffic>,
}

/// What is wanted of the membership.
#[derive(Debug)]
enum Order {
    /// Another node has connected for it.
    Take(TcpStream, Hello),
    /// Members may be found there.
    AddSeeds(Vec<HostPort>),
    /// The ring shall change.
    Topology(TopologyOrder),
}

/// The thread has more to do than it can, or has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the membership takes nothing more now")]
pub(crate) struct Busy;

/// All members as they were known a moment ago.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    pub(crate) members: Vec<MemberView>,
    pub(crate) counts: Counts,
    /// What was decided of the ring, and what is under way.
    pub(crate) topology: TopologyView,
    /// The sum over what is known of all members: the same on two nodes that know the same.
    pub(crate) digest: u64,
}

/// One member as it was known a moment ago.
#[derive(Debug, Clone)]
pub(crate) struct MemberView {
    pub(crate) id: NodeId,
    pub(crate) address: SocketAddr,
    pub(crate) generation: u64,
    pub(crate) incarnation: u64,
    pub(crate) status: Status,
    pub(crate) health: Health,
    pub(crate) phi: f64,
    /// How many changes of what it tells are known.
    pub(crate) version: u64,
    pub(crate) told: Arc<Told>,
}

/// What was sent and received for the membership.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) sent_count: AtomicU64,
    pub(crate) sent_bytes: AtomicU64,
    pub(crate) received_count: AtomicU64,
    pub(crate) received_bytes: AtomicU64,
    /// Messages that could not be sent in time, or at all.
    pub(crate) dropped_count: AtomicU64,
    /// Connections that stand, in either direction.
    pub(crate) connections: AtomicU64,
}

impl Membership {
    /// Both ends. Nobody is known, and nothing is done, before the thread is started.
    pub(crate) fn new() -> (Self, Desk) {
        let (orders, orders_in) = mpsc::channel(ORDERS_MAX);
        let (view_out, view) = watch::channel(Arc::default());
        let traffic = Arc::new(Traffic::default());
        let desk = Desk { orders: orders_in, view: view_out, traffic: Arc::clone(&traffic) };
        (Self { orders, view, traffic }, desk)
    }

    /// Takes over a connection that another node has made for the membership.
    ///
    /// # Errors
    /// [`Busy`]: the connection is closed.
    pub(crate) fn take(&self, stream: TcpStream, hello: Hello) -> Result<(), Busy> {
        self.order(Order::Take(stream, hello))
    }

    /// Looks for members at more addresses; those that it looks at already are harmless. A name is resolved again each time
    /// that it is connected to.
    ///
    /// # Errors
    /// [`Busy`].
    pub(crate) fn add_seeds(&self, seeds: Vec<HostPort>) -> Result<(), Busy> {
        self.order(Order::AddSeeds(seeds))
    }

    /// Orders a change of the ring; what comes of it is in the view.
    ///
    /// # Errors
    /// [`Busy`].
    pub(crate) fn change(&self, order: TopologyOrder) -> Result<(), Busy> {
        self.order(Order::Topology(order))
    }

    /// To be told whenever the view is renewed.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<View>> {
        self.view.clone()
    }

    /// All members as they were known a moment ago.
    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    fn order(&self, order: Order) -> Result<(), Busy> {
        self.orders.try_send(order).map_err(|_| Busy)
    }
}

impl View {
    pub(crate) fn member(&self, id: NodeId) -> Option<&MemberView> {
        self.members.iter().find(|member| member.id == id)
    }

    /// How many members are so.
    pub(crate) fn count(&self, health: Health) -> usize {
        self.members.iter().filter(|member| member.health == health).count()
    }
}

impl Traffic {
    fn sent(&self, byte_count: usize) {
        self.sent_count.fetch_add(1, Ordering::Relaxed);
        self.sent_bytes.fetch_add(byte_count as u64, Ordering::Relaxed);
    }

    fn received(&self, byte_count: usize) {
        self.received_count.fetch_add(1, Ordering::Relaxed);
        self.received_bytes.fetch_add(byte_count as u64, Ordering::Relaxed);
    }

    fn dropped(&self, count: usize) {
        self.dropped_count.fetch_add(count as u64, Ordering::Relaxed);
    }
}

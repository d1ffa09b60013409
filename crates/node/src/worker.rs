//! A worker: one thread with its own clients, links, lane and engine, and what it does in a turn.
//!
//! Tasks read sockets and hand what they read to the engine at once; whatever comes of it is carried out by the *turn*,
//! which runs after all tasks that were ready. So there is one write for each target, however many requests it
//! carries, and one hand-over for each other worker.
//!
//! Invariants: nothing here blocks; a borrow of the worker never lasts over an await; the commands on one key pass
//! through one worker, in the order in which they came.

mod clients;
mod core;
mod lane;
mod links;
mod mail;
mod repairing;
mod rings;
mod stalled;
mod tasks;
mod thread;
mod turn;
mod upkeep;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use dynomite_replication::ClientCommand;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

pub(crate) use self::clients::Clients;
pub(crate) use self::core::Core;
use self::lane::LanePort;
pub(crate) use self::links::Links;
pub(crate) use self::mail::{Mail, PeerNews, Sender, channel};
pub(crate) use self::thread::{Plan, engine_of, spawn};
use crate::link::Hello;

/// All that one thread owns.
pub(crate) struct Worker {
    pub(crate) core: Core,
    lane: LanePort,
    pub(crate) clients: Clients,
    pub(crate) links: Links,
    /// Commands of other workers' clients for which the engine has no room yet.
    held: VecDeque<ClientCommand>,
    /// Whether the ring has nodes to which nobody dials yet, or none any more to which somebody does.
    has_new_peers: bool,
    /// Links that another worker has accepted for this one, to be taken in after the turn.
    handed: Vec<(std::net::TcpStream, Hello)>,
    /// Tasks that end when the worker begins to stop: they would let clients and other nodes in.
    entrances: Vec<AbortHandle>,
    events: mpsc::UnboundedSender<Event>,
    stage: Stage,
}

/// How far the life of a worker is. Each stage but the first has a time, in milliseconds, at which it ends in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Serving,
    /// Takes no more from clients and answers what is in flight.
    Draining {
        until_ms: u64,
    },
    /// All clients are answered; the other workers may not be so far.
    Drained,
    /// Has asked the other nodes to send no more, and serves what they have sent.
    Leaving {
        until_ms: u64,
    },
    /// Serves until it is told to end.
    Left,
    /// About to end.
    Over,
}

impl Stage {
    /// Whether other nodes have been asked to send no more.
    fn has_said_goodbye(self) -> bool {
        matches!(self, Self::Leaving { .. } | Self::Left | Self::Over)
    }
}

/// What a worker tells the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// All its clients are answered, or the time for that is over.
    Drained,
    /// No other node waits for it, or the time for that is over.
    Left,
    /// The ring has no place for this node any more.
    OutOfRing,
    /// Its thread ends.
    Ended {
        worker: usize,
        /// It ends because of a defect.
        failed: bool,
    },
}

/// The tasks of a thread share their worker.
pub(crate) type SharedWorker = Rc<RefCell<Worker>>;

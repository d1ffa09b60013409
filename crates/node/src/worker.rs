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
mod mail;
mod thread;
mod turn;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use dynomite_replication::ClientCommand;

pub(crate) use self::clients::Clients;
pub(crate) use self::core::Core;
use self::lane::LanePort;
pub(crate) use self::mail::{Mail, Sender, channel};
pub(crate) use self::thread::{Plan, spawn};

/// All that one thread owns.
pub(crate) struct Worker {
    pub(crate) core: Core,
    lane: LanePort,
    pub(crate) clients: Clients,
    /// Commands of other workers' clients for which the engine has no room yet.
    held: VecDeque<ClientCommand>,
    stage: Stage,
}

/// How far the life of a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Serving,
    /// Takes no more from clients and answers what is in flight.
    Draining,
    /// About to end.
    Over,
}

/// The tasks of a thread share their worker.
pub(crate) type SharedWorker = Rc<RefCell<Worker>>;

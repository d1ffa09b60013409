//! A Redis server (or Valkey, or anything that speaks RESP2 and has `DUMP` and `RESTORE`) as a datastore.
//!
//! Each worker's lane is one pipelined connection, driven by the worker's own polls: no task, no lock, one vectored
//! write and as few reads as the socket allows per turn. Invariants: operations reach the server in the order of
//! `submit` and are never sent twice; a broken connection is said once, and nothing that was sent on it is answered
//! afterwards.

mod commands;
mod config;
mod connection;
mod handshake;
mod kind;
mod lane;
mod owed;
mod page;
mod side;
mod stage;
mod transaction;

use std::sync::Arc;

pub use config::{RedisConfig, RedisUrlError};

use crate::server_lane::ServerLane;
use crate::{Backend, Lane};

/// What the server's URL begins with.
const SCHEME: &str = "redis";

/// A Redis server on the other side of a TCP connection or a unix socket.
///
/// Opening a lane must happen inside a tokio runtime with I/O and time enabled. See the crate's README for what a
/// caller may send.
#[derive(Debug, Clone)]
pub struct RedisBackend {
    config: Arc<RedisConfig>,
}

impl RedisBackend {
    /// A backend for the server that `config` names. Connects to nothing yet.
    pub fn new(config: RedisConfig) -> Self {
        Self { config: Arc::new(config) }
    }
}

impl Backend for RedisBackend {
    fn describe(&self) -> String {
        self.config.address.url(SCHEME)
    }

    fn open_lane(&self, worker: usize, _worker_count: usize) -> Box<dyn Lane> {
        let server = lane::RedisServer::new(Arc::clone(&self.config), worker);
        Box::new(ServerLane::open(server, worker, self.config.backoff_min, self.config.backoff_max))
    }

    fn has_parts(&self) -> bool {
        false
    }
}

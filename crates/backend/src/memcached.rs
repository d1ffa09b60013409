//! A memcached server, by its text protocol, as a datastore.
//!
//! Each worker's lane is one pipelined connection, driven by the worker's own polls, as in the Redis adapter. Invariants:
//! every operation that is sent makes the server answer exactly once; nothing is sent that could make it read data as
//! commands; operations reach it in the order of `submit` and are never sent twice; a broken connection is said once.

mod command;
mod config;
mod connection;
mod crawl;
mod found;
mod framer;
mod handshake;
mod key;
mod lane;
mod meta;
mod owed;
mod payload;
mod scan;

use std::sync::Arc;

pub use config::{MemcachedConfig, MemcachedUrlError};

use crate::server_lane::ServerLane;
use crate::{Backend, Lane};

/// What the server's URL begins with.
const SCHEME: &str = "memcached";

/// A memcached server on the other side of a TCP connection or a unix socket: version 1.6.10 or later.
///
/// Opening a lane must happen inside a tokio runtime with I/O and time enabled.
///
/// An [`Operation::Command`](crate::Operation::Command) is one command line. Its arguments are the line's words, in
/// memcached's order; of a command that carries data (`set`, `add`, `replace`, `append`, `prepend`, `cas`, `ms`) the last
/// argument is the data, and the word that tells its length is left out: the lane puts it in. So
///
/// | the server reads | the request's arguments are |
/// |---|---|
/// | `set key 5 60 3⏎abc⏎` | `set` `key` `5` `60` `abc` |
/// | `cas key 5 60 3 77⏎abc⏎` | `cas` `key` `5` `60` `77` `abc` |
/// | `ms key 3 T60 c⏎abc⏎` | `ms` `key` `T60` `c` `abc` |
/// | `get a b⏎` | `get` `a` `b` |
///
/// The reply is the server's, byte for byte, errors too. What could leave the server and the lane at different places of
/// the conversation is refused with an [`Output::Failed`](crate::Output::Failed), without being sent: `noreply`, the meta
/// flag `q`, commands without an end (`watch`, `quit`, `shutdown`, `lru_crawler metadump`), commands that are not known here,
/// words that are empty or hold a blank, a line's end or a zero byte, and, where data follows, whatever would make the
/// server refuse the line and then read the data as commands.
///
/// ```no_run
/// use std::future::poll_fn;
///
/// use dynomite_backend::{Backend, LaneEvent, MemcachedBackend, MemcachedConfig, Operation};
/// use dynomite_codec::Request;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let backend = MemcachedBackend::new(MemcachedConfig::from_url("memcached://127.0.0.1:11211")?);
/// let mut lane = backend.open_lane(0, 1);
/// let mut events = Vec::new();
/// loop {
///     poll_fn(|cx| lane.poll(cx, &mut events)).await;
///     for event in events.drain(..) {
///         match event {
///             LaneEvent::Up(server) => {
///                 println!("{} is there, run {}", server.kind, server.run_id);
///                 lane.submit(0, Operation::Command(Request::from_args(["set", "k", "0", "0", "v"])));
///                 lane.submit(0, Operation::Command(Request::from_args(["get", "k"])));
///             }
///             LaneEvent::Done(output) => println!("{output:?}"),
///             LaneEvent::Down { reason } => println!("{reason}; trying again"),
///         }
///     }
/// }
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct MemcachedBackend {
    config: Arc<MemcachedConfig>,
}

impl MemcachedBackend {
    /// A backend for the server that `config` names. Connects to nothing yet.
    pub fn new(config: MemcachedConfig) -> Self {
        Self { config: Arc::new(config) }
    }
}

impl Backend for MemcachedBackend {
    fn describe(&self) -> String {
        self.config.address.url(SCHEME)
    }

    fn open_lane(&self, worker: usize, _worker_count: usize) -> Box<dyn Lane> {
        let server = lane::MemcachedServer::new(Arc::clone(&self.config), worker);
        Box::new(ServerLane::open(server, worker, self.config.backoff_min, self.config.backoff_max))
    }

    fn has_parts(&self) -> bool {
        false
    }
}

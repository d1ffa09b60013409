//! A TCP relay between two processes, which can cut, hold, delay and throttle what passes through it.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{self, Handle};
use tokio::sync::watch;

use crate::PortLease;

mod passage;

/// Passes every connection to its address on to another address. All passes freely until it is told otherwise.
///
/// What it is told holds for the connections that there are and for those that come. Bytes are never lost within a
/// connection, as TCP never loses any: they arrive late, or the connection is reset.
#[derive(Debug)]
pub struct Relay {
    port: PortLease,
    passage: watch::Sender<Passage>,
}

/// A direction through a [`Relay`], as seen by who connects to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From who connected to the target.
    Forth,
    /// From the target to who connected.
    Back,
}

/// How bytes pass in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flow {
    /// As they come.
    #[default]
    Free,
    /// Not at all, and nobody is told: a network that swallows packets. What was held passes when that is over.
    Held,
    /// So much later. The order is kept.
    Delayed(Duration),
    /// At most so many bytes a second.
    Throttled(u32),
}

/// What a relay does at the moment.
#[derive(Debug, Clone, Copy, Default)]
struct Passage {
    is_cut: bool,
    forth: Flow,
    back: Flow,
}

impl Relay {
    /// A relay to `target`, where nobody has to listen yet.
    ///
    /// # Panics
    /// When its port cannot be listened to.
    #[track_caller]
    pub fn start(target: SocketAddr) -> Self {
        let port = PortLease::take();
        let (passage, watched) = watch::channel(Passage::default());
        let _runtime = RUNTIME.enter();
        let listener = std::net::TcpListener::bind(port.address())
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .and_then(TcpListener::from_std)
            .unwrap_or_else(|error| panic!("cannot listen at {}: {error}", port.address()));
        RUNTIME.spawn(passage::listen(listener, target, watched));
        Self { port, passage }
    }

    /// Where to connect instead of the target.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Sets how bytes pass in one direction.
    pub fn set(&self, way: Way, flow: Flow) {
        self.passage.send_modify(|passage| match way {
            Way::Forth => passage.forth = flow,
            Way::Back => passage.back = flow,
        });
    }

    /// Resets all connections, and each new one, until it is mended.
    pub fn cut(&self) {
        self.passage.send_modify(|passage| passage.is_cut = true);
    }

    /// From now on all passes freely again.
    pub fn mend(&self) {
        self.passage.send_replace(Passage::default());
    }
}

impl Passage {
    fn flow(&self, way: Way) -> Flow {
        match way {
            Way::Forth => self.forth,
            Way::Back => self.back,
        }
    }
}

/// One thread for all relays of the process.
static RUNTIME: LazyLock<Handle> = LazyLock::new(|| {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap_or_else(|error| panic!("no runtime for relays: {error}"));
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("relays".to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))
        .unwrap_or_else(|error| panic!("no thread for relays: {error}"));
    handle
});

//! The life of a lane over a server: connecting, up, waiting for the next attempt.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use dynomite_codec::Operation;
use tokio::time::{Instant, Sleep, sleep};

use crate::backoff::Backoff;
use crate::broken::Broken;
use crate::{Lane, LaneEvent, StoreIdentity};

/// A connection that is being opened, and what the server says of itself.
pub(crate) type Opening<C> = Pin<Box<dyn Future<Output = Result<(C, StoreIdentity), Broken>>>>;

/// What a lane says to one kind of server.
pub(crate) trait Server {
    /// An open connection.
    type Connection;

    /// The server's address, for the log.
    fn address(&self) -> String;

    /// Begins to connect.
    fn open(&self) -> Opening<Self::Connection>;

    /// There is a connection, on which nothing is under way.
    fn opened(&mut self);

    /// The connection is gone, or the attempt to open one. Whatever was under way will not be answered.
    fn closed(&mut self);

    /// Queues what an operation asks for.
    fn send(&mut self, now_ms: u64, operation: Operation, connection: &mut Self::Connection);

    /// Writes what is queued and takes what has come. On an error, too, everything is taken that came before it.
    fn exchange(
        &mut self,
        connection: &mut Self::Connection,
        cx: &mut Context<'_>,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), Broken>;
}

/// A lane over one connection at a time, opened again whenever it breaks.
pub(crate) struct ServerLane<S: Server> {
    server: S,
    worker: usize,
    state: State<S::Connection>,
    backoff: Backoff,
    /// Whether the caller knows that the lane is down. False at first: the first failure is worth telling.
    is_down_told: bool,
    /// The last reason why connecting failed, so that each is logged once and not at every attempt.
    last_failure: String,
}

enum State<C> {
    Opening(Opening<C>),
    Up { connection: Box<C>, since: Instant },
    Waiting(Pin<Box<Sleep>>),
}

impl<S: Server> ServerLane<S> {
    /// The lane of `worker`, which waits from `backoff_min` to `backoff_max` between attempts to connect.
    pub(crate) fn open(server: S, worker: usize, backoff_min: Duration, backoff_max: Duration) -> Self {
        Self {
            state: State::Opening(server.open()),
            server,
            worker,
            backoff: Backoff::new(backoff_min, backoff_max),
            is_down_told: false,
            last_failure: String::new(),
        }
    }

    /// Goes on for as long as the state changes.
    fn advance(&mut self, cx: &mut Context<'_>, events: &mut Vec<LaneEvent>) {
        loop {
            match &mut self.state {
                State::Waiting(delay) => match delay.as_mut().poll(cx) {
                    Poll::Ready(()) => self.state = State::Opening(self.server.open()),
                    Poll::Pending => return,
                },
                State::Opening(opening) => match opening.as_mut().poll(cx) {
                    Poll::Ready(Ok((connection, identity))) => self.begin(connection, identity, events),
                    Poll::Ready(Err(broken)) => self.fail(&broken, events),
                    Poll::Pending => return,
                },
                State::Up { connection, since } => match self.server.exchange(connection, cx, events) {
                    Ok(()) => return,
                    Err(broken) => {
                        let lifetime = since.elapsed();
                        self.backoff.connection_lasted(lifetime);
                        self.fail(&broken, events);
                    }
                },
            }
        }
    }

    fn begin(&mut self, connection: S::Connection, identity: StoreIdentity, events: &mut Vec<LaneEvent>) {
        self.state = State::Up { connection: Box::new(connection), since: Instant::now() };
        self.server.opened();
        self.is_down_told = false;
        self.last_failure.clear();
        events.push(LaneEvent::Up(identity));
    }

    /// Ends the connection or the attempt, and says so unless that is known.
    fn fail(&mut self, broken: &Broken, events: &mut Vec<LaneEvent>) {
        let delay = self.backoff.delay();
        self.state = State::Waiting(Box::pin(sleep(delay)));
        self.server.closed();
        let reason = broken.to_string();
        if !self.is_down_told {
            self.is_down_told = true;
            events.push(LaneEvent::Down { reason: reason.clone() });
        } else if reason != self.last_failure {
            tracing::warn!(worker = self.worker, datastore = self.server.address(), reason, "still down");
        }
        self.last_failure = reason;
    }
}

impl<S: Server> Lane for ServerLane<S> {
    fn submit(&mut self, now_ms: u64, operation: Operation) {
        match &mut self.state {
            State::Up { connection, .. } => self.server.send(now_ms, operation, connection),
            // Not sent, and so not answered: the caller hears once more that the lane is down.
            State::Opening(_) | State::Waiting(_) => self.is_down_told = false,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, events: &mut Vec<LaneEvent>) -> Poll<()> {
        let event_count = events.len();
        self.advance(cx, events);
        if events.len() > event_count { Poll::Ready(()) } else { Poll::Pending }
    }
}

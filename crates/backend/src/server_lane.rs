//! The life of a lane over a server: connecting, up, waiting for the next attempt.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use dynomite_codec::Operation;
use tokio::time::{Instant, Sleep, sleep};

use crate::backoff::Backoff;
use crate::broken::Broken;
use crate::connection::{Connection, Framer};
use crate::{Lane, LaneEvent, StoreIdentity};

/// One poll reads no more often than this, so that a flood of replies does not keep a worker from its clients.
const READS_PER_POLL: usize = 16;

/// A connection that is being opened, and what the server says of itself.
pub(crate) type Opening<C> = Pin<Box<dyn Future<Output = Result<(C, StoreIdentity), Broken>>>>;

/// What a lane says to one kind of server.
pub(crate) trait Server {
    /// Finds the ends of its replies.
    type Framer: Framer;

    /// The server's address, for the log.
    fn address(&self) -> String;

    /// Begins to connect.
    fn open(&self) -> Opening<Connection<Self::Framer>>;

    /// There is a connection, on which nothing is under way.
    fn opened(&mut self);

    /// The connection is gone, or the attempt to open one. Whatever was under way will not be answered.
    fn closed(&mut self);

    /// Queues what an operation asks for.
    fn send(&mut self, now_ms: u64, operation: Operation, connection: &mut Connection<Self::Framer>);

    /// Goes on with what is done beside the connection.
    fn poll_aside(&mut self, cx: &mut Context<'_>);

    /// Turns what has come into outputs, as far as it is their turn.
    fn take_replies(
        &mut self,
        connection: &mut Connection<Self::Framer>,
        cx: &mut Context<'_>,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), Broken>;
}

/// Writes what is queued and takes what has come, with at most `reads_max` reads. On an error, too, everything is taken that came
/// before it.
pub(crate) fn exchange<S: Server>(
    server: &mut S,
    connection: &mut Connection<S::Framer>,
    reads_max: usize,
    cx: &mut Context<'_>,
    events: &mut Vec<LaneEvent>,
) -> Result<(), Broken> {
    let flushed = connection.poll_flush(cx);
    server.poll_aside(cx);
    for _ in 0..reads_max {
        server.take_replies(connection, cx, events)?;
        match connection.poll_fill(cx) {
            Poll::Ready(filled) => filled?,
            Poll::Pending => {
                return match flushed {
                    Poll::Ready(Err(error)) => Err(error.into()),
                    Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
                };
            }
        }
    }
    server.take_replies(connection, cx, events)?;
    // More may be there, and nothing else would say so.
    cx.waker().wake_by_ref();
    Ok(())
}

/// A lane over one connection at a time, opened again whenever it breaks.
pub(crate) struct ServerLane<S: Server> {
    server: S,
    worker: usize,
    state: State<Connection<S::Framer>>,
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
                State::Up { connection, since } => {
                    match exchange(&mut self.server, connection, READS_PER_POLL, cx, events) {
                        Ok(()) => return,
                        Err(broken) => {
                            let lifetime = since.elapsed();
                            self.backoff.connection_lasted(lifetime);
                            self.fail(&broken, events);
                        }
                    }
                }
            }
        }
    }

    fn begin(
        &mut self,
        connection: Connection<S::Framer>,
        identity: StoreIdentity,
        events: &mut Vec<LaneEvent>,
    ) {
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

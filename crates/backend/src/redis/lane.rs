//! The lane's life: connecting, up, waiting for the next attempt.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use dynomite_codec::Operation;
use tokio::time::{Instant, Sleep, sleep};

use super::backoff::Backoff;
use super::broken::Broken;
use super::connection::Connection;
use super::owed::Owed;
use super::stage::Stages;
use super::{RedisConfig, handshake};
use crate::{Lane, LaneEvent, StoreIdentity};

/// One poll reads no more often than this, so that a flood of replies does not keep a worker from its clients.
const READS_PER_POLL: usize = 16;

type Opening = Pin<Box<dyn Future<Output = Result<(Connection, StoreIdentity), Broken>>>>;

pub(super) struct RedisLane {
    config: Arc<RedisConfig>,
    worker: usize,
    state: State,
    backoff: Backoff,
    /// What the server owes for the operations under way, oldest first. Empty unless up.
    owed: VecDeque<Owed>,
    stages: Stages,
    /// Whether the caller knows that the lane is down. False at first: the first failure is worth telling.
    is_down_told: bool,
    /// The last reason why connecting failed, so that each is logged once and not at every attempt.
    last_failure: String,
}

enum State {
    Opening(Opening),
    Up { connection: Box<Connection>, since: Instant },
    Waiting(Pin<Box<Sleep>>),
}

impl RedisLane {
    pub(super) fn open(config: Arc<RedisConfig>, worker: usize) -> Self {
        Self {
            state: State::Opening(opening(Arc::clone(&config), worker)),
            backoff: Backoff::new(config.backoff_min, config.backoff_max),
            stages: Stages::new(Arc::clone(&config), worker),
            config,
            worker,
            owed: VecDeque::new(),
            is_down_told: false,
            last_failure: String::new(),
        }
    }

    /// Goes on for as long as the state changes.
    fn advance(&mut self, cx: &mut Context<'_>, events: &mut Vec<LaneEvent>) {
        loop {
            match &mut self.state {
                State::Waiting(delay) => match delay.as_mut().poll(cx) {
                    Poll::Ready(()) => {
                        self.state = State::Opening(opening(Arc::clone(&self.config), self.worker));
                    }
                    Poll::Pending => return,
                },
                State::Opening(opening) => match opening.as_mut().poll(cx) {
                    Poll::Ready(Ok((connection, identity))) => self.begin(connection, identity, events),
                    Poll::Ready(Err(broken)) => self.fail(&broken, events),
                    Poll::Pending => return,
                },
                State::Up { connection, since } => {
                    match exchange(connection, &mut self.owed, &mut self.stages, READS_PER_POLL, cx, events) {
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

    fn begin(&mut self, connection: Connection, identity: StoreIdentity, events: &mut Vec<LaneEvent>) {
        self.state = State::Up { connection: Box::new(connection), since: Instant::now() };
        self.stages.lane_opened();
        self.is_down_told = false;
        self.last_failure.clear();
        events.push(LaneEvent::Up(identity));
    }

    /// Ends the connection or the attempt, and says so unless that is known.
    fn fail(&mut self, broken: &Broken, events: &mut Vec<LaneEvent>) {
        let delay = self.backoff.delay();
        self.state = State::Waiting(Box::pin(sleep(delay)));
        self.owed = VecDeque::new();
        self.stages.lane_closed();
        let reason = broken.to_string();
        if !self.is_down_told {
            self.is_down_told = true;
            events.push(LaneEvent::Down { reason: reason.clone() });
        } else if reason != self.last_failure {
            tracing::warn!(worker = self.worker, datastore = %self.config.address, reason, "still down");
        }
        self.last_failure = reason;
    }
}

impl Lane for RedisLane {
    fn submit(&mut self, now_ms: u64, operation: Operation) {
        match &mut self.state {
            State::Up { connection, .. } => {
                let owed = Owed::send(now_ms, operation, &mut self.stages, connection.output());
                self.owed.push_back(owed);
            }
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

fn opening(config: Arc<RedisConfig>, worker: usize) -> Opening {
    Box::pin(async move { handshake::open(&config, worker).await })
}

/// Writes what is queued and takes what has come. On an error, too, everything is taken that came before it.
fn exchange(
    connection: &mut Connection,
    owed: &mut VecDeque<Owed>,
    stages: &mut Stages,
    reads_max: usize,
    cx: &mut Context<'_>,
    events: &mut Vec<LaneEvent>,
) -> Result<(), Broken> {
    let flushed = connection.poll_flush(cx);
    stages.poll(cx);
    for _ in 0..reads_max {
        take_replies(connection, owed, stages, events)?;
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
    take_replies(connection, owed, stages, events)?;
    // More may be there, and nothing else would say so.
    cx.waker().wake_by_ref();
    Ok(())
}

/// Turns what has come into outputs, as far as it is their turn.
fn take_replies(
    connection: &mut Connection,
    owed: &mut VecDeque<Owed>,
    stages: &mut Stages,
    events: &mut Vec<LaneEvent>,
) -> Result<(), Broken> {
    loop {
        let output = match owed.front_mut() {
            Some(oldest) if oldest.is_aside() => {
                let Some(output) = oldest.take_aside(stages) else { return Ok(()) };
                output
            }
            oldest => {
                let Some(reply) = connection.next_reply()? else { return Ok(()) };
                match oldest.ok_or(Broken::OutOfStep)?.take(reply, stages)? {
                    Some(output) => output,
                    None => continue,
                }
            }
        };
        owed.pop_front();
        events.push(LaneEvent::Done(output));
    }
}

#[cfg(test)]
mod tests;

//! A lane's conversation with a Redis server.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use dynomite_codec::Operation;

use super::connection::Connection;
use super::owed::Owed;
use super::stage::Stages;
use super::{RedisConfig, handshake};
use crate::LaneEvent;
use crate::broken::Broken;
use crate::server_lane::{Opening, Server};

/// One poll reads no more often than this, so that a flood of replies does not keep a worker from its clients.
const READS_PER_POLL: usize = 16;

pub(super) struct RedisServer {
    config: Arc<RedisConfig>,
    worker: usize,
    /// What the server owes for the operations under way, oldest first. Empty unless up.
    owed: VecDeque<Owed>,
    stages: Stages,
}

impl RedisServer {
    pub(super) fn new(config: Arc<RedisConfig>, worker: usize) -> Self {
        let stages = Stages::new(Arc::clone(&config), worker);
        Self { config, worker, owed: VecDeque::new(), stages }
    }
}

impl Server for RedisServer {
    type Connection = Connection;

    fn address(&self) -> String {
        self.config.address.url(super::SCHEME)
    }

    fn open(&self) -> Opening<Connection> {
        let (config, worker) = (Arc::clone(&self.config), self.worker);
        Box::pin(async move { handshake::open(&config, worker).await })
    }

    fn opened(&mut self) {
        self.stages.lane_opened();
    }

    fn closed(&mut self) {
        self.owed = VecDeque::new();
        self.stages.lane_closed();
    }

    fn send(&mut self, now_ms: u64, operation: Operation, connection: &mut Connection) {
        let owed = Owed::send(now_ms, operation, &mut self.stages, connection.output());
        self.owed.push_back(owed);
    }

    fn exchange(
        &mut self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), Broken> {
        exchange(connection, &mut self.owed, &mut self.stages, READS_PER_POLL, cx, events)
    }
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

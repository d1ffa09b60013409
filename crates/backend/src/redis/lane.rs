//! A lane's conversation with a Redis server.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Context;

use dynomite_codec::{Operation, ReplyFramer};

use super::connection::Connection;
use super::owed::Owed;
use super::stage::Stages;
use super::{RedisConfig, handshake};
use crate::LaneEvent;
use crate::broken::Broken;
use crate::server_lane::{Opening, Server};

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
    type Framer = ReplyFramer;

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

    fn poll_aside(&mut self, cx: &mut Context<'_>) {
        self.stages.poll(cx);
    }

    fn take_replies(
        &mut self,
        connection: &mut Connection,
        _: &mut Context<'_>,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), Broken> {
        loop {
            let output = match self.owed.front_mut() {
                Some(oldest) if oldest.is_aside() => {
                    let Some(output) = oldest.take_aside(&mut self.stages) else { return Ok(()) };
                    output
                }
                oldest => {
                    let Some(reply) = connection.next_reply(())? else { return Ok(()) };
                    match oldest.ok_or(Broken::OutOfStep)?.take(reply, &mut self.stages)? {
                        Some(output) => output,
                        None => continue,
                    }
                }
            };
            self.owed.pop_front();
            events.push(LaneEvent::Done(output));
        }
    }
}

#[cfg(test)]
mod tests;

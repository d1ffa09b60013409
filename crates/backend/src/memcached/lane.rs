//! A lane's conversation with a memcached server.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Context;

use dynomite_codec::Operation;

use super::connection::Connection;
use super::framer::ReplyFramer;
use super::owed::Owed;
use super::scan::Scanner;
use super::{MemcachedConfig, SCHEME, handshake};
use crate::LaneEvent;
use crate::broken::Broken;
use crate::server_lane::{Opening, Server};

pub(super) struct MemcachedServer {
    config: Arc<MemcachedConfig>,
    worker: usize,
    /// What the server owes for the operations under way, oldest first. Empty unless up.
    owed: VecDeque<Owed>,
    scanner: Scanner,
}

impl MemcachedServer {
    pub(super) fn new(config: Arc<MemcachedConfig>, worker: usize) -> Self {
        let scanner = Scanner::new(Arc::clone(&config));
        Self { config, worker, owed: VecDeque::new(), scanner }
    }

    /// As [`Server::take_replies`], of what has come by now.
    fn take_arrived(
        &mut self,
        connection: &mut Connection,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), Broken> {
        loop {
            let is_urgent = self.owed.len() > 1;
            let Some(oldest) = self.owed.front_mut() else {
                return if connection.has_input() { Err(Broken::OutOfStep) } else { Ok(()) };
            };
            let output = match oldest.shape() {
                None => oldest.take_aside(&mut self.scanner, is_urgent),
                Some(shape) => connection.next_reply(shape)?.map(|reply| oldest.take(reply)).transpose()?,
            };
            let Some(output) = output else { return Ok(()) };
            self.owed.pop_front();
            events.push(LaneEvent::Done(output));
        }
    }
}

impl Server for MemcachedServer {
    type Framer = ReplyFramer;

    fn address(&self) -> String {
        self.config.address.url(SCHEME)
    }

    fn open(&self) -> Opening<Connection> {
        let (config, worker) = (Arc::clone(&self.config), self.worker);
        Box::pin(async move { handshake::open(&config, worker).await })
    }

    fn opened(&mut self) {}

    fn closed(&mut self) {
        self.owed = VecDeque::new();
        self.scanner.close();
    }

    fn send(&mut self, now_ms: u64, operation: Operation, connection: &mut Connection) {
        let owed = Owed::send(now_ms, operation, &mut self.scanner, connection.output());
        self.owed.push_back(owed);
    }

    fn poll_aside(&mut self, cx: &mut Context<'_>) {
        self.scanner.poll(cx);
    }

    fn take_replies(
        &mut self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), Broken> {
        loop {
            self.take_arrived(connection, events)?;
            if !self.scanner.is_due() {
                return Ok(());
            }
            self.scanner.poll(cx);
        }
    }
}

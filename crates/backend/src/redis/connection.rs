//! An open connection to a Redis server: commands queue on one side, whole replies come out on the other.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;
use dynomite_codec::{ReplyFramer, ReplyLimits, WriteQueue};

use super::commands::append_command;
use crate::broken::Broken;
use crate::pipe::Pipe;
use crate::stream::Stream;

#[derive(Debug)]
pub(super) struct Connection {
    pipe: Pipe,
    framer: ReplyFramer,
}

impl Connection {
    pub(super) fn new(stream: Stream, limits: ReplyLimits) -> Self {
        Self { pipe: Pipe::new(stream), framer: ReplyFramer::new(limits) }
    }

    /// What is to be sent.
    pub(super) fn output(&mut self) -> &mut WriteQueue {
        self.pipe.output()
    }

    /// Writes what is queued. `Pending` when the socket takes no more for now.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pipe.poll_flush(cx)
    }

    /// Reads once. `Pending` when nothing has arrived.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.pipe.poll_fill(self.framer.wanted(), cx)
    }

    /// The next reply that has wholly arrived.
    pub(super) fn next_reply(&mut self) -> Result<Option<Bytes>, Broken> {
        let reply = self.framer.next(self.pipe.input())?;
        if let Some(reply) = &reply {
            self.pipe.reply_taken(reply.len());
        }
        Ok(reply)
    }

    /// Sends one command and waits for its reply; for the handshake, when nothing else is under way.
    pub(super) async fn round_trip(&mut self, args: &[&[u8]]) -> Result<Bytes, Broken> {
        append_command(self.output(), args);
        poll_fn(|cx| self.poll_flush(cx)).await?;
        loop {
            if let Some(reply) = self.next_reply()? {
                return Ok(reply);
            }
            poll_fn(|cx| self.poll_fill(cx)).await?;
        }
    }
}

//! An open connection to a memcached server: command lines queue on one side, whole replies come out on the other.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;
use dynomite_codec::WriteQueue;

use super::framer::{ReplyFramer, Shape};
use crate::broken::Broken;
use crate::pipe::Pipe;
use crate::stream::Stream;

#[derive(Debug)]
pub(super) struct Connection {
    pipe: Pipe,
    framer: ReplyFramer,
}

impl Connection {
    pub(super) fn new(stream: Stream, reply_bytes_max: usize) -> Self {
        Self { pipe: Pipe::new(stream), framer: ReplyFramer::new(reply_bytes_max) }
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

    /// The next reply that has wholly arrived, which has `shape`.
    pub(super) fn next_reply(&mut self, shape: Shape) -> Result<Option<Bytes>, Broken> {
        let reply = self.framer.next(shape, self.pipe.input())?;
        if let Some(reply) = &reply {
            self.pipe.reply_taken(reply.len());
        }
        Ok(reply)
    }

    /// Whether bytes came that no reply was taken from.
    pub(super) fn has_input(&mut self) -> bool {
        !self.pipe.input().is_empty()
    }

    /// Sends one command line and waits for its reply; for the handshake, when nothing else is under way.
    pub(super) async fn round_trip(&mut self, line: &[u8], shape: Shape) -> Result<Bytes, Broken> {
        self.output().append(line);
        poll_fn(|cx| self.poll_flush(cx)).await?;
        loop {
            if let Some(reply) = self.next_reply(shape)? {
                return Ok(reply);
            }
            poll_fn(|cx| self.poll_fill(cx)).await?;
        }
    }
}

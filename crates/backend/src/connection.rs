//! An open connection to a server: requests queue on one side, whole replies come out on the other.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use dynomite_codec::WriteQueue;

use crate::broken::Broken;
use crate::pipe::Pipe;
use crate::stream::Stream;

/// Cuts what a server sends into whole replies.
pub(crate) trait Framer {
    /// What has to be known of a reply to find its end.
    type Shape: Copy;

    /// How many bytes are missing for certain.
    fn wanted(&self) -> usize;

    /// Takes the next reply from the front of `input`; `None` when it has not wholly arrived.
    fn next(&mut self, shape: Self::Shape, input: &mut BytesMut) -> Result<Option<Bytes>, Broken>;
}

#[derive(Debug)]
pub(crate) struct Connection<F> {
    pipe: Pipe,
    framer: F,
}

impl<F: Framer> Connection<F> {
    pub(crate) fn new(stream: Stream, framer: F) -> Self {
        Self { pipe: Pipe::new(stream), framer }
    }

    /// What is to be sent.
    pub(crate) fn output(&mut self) -> &mut WriteQueue {
        self.pipe.output()
    }

    /// Writes what is queued. `Pending` when the socket takes no more for now.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pipe.poll_flush(cx)
    }

    /// Reads once. `Pending` when nothing has arrived.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.pipe.poll_fill(self.framer.wanted(), cx)
    }

    /// The next reply that has wholly arrived, which has `shape`.
    pub(crate) fn next_reply(&mut self, shape: F::Shape) -> Result<Option<Bytes>, Broken> {
        let reply = self.framer.next(shape, self.pipe.input())?;
        if let Some(reply) = &reply {
            self.pipe.reply_taken(reply.len());
        }
        Ok(reply)
    }

    /// Whether bytes came that no reply was taken from.
    pub(crate) fn has_input(&mut self) -> bool {
        !self.pipe.input().is_empty()
    }

    /// Sends what is queued and waits for its one reply; for the handshake, when nothing else is under way.
    pub(crate) async fn round_trip(&mut self, shape: F::Shape) -> Result<Bytes, Broken> {
        poll_fn(|cx| self.poll_flush(cx)).await?;
        loop {
            if let Some(reply) = self.next_reply(shape)? {
                return Ok(reply);
            }
            poll_fn(|cx| self.poll_fill(cx)).await?;
        }
    }
}

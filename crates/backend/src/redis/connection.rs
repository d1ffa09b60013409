//! An open connection with its buffers: bytes queue on one side, whole replies come out on the other.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use dynomite_codec::{ReplyFramer, ReplyLimits, WriteQueue};

use super::broken::Broken;
use super::commands::append_command;
use super::stream::Stream;

/// Many small replies share one read buffer of this size.
const READ_BUFFER: usize = 64 << 10;
/// With less room than this a read would be mostly system call.
const READ_MIN: usize = 8 << 10;
/// Segments per vectored write.
const SLICE_COUNT: usize = 64;

#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    output: WriteQueue,
    input: BytesMut,
    framer: ReplyFramer,
}

impl Connection {
    pub(super) fn new(stream: Stream, limits: ReplyLimits) -> Self {
        Self {
            stream,
            output: WriteQueue::new(),
            input: BytesMut::with_capacity(READ_BUFFER),
            framer: ReplyFramer::new(limits),
        }
    }

    /// What is to be sent.
    pub(super) fn output(&mut self) -> &mut WriteQueue {
        &mut self.output
    }

    /// Writes what is queued. `Pending` when the socket takes no more for now.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICE_COUNT];
            let count = self.output.fill_io_slices(&mut slices);
            let written = ready!(self.stream.poll_write(cx, &slices[..count]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.output.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once. `Pending` when nothing has arrived.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let room = self.framer.wanted().max(READ_MIN);
        if self.input.capacity() - self.input.len() < room {
            // Takes the front of the buffer again when all its replies are dropped, else a new buffer.
            self.input.reserve(room);
        }
        match ready!(self.stream.poll_read(cx, &mut self.input)) {
            Ok(0) => Poll::Ready(Err(Broken::Closed)),
            Ok(_) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }

    /// The next reply that has wholly arrived.
    pub(super) fn next_reply(&mut self) -> Result<Option<Bytes>, Broken> {
        let reply = self.framer.next(&mut self.input)?;
        if reply.as_ref().is_some_and(|reply| reply.len() > READ_BUFFER) {
            // A large reply's memory shall go with the reply, and not become the read buffer for ever.
            let mut fresh = BytesMut::with_capacity(READ_BUFFER.max(self.input.len()));
            fresh.extend_from_slice(&self.input);
            self.input = fresh;
        }
        Ok(reply)
    }

    /// Sends one command and waits for its reply; for the handshake, when nothing else is under way.
    pub(super) async fn round_trip(&mut self, args: &[&[u8]]) -> Result<Bytes, Broken> {
        append_command(&mut self.output, args);
        poll_fn(|cx| self.poll_flush(cx)).await?;
        loop {
            if let Some(reply) = self.next_reply()? {
                return Ok(reply);
            }
            poll_fn(|cx| self.poll_fill(cx)).await?;
        }
    }
}

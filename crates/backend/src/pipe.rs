//! An open connection with its buffers: bytes queue on one side, and wait to be taken on the other.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use dynomite_codec::WriteQueue;

use crate::broken::Broken;
use crate::stream::Stream;

/// Many small replies share one read buffer of this size.
const READ_BUFFER: usize = 64 << 10;
/// With less room than this a read would be mostly system call.
const READ_MIN: usize = 8 << 10;
/// Segments per vectored write.
const SLICE_COUNT: usize = 64;

#[derive(Debug)]
pub(crate) struct Pipe {
    stream: Stream,
    output: WriteQueue,
    input: BytesMut,
}

impl Pipe {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream, output: WriteQueue::new(), input: BytesMut::with_capacity(READ_BUFFER) }
    }

    /// What is to be sent.
    pub(crate) fn output(&mut self) -> &mut WriteQueue {
        &mut self.output
    }

    /// What has come and was not taken.
    pub(crate) fn input(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// Writes what is queued. `Pending` when the socket takes no more for now.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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

    /// Reads once, with room for `wanted` bytes or more. `Pending` when nothing has arrived.
    pub(crate) fn poll_fill(&mut self, wanted: usize, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let room = wanted.max(READ_MIN);
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

    /// A reply of `len` bytes was taken from the front of the input. A large one's memory shall go with the reply, and not
    /// become the read buffer for ever.
    pub(crate) fn reply_taken(&mut self, len: usize) {
        if len > READ_BUFFER {
            let mut fresh = BytesMut::with_capacity(READ_BUFFER.max(self.input.len()));
            fresh.extend_from_slice(&self.input);
            self.input = fresh;
        }
    }
}

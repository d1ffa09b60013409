//! The bytes of a connection: reading, writing, and when to pause.

use std::future::Future;
use std::io::{ErrorKind, IoSlice};
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;

use super::{Client, Stage};
use crate::worker::Core;

/// What a worker reads at once.
const READ_BYTES: usize = 64 << 10;
/// What is left over of a read up to this size goes back in front of the next read.
const PREFIX_MAX: usize = 4 << 10;
/// What is left over of a read is copied up to this size, so that it does not keep a read buffer much larger than itself.
const COPY_MAX: usize = READ_BYTES / 2;
/// Reads of one connection before others have their turn.
const READS_MAX: usize = 4;
/// Pieces of one vectored write.
const SLICES_MAX: usize = 32;

impl Client {
    /// Reads, takes commands and waits for the socket, all as far as it goes; `Ready` when the connection is over.
    /// `scratch` is the worker's read buffer, empty between calls.
    pub(crate) fn poll(&mut self, core: &mut Core, scratch: &mut BytesMut, cx: &mut Context<'_>) -> Poll<()> {
        self.keep_waker(cx);
        self.is_parked = false;
        self.poll_blocked(core, cx);
        for _ in 0..READS_MAX {
            if self.is_over() {
                return Poll::Ready(());
            }
            if !self.wants_input() {
                self.is_parked = true;
                return Poll::Pending;
            }
            match self.poll_read(scratch, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => {
                    self.stage = Stage::HalfClosed;
                    self.take_from(scratch, core);
                }
                Poll::Ready(Ok(count)) => {
                    core.counters.input_bytes += count as u64;
                    core.time_has_passed();
                    self.take_from(scratch, core);
                }
                Poll::Ready(Err(_)) => {
                    scratch.clear();
                    self.stage = Stage::Broken;
                }
            }
            core.wake_turn();
        }
        if self.is_over() {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Puts the reply to a command that was submitted in its place.
    pub(crate) fn take_reply(&mut self, sequence: u32, reply: Bytes) {
        self.window.replied(reply.len());
        if let Some(filled) = self.replies.fill(sequence, reply, &mut self.output)
            && let Some((token, way)) = filled.awaited
        {
            self.key_order.end(token, way);
        }
    }

    /// Goes on with input that had to wait. Whether anything was taken or answered.
    pub(crate) fn resume(&mut self, core: &mut Core) -> bool {
        let released = self.run_released(core);
        self.give_up_splitting(core);
        if !self.has_input() || !self.may_take(core) {
            return released;
        }
        let mut input = std::mem::take(&mut self.input);
        self.take_commands(&mut input, core);
        self.input = input;
        self.wake_if_wanted();
        true
    }

    /// Whether there is something that has to wait for a reply, for room or for output to drain.
    pub(crate) fn is_waiting(&self) -> bool {
        self.has_input() || self.key_order.has_moved()
    }

    fn has_input(&self) -> bool {
        !self.is_starved && matches!(self.stage, Stage::Open | Stage::HalfClosed)
    }

    /// Writes what is there; wakes the connection's task when something remains for it to do.
    pub(crate) fn flush(&mut self, core: &mut Core) {
        if !self.is_blocked {
            self.write(core);
            if self.is_blocked {
                self.wake();
            }
        }
        self.count_buffers(core);
        self.wake_if_wanted();
    }

    /// Takes no more commands; ends when all replies are out.
    pub(crate) fn end(&mut self) {
        if self.stage != Stage::Broken {
            self.stage = Stage::Ending;
        }
        self.input = BytesMut::new();
        if self.splitting.take().is_some() {
            let error = Bytes::from_static(b"-ERR Dynomite: the node is stopping\r\n");
            self.replies.fail_gather(error, &mut self.output);
        }
        self.wake_if_wanted();
    }

    /// Ends at once.
    pub(crate) fn cut(&mut self) {
        self.stage = Stage::Broken;
        self.wake_if_wanted();
    }

    /// Whether the client has taken none of its replies since `since_ms`.
    pub(crate) fn is_stalled_since(&self, since_ms: u64) -> bool {
        self.is_blocked && self.progress_at_ms < since_ms
    }

    /// The connection is gone: its buffers no longer count.
    pub(crate) fn release(&mut self, core: &mut Core) {
        core.buffered_delta -= self.counted_bytes as isize;
        self.counted_bytes = 0;
    }

    fn is_over(&self) -> bool {
        match self.stage {
            Stage::Broken => true,
            Stage::Ending => self.replies.is_empty() && self.output.is_empty(),
            Stage::Open | Stage::HalfClosed => false,
        }
    }

    fn wants_input(&self) -> bool {
        self.stage == Stage::Open && self.is_starved
    }

    fn keep_waker(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.waker = Some(cx.waker().clone()),
        }
    }

    /// The task waits for input by itself, unless it is parked.
    fn wake_if_wanted(&mut self) {
        if self.is_over() || (self.is_parked && self.wants_input()) {
            self.wake();
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll_read(&mut self, scratch: &mut BytesMut, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        let buffer = if self.input.len() > PREFIX_MAX {
            // A stated length reserves no more than has come already.
            let wanted = self.framer.wanted().min(self.input.len());
            self.input.reserve(wanted.max(READ_BYTES / 4));
            &mut self.input
        } else {
            if scratch.capacity() < READ_BYTES / 4 {
                scratch.reserve(READ_BYTES);
            }
            scratch.extend_from_slice(&self.input);
            self.input.clear();
            &mut *scratch
        };
        let outcome = pin!(self.stream.read_buf(buffer)).poll(cx);
        if outcome.is_pending() {
            self.keep_rest(scratch);
        }
        outcome
    }

    fn take_from(&mut self, scratch: &mut BytesMut, core: &mut Core) {
        if self.input.is_empty() {
            self.take_commands(scratch, core);
            self.keep_rest(scratch);
        } else {
            let mut input = std::mem::take(&mut self.input);
            self.take_commands(&mut input, core);
            self.input = input;
        }
        self.count_buffers(core);
    }

    /// Leaves `scratch` empty for the next connection.
    fn keep_rest(&mut self, scratch: &mut BytesMut) {
        if scratch.is_empty() {
            if self.input.is_empty() && self.input.capacity() > 0 {
                self.input = BytesMut::new();
            }
        } else if scratch.len() <= COPY_MAX {
            self.input = BytesMut::from(&scratch[..]);
            scratch.clear();
        } else {
            self.input = scratch.split();
        }
    }

    fn poll_blocked(&mut self, core: &mut Core, cx: &mut Context<'_>) {
        while self.is_blocked {
            match self.stream.poll_write_ready(cx) {
                Poll::Ready(_) => self.write(core),
                Poll::Pending => return,
            }
            core.wake_turn();
        }
    }

    fn write(&mut self, core: &mut Core) {
        self.is_blocked = false;
        while !self.output.is_empty() && self.stage != Stage::Broken {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let filled = self.output.fill_io_slices(&mut slices);
            let written = match &slices[..filled] {
                // Most often there is one piece, and the plain call is cheaper.
                [only] => self.stream.try_write(only),
                several => self.stream.try_write_vectored(several),
            };
            match written {
                Ok(count) => {
                    core.counters.output_bytes += count as u64;
                    self.output.advance(count);
                    self.progress_at_ms = core.now().ms;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.is_blocked = true;
                    return;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.stage = Stage::Broken,
            }
        }
        if self.output.is_empty() {
            self.progress_at_ms = core.now().ms;
        }
    }

    /// Tells the node's total how much this client takes of it.
    fn count_buffers(&mut self, core: &mut Core) {
        let bytes = self.claimed_bytes();
        core.buffered_delta += bytes as isize - self.counted_bytes as isize;
        self.counted_bytes = bytes;
    }
}

//! An established link: reads messages and writes what is queued.

use std::future::Future;
use std::io::{ErrorKind, IoSlice};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use dynomite_ring::Token;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::frame::{Decoder, Kind, Message};
use super::liveness::{Liveness, Verdict};
use super::queue::LinkQueue;

/// What is read at once.
const READ_BYTES: usize = 64 << 10;
/// Reads of one link before others have their turn.
const READS_MAX: usize = 4;
/// Pieces of one vectored write.
const SLICES_MAX: usize = 32;

/// How often it is measured how long a message there and back takes.
const MEASURE_EVERY_MS: u64 = 1000;
/// What a heartbeat begins with that is to be answered, and its answer; behind it what comes back as it was.
const ECHO_WANTED: u8 = 1;
const ECHO: u8 = 2;
const ECHO_BYTES: usize = 1 + size_of::<u64>();

/// Why a link is closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Closed {
    /// The other side closed it.
    #[error("closed by the other side")]
    ByPeer,
    /// It broke, or what came on it made no sense.
    #[error("{0}")]
    Broken(String),
    /// The other side gave no sign of life.
    #[error("no sign of life for {silent_ms} ms")]
    Dead { silent_ms: u64 },
    /// This side wants it closed.
    #[error("no longer wanted")]
    Unwanted,
}

/// What holds for all links of a node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// What the other side may send as one message, in bytes.
    pub(crate) message_max: usize,
    /// With this much queued that the other side does not take, nothing more is read from it, in bytes.
    pub(crate) queued_max: usize,
    /// Interval of heartbeats.
    pub(crate) heartbeat: Duration,
    /// Whether what is sent is compressed.
    pub(crate) compresses: bool,
}

/// One side of a link.
pub(crate) struct Connection {
    stream: TcpStream,
    decoder: Decoder,
    input: BytesMut,
    queue: LinkQueue,
    /// With this much queued and the socket full, nothing more is read.
    queued_max: usize,
    liveness: Liveness,
    /// Measurements count from here.
    began_at: Instant,
    measured_at_ms: u64,
    latency: Option<Duration>,
    /// Whether the socket takes no more for now.
    is_blocked: bool,
    closed: Option<Closed>,
    waker: Option<Waker>,
    /// Whether it is in the worker's list of links with output.
    pub(crate) is_dirty: bool,
}

impl Connection {
    /// A link over `stream` from `now_ms` on.
    pub(crate) fn new(stream: TcpStream, settings: Settings, now_ms: u64) -> Self {
        let mut queue = LinkQueue::default();
        if settings.compresses {
            queue.compress();
        }
        Self {
            stream,
            decoder: Decoder::new(settings.message_max),
            input: BytesMut::new(),
            queue,
            queued_max: settings.queued_max,
            liveness: Liveness::new(settings.heartbeat, now_ms),
            began_at: Instant::now(),
            measured_at_ms: 0,
            latency: None,
            is_blocked: false,
            closed: None,
            waker: None,
            is_dirty: false,
        }
    }

    /// Bytes not yet written.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.queue.len()
    }

    /// Appends a message; it is written by the next [`Connection::flush`].
    pub(crate) fn push(&mut self, kind: Kind, token: Option<Token>, head: &[u8], tail: Bytes) {
        self.queue.push(kind, token, head, tail);
    }

    /// Reads all that is there, up to a limit, and gives each message to `take`; `Ready` when the link is over. What
    /// `take` refuses closes the link.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(Message) -> Result<(), String>,
    ) -> Poll<Closed> {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.waker = Some(cx.waker().clone()),
        }
        if self.is_blocked && self.stream.poll_write_ready(cx).is_ready() {
            self.is_blocked = false;
            self.write();
            if self.is_blocked {
                // Registers for the next time; it cannot be ready again, and if it is, the waker is called.
                if self.stream.poll_write_ready(cx).is_ready() {
                    cx.waker().wake_by_ref();
                }
            }
        }
        // Most often all that came before is answered by now, and its buffer is filled from the front again. If not, what
        // is left of it is used up first.
        let _ = self.input.try_reclaim(READ_BYTES.saturating_sub(self.input.len()));
        for _ in 0..READS_MAX {
            if let Some(closed) = self.closed.clone() {
                return Poll::Ready(closed);
            }
            if self.is_blocked && self.queue.len() >= self.queued_max {
                // The other side does not take its answers, so it gets to ask nothing more. Its reads wake this task.
                return Poll::Pending;
            }
            let wanted = self.decoder.wanted().max(READ_BYTES / 4);
            if self.input.capacity() - self.input.len() < wanted {
                self.input.reserve(wanted.max(READ_BYTES));
            }
            match pin!(self.stream.read_buf(&mut self.input)).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => self.close(Closed::ByPeer),
                Poll::Ready(Ok(_)) => self.take_messages(&mut take),
                Poll::Ready(Err(error)) => self.close(Closed::Broken(error.to_string())),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes what is queued, as far as the socket takes it.
    pub(crate) fn flush(&mut self, now_ms: u64) {
        if self.is_blocked || self.queue.is_empty() {
            return;
        }
        self.liveness.sent(now_ms);
        self.write();
        if self.is_blocked || self.closed.is_some() {
            self.wake();
        }
    }

    /// Time passed: sends a heartbeat, or closes the link to a peer that is silent. Whether there is output.
    pub(crate) fn tick(&mut self, now_ms: u64) -> bool {
        match self.liveness.tick(now_ms) {
            Verdict::Fine => false,
            // What is queued and cannot be written says as much as a heartbeat.
            Verdict::SendHeartbeat if !self.queue.is_empty() => false,
            Verdict::SendHeartbeat => {
                self.push(Kind::Heartbeat, None, &[], Bytes::new());
                true
            }
            Verdict::Dead { silent_ms } => {
                self.close(Closed::Dead { silent_ms });
                self.wake();
                false
            }
        }
    }

    /// Asks the other side for an answer, so that it is known how long that takes, if it is time for it. Whether there is output.
    pub(crate) fn measure(&mut self, now_ms: u64) -> bool {
        let is_due = now_ms >= self.measured_at_ms + MEASURE_EVERY_MS;
        if is_due {
            self.measured_at_ms = now_ms;
            self.push_echo(ECHO_WANTED, self.began_at.elapsed().as_micros() as u64);
        }
        is_due
    }

    /// How long a message there and back took, if that was measured since this was last asked.
    pub(crate) fn take_latency(&mut self) -> Option<Duration> {
        self.latency.take()
    }

    /// Whether there were signs of life of late.
    pub(crate) fn is_heard(&self) -> bool {
        self.liveness.is_heard()
    }

    /// Ends the link; its task notices.
    pub(crate) fn cut(&mut self) {
        self.close(Closed::Unwanted);
        self.wake();
    }

    fn take_messages(&mut self, take: &mut impl FnMut(Message) -> Result<(), String>) {
        self.liveness.received();
        loop {
            match self.decoder.next(&mut self.input) {
                Ok(Some(Message { kind: Kind::Heartbeat, body })) => self.take_heartbeat(&body),
                Ok(Some(message)) => {
                    if let Err(reason) = take(message) {
                        return self.close(Closed::Broken(reason));
                    }
                }
                Ok(None) => return,
                Err(error) => return self.close(Closed::Broken(error.to_string())),
            }
        }
    }

    fn take_heartbeat(&mut self, body: &[u8]) {
        let Some((kind, stamp)) = body.split_first() else { return };
        let Ok(stamp) = <[u8; ECHO_BYTES - 1]>::try_from(stamp).map(u64::from_le_bytes) else { return };
        match *kind {
            ECHO_WANTED => {
                self.push_echo(ECHO, stamp);
                if !self.is_blocked {
                    self.write();
                    if self.is_blocked || self.closed.is_some() {
                        self.wake();
                    }
                }
            }
            ECHO => self.latency = self.began_at.elapsed().checked_sub(Duration::from_micros(stamp)),
            _ => {}
        }
    }

    fn push_echo(&mut self, kind: u8, stamp: u64) {
        let mut body = [kind; ECHO_BYTES];
        body[1..].copy_from_slice(&stamp.to_le_bytes());
        self.push(Kind::Heartbeat, None, &body, Bytes::new());
    }

    fn write(&mut self) {
        while !self.queue.wire().is_empty() && self.closed.is_none() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let filled = self.queue.wire().fill_io_slices(&mut slices);
            match self.stream.try_write_vectored(&slices[..filled]) {
                Ok(count) => {
                    self.queue.advance(count);
                    // A sign of life, and the only one to be had while nothing is read.
                    if self.queue.len() >= self.queued_max {
                        self.liveness.received();
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.is_blocked = true;
                    return;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.close(Closed::Broken(error.to_string())),
            }
        }
    }

    fn close(&mut self, why: Closed) {
        self.closed.get_or_insert(why);
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

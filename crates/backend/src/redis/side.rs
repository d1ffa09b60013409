//! A lane's second connection, on which one long string at a time goes into its stage.
//!
//! `APPEND` moves a string that cannot grow where it lies, which takes a real server 50 ms at 100 MB. `SET` never does: the
//! server reads a long argument into the memory that becomes the value, as it comes and between other work. But until it
//! is all there, nothing else can be said on the same connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::commands::{append_arg, append_header, error_text};
use super::connection::Connection;
use super::stage::IDLE_MS;
use super::{RedisConfig, handshake};
use crate::broken::Broken;

/// The connection and the string that is on its way. Where there is no connection, callers do without it.
#[derive(Debug)]
pub(super) struct Side {
    config: Arc<RedisConfig>,
    worker: usize,
    state: State,
    /// The last string that was begun. Grows, too, when one is given up.
    string: StringNumber,
    /// Bytes of the string that were not given yet; `None` when no string is on its way.
    missing_bytes: Option<u64>,
    /// All bytes that were ever queued on this connection.
    queued_bytes: u64,
    /// What became of the last string that was given whole.
    outcome: Option<Result<(), String>>,
}

enum State {
    Closed,
    Opening(Pin<Box<dyn Future<Output = Result<Connection, Broken>>>>),
    Open(Box<Connection>),
}

/// Tells strings apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StringNumber(u64);

/// A part of a string that was given to the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Given {
    string: StringNumber,
    /// Done when so many bytes are written …
    goal_bytes: u64,
    /// … and, for the last part, the server has said so.
    is_last: bool,
}

impl Side {
    /// Closed; it opens when [`Side::open`] says so.
    pub(super) fn new(config: Arc<RedisConfig>, worker: usize) -> Self {
        Self {
            config,
            worker,
            state: State::Closed,
            string: StringNumber(0),
            missing_bytes: None,
            queued_bytes: 0,
            outcome: None,
        }
    }

    /// Begins to connect, unless it has. The next poll goes on with it.
    pub(super) fn open(&mut self) {
        if matches!(self.state, State::Closed) {
            let (config, worker) = (Arc::clone(&self.config), self.worker);
            self.state = State::Opening(Box::pin(async move { handshake::open_side(&config, worker).await }));
        }
    }

    /// Gives a string up, unless it was given whole. Half a command can't be taken back: it ends with its connection.
    pub(super) fn give_up(&mut self, string: StringNumber) {
        if string == self.string && self.missing_bytes.is_some_and(|missing| missing > 0) {
            self.close();
            self.open();
        }
    }

    /// Ends the connection. A string that is on its way never arrives.
    pub(super) fn close(&mut self) {
        self.state = State::Closed;
        self.string = StringNumber(self.string.0 + 1);
        self.missing_bytes = None;
        self.queued_bytes = 0;
    }

    /// Begins a string of `len` bytes under `key`, and gives its number. `None` when the connection is not there or taken.
    pub(super) fn begin(&mut self, key: &[u8], len: u64) -> Option<StringNumber> {
        let State::Open(connection) = &mut self.state else {
            self.open();
            return None;
        };
        if self.missing_bytes.is_some() {
            return None;
        }
        let output = connection.output();
        let before = output.len();
        append_header(output, b'*', 5);
        append_arg(output, b"SET");
        append_arg(output, key);
        append_header(output, b'$', len as usize);
        self.queued_bytes += (output.len() - before) as u64;
        self.missing_bytes = Some(len);
        self.string = StringNumber(self.string.0 + 1);
        self.outcome = None;
        Some(self.string)
    }

    /// Gives the next bytes of a string that was begun. `None` when they are more than it has, or it cannot arrive anymore.
    pub(super) fn give(&mut self, string: StringNumber, bytes: Bytes) -> Option<Given> {
        let missing = self.missing_bytes.filter(|_| string == self.string)?;
        let State::Open(connection) = &mut self.state else { return None };
        let missing = missing.checked_sub(bytes.len() as u64)?;
        let output = connection.output();
        let before = output.len();
        output.append_bytes(bytes);
        if missing == 0 {
            output.append(b"\r\n");
            append_arg(output, b"PX");
            append_arg(output, IDLE_MS);
        }
        self.queued_bytes += (output.len() - before) as u64;
        self.missing_bytes = Some(missing);
        Some(Given { string, goal_bytes: self.queued_bytes, is_last: missing == 0 })
    }

    /// Goes on with connecting, writing, and waiting for the server's word.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        if let State::Opening(opening) = &mut self.state {
            match opening.as_mut().poll(cx) {
                Poll::Ready(Ok(connection)) => self.state = State::Open(Box::new(connection)),
                Poll::Ready(Err(broken)) => self.fail(&broken),
                Poll::Pending => {}
            }
        }
        if let State::Open(connection) = &mut self.state {
            match exchange(connection, cx) {
                Ok(None) => {}
                Ok(Some(reply)) if self.missing_bytes == Some(0) => {
                    self.missing_bytes = None;
                    self.outcome = Some(error_text(&reply).map_or(Ok(()), Err));
                }
                Ok(Some(_)) => self.fail(&Broken::OutOfStep),
                Err(broken) => self.fail(&broken),
            }
        }
    }

    /// What became of a part; `None` while it is on its way.
    pub(super) fn outcome(&mut self, given: Given) -> Option<Result<(), String>> {
        if given.string != self.string {
            return Some(Err(
                "ERR the connection for long strings broke, or its stage was cleared".to_owned()
            ));
        }
        if given.is_last {
            return self.outcome.take();
        }
        let State::Open(connection) = &mut self.state else { return None };
        let written_bytes = self.queued_bytes - connection.output().len() as u64;
        (written_bytes >= given.goal_bytes).then_some(Ok(()))
    }

    /// The lane lives on: what asks for a string next finds no connection, and opens one for those that follow.
    fn fail(&mut self, broken: &Broken) {
        tracing::debug!(worker = self.worker, reason = %broken, "no connection for long strings");
        self.close();
    }
}

/// Writes what is queued and takes one reply, if one has come.
fn exchange(connection: &mut Connection, cx: &mut Context<'_>) -> Result<Option<Bytes>, Broken> {
    let flushed = connection.poll_flush(cx);
    while let Poll::Ready(filled) = connection.poll_fill(cx) {
        filled?;
        if let Some(reply) = connection.next_reply(())? {
            return Ok(Some(reply));
        }
    }
    match flushed {
        Poll::Ready(Err(error)) => Err(error.into()),
        Poll::Ready(Ok(())) | Poll::Pending => Ok(None),
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Closed => "Closed",
            Self::Opening(_) => "Opening",
            Self::Open(_) => "Open",
        })
    }
}

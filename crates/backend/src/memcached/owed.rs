//! Operations as commands of memcached, and their replies as outputs.
//!
//! Invariant: an operation makes the server send exactly one reply, or none if its [`Owed`] takes none.

use std::time::Duration;

use bytes::Bytes;
use dynomite_codec::{DigestPart, Extent, KeyState, Operation, Output, Position, WriteQueue};
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::command::{Expected, append_command, leaves_data};
use super::framer::{Shape, is_error};
use super::key::KeyWord;
use super::meta::{self, Expiry, Item};
use super::payload;
use super::scan::Scanner;
use crate::broken::Broken;

const MS_PER_SECOND: u64 = 1000;
/// An expiry that is told in seconds from now begins when the server runs the command. When that may have been later than
/// this, the value might live for longer than it should.
const WAIT_MAX: Duration = Duration::from_secs(1);
const NO_PIECES: &str = "ERR memcached reads and writes values whole: there are no pieces and no stages";

/// What the server still has to send for one operation.
#[derive(Debug)]
pub(super) enum Owed {
    /// The reply to a client's command.
    Reply(Expected),
    /// Nothing: what to answer was known without the server.
    Known(Option<Box<Output>>),
    /// Nothing: keys come another way.
    Page { cursor: u64, count: usize },
    /// An item, for whom it is; when it was asked for, in milliseconds since the Unix epoch.
    Item { purpose: Purpose, asked_ms: u64 },
    /// Whether a key is there.
    Presence,
    /// A deletion's outcome.
    Deleted,
    /// A new value's outcome. Since when it waits, if it expires some seconds after it is stored.
    Installed { since: Option<Instant> },
}

/// What an item is read for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Dump,
    Digest,
}

impl Owed {
    /// Queues the command of `operation`.
    pub(super) fn send(
        now_ms: u64,
        operation: Operation,
        scanner: &mut Scanner,
        output: &mut WriteQueue,
    ) -> Self {
        let owed = match operation {
            Operation::Command(request) => append_command(&request, output).map(Self::Reply),
            Operation::Dump { key } => Self::send_read(&key, Purpose::Dump, now_ms, output),
            Operation::Digest { key, position: _ } => Self::send_read(&key, Purpose::Digest, now_ms, output),
            Operation::Install { key, state } => Self::send_install(&key, state, now_ms, output),
            Operation::Measure { key } => KeyWord::of(&key).map(|key| {
                meta::append_inspect(output, &key);
                Self::Presence
            }),
            Operation::Scan { cursor, count } => {
                scanner.begin(cursor);
                Ok(Self::Page { cursor, count })
            }
            Operation::DumpPiece { .. }
            | Operation::StagePiece { .. }
            | Operation::ClearStage { .. }
            | Operation::InstallStage { .. } => Err(NO_PIECES.to_owned()),
        };
        owed.unwrap_or_else(|text| Self::Known(Some(Box::new(Output::Failed(text)))))
    }

    fn send_read(
        key: &[u8],
        purpose: Purpose,
        asked_ms: u64,
        output: &mut WriteQueue,
    ) -> Result<Self, String> {
        meta::append_read(output, &KeyWord::of(key)?);
        Ok(Self::Item { purpose, asked_ms })
    }

    fn send_install(
        key: &[u8],
        state: Option<KeyState>,
        now_ms: u64,
        output: &mut WriteQueue,
    ) -> Result<Self, String> {
        let key = KeyWord::of(key)?;
        let state = state.and_then(|state| Some((Expiry::new(now_ms, state.expires_at_ms)?, state.payload)));
        let Some((expiry, payload)) = state else {
            meta::append_delete(output, &key);
            return Ok(Self::Deleted);
        };
        let (flags, value) =
            payload::decode(&payload).ok_or("ERR the payload is none of memcached's, or it is damaged")?;
        meta::append_write(output, &key, flags, expiry, value);
        Ok(Self::Installed { since: matches!(expiry, Expiry::After(_)).then(Instant::now) })
    }

    /// What the server's reply looks like; `None` when it sends none.
    pub(super) fn shape(&self) -> Option<Shape> {
        match self {
            Self::Reply(expected) => Some(expected.shape),
            Self::Known(_) | Self::Page { .. } => None,
            Self::Item { .. } | Self::Presence | Self::Deleted | Self::Installed { .. } => Some(Shape::Meta),
        }
    }

    /// The output of an operation for which the server sends no reply; `None` as long as it is not known. Somebody waits
    /// behind it if `is_urgent`.
    pub(super) fn take_aside(&mut self, scanner: &mut Scanner, is_urgent: bool) -> Option<Output> {
        match self {
            Self::Known(output) => output.take().map(|output| *output),
            Self::Page { cursor, count } => scanner.page(*cursor, *count, is_urgent),
            _ => None,
        }
    }

    /// The output that the server's reply means.
    pub(super) fn take(&self, reply: Bytes) -> Result<Output, Broken> {
        if let Self::Reply(expected) = self {
            if leaves_data(expected.data, &reply) {
                return Err(Broken::DataLeft(text_of(&reply)));
            }
            return Ok(Output::Reply(reply));
        }
        let name = reply.split(|byte| matches!(byte, b' ' | b'\r' | b'\n')).next().unwrap_or_default();
        if is_error(name) {
            return Ok(Output::Failed(text_of(&reply)));
        }
        let output = match (self, name) {
            (Self::Item { purpose, asked_ms }, b"VA") => {
                meta::read_item(&reply).map(|item| purpose.found(&item, *asked_ms))
            }
            (Self::Item { purpose, .. }, b"EN") => Some(purpose.absent()),
            (Self::Presence, b"ME") => {
                Some(Output::Measured(Some(Extent { is_large: false, start: Position::default() })))
            }
            (Self::Presence, b"EN") => Some(Output::Measured(None)),
            (Self::Deleted, b"HD" | b"NF") => Some(Output::Installed),
            (Self::Installed { since }, b"HD") => Some(match since.map(|since| since.elapsed()) {
                Some(waited) if waited > WAIT_MAX => Output::Failed(format!(
                    "ERR the datastore answered after {waited:?}, and the value may expire too late by that"
                )),
                _ => Output::Installed,
            }),
            _ => None,
        };
        output.ok_or(Broken::OutOfStep)
    }
}

impl Purpose {
    fn found(self, item: &Item, asked_ms: u64) -> Output {
        // Of the last second some has passed already: this is too late by less than a second, and too early by no more than
        // the reply took.
        let expires_at_ms = item.seconds.map(|seconds| asked_ms + seconds * MS_PER_SECOND);
        match self {
            Self::Dump => {
                let payload = payload::encode(item.flags, &item.value);
                Output::State(Some(KeyState { payload, expires_at_ms }))
            }
            Self::Digest => {
                let digest = xxh3_64_with_seed(&item.value, u64::from(item.flags));
                Output::Digest(Some(DigestPart { digest, expires_at_ms, next: None }))
            }
        }
    }

    fn absent(self) -> Output {
        match self {
            Self::Dump => Output::State(None),
            Self::Digest => Output::Digest(None),
        }
    }
}

fn text_of(reply: &[u8]) -> String {
    String::from_utf8_lossy(reply.trim_ascii_end()).into_owned()
}

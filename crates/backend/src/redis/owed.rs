//! Operations as commands of Redis, and their replies as outputs.
//!
//! Invariant: an operation makes the server send exactly the replies that its [`Owed`] takes, whatever fails.

use bytes::Bytes;
use dynomite_codec::{Extent, Operation, Output, Position, ReplyView, WriteQueue};

use super::commands::{append_command, append_restore, error_text};
use super::kind::Kind;
use super::page;
use super::side::Given;
use super::stage::{StagedPiece, Stages, Way};
use super::transaction::{Purpose, Transaction};
use crate::broken::Broken;
use crate::element::LARGE_BYTES_MIN;

/// Requests up to this size are copied without touching their reference count.
const COPY_MAX: usize = 4 << 10;
/// Of so many elements `MEMORY USAGE` takes the size to guess that of all.
const SAMPLE_COUNT: &[u8] = b"5";

/// What the server still has to send for one operation. Small, since there is one for every command in flight.
#[derive(Debug)]
pub(super) enum Owed {
    Reply,
    /// Nothing: what to answer was known without the server.
    Known(Option<Box<Output>>),
    Transaction(Box<Transaction>),
    Installed,
    Page,
    /// The replies to `TYPE` and `MEMORY USAGE`; the first when it has come.
    Extent(Option<Box<Bytes>>),
    StagedPiece(Box<OwedPiece>),
    /// Nothing: the piece went another way.
    StagedAside(Box<(StagedPiece, Given)>),
    Cleared,
}

/// The replies for a piece that went to its stage.
#[derive(Debug)]
pub(super) struct OwedPiece {
    piece: StagedPiece,
    replies_left: u8,
    first_error: Option<String>,
    /// How much the stage holds.
    count: Option<i64>,
}

impl Owed {
    /// Queues the commands of `operation`.
    pub(super) fn send(
        now_ms: u64,
        operation: Operation,
        stages: &mut Stages,
        output: &mut WriteQueue,
    ) -> Self {
        match operation {
            Operation::Command(request) => {
                let raw = request.raw();
                if raw.len() <= COPY_MAX {
                    output.append(raw);
                } else {
                    output.append_bytes(raw.clone());
                }
                Self::Reply
            }
            Operation::Dump { key } => Self::transaction(Purpose::Dump, output, |output| {
                append_command(output, &[b"DUMP", &key]);
                append_command(output, &[b"PEXPIRETIME", &key]);
                2
            }),
            Operation::Install { key, state: Some(state) } if state.expires_at_ms != Some(0) => {
                append_restore(output, &key, state);
                Self::Installed
            }
            // An expiry at 0 is long past, but to RESTORE it would mean none. A later one that is past already,
            // RESTORE itself turns into a deletion.
            Operation::Install { key, state: _ } => {
                append_command(output, &[b"UNLINK", &key]);
                Self::Installed
            }
            Operation::Scan { cursor, count } => {
                let mut digits = [itoa::Buffer::new(), itoa::Buffer::new()];
                let [cursor_digits, count_digits] = &mut digits;
                let cursor = cursor_digits.format(cursor).as_bytes();
                let count = count_digits.format(count.max(1)).as_bytes();
                append_command(output, &[b"SCAN", cursor, b"COUNT", count]);
                Self::Page
            }
            Operation::Measure { key } => {
                append_command(output, &[b"TYPE", &key]);
                append_command(output, &[b"MEMORY", b"USAGE", &key, b"SAMPLES", SAMPLE_COUNT]);
                Self::Extent(None)
            }
            Operation::DumpPiece { key, position } => Self::send_read(&key, position, Purpose::Piece, output),
            Operation::Digest { key, position } => Self::send_read(&key, position, Purpose::Digest, output),
            Operation::StagePiece { stage, payload } => match stages.append_piece(stage, &payload, output) {
                Ok(piece) => match piece.way {
                    Way::Lane { reply_count: replies_left } => {
                        let owed = OwedPiece { piece, replies_left, first_error: None, count: None };
                        Self::StagedPiece(Box::new(owed))
                    }
                    Way::Side(given) => Self::StagedAside(Box::new((piece, given))),
                },
                Err(output) => Self::known(output),
            },
            Operation::ClearStage { stage } => match stages.append_clear(stage, output) {
                Ok(()) => Self::Cleared,
                Err(output) => Self::known(output),
            },
            Operation::InstallStage { key, stage, expires_at_ms } => match stages.take(stage) {
                Ok(staged) => Self::send_install_stage(now_ms, &key, &staged, expires_at_ms, output),
                Err(output) => Self::known(output),
            },
        }
    }

    fn send_read(
        key: &[u8],
        position: Position,
        purpose: impl FnOnce(Kind, Position) -> Purpose,
        output: &mut WriteQueue,
    ) -> Self {
        let Some(kind) = Kind::of_number(position.kind) else {
            let text = "ERR a value of this type is read whole";
            return Self::known(Output::Failed(text.to_owned()));
        };
        let position = Position { count: position.count.max(1), ..position };
        Self::transaction(purpose(kind, position), output, |output| {
            let command_count = page::append_read(kind, key, position, output);
            append_command(output, &[b"PEXPIRETIME", key]);
            command_count + 1
        })
    }

    /// `UNLINK` first: `RENAME` would free a large old value before it answers.
    fn send_install_stage(
        now_ms: u64,
        key: &[u8],
        staged: &[u8],
        expires_at_ms: Option<u64>,
        output: &mut WriteQueue,
    ) -> Self {
        // The server frees what expires at once, and large values for long.
        if expires_at_ms.is_some_and(|at| at <= now_ms) {
            append_command(output, &[b"UNLINK", key, staged]);
            return Self::Installed;
        }
        Self::transaction(Purpose::InstallStage, output, |output| {
            append_command(output, &[b"UNLINK", key]);
            append_command(output, &[b"RENAME", staged, key]);
            match expires_at_ms {
                Some(at) => {
                    append_command(output, &[b"PEXPIREAT", key, itoa::Buffer::new().format(at).as_bytes()]);
                }
                None => append_command(output, &[b"PERSIST", key]),
            }
            3
        })
    }

    fn known(output: Output) -> Self {
        Self::Known(Some(Box::new(output)))
    }

    fn transaction(
        purpose: Purpose,
        output: &mut WriteQueue,
        append: impl FnOnce(&mut WriteQueue) -> u8,
    ) -> Self {
        Self::Transaction(Box::new(Transaction::send(purpose, output, append)))
    }

    /// The output of an operation for which the server owes no reply; `None` as long as it is not known.
    pub(super) fn take_aside(&mut self, stages: &mut Stages) -> Option<Output> {
        match self {
            Self::Known(output) => output.take().map(|output| *output),
            Self::StagedAside(given) => stages.outcome(given.0, given.1),
            _ => None,
        }
    }

    /// Whether the output is none of the replies to come.
    pub(super) fn is_aside(&self) -> bool {
        matches!(self, Self::Known(_) | Self::StagedAside(..))
    }

    /// Takes the next reply. `None` when more of them belong to the operation.
    pub(super) fn take(&mut self, reply: Bytes, stages: &mut Stages) -> Result<Option<Output>, Broken> {
        let output = match self {
            Self::Reply => Some(Output::Reply(reply)),
            Self::Known(_) | Self::StagedAside(..) => None,
            Self::Transaction(transaction) => return transaction.take(&reply),
            Self::Installed => Some(error_text(&reply).map_or(Output::Installed, Output::Failed)),
            Self::Page => match error_text(&reply) {
                Some(text) => Some(Output::Failed(text)),
                None => keys(&reply, stages),
            },
            Self::Extent(name) => match name.take() {
                Some(name) => extent(&name, &reply),
                None => {
                    *name = Some(Box::new(reply));
                    return Ok(None);
                }
            },
            Self::StagedPiece(owed) => return owed.take(&reply, stages),
            Self::Cleared => Some(error_text(&reply).map_or(Output::Staged, Output::Failed)),
        };
        output.ok_or(Broken::OutOfStep).map(Some)
    }
}

impl OwedPiece {
    fn take(&mut self, reply: &[u8], stages: &mut Stages) -> Result<Option<Output>, Broken> {
        match ReplyView::parse(reply) {
            // The last but one; the others count something else.
            Some(ReplyView::Integer(count)) if self.replies_left == 2 => self.count = Some(count),
            Some(ReplyView::Integer(_)) => {}
            _ => {
                let text = error_text(reply).ok_or(Broken::OutOfStep)?;
                self.first_error.get_or_insert(text);
            }
        }
        self.replies_left -= 1;
        if self.replies_left > 0 {
            return Ok(None);
        }
        match (self.first_error.take(), self.count) {
            (Some(text), _) => Ok(Some(Output::Failed(text))),
            (None, Some(count)) => Ok(Some(stages.confirm(self.piece, count))),
            (None, None) => Err(Broken::OutOfStep),
        }
    }
}

/// What `TYPE` and `MEMORY USAGE` gave.
fn extent(name: &[u8], usage: &[u8]) -> Option<Output> {
    let extent = match (ReplyView::parse(name)?, ReplyView::parse(usage)?) {
        (ReplyView::Error(_), _) => return error_text(name).map(Output::Failed),
        (_, ReplyView::Error(_)) => return error_text(usage).map(Output::Failed),
        (ReplyView::Simple(b"none"), _) | (ReplyView::Simple(_), ReplyView::Null) => None,
        (ReplyView::Simple(name), ReplyView::Integer(bytes)) => {
            let kind = Kind::of_name(name);
            let is_large = kind.is_some() && u64::try_from(bytes).ok()? >= LARGE_BYTES_MIN;
            Some(Extent { is_large, start: page::start(kind, is_large) })
        }
        _ => return None,
    };
    Some(Output::Measured(extent))
}

/// The reply of `SCAN`.
fn keys(reply: &[u8], stages: &Stages) -> Option<Output> {
    let ReplyView::Array(mut parts) = ReplyView::parse(reply)? else { return None };
    let (ReplyView::Bulk(cursor), ReplyView::Array(found)) = (parts.next()?, parts.next()?) else {
        return None;
    };
    let cursor = std::str::from_utf8(cursor).ok()?.parse().ok()?;
    let mut keys = Vec::with_capacity(found.len());
    for key in found {
        match key {
            ReplyView::Bulk(key) if stages.hides(key) => {}
            // Copied, since keys are what callers keep: one of them would hold on to the whole read buffer.
            ReplyView::Bulk(key) => keys.push(Bytes::copy_from_slice(key)),
            _ => return None,
        }
    }
    Some(Output::Scanned { keys, cursor })
}

#[cfg(test)]
mod tests;

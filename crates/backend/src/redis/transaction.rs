//! Commands that belong together, and what comes of them.

use bytes::Bytes;
use dynomite_codec::reply::Elements;
use dynomite_codec::{DigestPart, KeyState, Output, Piece, Position, ReplyView, WriteQueue};

use super::commands::{append_command, error_text};
use super::kind::Kind;
use super::page::Page;
use crate::broken::Broken;

/// The replies to `MULTI` and what follows that are still to come; the last is `EXEC`'s.
#[derive(Debug)]
pub(super) struct Transaction {
    purpose: Purpose,
    replies_left: u8,
    /// Explains all later ones.
    first_error: Option<String>,
}

/// What a transaction is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Dump,
    Piece(Kind, Position),
    Digest(Kind, Position),
    InstallStage,
}

impl Transaction {
    /// Queues what `append` queues, which gives how many commands it was.
    ///
    /// Without a transaction the key could expire, be evicted or be written by somebody else in between, and a value with
    /// another value's expiry is neither.
    pub(super) fn send(
        purpose: Purpose,
        output: &mut WriteQueue,
        append: impl FnOnce(&mut WriteQueue) -> u8,
    ) -> Self {
        append_command(output, &[b"MULTI"]);
        let command_count = append(output);
        append_command(output, &[b"EXEC"]);
        Self { purpose, replies_left: command_count + 2, first_error: None }
    }

    /// Takes the next reply. `None` when more are to come.
    pub(super) fn take(&mut self, reply: &Bytes) -> Result<Option<Output>, Broken> {
        if self.first_error.is_none() {
            self.first_error = error_text(reply);
        }
        self.replies_left -= 1;
        if self.replies_left > 0 {
            return Ok(None);
        }
        match self.first_error.take() {
            Some(text) => Ok(Some(Output::Failed(text))),
            None => self.purpose.output(reply).ok_or(Broken::OutOfStep).map(Some),
        }
    }
}

impl Purpose {
    /// The output from the reply of `EXEC`; `None` when it has another shape.
    fn output(self, reply: &Bytes) -> Option<Output> {
        let ReplyView::Array(mut parts) = ReplyView::parse(reply)? else { return None };
        match self {
            Self::Dump => dumped(reply, (parts.next()?, parts.next()?)),
            Self::Piece(kind, position) => {
                page_read(Output::Piece(None), kind, position, parts, |page, expires_at_ms| {
                    Output::Piece(Some(Piece { payload: page.payload(), expires_at_ms, next: page.next }))
                })
            }
            Self::Digest(kind, position) => {
                page_read(Output::Digest(None), kind, position, parts, |page, expires_at_ms| {
                    Output::Digest(Some(DigestPart { digest: page.digest(), expires_at_ms, next: page.next }))
                })
            }
            Self::InstallStage => {
                let error = parts.find_map(|part| match part {
                    ReplyView::Error(text) => Some(failed(text)),
                    _ => None,
                });
                Some(error.unwrap_or(Output::Installed))
            }
        }
    }
}

fn failed(text: &[u8]) -> Output {
    Output::Failed(String::from_utf8_lossy(text).into_owned())
}

/// What `DUMP` and `PEXPIRETIME` gave.
fn dumped(reply: &Bytes, pair: (ReplyView<'_>, ReplyView<'_>)) -> Option<Output> {
    Some(match pair {
        (ReplyView::Error(text), _) | (_, ReplyView::Error(text)) => failed(text),
        // -2: no such key.
        (ReplyView::Null, ReplyView::Integer(_)) | (ReplyView::Bulk(_), ReplyView::Integer(-2)) => {
            Output::State(None)
        }
        // -1: the key does not expire.
        (ReplyView::Bulk(payload), ReplyView::Integer(expires_at)) => Output::State(Some(KeyState {
            payload: reply.slice_ref(payload),
            expires_at_ms: u64::try_from(expires_at).ok(),
        })),
        _ => return None,
    })
}

/// What the reading commands and `PEXPIRETIME` gave, as `found` puts it.
fn page_read(
    absent: Output,
    kind: Kind,
    position: Position,
    mut parts: Elements<'_>,
    found: impl FnOnce(&Page<'_>, Option<u64>) -> Output,
) -> Option<Output> {
    let first = parts.next()?;
    let (before, reply) = if parts.len() > 1 { (Some(first), parts.next()?) } else { (None, first) };
    Some(match (reply, parts.next()?) {
        // Of another type by now.
        (ReplyView::Error(text), _) if text.starts_with(b"WRONGTYPE") => absent,
        (ReplyView::Error(text), _) | (_, ReplyView::Error(text)) => failed(text),
        // What is not there reads as if it were empty.
        (_, ReplyView::Integer(-2)) => absent,
        (reply, ReplyView::Integer(expires_at)) => {
            found(&Page::read(kind, position, (before, reply))?, u64::try_from(expires_at).ok())
        }
        _ => return None,
    })
}

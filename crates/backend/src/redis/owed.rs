//! Operations as commands of Redis, and their replies as outputs.
//!
//! Invariant: an operation makes the server send exactly the replies that its [`Owed`] takes, whatever fails.

use bytes::Bytes;
use dynomite_codec::{KeyState, Operation, Output, ReplyView, WriteQueue};

use super::broken::Broken;

/// Requests up to this size are copied without touching their reference count.
const COPY_MAX: usize = 4 << 10;

/// What the server still has to send for one operation.
#[derive(Debug)]
pub(super) enum Owed {
    Reply,
    /// The replies to `MULTI` and what follows; the last is `EXEC`'s. The first error explains all later ones.
    Dump {
        replies_left: u8,
        first_error: Option<Box<str>>,
    },
    Installed,
    Page,
}

impl Owed {
    /// Queues the commands of `operation`.
    pub(super) fn send(operation: Operation, output: &mut WriteQueue) -> Self {
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
            Operation::Dump { key } => {
                // A transaction: the key could expire, be evicted or be written by somebody else in between, and a
                // value with another value's expiry is neither.
                append_command(output, &[b"MULTI"]);
                append_command(output, &[b"DUMP", &key]);
                append_command(output, &[b"PEXPIRETIME", &key]);
                append_command(output, &[b"EXEC"]);
                Self::Dump { replies_left: 4, first_error: None }
            }
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
        }
    }

    /// Takes the next reply. `None` when more of them belong to the operation.
    pub(super) fn take(&mut self, reply: Bytes) -> Result<Option<Output>, Broken> {
        let output = match self {
            Self::Reply => Some(Output::Reply(reply)),
            Self::Dump { replies_left, first_error } => {
                if let Some(text) = error_text(&reply) {
                    first_error.get_or_insert_with(|| text.into());
                }
                *replies_left -= 1;
                if *replies_left > 0 {
                    return Ok(None);
                }
                match first_error.take() {
                    Some(text) => Some(Output::Failed(text.into())),
                    None => dumped(&reply),
                }
            }
            Self::Installed => Some(error_text(&reply).map_or(Output::Installed, Output::Failed)),
            Self::Page => match error_text(&reply) {
                Some(text) => Some(Output::Failed(text)),
                None => page(&reply),
            },
        };
        output.ok_or(Broken::OutOfStep).map(Some)
    }
}

/// Queues a command of small arguments.
pub(super) fn append_command(output: &mut WriteQueue, args: &[&[u8]]) {
    append_header(output, b'*', args.len());
    for arg in args {
        append_header(output, b'$', arg.len());
        output.append(arg);
        output.append(b"\r\n");
    }
}

fn append_restore(output: &mut WriteQueue, key: &[u8], state: KeyState) {
    let mut digits = itoa::Buffer::new();
    let expires_at = digits.format(state.expires_at_ms.unwrap_or(0)).as_bytes();
    append_header(output, b'*', 6);
    for arg in [&b"RESTORE"[..], key, expires_at] {
        append_header(output, b'$', arg.len());
        output.append(arg);
        output.append(b"\r\n");
    }
    append_header(output, b'$', state.payload.len());
    output.append_bytes(state.payload);
    output.append(b"\r\n$7\r\nREPLACE\r\n$6\r\nABSTTL\r\n");
}

fn append_header(output: &mut WriteQueue, kind: u8, count: usize) {
    output.append(&[kind]);
    output.append(itoa::Buffer::new().format(count).as_bytes());
    output.append(b"\r\n");
}

/// The text of an error reply.
pub(super) fn error_text(reply: &[u8]) -> Option<String> {
    let line = reply.strip_prefix(b"-")?;
    Some(String::from_utf8_lossy(line.trim_ascii_end()).into_owned())
}

/// The reply of `EXEC`: what `DUMP` and `PEXPIRETIME` gave.
fn dumped(reply: &Bytes) -> Option<Output> {
    let ReplyView::Array(mut parts) = ReplyView::parse(reply)? else { return None };
    let pair = (parts.next()?, parts.next()?);
    Some(match pair {
        (ReplyView::Error(text), _) | (_, ReplyView::Error(text)) => {
            Output::Failed(String::from_utf8_lossy(text).into_owned())
        }
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

/// The reply of `SCAN`.
fn page(reply: &[u8]) -> Option<Output> {
    let ReplyView::Array(mut parts) = ReplyView::parse(reply)? else { return None };
    let (ReplyView::Bulk(cursor), ReplyView::Array(keys)) = (parts.next()?, parts.next()?) else {
        return None;
    };
    let cursor = std::str::from_utf8(cursor).ok()?.parse().ok()?;
    let keys = keys.map(|key| match key {
        // Copied, since keys are what callers keep: one of them would hold on to the whole read buffer.
        ReplyView::Bulk(key) => Some(Bytes::copy_from_slice(key)),
        _ => None,
    });
    Some(Output::Scanned { keys: keys.collect::<Option<_>>()?, cursor })
}

#[cfg(test)]
mod tests;

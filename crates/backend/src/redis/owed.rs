//! Operations as commands of Redis, and their replies as outputs.
//!
//! Invariant: an operation makes the server send exactly the replies that its [`Owed`] takes, whatever fails.

use bytes::Bytes;
use dynomite_codec::{KeyState, Operation, Output, WriteQueue};

use super::broken::Broken;
use super::parse::{Walk, error_text};

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
        match self {
            Self::Reply => return Ok(Some(Output::Reply(reply))),
            Self::Dump { replies_left, first_error } => {
                if let Some(text) = error_text(&reply) {
                    first_error.get_or_insert_with(|| text.into());
                }
                *replies_left -= 1;
                if *replies_left > 0 {
                    return Ok(None);
                }
                if let Some(text) = first_error.take() {
                    return Ok(Some(Output::Failed(text.into())));
                }
                return dumped(reply).map(Some);
            }
            Self::Installed | Self::Page => {}
        }
        if let Some(text) = error_text(&reply) {
            return Ok(Some(Output::Failed(text)));
        }
        match self {
            Self::Page => page(reply).ok_or(Broken::OutOfStep).map(Some),
            _ => Ok(Some(Output::Installed)),
        }
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

/// The reply of `EXEC`: what `DUMP` and `PEXPIRETIME` gave.
fn dumped(reply: Bytes) -> Result<Output, Broken> {
    if let Some(text) = nested_error(&reply) {
        return Ok(Output::Failed(text));
    }
    let mut walk = Walk::new(reply);
    let parts = (|| (walk.array()? == 2).then_some((walk.nullable_string()?, walk.integer()?)))();
    let (payload, expires_at) = parts.ok_or(Broken::OutOfStep)?;
    let state = match (payload, expires_at) {
        // -2: the key is not there.
        (None, _) | (_, -2) => None,
        (Some(payload), -1) => Some(KeyState { payload, expires_at_ms: None }),
        (Some(payload), at) => Some(KeyState { payload, expires_at_ms: Some(at.try_into().unwrap_or(0)) }),
    };
    Ok(Output::State(state))
}

/// The first element's error, or the second's, of a transaction that ran: `-NOPERM` or `-ERR` of one command.
fn nested_error(reply: &Bytes) -> Option<String> {
    let mut walk = Walk::new(reply.clone());
    walk.array()?;
    if let Some(text) = walk.error() {
        return Some(text);
    }
    walk.nullable_string()?;
    walk.error()
}

fn page(reply: Bytes) -> Option<Output> {
    let mut walk = Walk::new(reply);
    if walk.array()? != 2 {
        return None;
    }
    let cursor = std::str::from_utf8(&walk.string()?).ok()?.parse().ok()?;
    let count = walk.array()?;
    // Not more room ahead than a page of bytes could need: the count is the server's word.
    let mut keys = Vec::with_capacity(count.min(4096));
    for _ in 0..count {
        keys.push(walk.string()?);
    }
    Some(Output::Scanned { keys, cursor })
}

#[cfg(test)]
mod tests;

//! Commands as bytes.

use dynomite_codec::{KeyState, WriteQueue};

/// Queues a command of small arguments.
pub(super) fn append_command(output: &mut WriteQueue, args: &[&[u8]]) {
    append_header(output, b'*', args.len());
    for arg in args {
        append_arg(output, arg);
    }
}

/// Queues one small argument.
pub(super) fn append_arg(output: &mut WriteQueue, arg: &[u8]) {
    append_header(output, b'$', arg.len());
    output.append(arg);
    output.append(b"\r\n");
}

/// Queues the command that replaces a key's state by one that does not expire at 0, which would mean never.
pub(super) fn append_restore(output: &mut WriteQueue, key: &[u8], state: KeyState) {
    let mut digits = itoa::Buffer::new();
    let expires_at = digits.format(state.expires_at_ms.unwrap_or(0)).as_bytes();
    append_header(output, b'*', 6);
    for arg in [&b"RESTORE"[..], key, expires_at] {
        append_arg(output, arg);
    }
    append_header(output, b'$', state.payload.len());
    output.append_bytes(state.payload);
    output.append(b"\r\n$7\r\nREPLACE\r\n$6\r\nABSTTL\r\n");
}

/// Queues what comes before an array's elements or a string's bytes.
pub(super) fn append_header(output: &mut WriteQueue, kind: u8, count: usize) {
    output.append(&[kind]);
    output.append(itoa::Buffer::new().format(count).as_bytes());
    output.append(b"\r\n");
}

/// The text of an error reply.
pub(super) fn error_text(reply: &[u8]) -> Option<String> {
    let line = reply.strip_prefix(b"-")?;
    Some(String::from_utf8_lossy(line.trim_ascii_end()).into_owned())
}

//! Writes RESP2 replies. Each function appends one whole value to `out`.

use bytes::{BufMut, BytesMut};

/// The reply of commands that only succeed.
pub const OK: &[u8] = b"+OK\r\n";
/// RESP2's absent string.
pub const NULL_BULK: &[u8] = b"$-1\r\n";
/// RESP2's absent array, as a missing key gives for `LPOP key count`.
pub const NULL_ARRAY: &[u8] = b"*-1\r\n";

/// Appends a status line; `text` must hold no CR or LF.
pub fn simple(out: &mut BytesMut, text: &str) {
    out.put_u8(b'+');
    out.put_slice(text.as_bytes());
    out.put_slice(b"\r\n");
}

/// Appends an error line. `text` starts with its code (`ERR …`); CR and LF in it become spaces, as in Redis.
pub fn error(out: &mut BytesMut, text: &str) {
    out.put_u8(b'-');
    out.extend(text.bytes().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
    out.put_slice(b"\r\n");
}

/// Appends an integer.
pub fn integer(out: &mut BytesMut, value: i64) {
    out.put_u8(b':');
    out.put_slice(itoa::Buffer::new().format(value).as_bytes());
    out.put_slice(b"\r\n");
}

/// Appends a bulk string.
pub fn bulk(out: &mut BytesMut, value: &[u8]) {
    header(out, b'$', value.len());
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

/// Appends the header of an array of `count` elements, which the caller appends next.
pub fn array(out: &mut BytesMut, count: usize) {
    header(out, b'*', count);
}

/// Appends any aggregate's or string's header line: `kind`, the count, CRLF.
pub fn header(out: &mut BytesMut, kind: u8, count: usize) {
    out.put_u8(kind);
    out.put_slice(itoa::Buffer::new().format(count).as_bytes());
    out.put_slice(b"\r\n");
}

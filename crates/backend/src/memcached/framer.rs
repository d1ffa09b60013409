//! Cuts a memcached's byte stream into whole replies. What a reply looks like depends on what was asked: it does not
//! tell by itself where it ends.
//!
//! Invariants: a reply's bytes are handed over as they came; no byte is searched twice however the input is cut into
//! reads; nothing but the reply itself is kept, and that is bounded.

#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};
use memchr::memchr;

use crate::broken::Broken;

/// The longest line of a reply, in bytes: several times what a key, its flags and an opaque token take.
const LINE_BYTES_MAX: usize = 64 << 10;
const LINE_END: &[u8] = b"\r\n";

/// What a reply looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// One line.
    Line,
    /// One line, and a block when that begins with `VA`.
    Meta,
    /// Lines that begin with `VALUE`, each with a block, until `END`.
    Values,
    /// Lines until `END`; or one line of another kind.
    Stats,
}

/// Finds whole replies at the front of a connection's read buffer. Between two calls the buffer may only be appended to,
/// and the shape stays until its reply was given.
#[derive(Debug)]
pub(super) struct ReplyFramer {
    reply_bytes_max: usize,
    /// Where the next line begins.
    line_start: usize,
    /// Up to here that line holds no end.
    scanned: usize,
    /// Where the block ends that begins at `line_start`, its own line end included.
    block_end: Option<usize>,
    /// How many bytes the block lacks.
    wanted: usize,
}

/// What a line of a reply says about what follows.
enum Follows {
    Nothing,
    Line,
    Block { len: usize },
}

impl ReplyFramer {
    pub(super) fn new(reply_bytes_max: usize) -> Self {
        Self { reply_bytes_max, line_start: 0, scanned: 0, block_end: None, wanted: 0 }
    }

    /// How many bytes are missing for certain.
    pub(super) fn wanted(&self) -> usize {
        self.wanted
    }

    /// Takes the next reply, which has `shape`; `None` when it has not wholly arrived.
    pub(super) fn next(&mut self, shape: Shape, input: &mut BytesMut) -> Result<Option<Bytes>, Broken> {
        self.wanted = 0;
        loop {
            if let Some(end) = self.block_end {
                if input.len() < end {
                    self.wanted = end - input.len();
                    return Ok(None);
                }
                if !input[..end].ends_with(LINE_END) {
                    return Err(Broken::Unreadable("a value is longer than was said"));
                }
                if shape == Shape::Meta {
                    return Ok(Some(self.finish(end, input)));
                }
                (self.line_start, self.scanned, self.block_end) = (end, end, None);
            }
            let Some(end) = self.line_end(input)? else { return Ok(None) };
            let line = &input[self.line_start..end];
            match follows(shape, line.trim_ascii_end(), self.line_start == 0)? {
                Follows::Nothing => return Ok(Some(self.finish(end, input))),
                Follows::Line => (self.line_start, self.scanned) = (end, end),
                Follows::Block { len } => {
                    let block_end = end.checked_add(len).and_then(|end| end.checked_add(LINE_END.len()));
                    (self.line_start, self.block_end) = (end, block_end);
                    if block_end.is_none_or(|end| end > self.reply_bytes_max) {
                        return Err(Broken::Unreadable("it is longer than allowed"));
                    }
                }
            }
        }
    }

    /// The offset after the line that begins at `line_start`.
    fn line_end(&mut self, input: &[u8]) -> Result<Option<usize>, Broken> {
        let found = memchr(b'\n', &input[self.scanned..]).map(|index| self.scanned + index + 1);
        self.scanned = found.unwrap_or(input.len());
        if self.scanned - self.line_start > LINE_BYTES_MAX {
            return Err(Broken::Unreadable("a line is longer than any of memcached's"));
        }
        if self.scanned > self.reply_bytes_max {
            return Err(Broken::Unreadable("it is longer than allowed"));
        }
        Ok(found)
    }

    fn finish(&mut self, end: usize, input: &mut BytesMut) -> Bytes {
        (self.line_start, self.scanned, self.block_end) = (0, 0, None);
        input.split_to(end).freeze()
    }
}

fn follows(shape: Shape, line: &[u8], is_first: bool) -> Result<Follows, Broken> {
    let mut words = line.split(|byte| *byte == b' ');
    let name = words.next().unwrap_or_default();
    match (shape, name) {
        (Shape::Meta, b"VA") => block(words.next()),
        (Shape::Line | Shape::Meta, _) => Ok(Follows::Nothing),
        // VALUE <key> <flags> <bytes> [<cas>]
        (Shape::Values, b"VALUE") => block(words.nth(2)),
        (Shape::Values | Shape::Stats, b"END") if line == b"END" => Ok(Follows::Nothing),
        (Shape::Stats, b"STAT" | b"ITEM" | b"PREFIX") => Ok(Follows::Line),
        // One that cannot tell, or has done what was asked.
        (Shape::Stats, _) if is_first => Ok(Follows::Nothing),
        (_, name) if is_error(name) => Ok(Follows::Nothing),
        _ => Err(Broken::Unreadable("a line that does not belong to it")),
    }
}

fn block(len: Option<&[u8]>) -> Result<Follows, Broken> {
    let len = len.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    len.map(|len| Follows::Block { len }).ok_or(Broken::Unreadable("a value without its length"))
}

/// Whether a line that begins with the word `name` says that something failed.
pub(super) fn is_error(name: &[u8]) -> bool {
    matches!(name, b"ERROR" | b"CLIENT_ERROR" | b"SERVER_ERROR")
}

//! Looks into a whole RESP2 reply without copying it.
//!
//! Invariant: a view exists only over bytes that were checked from end to end, without recursion, so reading its
//! elements cannot fail.

#[cfg(test)]
mod tests;

use memchr::memchr;

use crate::line::{short_number, strict_integer};

/// One RESP2 value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyView<'a> {
    /// `+OK`.
    Simple(&'a [u8]),
    /// `-ERR …`, the code included.
    Error(&'a [u8]),
    /// `:1`.
    Integer(i64),
    /// `$3`.
    Bulk(&'a [u8]),
    /// `$-1`.
    Null,
    /// `*-1`.
    NullArray,
    /// `*2`.
    Array(Elements<'a>),
}

/// The elements of an array, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elements<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> ReplyView<'a> {
    /// A view of exactly one whole RESP2 value; `None` when `reply` is anything else. Costs one pass over the bytes.
    pub fn parse(reply: &'a [u8]) -> Option<Self> {
        (value_len(reply)? == reply.len()).then(|| Self::read(reply)).flatten()
    }

    /// Reads the value at the front of bytes that were checked.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let header = Header::read(bytes)?;
        Some(match (header.kind, header.count) {
            (b'+', _) => Self::Simple(header.text),
            (b'-', _) => Self::Error(header.text),
            (b':', _) => Self::Integer(strict_integer(header.text)?),
            (b'$', Some(len)) => Self::Bulk(bytes.get(header.len..header.len + len)?),
            (b'$', None) => Self::Null,
            (_, Some(count)) => Self::Array(Elements { rest: &bytes[header.len..], left: count }),
            (_, None) => Self::NullArray,
        })
    }
}

impl<'a> Elements<'a> {
    /// The elements' bytes, each a whole value.
    pub fn raw(mut self) -> impl Iterator<Item = &'a [u8]> {
        std::iter::from_fn(move || self.next_raw())
    }

    fn next_raw(&mut self) -> Option<&'a [u8]> {
        if self.left == 0 {
            return None;
        }
        let (element, rest) = self.rest.split_at(value_len(self.rest)?);
        self.rest = rest;
        self.left -= 1;
        Some(element)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = ReplyView<'a>;

    fn next(&mut self) -> Option<ReplyView<'a>> {
        ReplyView::read(self.next_raw()?)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Elements<'_> {}

/// The pieces of a checked value in their order: the headers of arrays, and everything else whole; and whether each is
/// a null.
pub(crate) fn flat_values(value: &[u8]) -> impl Iterator<Item = (&[u8], bool)> {
    let mut rest = value;
    std::iter::from_fn(move || {
        let header = Header::read(rest)?;
        let is_null = matches!(header.kind, b'$' | b'*') && header.count.is_none();
        let body = if header.kind == b'$' { header.count.map_or(0, |len| len + 2) } else { 0 };
        let (piece, after) = rest.split_at_checked(header.len + body)?;
        rest = after;
        Some((piece, is_null))
    })
}

/// The first line of a value.
struct Header<'a> {
    kind: u8,
    /// What follows the type, for lines.
    text: &'a [u8],
    /// What a string or array states; `None` for null.
    count: Option<usize>,
    /// Length of the line with its end.
    len: usize,
}

impl<'a> Header<'a> {
    #[inline]
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (&kind, _) = bytes.split_first()?;
        if matches!(kind, b'$' | b'*')
            && let Some((count, len)) = short_number(bytes, 1)
        {
            return Some(Self { kind, text: &[], count: Some(count), len });
        }
        if !matches!(kind, b'+' | b'-' | b':' | b'$' | b'*') {
            return None;
        }
        let end = memchr(b'\r', bytes)?;
        if bytes.get(end + 1) != Some(&b'\n') {
            return None;
        }
        let text = &bytes[1..end];
        let count = match kind {
            b'+' | b'-' => None,
            b':' => {
                strict_integer(text)?;
                None
            }
            _ if text == b"-1" => None,
            _ => Some(usize::try_from(strict_integer(text)?).ok()?),
        };
        Some(Self { kind, text, count, len: end + 2 })
    }
}

/// Length of the whole value at the front of `bytes`; `None` when it is incomplete or no RESP2.
fn value_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    // Arrays need no stack: an array of n elements is n more values to pass.
    let mut values_left = 1usize;
    while values_left > 0 {
        let header = Header::read(&bytes[at..])?;
        at += header.len;
        values_left -= 1;
        match (header.kind, header.count) {
            (b'$', Some(len)) => {
                let end = at.checked_add(len)?;
                if bytes.get(end..end.checked_add(2)?)? != b"\r\n" {
                    return None;
                }
                at = end + 2;
            }
            (b'*', Some(count)) => values_left = values_left.checked_add(count)?,
            _ => {}
        }
    }
    Some(at)
}

//! A page of a value: read by the commands of its type, given out as a payload or as a digest.
//!
//! A payload is the format's number, the type's number, for a string its whole length (eight bytes, little endian), and an
//! array in RESP of the arguments with which the type's adding command makes the page's elements, in their order. Invariant:
//! what [`PagePayload::read`] accepts is of that shape.

use bytes::{BufMut, Bytes, BytesMut};
use dynomite_codec::{Position, ReplyView, WriteQueue, encode};

use super::commands::append_command;
use super::kind::Kind;
use crate::element::{Element, PIECE_BYTES};

/// The layout of payloads.
const FORMAT: u8 = 1;
/// More elements are not asked for at once: a real server takes 1 ms for so many, 5 ms at worst.
pub(super) const COUNT_MAX: u32 = 1000;
/// A page may have so many times the elements of the one before it. Of a large value nothing is known at first, so
/// that a page of many elements could be of any size.
const COUNT_GROWTH_MAX: u32 = 16;

/// Some elements of a value.
pub(super) struct Page<'a> {
    kind: Kind,
    elements: Vec<Element<'a>>,
    /// Scores as the server wrote them, for they are passed on so.
    scores: Vec<&'a [u8]>,
    /// A string's length.
    whole: Option<u64>,
    /// Where the next page begins; `None` after the last.
    pub(super) next: Option<Position>,
}

/// Where the first page of a value begins.
pub(super) fn start(kind: Option<Kind>, is_large: bool) -> Position {
    let count = if is_large { 1 } else { COUNT_MAX };
    Position { kind: kind.map_or(0, |kind| kind as u8), count, cursor: 0 }
}

/// Queues the commands that read the page at `position`, and gives how many they are.
pub(super) fn append_read(kind: Kind, key: &[u8], position: Position, output: &mut WriteQueue) -> u8 {
    let mut digits = [itoa::Buffer::new(), itoa::Buffer::new(), itoa::Buffer::new()];
    let [cursor, last, count] = &mut digits;
    let len = if kind == Kind::String { PIECE_BYTES as u64 } else { u64::from(position.count) };
    let last = last.format(position.cursor.saturating_add(len - 1)).as_bytes();
    let cursor = cursor.format(position.cursor).as_bytes();
    let count = count.format(position.count).as_bytes();
    match kind {
        Kind::String => {
            append_command(output, &[b"STRLEN", key]);
            append_command(output, &[b"GETRANGE", key, cursor, last]);
            return 2;
        }
        Kind::List => append_command(output, &[b"LRANGE", key, cursor, last]),
        Kind::Hash => append_command(output, &[b"HSCAN", key, cursor, b"COUNT", count]),
        Kind::Set => append_command(output, &[b"SSCAN", key, cursor, b"COUNT", count]),
        Kind::SortedSet => append_command(output, &[b"ZRANGE", key, cursor, last, b"WITHSCORES"]),
    }
    1
}

impl<'a> Page<'a> {
    /// The page at `position` from the last reply to [`append_read`], and the one before it; `None` when they have another
    /// shape.
    pub(super) fn read(
        kind: Kind,
        position: Position,
        (before, reply): (Option<ReplyView<'a>>, ReplyView<'a>),
    ) -> Option<Self> {
        let whole = match (kind, before) {
            (Kind::String, Some(ReplyView::Integer(len))) => Some(u64::try_from(len).ok()?),
            (Kind::String, _) => return None,
            _ => None,
        };
        let mut page = Self { kind, elements: Vec::new(), scores: Vec::new(), whole, next: None };
        let next_cursor = match (kind, reply) {
            (Kind::String, ReplyView::Bulk(bytes)) => {
                let number = position.cursor / PIECE_BYTES as u64;
                page.elements.push(Element::Block { number, bytes });
                let end = position.cursor + bytes.len() as u64;
                (end < whole?).then_some(end)
            }
            (Kind::List | Kind::SortedSet, ReplyView::Array(elements)) => {
                let count = page.read_elements(position.cursor, elements)?;
                (count == u64::from(position.count)).then(|| position.cursor + count)
            }
            (Kind::Hash | Kind::Set, ReplyView::Array(mut parts)) => {
                let (ReplyView::Bulk(cursor), ReplyView::Array(elements)) = (parts.next()?, parts.next()?)
                else {
                    return None;
                };
                page.read_elements(0, elements)?;
                let cursor: u64 = std::str::from_utf8(cursor).ok()?.parse().ok()?;
                (cursor != 0).then_some(cursor)
            }
            _ => return None,
        };
        page.next =
            next_cursor.map(|cursor| Position { cursor, count: page.next_count(position.count), ..position });
        Some(page)
    }

    /// Reads an array's elements, the first of which has number `first`; gives how many they are.
    fn read_elements(&mut self, first: u64, parts: impl Iterator<Item = ReplyView<'a>>) -> Option<u64> {
        let mut parts = parts.map(|part| match part {
            ReplyView::Bulk(bytes) => Some(bytes),
            _ => None,
        });
        let mut index = first;
        while let Some(part) = parts.next() {
            let part = part?;
            let element = match self.kind {
                Kind::String | Kind::List => Element::Item { index, value: part },
                Kind::Set => Element::Member(part),
                Kind::Hash => Element::Field { field: part, value: parts.next()?? },
                Kind::SortedSet => {
                    let text = parts.next()??;
                    self.scores.push(text);
                    Element::Scored { member: part, score: std::str::from_utf8(text).ok()?.parse().ok()? }
                }
            };
            self.elements.push(element);
            index += 1;
        }
        Some(index - first)
    }

    /// So many that they fill a piece, if they are like those of this page.
    fn next_count(&self, count: u32) -> u32 {
        let bytes = self.elements.iter().map(Element::len).sum::<usize>().max(1);
        let fitting = self.elements.len().max(1) * PIECE_BYTES / bytes;
        let growth_max = count.saturating_mul(COUNT_GROWTH_MAX).min(COUNT_MAX);
        u32::try_from(fitting).unwrap_or(u32::MAX).clamp(1, growth_max)
    }

    pub(super) fn digest(&self) -> u64 {
        self.elements.iter().fold(0, |sum, element| sum.wrapping_add(element.digest()))
    }

    pub(super) fn payload(&self) -> Bytes {
        const FRAMING_BYTES_MAX: usize = 32;
        let bytes: usize =
            self.elements.iter().map(|element| element.len() + self.kind.arity() * FRAMING_BYTES_MAX).sum();
        let mut out = BytesMut::with_capacity(bytes + FRAMING_BYTES_MAX);
        out.put_slice(&[FORMAT, self.kind as u8]);
        if let Some(whole) = self.whole {
            out.put_u64_le(whole);
        }
        encode::array(&mut out, self.elements.len() * self.kind.arity());
        for (number, element) in self.elements.iter().enumerate() {
            match *element {
                Element::Block { bytes: value, .. }
                | Element::Item { value, .. }
                | Element::Member(value) => {
                    encode::bulk(&mut out, value);
                }
                Element::Field { field, value } => {
                    encode::bulk(&mut out, field);
                    encode::bulk(&mut out, value);
                }
                Element::Scored { member, .. } => {
                    encode::bulk(&mut out, self.scores[number]);
                    encode::bulk(&mut out, member);
                }
            }
        }
        out.freeze()
    }
}

/// A payload that was looked through.
pub(super) struct PagePayload {
    pub(super) kind: Kind,
    /// The arguments of the adding command, in RESP.
    pub(super) args: Bytes,
    pub(super) arg_count: usize,
    /// How much the page adds to what the counting command tells.
    pub(super) amount: u64,
    /// What that tells in the end, for a string.
    pub(super) whole: Option<u64>,
    /// A string's bytes.
    pub(super) block: Bytes,
}

impl PagePayload {
    /// `None` when nobody made `payload` by [`Page::payload`].
    pub(super) fn read(payload: &Bytes) -> Option<Self> {
        let (&[format, kind], rest) = payload.split_first_chunk()?;
        let kind = Kind::of_number(kind)?;
        let (whole, array) = match kind {
            Kind::String => {
                let (len, array) = rest.split_first_chunk()?;
                (Some(u64::from_le_bytes(*len)), array)
            }
            _ => (None, rest),
        };
        let ReplyView::Array(args) = ReplyView::parse(array)? else { return None };
        let arg_count = args.len();
        let is_sound = format == FORMAT
            && arg_count.is_multiple_of(kind.arity())
            && (kind != Kind::String || arg_count == 1)
            && args.clone().all(|arg| matches!(arg, ReplyView::Bulk(_)));
        if !is_sound {
            return None;
        }
        let block = match (kind, args.clone().next()) {
            (Kind::String, Some(ReplyView::Bulk(bytes))) => payload.slice_ref(bytes),
            _ => Bytes::new(),
        };
        let amount = if kind == Kind::String { block.len() } else { arg_count / kind.arity() };
        let header_len = array.len() - args.raw().map(<[u8]>::len).sum::<usize>();
        let args = payload.slice(payload.len() - array.len() + header_len..);
        Some(Self { kind, args, arg_count, amount: amount as u64, whole, block })
    }
}

#[cfg(test)]
mod tests;

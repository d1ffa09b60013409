//! Turns RESP2 replies into what Redis 7.0 answers a client that said `HELLO 3`.
//!
//! Inside a cluster every reply is RESP2. The types that RESP3 adds do not show in a RESP2 reply, so they follow from
//! the command: each row of the table has a [`Shape`].

mod structured;

use bytes::{BufMut, Bytes, BytesMut};
use memchr::memmem;

use crate::command::{Call, Shape};
use crate::reply::{Elements, ReplyView, flat_values};
use crate::{Request, encode};

const NULL: &[u8] = b"_\r\n";

/// The RESP3 form of `reply`, a whole RESP2 reply to `request`. Gives `reply` itself, without copying, when both forms
/// are the same; so too when it is not what the command answers.
pub fn to_resp3(call: &Call, request: &Request, reply: Bytes) -> Bytes {
    match reply.first() {
        Some(b'$' | b'*') => {}
        _ => return reply,
    }
    if reply == encode::NULL_BULK || reply == encode::NULL_ARRAY {
        return Bytes::from_static(NULL);
    }
    let converted = match effective_shape(call.command.shape, request) {
        Effective::Plain if !may_hold_null(&reply) => None,
        Effective::Plain => with_nulls(&reply),
        Effective::Structured => structured::convert(call.command.shape, &reply),
        effective => ReplyView::parse(&reply).and_then(|view| convert(effective, view)),
    };
    converted.unwrap_or(reply)
}

/// A shape after the request's options were looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effective {
    Plain,
    Map,
    Set,
    Double,
    Doubles,
    /// Flat, every second a double.
    ScoredFlat,
    /// Pairs of a string and a double.
    ScoredPairs,
    ValuePairs,
    /// Every element a list of doubles, or null.
    Positions,
    /// Every element a list whose last element is a list of doubles.
    Coordinates,
    Text,
    Structured,
}

fn effective_shape(shape: Shape, request: &Request) -> Effective {
    let has = |from: usize, word: &str| {
        request.args().skip(from).any(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    };
    match shape {
        Shape::Map => Effective::Map,
        Shape::Set => Effective::Set,
        Shape::SetIfCounted if request.arg_count() > 2 => Effective::Set,
        Shape::Double => Effective::Double,
        Shape::DoubleIfIncr if has(2, "INCR") => Effective::Double,
        Shape::Doubles => Effective::Doubles,
        Shape::ScoredPairs if has(3, "WITHSCORES") => Effective::ScoredPairs,
        Shape::ValuePairs if has(3, "WITHVALUES") => Effective::ValuePairs,
        Shape::Popped if request.arg_count() > 2 => Effective::ScoredPairs,
        Shape::Popped => Effective::ScoredFlat,
        Shape::Positions => Effective::Positions,
        Shape::Coordinates if has(5, "WITHCOORD") => Effective::Coordinates,
        Shape::Text => Effective::Text,
        Shape::CommandInfo | Shape::CommandDocs | Shape::ClusterShards | Shape::ClusterSlots => {
            Effective::Structured
        }
        Shape::Plain
        | Shape::SetIfCounted
        | Shape::DoubleIfIncr
        | Shape::ScoredPairs
        | Shape::ValuePairs
        | Shape::Coordinates => Effective::Plain,
    }
}

fn convert(effective: Effective, view: ReplyView<'_>) -> Option<Bytes> {
    let mut out = BytesMut::new();
    match (effective, view) {
        (Effective::Double, ReplyView::Bulk(text)) => double(&mut out, text),
        (Effective::Text, ReplyView::Bulk(text)) => verbatim(&mut out, text),
        (_, ReplyView::Array(elements)) => array(&mut out, effective, elements)?,
        _ => return None,
    }
    Some(out.freeze())
}

fn array(out: &mut BytesMut, effective: Effective, elements: Elements<'_>) -> Option<()> {
    let count = elements.len();
    match effective {
        Effective::Map | Effective::ScoredPairs | Effective::ValuePairs if !count.is_multiple_of(2) => {
            return None;
        }
        Effective::Map => encode::header(out, b'%', count / 2),
        Effective::Set => encode::header(out, b'~', count),
        Effective::ScoredPairs | Effective::ValuePairs => encode::array(out, count / 2),
        _ => encode::array(out, count),
    }
    for (index, element) in elements.raw().enumerate() {
        let opens_pair = index % 2 == 0;
        if opens_pair && matches!(effective, Effective::ScoredPairs | Effective::ValuePairs) {
            encode::array(out, 2);
        }
        match effective {
            Effective::Doubles => number(out, element)?,
            Effective::ScoredFlat | Effective::ScoredPairs if !opens_pair => number(out, element)?,
            Effective::Positions => numbers(out, element)?,
            Effective::Coordinates => last_as_numbers(out, element)?,
            _ => plain(out, element),
        }
    }
    Some(())
}

/// An element of `GEORADIUS … WITHCOORD`: the coordinates are its last.
fn last_as_numbers(out: &mut BytesMut, element: &[u8]) -> Option<()> {
    let ReplyView::Array(parts) = ReplyView::parse(element)? else {
        return None;
    };
    let count = parts.len();
    encode::array(out, count);
    for (index, part) in parts.raw().enumerate() {
        if index + 1 == count {
            numbers(out, part)?;
        } else {
            plain(out, part);
        }
    }
    Some(())
}

fn numbers(out: &mut BytesMut, element: &[u8]) -> Option<()> {
    match ReplyView::parse(element)? {
        ReplyView::Array(parts) => {
            encode::array(out, parts.len());
            parts.raw().try_for_each(|part| number(out, part))
        }
        _ => number(out, element),
    }
}

fn number(out: &mut BytesMut, element: &[u8]) -> Option<()> {
    match ReplyView::parse(element)? {
        ReplyView::Bulk(text) => double(out, text),
        ReplyView::Null | ReplyView::NullArray => out.put_slice(NULL),
        _ => return None,
    }
    Some(())
}

fn double(out: &mut BytesMut, text: &[u8]) {
    out.put_u8(b',');
    out.put_slice(text);
    out.put_slice(b"\r\n");
}

fn verbatim(out: &mut BytesMut, text: &[u8]) {
    encode::header(out, b'=', text.len() + 4);
    out.put_slice(b"txt:");
    out.put_slice(text);
    out.put_slice(b"\r\n");
}

fn plain(out: &mut BytesMut, value: &[u8]) {
    for (piece, is_null) in flat_values(value) {
        out.put_slice(if is_null { NULL } else { piece });
    }
}

fn with_nulls(reply: &[u8]) -> Option<Bytes> {
    ReplyView::parse(reply)?;
    let mut out = BytesMut::with_capacity(reply.len());
    plain(&mut out, reply);
    Some(out.freeze())
}

fn may_hold_null(reply: &[u8]) -> bool {
    // Nothing to find in the most frequent reply, a value; inside one the text could only look like a null.
    reply.first() == Some(&b'*') && memmem::find(reply, b"-1\r\n").is_some()
}

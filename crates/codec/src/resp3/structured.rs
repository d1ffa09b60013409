//! Replies about commands and the cluster, whose RESP3 form has maps and sets at many depths. A node writes them
//! itself, rarely; so they are decoded as a tree. The framer's limit on depth is in front of the decoder, which has none.

use bytes::{BufMut, Bytes, BytesMut};
use redis_protocol::resp2::decode::decode_bytes;
use redis_protocol::resp2::types::BytesFrame;

use super::NULL;
use crate::command::Shape;
use crate::{ReplyFramer, ReplyLimits, encode};

const DEPTH_MAX: usize = 32;

/// The RESP3 form of a structured reply; `None` when it has another structure.
pub(super) fn convert(shape: Shape, reply: &Bytes) -> Option<Bytes> {
    let BytesFrame::Array(elements) = decode(reply)? else {
        return None;
    };
    let mut out = BytesMut::with_capacity(reply.len());
    match shape {
        Shape::CommandInfo => list(&mut out, b'*', &elements, command_info),
        Shape::CommandDocs => map(&mut out, &elements, |out, _, value| document(out, value)),
        Shape::ClusterShards => list(&mut out, b'*', &elements, shard),
        Shape::ClusterSlots => list(&mut out, b'*', &elements, slot_range),
        _ => return None,
    }
    Some(out.freeze())
}

fn decode(reply: &Bytes) -> Option<BytesFrame> {
    let limits = ReplyLimits { depth_max: DEPTH_MAX, ..ReplyLimits::default() };
    let whole = ReplyFramer::new(limits).next(&mut BytesMut::from(&reply[..])).ok()??;
    let (frame, used) = decode_bytes(&whole).ok()??;
    (used == reply.len()).then_some(frame)
}

/// Name, arity, flags, three key positions, categories, tips, key specifications, subcommands.
fn command_info(out: &mut BytesMut, frame: &BytesFrame) {
    let BytesFrame::Array(fields) = frame else {
        return plain(out, frame);
    };
    encode::array(out, fields.len());
    for (index, field) in fields.iter().enumerate() {
        match (index, field) {
            (2 | 6 | 7, BytesFrame::Array(elements)) => list(out, b'~', elements, plain),
            (8, BytesFrame::Array(specs)) => list(out, b'~', specs, key_specification),
            // Redis 7.0 answers an empty set where there are no subcommands, a list where there are.
            (9, BytesFrame::Array(subcommands)) if subcommands.is_empty() => encode::header(out, b'~', 0),
            (9, BytesFrame::Array(subcommands)) => list(out, b'*', subcommands, command_info),
            _ => plain(out, field),
        }
    }
}

fn key_specification(out: &mut BytesMut, frame: &BytesFrame) {
    let BytesFrame::Array(fields) = frame else {
        return plain(out, frame);
    };
    map(out, fields, |out, name, value| match value {
        BytesFrame::Array(flags) if name == b"flags" => list(out, b'~', flags, plain),
        _ => key_specification(out, value),
    });
}

fn document(out: &mut BytesMut, frame: &BytesFrame) {
    let BytesFrame::Array(fields) = frame else {
        return plain(out, frame);
    };
    map(out, fields, |out, name, value| match value {
        BytesFrame::Array(elements) => match name {
            b"history" | b"doc_flags" | b"flags" => list(out, b'~', elements, plain),
            b"arguments" => list(out, b'*', elements, document),
            b"subcommands" => map(out, elements, |out, _, value| document(out, value)),
            _ => plain(out, value),
        },
        _ => plain(out, value),
    });
}

fn shard(out: &mut BytesMut, frame: &BytesFrame) {
    let BytesFrame::Array(fields) = frame else {
        return plain(out, frame);
    };
    map(out, fields, |out, name, value| match value {
        BytesFrame::Array(nodes) if name == b"nodes" => list(out, b'*', nodes, |out, node| match node {
            BytesFrame::Array(fields) => map(out, fields, |out, _, value| plain(out, value)),
            _ => plain(out, node),
        }),
        _ => plain(out, value),
    });
}

/// First slot, last slot, then nodes: address, port, name, and a map of further addresses.
fn slot_range(out: &mut BytesMut, frame: &BytesFrame) {
    let BytesFrame::Array(fields) = frame else {
        return plain(out, frame);
    };
    list(out, b'*', fields, |out, field| match field {
        BytesFrame::Array(node) => {
            encode::array(out, node.len());
            for part in node {
                match part {
                    BytesFrame::Array(metadata) => map(out, metadata, |out, _, value| plain(out, value)),
                    _ => plain(out, part),
                }
            }
        }
        _ => plain(out, field),
    });
}

fn list(
    out: &mut BytesMut,
    kind: u8,
    elements: &[BytesFrame],
    mut write: impl FnMut(&mut BytesMut, &BytesFrame),
) {
    encode::header(out, kind, elements.len());
    for element in elements {
        write(out, element);
    }
}

fn map(out: &mut BytesMut, flat: &[BytesFrame], mut write: impl FnMut(&mut BytesMut, &[u8], &BytesFrame)) {
    if !flat.len().is_multiple_of(2) {
        return list(out, b'*', flat, plain);
    }
    encode::header(out, b'%', flat.len() / 2);
    for pair in flat.chunks(2) {
        plain(out, &pair[0]);
        let name: &[u8] = match &pair[0] {
            BytesFrame::BulkString(name) | BytesFrame::SimpleString(name) => name,
            _ => b"",
        };
        write(out, name, &pair[1]);
    }
}

fn plain(out: &mut BytesMut, frame: &BytesFrame) {
    match frame {
        BytesFrame::SimpleString(text) => {
            out.put_u8(b'+');
            out.put_slice(text);
            out.put_slice(b"\r\n");
        }
        BytesFrame::Error(text) => encode::error(out, text),
        BytesFrame::Integer(value) => encode::integer(out, *value),
        BytesFrame::BulkString(value) => encode::bulk(out, value),
        BytesFrame::Array(elements) => list(out, b'*', elements, plain),
        BytesFrame::Null => out.put_slice(NULL),
    }
}

//! Messages between nodes, to bytes and back.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use dynomite_codec::{Request, encode};
use dynomite_replication::{
    Record, ReplicaRequest, ReplicaResponse, RequestBody, ResponseBody, Seats, Stamper, Version,
};
use dynomite_ring::{NodeId, Token};

use crate::arrival::recognised;
use crate::case::{Case, Scenario, scenario};

/// Messages that one turn of a worker has for a link.
const BATCH: usize = 128;
const KEY: &[u8] = b"user:1000000";
const VALUE: &[u8] = &[b'v'; 64];

/// The messages of an overwrite, with a value of 64 bytes.
pub const CASES: &[Case] = &[
    Case { name: "wire/encode/overwrite", elements: BATCH, prepare: encode_requests },
    Case { name: "wire/decode/overwrite", elements: BATCH, prepare: decode_requests },
    Case { name: "wire/encode/applied", elements: BATCH, prepare: encode_responses },
    Case { name: "wire/decode/applied", elements: BATCH, prepare: decode_responses },
];

const VERSION: Version = Version { clock: 1 << 60, node: NodeId(1) };

fn overwrite() -> ReplicaRequest {
    let command = recognised(Request::from_args([b"SET", KEY, VALUE]));
    let body = RequestBody::Overwrite { version: VERSION, command, stamper: Stamper::Local };
    ReplicaRequest { id: 1, token: Token(1), clock: 1, seats: Seats::default(), body }
}

fn applied() -> ReplicaResponse {
    let prior = Record::overwritten(VERSION);
    let body = ResponseBody::Applied { prior, reply: Some(Bytes::from_static(encode::OK)) };
    ReplicaResponse { id: 1, clock: 1, body }
}

/// The head of each message goes into one buffer, as on a link.
fn encode_all<M: 'static>(
    message: M,
    encode: impl Fn(&M, &mut BytesMut) -> Bytes + 'static,
) -> Box<dyn Scenario> {
    scenario(BytesMut::new(), BytesMut::clear, move |head| {
        for _ in 0..BATCH {
            black_box(encode(black_box(&message), head));
        }
    })
}

fn encode_requests() -> Box<dyn Scenario> {
    encode_all(overwrite(), ReplicaRequest::encode)
}

fn encode_responses() -> Box<dyn Scenario> {
    encode_all(applied(), ReplicaResponse::encode)
}

/// Each message has been cut from one network buffer, as on a link.
fn decode_all<M: 'static>(
    message: Bytes,
    decode: impl Fn(Bytes) -> Option<M> + 'static,
) -> Box<dyn Scenario> {
    let buffer = Bytes::from(message.repeat(BATCH));
    let cut = move |index| buffer.slice(index * message.len()..(index + 1) * message.len());
    scenario(
        Vec::with_capacity(BATCH),
        move |bodies| bodies.extend((0..BATCH).map(&cut)),
        move |bodies| {
            for body in bodies.drain(..) {
                assert!(black_box(decode(body)).is_some(), "it is a message");
            }
        },
    )
}

fn decode_requests() -> Box<dyn Scenario> {
    let mut head = BytesMut::new();
    let tail = overwrite().encode(&mut head);
    head.extend_from_slice(&tail);
    decode_all(head.freeze(), |body| ReplicaRequest::decode(body).ok())
}

fn decode_responses() -> Box<dyn Scenario> {
    let mut head = BytesMut::new();
    let tail = applied().encode(&mut head);
    head.extend_from_slice(&tail);
    decode_all(head.freeze(), |body| ReplicaResponse::decode(body).ok())
}

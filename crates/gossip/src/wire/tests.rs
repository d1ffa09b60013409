use std::net::{IpAddr, SocketAddr};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::node::{Status, Verdict};

/// A number of any length.
fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64u32).prop_map(|(number, shift)| number >> shift)
}

fn address() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![Just(Verdict::None), Just(Verdict::Down), Just(Verdict::Removed)]
}

fn a_life() -> impl Strategy<Value = Life> {
    let statuses =
        prop_oneof![Just(Status::Joining), Just(Status::Normal), Just(Status::Leaving), Just(Status::Left)];
    (number(), address(), number(), any::<u32>(), number(), statuses, verdict(), number()).prop_map(
        |(id, addr, generation, nonce, incarnation, status, verdict, pulse)| Life {
            id: NodeId(id),
            addr,
            generation,
            nonce,
            incarnation,
            status,
            verdict,
            pulse,
        },
    )
}

fn known() -> impl Strategy<Value = Known> {
    (a_life(), number(), number()).prop_map(|(life, version, collected)| Known {
        id: life.id,
        generation: life.generation,
        nonce: life.nonce,
        incarnation: life.incarnation,
        verdict: life.verdict,
        version,
        collected,
    })
}

/// Deltas without items have no bytes to borrow; items are tested from leaked ones, few and small.
fn delta() -> impl Strategy<Value = Delta<'static>> {
    let item = (any::<u16>(), 1..5u64, proptest::option::of(vec(any::<u8>(), 0..40)));
    let items = (number(), vec(item, 0..5), 0..3u64, number());
    (a_life(), proptest::option::of(items)).prop_map(|(life, items)| {
        let items = items.map(|(from, items, rest, collected)| {
            let from = from >> 8;
            let mut version = from;
            let items: Vec<ItemChange<'static>> = items
                .into_iter()
                .map(|(key, step, value)| {
                    version += step;
                    ItemChange { key, version, value: value.map(|value| &*value.leak()) }
                })
                .collect();
            ItemsDelta { from, upto: version + rest, collected, items }
        });
        Delta { life, items }
    })
}

fn an_exchange() -> impl Strategy<Value = Exchange<'static>> {
    let sums = proptest::option::of((0..=4u8).prop_map(|bits| &*vec![bits; 4 << bits].leak()));
    let group = (0..8u16, any::<u32>(), vec(any::<u8>(), 0..20))
        .prop_map(|(group, list, pulses)| GroupPulses { group, list, pulses: pulses.leak() });
    (any::<u64>(), sums, vec(group, 0..5), vec(delta(), 0..4)).prop_map(|(root, sums, groups, deltas)| {
        Exchange { root, sums, pulses: Pulses { bits: 3, groups }, deltas }
    })
}

fn a_body() -> impl Strategy<Value = Body<'static>> {
    let group = (0..8u16, any::<bool>(), vec(known(), 0..4));
    let group = group.prop_map(|(group, is_cut, known)| GroupDigest { group, is_cut, known });
    let origin = || proptest::option::of(number().prop_map(NodeId));
    prop_oneof![
        an_exchange().prop_map(Body::Open),
        an_exchange().prop_map(Body::Answer),
        vec(group, 0..4).prop_map(|groups| Body::Digest(Digest { bits: 3, groups })),
        (vec(known(), 0..4), vec(delta(), 0..4)).prop_map(|(wanted, deltas)| Body::Delta { wanted, deltas }),
        (any::<u32>(), number(), origin()).prop_map(|(seq, target, origin)| Body::Ping {
            seq,
            target: NodeId(target),
            origin
        }),
        (any::<u32>(), origin()).prop_map(|(seq, origin)| Body::Pong { seq, origin }),
        (any::<u32>(), number(), address()).prop_map(|(seq, target, addr)| Body::ProbeFor {
            seq,
            target: NodeId(target),
            addr
        }),
        (any::<u32>(), a_life()).prop_map(|(seq, subject)| Body::Vouch { seq, subject }),
        Just(Body::Refusal(Refusal::OtherCluster)),
        a_life().prop_map(|known| Body::Refusal(Refusal::Stale { known })),
        (a_life(), a_life()).prop_map(|(kept, refused)| Body::Refusal(Refusal::Conflict { kept, refused })),
    ]
}

fn a_message() -> impl Strategy<Value = Message<'static>> {
    (any::<u32>(), a_life(), a_body()).prop_map(|(cluster, sender, body)| Message { cluster, sender, body })
}

fn encoded(message: &Message<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(message, &mut bytes);
    bytes
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(message in a_message()) {
        let bytes = encoded(&message);
        prop_assert_eq!(decode(&bytes), Ok(message));
    }

    #[test]
    fn a_torn_message_is_none(message in a_message(), cut in any::<prop::sample::Index>()) {
        let bytes = encoded(&message);
        prop_assert_eq!(decode(&bytes[..cut.index(bytes.len())]), Err(crate::GossipError::Malformed));
        let longer = [bytes.as_slice(), b"x"].concat();
        prop_assert_eq!(decode(&longer), Err(crate::GossipError::Malformed));
    }

    #[test]
    fn random_bytes_are_decoded_without_panic(kind in 0..12u8, mut bytes in vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes);
        if bytes.len() > 2 {
            (bytes[0], bytes[1]) = (MAGIC_AND_VERSION, kind);
        }
        let _ = decode(&bytes);
    }

    #[test]
    fn lengths_are_known_before(life in a_life(), known in known(), delta in delta()) {
        let len = |body| {
            let message = Message { cluster: 0, sender: life, body };
            encoded(&message).len()
        };
        let (wanted, deltas) = (Vec::new(), Vec::new());
        let empty = len(Body::Delta { wanted, deltas });
        prop_assert_eq!(life.byte_count() + 6 + 2, empty);
        prop_assert!(life.byte_count() <= LIFE_BYTES_MAX);
        let one = len(Body::Delta { wanted: vec![known], deltas: Vec::new() });
        prop_assert_eq!(known.byte_count(), one - empty);
        let room = delta.byte_count();
        let one = len(Body::Delta { wanted: Vec::new(), deltas: vec![delta] });
        prop_assert!(room >= one - empty && room <= one - empty + ItemsDelta::BYTES_AROUND);
    }
}

#[test]
fn a_count_that_the_bytes_cannot_hold_allocates_nothing() {
    let life = Life {
        id: NodeId(1),
        addr: SocketAddr::from(([1, 2, 3, 4], 5)),
        generation: 1,
        nonce: 2,
        incarnation: 3,
        status: Status::Normal,
        verdict: Verdict::None,
        pulse: 4,
    };
    let body = Body::Delta { wanted: Vec::new(), deltas: Vec::new() };
    let mut bytes = encoded(&Message { cluster: 0, sender: life, body });
    bytes.truncate(bytes.len() - 2);
    bytes.extend_from_slice(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0]);
    assert_eq!(decode(&bytes), Err(crate::GossipError::Malformed));
}

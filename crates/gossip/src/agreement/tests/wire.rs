//! Messages and stored votes as bytes.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::acceptor::Vote;
use super::super::message::{Accepted, Body, Message, decode, decode_vote, encode, encode_vote};
use super::*;

fn number() -> impl Strategy<Value = u64> {
    (1..=1_u64 << 62, 0..62_u32).prop_map(|(number, shift)| (number >> shift).max(1))
}

fn ballot() -> impl Strategy<Value = Ballot> {
    (number(), any::<u64>()).prop_map(|(round, node)| Ballot { round, node: NodeId(node) })
}

fn accepted() -> impl Strategy<Value = Option<Accepted>> {
    let accepted = (ballot(), vec(any::<u8>(), 0..50)).prop_map(|(ballot, value)| Accepted { ballot, value });
    proptest::option::of(accepted)
}

fn message() -> impl Strategy<Value = Message> {
    let value = vec(any::<u8>(), 0..50);
    let all = (number(), 0..7_u8, ballot(), ballot(), any::<u64>(), value, accepted(), number());
    all.prop_map(|(epoch, kind, ballot, promised, follows, value, accepted, other)| {
        let body = match kind {
            0 => Body::Prepare { ballot, follows },
            1 => Body::Promise { ballot, accepted },
            2 => Body::Accept { ballot, follows, value },
            3 => Body::Accepted { ballot },
            4 => Body::Refused { ballot, promised },
            5 => Body::Decided { oldest: other.min(epoch), newest: other.max(epoch), follows, value },
            _ => Body::Fetch,
        };
        Message { epoch, body }
    })
}

proptest! {
    #[test]
    fn every_message_survives_the_wire(message in message()) {
        prop_assert_eq!(decode(&encode(&message), 50), Ok(message));
    }

    #[test]
    fn every_vote_survives_the_disk(epoch in number(), promised in ballot(), accepted in accepted()) {
        let vote = Vote { epoch, promised, accepted };
        prop_assert_eq!(decode_vote(&encode_vote(&vote)), Ok(vote));
    }

    #[test]
    fn a_message_that_is_cut_or_goes_on_is_none(message in message(), cut: prop::sample::Index) {
        let mut bytes = encode(&message);
        prop_assert!(decode(&bytes[..cut.index(bytes.len())], 50).is_err());
        bytes.push(0);
        prop_assert!(decode(&bytes, 50).is_err());
    }

    #[test]
    fn any_bytes_are_borne(
        messages in vec((message(), vec((any::<prop::sample::Index>(), any::<u8>()), 0..3)), 1..30), noise in vec(any::<u8>(), 0..60),
    ) {
        let stored = Stored { decided: vec![(1, value(0, &[1, 2, 3]))], vote: None };
        let mut agreement = Agreement::new(NodeId(1), voters_of, Config::default(), stored, 1).unwrap();
        let mut out = Vec::new();
        agreement.propose(ms(0), value(1, &[1]), &mut out).unwrap();
        for (at, (message, changes)) in messages.into_iter().enumerate() {
            let mut bytes = encode(&message);
            for (place, byte) in changes {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            agreement.handle_message(ms(at as u64), NodeId(at as u64 % 4), &bytes, &mut out);
            agreement.handle_timeout(ms(400 * at as u64), &mut out);
        }
        agreement.handle_message(ms(0), NodeId(2), &noise, &mut out);
        _ = decode_vote(&noise);
    }
}

#[test]
fn a_value_that_is_too_long_is_not_taken() {
    let body = Body::Decided { oldest: 2, newest: 2, follows: 0, value: vec![1; 51] };
    assert!(decode(&encode(&Message { epoch: 2, body }), 50).is_err());
}

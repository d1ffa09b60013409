use dynomite_codec::{Call, Class, KeyState, Position as PiecePosition, Request, command::commands};
use proptest::prelude::*;

use super::*;
use crate::{
    BUCKETS, Bucket, Level, Record, Trust, Version,
    message::{Content, KeyRequest, PieceSource, Position, PushPurpose},
};

fn version() -> impl Strategy<Value = Version> {
    (any::<u64>(), any::<u32>()).prop_map(|(clock, node)| Version { clock, node: NodeId(node) })
}

fn record() -> impl Strategy<Value = Record> {
    (version(), version(), any::<u64>(), version(), any::<u64>())
        .prop_map(|(base, term, ops, last, digest)| Record { base, term, ops, last, digest })
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn request() -> impl Strategy<Value = Request> {
    prop::collection::vec(bytes(), 1..9).prop_map(Request::from_args)
}

fn command() -> impl Strategy<Value = KeyRequest> {
    let rows: Vec<_> = commands().iter().filter(|row| row.keys.first > 0).collect();
    let call = (prop::sample::select(rows), prop::sample::select(&Class::ALL[..]))
        .prop_map(|(command, class)| Call { command, class });
    (call, request())
        .prop_filter_map("a command without its key", |(call, request)| KeyRequest::new(call, request))
}

fn state() -> impl Strategy<Value = Option<KeyState>> {
    prop::option::of(
        (bytes(), any::<Option<u64>>())
            .prop_map(|(payload, expires_at_ms)| KeyState { payload, expires_at_ms }),
    )
}

fn piece_position() -> impl Strategy<Value = PiecePosition> {
    (any::<u8>(), any::<u32>(), any::<u64>()).prop_map(|(kind, count, cursor)| PiecePosition {
        kind,
        count,
        cursor,
    })
}

fn content() -> impl Strategy<Value = Content> {
    let source = (any::<u32>(), record(), piece_position()).prop_map(|(node, record, start)| PieceSource {
        node: NodeId(node),
        record,
        start,
    });
    prop_oneof![state().prop_map(Content::Whole), source.prop_map(Content::Pieces)]
}

fn level() -> impl Strategy<Value = Level> {
    prop::sample::select(&Level::ALL[..])
}

const STAMPERS: [Stamper; 3] = [Stamper::Local, Stamper::StandIn, Stamper::Foreign];
const PURPOSES: [PushPurpose; 4] =
    [PushPurpose::Acknowledge, PushPurpose::Heal, PushPurpose::Rebuild, PushPurpose::Replace];

fn trust() -> impl Strategy<Value = Trust> {
    prop::sample::select(&[Trust::Trusted, Trust::Dirty, Trust::DirtyOverwrite, Trust::Lost][..])
}

fn request_body() -> impl Strategy<Value = RequestBody> {
    prop_oneof![
        command().prop_map(RequestBody::Execute),
        (command(), any::<bool>()).prop_map(|(command, value)| RequestBody::Read { command, value }),
        (version(), command(), prop::sample::select(&STAMPERS[..]))
            .prop_map(|(version, command, stamper)| RequestBody::Overwrite { version, command, stamper }),
        (version(), command(), any::<bool>(), any::<u32>()).prop_map(
            |(version, command, ack, timeout_ms)| {
                RequestBody::RelayOverwrite { version, command, ack, timeout_ms }
            }
        ),
        (command(), level(), any::<u16>(), any::<bool>(), any::<u32>()).prop_map(
            |(command, level, near, sender_applies, timeout_ms)| RequestBody::Sequence {
                command,
                level,
                near: RackIdx(near),
                sender_applies,
                timeout_ms
            }
        ),
        (
            record(),
            record(),
            bytes(),
            prop::option::of(request()),
            any::<Option<u32>>(),
            any::<Option<i64>>()
        )
            .prop_map(|(prior, record, key, effect, reply_crc, expires_at_ms)| {
                RequestBody::Forward { prior, record, key, effect, reply_crc, expires_at_ms }
            }),
        (bytes(), record(), content(), prop::sample::select(&PURPOSES[..]))
            .prop_map(|(key, record, state, purpose)| RequestBody::Push { key, record, state, purpose }),
        bytes().prop_map(|key| RequestBody::Inspect { key }),
        (bytes(), any::<bool>(), any::<bool>()).prop_map(|(key, doubtful, whole)| RequestBody::Fetch {
            key,
            doubtful,
            whole
        }),
        bytes().prop_map(|key| RequestBody::Value { key }),
        (bytes(), record(), piece_position()).prop_map(|(key, record, position)| RequestBody::Piece {
            key,
            record,
            position
        }),
        (bytes(), version()).prop_map(|(key, term)| RequestBody::Claim { key, term }),
        (bytes(), version(), content()).prop_map(|(key, version, state)| RequestBody::Import {
            key,
            version,
            state
        }),
        (bytes(), version(), content(), any::<bool>(), any::<u32>()).prop_map(
            |(key, version, state, again, timeout_ms)| RequestBody::RelayImport {
                key,
                version,
                state,
                again,
                timeout_ms
            }
        ),
        comparing(),
    ]
}

fn bucket() -> impl Strategy<Value = Bucket> {
    (0..BUCKETS as u16).prop_map(Bucket)
}

fn position() -> impl Strategy<Value = Position> {
    any::<(u16, u64)>().prop_map(|(bucket, hash)| Position { bucket, hash })
}

/// Requests that are about buckets, or between nodes that compare them.
fn comparing() -> impl Strategy<Value = RequestBody> {
    let node = || any::<u32>().prop_map(NodeId);
    let mark = || any::<u32>().prop_map(Mark);
    prop_oneof![
        (node(), mark(), bucket()).prop_map(|(node, mark, first)| RequestBody::Digest { node, mark, first }),
        (node(), mark(), bucket(), any::<u64>(), any::<u64>(), bytes()).prop_map(
            |(node, mark, bucket, from, upto, known)| RequestBody::Differ {
                node,
                mark,
                bucket,
                from,
                upto,
                known
            }
        ),
        (node(), any::<u64>(), position(), any::<[u32; 2]>()).prop_map(|(node, loss, from, ends)| {
            let [after, upto] = ends.map(Token);
            RequestBody::List { node, loss, from, range: TokenRange::new(after, upto) }
        }),
        (node(), bytes()).prop_map(|(node, runs)| RequestBody::Settle { node, runs }),
        (node(), bytes()).prop_map(|(node, key)| RequestBody::Export { node, key }),
    ]
}

fn failure() -> impl Strategy<Value = Failure> {
    prop_oneof![
        Just(Failure::Unreachable),
        Just(Failure::LinkLost),
        Just(Failure::Timeout),
        Just(Failure::Overloaded),
        Just(Failure::DatastoreDown),
        Just(Failure::DatastoreStalled),
        ".{0,20}".prop_map(Failure::Datastore),
        Just(Failure::Untrusted),
        Just(Failure::NotOwner),
        Just(Failure::ClockAhead),
        Just(Failure::TooFewReplicas),
        Just(Failure::CopyLost),
        Just(Failure::Outbid),
        Just(Failure::LogFailed),
    ]
}

fn response_body() -> impl Strategy<Value = ResponseBody> {
    prop_oneof![
        bytes().prop_map(|reply| ResponseBody::Done { reply }),
        (record(), prop::option::of(bytes()))
            .prop_map(|(record, reply)| ResponseBody::Read { record, reply }),
        (record(), prop::option::of(bytes()))
            .prop_map(|(prior, reply)| ResponseBody::Applied { prior, reply }),
        record().prop_map(|record| ResponseBody::Refused { record }),
        (any::<u16>(), any::<u16>()).prop_map(|(applied, racks)| ResponseBody::Relayed { applied, racks }),
        record().prop_map(|record| ResponseBody::Accepted { record }),
        (record(), any::<bool>()).prop_map(|(record, dirty)| ResponseBody::Nacked { record, dirty }),
        failure().prop_map(ResponseBody::Failed),
        (version(), record(), bytes()).prop_map(|(version, prior, reply)| ResponseBody::Stamped {
            version,
            prior,
            reply
        }),
        (record(), trust()).prop_map(|(record, trust)| ResponseBody::Inspected { record, trust }),
        (record(), trust()).prop_map(|(record, trust)| ResponseBody::Promised { record, trust }),
        version().prop_map(|term| ResponseBody::Outbid { term }),
        (record(), trust(), content()).prop_map(|(record, trust, state)| ResponseBody::State {
            record,
            trust,
            state
        }),
        (bytes(), any::<Option<u64>>(), prop::option::of(piece_position())).prop_map(
            |(payload, expires_at_ms, next)| ResponseBody::Piece(Piece { payload, expires_at_ms, next })
        ),
        (record(), trust(), prop::option::of(any::<(u64, Option<u64>)>())).prop_map(
            |(record, trust, digest)| {
                let digest = digest.map(|(hash, expires_at_ms)| ValueDigest { hash, expires_at_ms });
                ResponseBody::Value { record, trust, digest }
            }
        ),
        bytes().prop_map(|digests| ResponseBody::Digests { digests }),
        (position(), any::<bool>(), bytes(), bytes()).prop_map(|(upto, is_lost, lacking, page)| {
            ResponseBody::Listed { upto, is_lost, lacking, page }
        }),
        any::<u32>().prop_map(|mark| ResponseBody::NotReady { mark: Mark(mark) }),
        any::<u16>().prop_map(|upto| ResponseBody::Noted { upto }),
    ]
}

fn whole(head: BytesMut, tail: &Bytes) -> Bytes {
    let mut head = head;
    head.extend_from_slice(tail);
    head.freeze()
}

proptest! {
    #[test]
    fn requests_round_trip(id: u64, token: u32, clock: u64, epoch: u32, digest: u32, body in request_body()) {
        let seats = Seats { epoch, digest };
        let request = ReplicaRequest { id, token: Token(token), clock, seats, body };
        let mut head = BytesMut::new();
        let tail = request.encode(&mut head);
        prop_assert_eq!(ReplicaRequest::decode(whole(head, &tail)), Ok(request));
    }

    #[test]
    fn responses_round_trip(id: u64, clock: u64, body in response_body()) {
        let response = ReplicaResponse { id, clock, body };
        let mut head = BytesMut::new();
        let tail = response.encode(&mut head);
        prop_assert_eq!(ReplicaResponse::decode(whole(head, &tail)), Ok(response));
    }

    #[test]
    fn cut_or_random_messages_never_panic(body in request_body(), cut: prop::sample::Index, noise in bytes()) {
        let request = ReplicaRequest { id: 1, token: Token(2), clock: 3, seats: Seats::default(), body };
        let mut head = BytesMut::new();
        let tail = request.encode(&mut head);
        let all = whole(head, &tail);
        let _ = ReplicaRequest::decode(all.slice(..cut.index(all.len())));
        let _ = ReplicaResponse::decode(all);
        let _ = ReplicaRequest::decode(noise.clone());
        let _ = ReplicaResponse::decode(noise);
    }
}

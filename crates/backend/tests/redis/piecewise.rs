//! What tests of pieces, stages and digests have in common: values to move, and the steps of moving them.

use bytes::Bytes;
use dynomite_backend::{Extent, Operation, Output, Piece, Position};
use dynomite_codec::ReplyView;
use dynomite_testkit::{RawClient, Redis};

use crate::conversation::{Conversation, NODE, WORKER};

/// Large enough to be moved in pieces, and not a whole number of them.
pub(crate) const LARGE_BYTES: usize = (2 << 20) + 12_345;
/// The stage that tests use which need only one.
pub(crate) const STAGE: u8 = 5;

/// Makes a key of each type that is large.
pub(crate) fn make_large_values(client: &mut RawClient) -> Vec<&'static str> {
    client.command(&[&b"SET"[..], b"string", &text(LARGE_BYTES)]);
    add_many(client, "RPUSH list", 100_000, |number, args| args.push(format!("element-{number}")));
    add_many(client, "SADD set", 30_000, |number, args| args.push(format!("member-{number}")));
    add_many(client, "SADD numbers", 40_000, |number, args| args.push((number * 3).to_string()));
    add_many(client, "HSET hash", 20_000, |number, args| {
        args.extend([format!("field\r\n{number}"), format!("value-{number}")]);
    });
    add_many(client, "ZADD zset", 20_000, |number, args| {
        args.extend([format!("{}", number as f64 / 7.0), format!("member-{number}")]);
    });
    client.command(&["ZADD", "zset", "-inf", "lowest", "+inf", "highest", "-1e-300", "", "0.1", "tenth"]);
    vec!["string", "list", "set", "numbers", "hash", "zset"]
}

pub(crate) fn add_many(
    client: &mut RawClient,
    command: &str,
    count: usize,
    add: impl Fn(usize, &mut Vec<String>),
) {
    for first in (0..count).step_by(1000) {
        let mut args: Vec<String> = command.split(' ').map(str::to_owned).collect();
        (first..count.min(first + 1000)).for_each(|number| add(number, &mut args));
        let reply = client.command(&args);
        assert!(reply.starts_with(b":"), "{}", reply.escape_ascii());
    }
}

/// Bytes that do not compress.
pub(crate) fn text(len: usize) -> Vec<u8> {
    (0..len as u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

pub(crate) fn assert_same(source: &mut RawClient, target: &mut RawClient, key: &str) {
    let name = source.command(&["TYPE", key]);
    assert_eq!(target.command(&["TYPE", key]), name, "{key}");
    let all: &[&str] = match &name[..] {
        b"+string\r\n" => &["GET", key],
        b"+list\r\n" => &["LRANGE", key, "0", "-1"],
        b"+set\r\n" => &["SORT", key, "ALPHA"],
        b"+zset\r\n" => &["ZRANGE", key, "0", "-1", "WITHSCORES"],
        b"+hash\r\n" => &["HGETALL", key],
        other => panic!("{}", other.escape_ascii()),
    };
    let [source, target] = [source, target].map(|client| {
        let reply = client.command(all);
        match ReplyView::parse(&reply) {
            Some(ReplyView::Array(elements)) if all[0] == "HGETALL" => {
                let parts: Vec<Vec<u8>> = elements.raw().map(<[u8]>::to_vec).collect();
                let mut pairs: Vec<Vec<u8>> = parts.chunks(2).map(<[_]>::concat).collect();
                pairs.sort_unstable();
                pairs.concat()
            }
            _ => reply,
        }
    });
    assert!(!source.is_empty() && source == target, "{key}");
}

/// Waits until the lane has its second connection.
pub(crate) async fn side_is_open(redis: &Redis, lane: &mut Conversation) {
    for _ in 0..1000 {
        let is_there = side_id(redis).is_some();
        assert_eq!(lane.command(&["PING"]).await, b"+PONG\r\n");
        if is_there {
            return;
        }
    }
    panic!("no second connection");
}

pub(crate) fn side_id(redis: &Redis) -> Option<String> {
    let list = redis.client().command(&["CLIENT", "LIST"]);
    let list = String::from_utf8_lossy(&list).into_owned();
    let name = format!("name=dynomite-{WORKER}-side");
    let line = list.lines().find(|line| line.contains(&name))?;
    line.split(' ').find_map(|field| field.strip_prefix("id=")).map(str::to_owned)
}

pub(crate) fn stage_key(worker: usize) -> Vec<u8> {
    format!("dynomite:{{{NODE}}}:stage:{worker}:{STAGE}").into_bytes()
}

pub(crate) fn number(reply: &[u8]) -> i64 {
    std::str::from_utf8(&reply[1..]).expect("an integer").trim_end().parse().expect("an integer")
}

pub(crate) async fn measure(lane: &mut Conversation, key: &str) -> Option<Extent> {
    match lane.run(Operation::Measure { key: key.to_owned().into() }).await {
        Output::Measured(extent) => extent,
        other => panic!("{key}: {other:?}"),
    }
}

pub(crate) async fn read_piece(lane: &mut Conversation, key: &str, position: Position) -> Option<Piece> {
    match lane.run(Operation::DumpPiece { key: key.to_owned().into(), position }).await {
        Output::Piece(piece) => piece,
        other => panic!("{key}: {other:?}"),
    }
}

/// All payloads, and the expiry that the last said.
pub(crate) async fn read(
    lane: &mut Conversation,
    key: &str,
    start: Position,
) -> Option<(Vec<Bytes>, Option<u64>)> {
    let mut payloads = Vec::new();
    let mut position = start;
    loop {
        let piece = read_piece(lane, key, position).await?;
        assert!(piece.payload.len() < 1 << 20, "{key}: a piece of {} bytes", piece.payload.len());
        payloads.push(piece.payload);
        match piece.next {
            Some(next) => position = next,
            None => return Some((payloads, piece.expires_at_ms)),
        }
    }
}

pub(crate) async fn stage(lane: &mut Conversation, payloads: &[Bytes]) {
    for payload in payloads {
        let operation = Operation::StagePiece { stage: STAGE, payload: payload.clone() };
        assert_eq!(lane.run(operation).await, Output::Staged);
    }
}

pub(crate) async fn install(lane: &mut Conversation, key: &str, expires_at_ms: Option<u64>) -> Output {
    let key = Bytes::copy_from_slice(key.as_bytes());
    lane.run(Operation::InstallStage { key, stage: STAGE, expires_at_ms }).await
}

/// The digest of the whole value, which must be there.
pub(crate) async fn digest(lane: &mut Conversation, key: &str) -> u64 {
    let mut next = measure(lane, key).await.map(|extent| extent.start);
    let mut sum = 0u64;
    while let Some(position) = next {
        match lane.run(Operation::Digest { key: key.to_owned().into(), position }).await {
            Output::Digest(Some(part)) => {
                sum = sum.wrapping_add(part.digest);
                next = part.next;
            }
            other => panic!("{key}: {other:?}"),
        }
    }
    sum
}

pub(crate) async fn scan_count(lane: &mut Conversation) -> usize {
    match lane.run(Operation::Scan { cursor: 0, count: 1000 }).await {
        Output::Scanned { keys, cursor: 0 } => keys.len(),
        other => panic!("{other:?}"),
    }
}

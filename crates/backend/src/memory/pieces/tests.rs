use bytes::BytesMut;
use dynomite_codec::{DigestPart, Extent, Operation, Output, Piece, Position, Request};

use crate::{MemoryConfig, MemoryStore, SyncStore};

const NOW_MS: u64 = 1_700_000_000_000;
const STAGE: u8 = 2;

fn store() -> MemoryStore {
    MemoryStore::new(7, MemoryConfig::default())
}

fn send(store: &mut MemoryStore, args: &[&[u8]]) -> String {
    let mut reply = BytesMut::new();
    store.execute(NOW_MS, &Request::from_args(args), &mut reply);
    String::from_utf8_lossy(&reply).into_owned()
}

fn run(store: &mut MemoryStore, operation: Operation) -> Output {
    store.run(NOW_MS, &operation, &mut BytesMut::new())
}

/// Makes a value of each type, with `count` elements, or thirty times so many bytes.
fn fill(store: &mut MemoryStore, count: usize) -> Vec<&'static str> {
    send(store, &[b"SET", b"string", &vec![b'x'; count * 30]]);
    for number in 0..count {
        let number = format!("{number}");
        let number = number.as_bytes();
        send(store, &[b"RPUSH", b"list", number]);
        send(store, &[b"SADD", b"set", number]);
        send(store, &[b"HSET", b"hash", number, b"value"]);
        send(store, &[b"ZADD", b"zset", number, number]);
    }
    vec!["string", "list", "set", "hash", "zset"]
}

fn extent(store: &mut MemoryStore, key: &'static str) -> Option<Extent> {
    match run(store, Operation::Measure { key: key.into() }) {
        Output::Measured(extent) => extent,
        other => panic!("{other:?}"),
    }
}

fn pieces(store: &mut MemoryStore, key: &'static str) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut next = extent(store, key).map(|extent| extent.start);
    while let Some(position) = next {
        match run(store, Operation::DumpPiece { key: key.into(), position }) {
            Output::Piece(Some(piece)) => {
                next = piece.next;
                found.push(piece);
            }
            other => panic!("{key}: {other:?}"),
        }
    }
    found
}

fn digest(store: &mut MemoryStore, key: &'static str) -> (u64, usize) {
    let (mut sum, mut count) = (0u64, 0);
    let mut next = extent(store, key).map(|extent| extent.start);
    while let Some(position) = next {
        match run(store, Operation::Digest { key: key.into(), position }) {
            Output::Digest(Some(DigestPart { digest, next: following, .. })) => {
                sum = sum.wrapping_add(digest);
                next = following;
                count += 1;
            }
            other => panic!("{key}: {other:?}"),
        }
    }
    (sum, count)
}

fn stage(store: &mut MemoryStore, piece: &Piece) -> Output {
    run(store, Operation::StagePiece { stage: STAGE, payload: piece.payload.clone() })
}

fn install(store: &mut MemoryStore, key: &'static str, expires_at_ms: Option<u64>) -> Output {
    run(store, Operation::InstallStage { key: key.into(), stage: STAGE, expires_at_ms })
}

#[test]
fn value_of_every_type_moves_in_pieces() {
    for (count, is_large) in [(1, false), (100, false), (50_000, true)] {
        let (mut source, mut target) = (store(), store());
        for key in fill(&mut source, count) {
            send(&mut source, &[b"PEXPIREAT", key.as_bytes(), b"1800000000000"]);
            assert_eq!(extent(&mut source, key).map(|extent| extent.is_large), Some(is_large), "{key}");
            let pieces = pieces(&mut source, key);
            assert_eq!(pieces.len() > 3, is_large, "{key} in {} pieces", pieces.len());
            for piece in &pieces {
                assert_eq!(stage(&mut target, piece), Output::Staged, "{key}");
                assert!(piece.payload.len() < 2 * super::PIECE_BYTES, "{key}");
            }
            assert_eq!(send(&mut target, &[b"DBSIZE"]), ":0\r\n", "a stage is no key");
            let expires_at_ms = pieces.last().and_then(|piece| piece.expires_at_ms);
            send(&mut target, &[b"SADD", key.as_bytes(), b"of old"]);
            assert_eq!(install(&mut target, key, expires_at_ms), Output::Installed, "{key}");
            let key_bytes = key.as_bytes();
            assert!(source.dump(NOW_MS, key_bytes) == target.dump(NOW_MS, key_bytes), "{key}");
            assert_eq!(digest(&mut source, key), digest(&mut target, key), "{key}");
            assert_eq!(install(&mut target, key, None), failed("the stage holds no whole value"));
            send(&mut target, &[b"DEL", key_bytes]);
            assert_eq!(target.stats().used_bytes, 0, "{key}: every byte was accounted for");
        }
    }
}

#[test]
fn digest_does_not_depend_on_what_led_to_the_value() {
    let mut store = store();
    let cases: [(&[&str], &[&str]); 6] = [
        (&["SET k 12345"], &["SET k 1234", "APPEND k 5"]),
        (&["RPUSH k a b c"], &["RPUSH k b c x", "LPUSH k a", "RPOP k"]),
        (&["SADD k 1 2 3"], &["SADD k 3 x 2 1", "SREM k x"]),
        (&["HSET k f v g w"], &["HSET k g w x y", "HSET k f v", "HDEL k x"]),
        (&["ZADD k 1 a 2 b 0 c"], &["ZADD k 2 b 5 a -0 c", "ZINCRBY k -4 a"]),
        (&["SET k "], &["APPEND k "]),
    ];
    let mut digests = Vec::new();
    for scripts in cases {
        let [first, second] = [scripts.0, scripts.1].map(|script| {
            send(&mut store, &[b"DEL", b"k"]);
            for command in script {
                let args: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
                assert!(!send(&mut store, &args).starts_with('-'), "{command}");
            }
            digest(&mut store, "k")
        });
        assert_eq!(first, second, "{scripts:?}");
        digests.push(first);
    }
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), cases.len());
}

#[test]
fn digest_of_a_large_value_comes_in_parts_and_sees_every_element() {
    let mut store = store();
    for key in fill(&mut store, 50_000) {
        let before = digest(&mut store, key);
        assert!(before.1 > 3, "{key}");
        let change: &[&[u8]] = match key {
            "string" => &[b"SETRANGE", b"string", b"1000000", b"y"],
            "list" => &[b"LSET", b"list", b"34567", b"y"],
            "set" => &[b"SREM", b"set", b"34567"],
            "hash" => &[b"HSET", b"hash", b"34567", b"y"],
            _ => &[b"ZINCRBY", b"zset", b"0.5", b"34567"],
        };
        send(&mut store, change);
        assert_ne!(digest(&mut store, key).0, before.0, "{key}");
    }
}

#[test]
fn places_in_a_list_count_from_its_beginning() {
    let mut store = store();
    for _ in 0..20_000 {
        send(&mut store, &[b"RPUSH", b"list", b"a"]);
    }
    let start = extent(&mut store, "list").expect("it is there").start;
    let Output::Digest(Some(DigestPart { next: Some(second), .. })) =
        run(&mut store, Operation::Digest { key: "list".into(), position: start })
    else {
        panic!("more than one piece");
    };
    let mut with_b_at = |place: u64| {
        let place = place.to_string();
        send(&mut store, &[b"LSET", b"list", place.as_bytes(), b"b"]);
        let digest = digest(&mut store, "list");
        send(&mut store, &[b"LSET", b"list", place.as_bytes(), b"a"]);
        digest
    };
    assert_ne!(with_b_at(0), with_b_at(second.cursor));
}

#[test]
fn what_is_absent_or_shorter_or_of_another_type_by_now_is_told() {
    let mut store = store();
    assert_eq!(extent(&mut store, "k"), None);
    let setups = [["SET", "k", "v"], ["RPUSH", "k", "v"], ["SADD", "k", "v"], ["SET", "k", "1"]];
    let starts = setups.map(|setup| {
        send(&mut store, &[b"DEL", b"k"]);
        send(&mut store, &setup.map(str::as_bytes));
        extent(&mut store, "k").expect("it is there").start
    });
    // What is there now is a string.
    let behind = Position { cursor: 300_000, ..starts[0] };
    for (position, is_told) in
        [(starts[0], false), (starts[1], true), (starts[2], true), (starts[3], false), (behind, true)]
    {
        for operation in [
            Operation::DumpPiece { key: "k".into(), position },
            Operation::Digest { key: "k".into(), position },
        ] {
            let output = run(&mut store, operation);
            let is_absent = matches!(output, Output::Piece(None) | Output::Digest(None));
            assert_eq!(is_absent, is_told, "{position:?}: {output:?}");
        }
    }
    send(&mut store, &[b"DEL", b"k"]);
    let absent = Operation::DumpPiece { key: "k".into(), position: starts[0] };
    assert_eq!(run(&mut store, absent), Output::Piece(None));
    send(&mut store, &[b"RPUSH", b"k", b"v"]);
    let behind = Position { cursor: 1, ..starts[1] };
    let shorter = Operation::DumpPiece { key: "k".into(), position: behind };
    assert_eq!(run(&mut store, shorter), Output::Piece(None));
}

#[test]
fn stage_that_lacks_a_piece_is_never_installed() {
    let mut store = store();
    send(&mut store, &[b"RPUSH", b"list", b"a"]);
    send(&mut store, &[b"SADD", b"set", b"a"]);
    let (list, set) = (pieces(&mut store, "list").remove(0), pieces(&mut store, "set").remove(0));
    assert_eq!(install(&mut store, "set", None), failed("the stage holds no whole value"));
    assert_eq!(stage(&mut store, &list), Output::Staged);
    assert!(matches!(stage(&mut store, &set), Output::Failed(text) if text.starts_with("WRONGTYPE")));
    assert_eq!(stage(&mut store, &list), failed("an earlier piece is missing"));
    assert_eq!(install(&mut store, "set", None), failed("the stage holds no whole value"));
    assert_eq!(send(&mut store, &[b"SMEMBERS", b"set"]), "*1\r\n$1\r\na\r\n", "nothing changed");

    assert_eq!(run(&mut store, Operation::ClearStage { stage: STAGE }), Output::Staged);
    let damaged = Operation::StagePiece { stage: STAGE, payload: list.payload.slice(1..) };
    assert!(matches!(run(&mut store, damaged), Output::Failed(_)));
    assert_eq!(stage(&mut store, &list), failed("an earlier piece is missing"));
    assert_eq!(run(&mut store, Operation::ClearStage { stage: STAGE }), Output::Staged);
    assert_eq!(stage(&mut store, &list), Output::Staged);
    assert_eq!(install(&mut store, "set", None), Output::Installed);
    assert_eq!(send(&mut store, &[b"LRANGE", b"set", b"0", b"-1"]), "*1\r\n$1\r\na\r\n");
    let nowhere = Operation::ClearStage { stage: dynomite_codec::STAGE_COUNT };
    assert_eq!(run(&mut store, nowhere), failed("no such stage"));
}

#[test]
fn stages_keep_to_the_byte_budget() {
    let mut source = store();
    fill(&mut source, 50_000);
    let mut target = MemoryStore::new(7, MemoryConfig { max_bytes: Some(1 << 20) });
    for number in 0..1000u32 {
        send(&mut target, &[b"SET", &number.to_be_bytes(), &[b'x'; 500]]);
    }
    let outputs: Vec<Output> =
        pieces(&mut source, "string").iter().map(|piece| stage(&mut target, piece)).collect();
    assert!(target.stats().evicted_count > 500, "keys make room for it");
    let refused = outputs.iter().position(|output| *output != Output::Staged);
    let refused = refused.expect("more than the whole budget");
    assert!(refused >= 2, "{refused}");
    assert!(matches!(&outputs[refused], Output::Failed(text) if text.starts_with("OOM")));
    assert_eq!(install(&mut target, "k", None), failed("the stage holds no whole value"));
}

fn failed(text: &str) -> Output {
    Output::Failed(format!("ERR {text}"))
}

//! Reading, installing and listing keys on a real `redis-server`.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use dynomite_backend::{KeyState, Operation, Output};
use dynomite_testkit::{RawClient, Redis};

use crate::conversation::Conversation;

/// A key, the commands that make it, and one that shows what it holds.
type Sample = (&'static str, Vec<Vec<String>>, Vec<&'static str>);

/// A key of each type and encoding.
fn samples() -> Vec<Sample> {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let many = |command: &str, per_element: fn(usize) -> String| {
        let elements: Vec<String> = (0..2000).map(per_element).collect();
        words(&format!("{command} {}", elements.join(" ")))
    };
    vec![
        ("raw", vec![words("SET raw value\r\n\0binary"), words("APPEND raw more")], vec!["GET", "raw"]),
        ("integer", vec![words("SET integer 12345")], vec!["GET", "integer"]),
        ("empty", vec![vec!["SET".into(), "empty".into(), String::new()]], vec!["GET", "empty"]),
        ("bits", vec![words("SETBIT bits 1000 1")], vec!["GET", "bits"]),
        ("list", vec![words("RPUSH list a b c")], vec!["LRANGE", "list", "0", "-1"]),
        ("lists", vec![many("RPUSH lists", |i| format!("element-{i}"))], vec!["LRANGE", "lists", "0", "-1"]),
        ("intset", vec![words("SADD intset 1 2 3")], vec!["SORT", "intset"]),
        ("set", vec![many("SADD set", |i| format!("member-{i}"))], vec!["SORT", "set", "ALPHA"]),
        ("hash", vec![words("HSET hash f1 v1 f2 v2")], vec!["HGETALL", "hash"]),
        ("hashes", vec![many("HSET hashes", |i| format!("f{i} v{i}"))], vec!["HGET", "hashes", "f1999"]),
        ("zset", vec![words("ZADD zset 1.5 a -inf b")], vec!["ZRANGE", "zset", "0", "-1", "WITHSCORES"]),
        ("zsets", vec![many("ZADD zsets", |i| format!("{i} m{i}"))], vec!["ZRANGE", "zsets", "0", "-1"]),
        ("hll", vec![words("PFADD hll a b c d")], vec!["PFCOUNT", "hll"]),
        (
            "stream",
            vec![
                words("XADD stream 1-1 f v"),
                words("XADD stream 1-2 f w"),
                words("XGROUP CREATE stream g 0"),
                words("XREADGROUP GROUP g c COUNT 1 STREAMS stream >"),
            ],
            vec!["XINFO", "STREAM", "stream", "FULL"],
        ),
    ]
}

#[tokio::test]
async fn every_type_moves_to_another_server_with_and_without_expiry() {
    let source = Redis::start();
    let target = Redis::start();
    let mut reader = Conversation::open_up(&source.unix_url()).await;
    let mut writer = Conversation::open_up(&target.url()).await;
    let expiry = now_ms() + 3_600_000;
    for expires_at_ms in [None, Some(expiry)] {
        for (key, commands, show) in samples() {
            source.client().command(&["DEL", key]);
            for command in &commands {
                let reply = source.client().command(command);
                assert!(!reply.starts_with(b"-"), "{}", reply.escape_ascii());
            }
            if let Some(at) = expires_at_ms {
                source.client().command(&["PEXPIREAT", key, &at.to_string()]);
            }
            let state = dump(&mut reader, key).await.expect("the key is there");
            assert_eq!(state.expires_at_ms, expires_at_ms, "{key}");
            install(&mut writer, key, Some(state)).await;

            let mut target = target.client();
            assert_eq!(target.command(&show), source.client().command(&show), "{key}");
            assert_eq!(target.command(&["TYPE", key]), source.client().command(&["TYPE", key]));
            assert_eq!(expiry_of(&mut target, key), expires_at_ms, "{key}");
        }
    }
}

#[tokio::test]
async fn install_replaces_whatever_was_there() {
    let redis = Redis::start();
    let mut lane = Conversation::open_up(&redis.unix_url()).await;
    let mut client = redis.client();
    client.command(&["SET", "new", "value"]);
    client.command(&["RPUSH", "old", "a", "b"]);
    client.command(&["EXPIRE", "old", "1000"]);
    let state = dump(&mut lane, "new").await;
    install(&mut lane, "old", state).await;
    assert_eq!(client.command(&["GET", "old"]), b"$5\r\nvalue\r\n");
    assert_eq!(client.command(&["TTL", "old"]), b":-1\r\n");
    install(&mut lane, "old", None).await;
    install(&mut lane, "old", None).await;
    assert_eq!(client.command(&["EXISTS", "old"]), b":0\r\n");
}

#[tokio::test]
async fn state_whose_expiry_is_past_ends_as_absent() {
    let redis = Redis::start();
    let mut lane = Conversation::open_up(&redis.unix_url()).await;
    let mut client = redis.client();
    client.command(&["SET", "source", "value"]);
    let payload = dump(&mut lane, "source").await.expect("the key is there").payload;
    for past in [0, 1, now_ms() - 1] {
        client.command(&["SET", "old", "value"]);
        for key in ["old", "new"] {
            let state = KeyState { payload: payload.clone(), expires_at_ms: Some(past) };
            install(&mut lane, key, Some(state)).await;
            assert_eq!(client.command(&["EXISTS", key]), b":0\r\n", "{key} with expiry {past}");
        }
    }
}

#[tokio::test]
async fn damaged_payload_fails_and_changes_nothing() {
    let redis = Redis::start();
    let mut lane = Conversation::open_up(&redis.unix_url()).await;
    let mut client = redis.client();
    client.command(&["SET", "k", "value"]);
    let mut state = dump(&mut lane, "k").await.expect("the key is there");
    let mut damaged = state.payload.to_vec();
    damaged[1] ^= 1;
    state.payload = damaged.into();
    let output = lane.run(Operation::Install { key: "k".into(), state: Some(state) }).await;
    assert_eq!(output, Output::Failed("ERR DUMP payload version or checksum are wrong".into()));
    assert_eq!(client.command(&["GET", "k"]), b"$5\r\nvalue\r\n");
}

#[tokio::test]
async fn large_value_moves_unchanged() {
    let redis = Redis::start();
    let mut lane = Conversation::open_up(&redis.unix_url()).await;
    let value: Vec<u8> =
        (0..8 << 20).map(|index: u32| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    redis.client().command(&[&b"SET"[..], b"from", &value]);
    let state = dump(&mut lane, "from").await;
    install(&mut lane, "to", state).await;
    assert!(redis.client().command(&["GET", "from"]) == redis.client().command(&["GET", "to"]));
}

#[tokio::test]
async fn dump_of_an_expiring_key_is_whole_or_absent() {
    let redis = Redis::start();
    let mut lane = Conversation::open_up(&redis.unix_url()).await;
    let mut found = 0;
    let mut absent = 0;
    for _ in 0..20 {
        lane.submit_command(&["SET", "k", "v", "PX", "3"]);
        for _ in 0..200 {
            lane.submit(Operation::Dump { key: "k".into() });
        }
        assert_eq!(lane.reply().await, b"+OK\r\n");
        for _ in 0..200 {
            match lane.done().await {
                Output::State(None) => absent += 1,
                Output::State(Some(state)) => {
                    assert!(state.expires_at_ms.is_some());
                    found += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        tokio::time::sleep(Duration::from_millis(4)).await;
        assert_eq!(dump(&mut lane, "k").await, None);
    }
    assert!(found > 0 && found + absent == 4000);
}

#[tokio::test]
async fn state_commands_that_the_server_forbids_fail_with_its_text() {
    let redis = Redis::start();
    redis
        .client()
        .command(&["ACL", "SETUSER", "app", "on", ">p", "~*", "+@all", "-dump", "-scan", "-restore"]);
    let url = format!("redis://app:p@{}", redis.address());
    let mut lane = Conversation::open_up(&url).await;
    let state = Some(KeyState { payload: Bytes::from_static(b"p"), expires_at_ms: None });
    let operations = [
        Operation::Dump { key: "k".into() },
        Operation::Install { key: "k".into(), state },
        Operation::Scan { cursor: 0, count: 10 },
    ];
    for operation in operations {
        match lane.run(operation.clone()).await {
            Output::Failed(text) => assert!(text.starts_with("NOPERM"), "{operation:?}: {text}"),
            other => panic!("{operation:?}: {other:?}"),
        }
    }
    assert_eq!(lane.command(&["SET", "k", "v"]).await, b"+OK\r\n", "the lane is in step");
}

#[tokio::test]
async fn scan_gives_every_key() {
    let redis = Redis::start();
    let mut lane = Conversation::open_up(&redis.unix_url()).await;
    let mut expected = BTreeSet::from([Bytes::new(), Bytes::from_static(b"\r\n\0")]);
    expected.extend((0..3000).map(|number| Bytes::from(format!("key-{number}"))));
    for key in &expected {
        lane.submit_command(&[b"SET", &key[..], b"v"]);
    }
    for _ in &expected {
        assert_eq!(lane.reply().await, b"+OK\r\n");
    }
    let mut seen = BTreeSet::new();
    let mut cursor = 0;
    let mut page_count = 0;
    loop {
        match lane.run(Operation::Scan { cursor, count: 100 }).await {
            Output::Scanned { keys, cursor: next } => {
                seen.extend(keys);
                cursor = next;
                page_count += 1;
            }
            other => panic!("{other:?}"),
        }
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen, expected);
    assert!(page_count > 10, "{page_count} pages");
}

async fn dump(lane: &mut Conversation, key: &str) -> Option<KeyState> {
    match lane.run(Operation::Dump { key: Bytes::copy_from_slice(key.as_bytes()) }).await {
        Output::State(state) => state,
        other => panic!("{key}: {other:?}"),
    }
}

async fn install(lane: &mut Conversation, key: &str, state: Option<KeyState>) {
    let key = Bytes::copy_from_slice(key.as_bytes());
    assert_eq!(lane.run(Operation::Install { key, state }).await, Output::Installed);
}

pub(crate) fn expiry_of(client: &mut RawClient, key: &str) -> Option<u64> {
    let reply = client.command(&["PEXPIRETIME", key]);
    let number: i64 = std::str::from_utf8(&reply[1..]).ok()?.trim_end().parse().ok()?;
    u64::try_from(number).ok()
}

pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

//! Large values on a real `redis-server`: read in pieces, and put into their place on another.

use dynomite_backend::{KeyState, Operation, Output};
use dynomite_codec::ReplyView;
use dynomite_testkit::Redis;

use crate::conversation::Conversation;
use crate::piecewise::{
    LARGE_BYTES, STAGE, add_many, assert_same, digest, install, make_large_values, measure, read, read_piece,
    scan_count, side_is_open, stage, text,
};
use crate::state::{expiry_of, now_ms};

#[tokio::test]
async fn large_value_of_every_type_moves_in_pieces_with_and_without_expiry() {
    let source = Redis::start();
    let target = Redis::start();
    let mut reader = Conversation::open_up(&source.unix_url()).await;
    let mut writer = Conversation::open_for_node(&target.url());
    writer.up().await;
    let keys = make_large_values(&mut source.client());
    let expiry = now_ms() + 3_600_000;
    for expires_at_ms in [None, Some(expiry)] {
        for key in &keys {
            if let Some(at) = expires_at_ms {
                source.client().command(&["PEXPIREAT", key, &at.to_string()]);
            }
            let extent = measure(&mut reader, key).await.expect("the key is there");
            assert!(extent.is_large, "{key}");
            let (pieces, expires_at) = read(&mut reader, key, extent.start).await.expect("it stays there");
            assert!(pieces.len() > 5, "{key} in {} pieces", pieces.len());
            assert_eq!(expires_at, expires_at_ms, "{key}");
            stage(&mut writer, &pieces).await;
            assert_eq!(install(&mut writer, key, expires_at_ms).await, Output::Installed, "{key}");

            let (mut source, mut target) = (source.client(), target.client());
            assert_same(&mut source, &mut target, key);
            assert_eq!(expiry_of(&mut target, key), expires_at_ms, "{key}");
        }
    }
    let mut expected = keys.len();
    assert_eq!(
        target.client().command(&["DBSIZE"]),
        format!(":{expected}\r\n").as_bytes(),
        "no stage is left"
    );
    target.client().command(&["SET", "more", "v"]);
    expected += 1;
    assert_eq!(scan_count(&mut writer).await, expected);
}

#[tokio::test]
async fn small_values_can_be_read_in_pieces_too() {
    let redis = Redis::start();
    let mut lane = Conversation::open_for_node(&redis.unix_url());
    lane.up().await;
    let mut client = redis.client();
    let piece_bytes = 256 << 10;
    client.command(&["SET", "empty", ""]);
    client.command(&["SET", "number", "12345"]);
    client.command(&[&b"SET"[..], b"one-block", &text(piece_bytes)]);
    client.command(&[&b"SET"[..], b"two-blocks", &text(2 * piece_bytes)]);
    client.command(&["RPUSH", "list", "a", "", "a\r\n"]);
    client.command(&["SADD", "intset", "1", "-2", "3"]);
    client.command(&["SADD", "set", "a", ""]);
    client.command(&["HSET", "hash", "f", "v", "", "", "g", "w"]);
    client.command(&["ZADD", "zset", "1.5", "a", "-inf", "b", "1.5", "aa"]);
    // As many elements as a page may have.
    add_many(&mut client, "RPUSH page", 1000, |number, args| args.push(number.to_string()));
    add_many(&mut client, "ZADD zpage", 1000, |number, args| {
        args.extend([number.to_string(), number.to_string()]);
    });
    let keys = [
        "empty",
        "number",
        "one-block",
        "two-blocks",
        "list",
        "intset",
        "set",
        "hash",
        "zset",
        "page",
        "zpage",
    ];
    for key in keys {
        let extent = measure(&mut lane, key).await.expect("the key is there");
        assert!(!extent.is_large, "{key}");
        let (pieces, _) = read(&mut lane, key, extent.start).await.expect("it stays there");
        stage(&mut lane, &pieces).await;
        assert_eq!(install(&mut lane, "copy", None).await, Output::Installed, "{key}");
        assert_eq!(client.command(&["TYPE", "copy"]), client.command(&["TYPE", key]));
        let (dump, copy) = (client.command(&["DUMP", key]), client.command(&["DUMP", "copy"]));
        assert!(dump == copy || matches!(key, "set" | "hash"), "{key}");
        assert_eq!(digest(&mut lane, "copy").await, digest(&mut lane, key).await, "{key}");
    }
}

#[tokio::test]
async fn absent_keys_and_values_that_only_move_whole_are_told() {
    let redis = Redis::start();
    let mut lane = Conversation::open_up(&redis.unix_url()).await;
    let mut client = redis.client();
    assert_eq!(measure(&mut lane, "absent").await, None);
    add_many(&mut client, "PFADD hll", 1000, |number, args| args.push(number.to_string()));
    assert!(measure(&mut lane, "hll").await.is_some_and(|extent| !extent.is_large));
    client.command(&[&b"XADD"[..], b"stream", b"*", b"f", &text(LARGE_BYTES)]);
    let extent = measure(&mut lane, "stream").await.expect("the key is there");
    assert!(!extent.is_large, "a stream is dumped whatever its size");
    for operation in [
        Operation::DumpPiece { key: "stream".into(), position: extent.start },
        Operation::Digest { key: "stream".into(), position: extent.start },
    ] {
        assert_eq!(
            lane.run(operation).await,
            Output::Failed("ERR a value of this type is read whole".into())
        );
    }
}

#[tokio::test]
async fn value_that_went_or_changed_its_type_meanwhile_is_told() {
    let redis = Redis::start();
    let mut lane = Conversation::open_up(&redis.unix_url()).await;
    let mut client = redis.client();
    for key in make_large_values(&mut client) {
        let start = measure(&mut lane, key).await.expect("the key is there").start;
        let piece = read_piece(&mut lane, key, start).await.expect("it is still there");
        let next = piece.next.expect("it is large");
        client.command(&["DEL", key]);
        assert_eq!(read_piece(&mut lane, key, next).await, None, "{key}");
        client.command(&if key == "list" { ["SET", key, "v"] } else { ["RPUSH", key, "v"] });
        assert_eq!(read_piece(&mut lane, key, next).await, None, "{key}");
        client.command(&["DEL", key]);
    }
}

#[tokio::test]
async fn piece_operations_that_the_server_forbids_fail_with_its_text() {
    let redis = Redis::start();
    redis.client().command(&["SET", "k", "v"]);
    let mut lane = Conversation::open_for_node(&redis.url());
    lane.up().await;
    let start = measure(&mut lane, "k").await.expect("the key is there").start;
    let payload = read_piece(&mut lane, "k", start).await.expect("it stays there").payload;
    stage(&mut lane, std::slice::from_ref(&payload)).await;
    redis.client().command(&[
        "ACL",
        "SETUSER",
        "default",
        "-memory",
        "-getrange",
        "-append",
        "-unlink",
        "-rename",
    ]);
    let operations = [
        Operation::Measure { key: "k".into() },
        Operation::DumpPiece { key: "k".into(), position: start },
        Operation::Digest { key: "k".into(), position: start },
        Operation::InstallStage { key: "k".into(), stage: STAGE, expires_at_ms: None },
        Operation::StagePiece { stage: STAGE, payload: payload.clone() },
        Operation::ClearStage { stage: STAGE },
    ];
    for operation in operations {
        match lane.run(operation.clone()).await {
            Output::Failed(text) => assert!(text.starts_with("NOPERM"), "{operation:?}: {text}"),
            other => panic!("{operation:?}: {other:?}"),
        }
    }
    let damaged = Operation::StagePiece { stage: STAGE, payload: payload.slice(1..) };
    assert_eq!(
        lane.run(damaged).await,
        Output::Failed("ERR the piece can't be understood, or belongs to another value".into())
    );
    assert_eq!(lane.command(&["GET", "k"]).await, b"$1\r\nv\r\n", "the lane is in step");
}

#[tokio::test]
async fn no_single_command_holds_up_the_server_as_a_dump_does() {
    const STRING_BYTES: usize = 64 << 20;
    const FIELD_COUNT: usize = 250_000;
    const ATTEMPTS: usize = 3;
    let source = Redis::start();
    let target = Redis::start();
    let mut reader = Conversation::open_up(&source.unix_url()).await;
    let mut writer = Conversation::open_for_node(&target.unix_url());
    writer.up().await;
    side_is_open(&target, &mut writer).await;
    source.client().command(&[&b"SET"[..], b"string", &text(STRING_BYTES)]);
    add_many(&mut source.client(), "HSET hash", FIELD_COUNT, |number, args| {
        args.extend([format!("field-{number}"), format!("value-{number}")]);
    });
    for key in ["string", "hash"] {
        log_every_command(&source);
        let state = lane_dump(&mut reader, key).await;
        let (whole, _) = slowest(&source);
        writer.run(Operation::Install { key: key.into(), state }).await;
        // What is slow by itself is slow every time; what a busy machine holds up is not.
        let mut slowest_commands = Vec::new();
        for _ in 0..ATTEMPTS {
            log_every_command(&source);
            log_every_command(&target);
            // Over a value that is just as large.
            move_in_pieces(&mut reader, &mut writer, key).await;
            slowest_commands.push(slowest(&source).max(slowest(&target)));
        }
        let (micros, command) = slowest_commands.iter().min().expect("there were attempts");
        assert!(*micros < whole / 5, "{key}: {command} took {micros} µs, and DUMP {whole} µs");
        assert_same(&mut source.client(), &mut target.client(), key);
    }
}

async fn move_in_pieces(reader: &mut Conversation, writer: &mut Conversation, key: &str) {
    let mut next = measure(reader, key).await.map(|extent| extent.start);
    while let Some(position) = next {
        let piece = read_piece(reader, key, position).await.expect("it stays there");
        stage(writer, &[piece.payload]).await;
        next = piece.next;
    }
    assert_eq!(install(writer, key, None).await, Output::Installed);
}

async fn lane_dump(lane: &mut Conversation, key: &str) -> Option<KeyState> {
    match lane.run(Operation::Dump { key: key.to_owned().into() }).await {
        Output::State(state) => state,
        other => panic!("{key}: {other:?}"),
    }
}

fn log_every_command(redis: &Redis) {
    let mut client = redis.client();
    client.command(&["CONFIG", "SET", "slowlog-max-len", "1000000", "slowlog-log-slower-than", "1000"]);
    client.command(&["SLOWLOG", "RESET"]);
}

/// The microseconds and the name of the command that took longest, if that was a millisecond.
fn slowest(redis: &Redis) -> (i64, String) {
    let log = redis.client().command(&["SLOWLOG", "GET", "-1"]);
    let Some(ReplyView::Array(entries)) = ReplyView::parse(&log) else { panic!("a slow log") };
    let entries = entries.filter_map(|entry| {
        let ReplyView::Array(mut fields) = entry else { return None };
        let (ReplyView::Integer(micros), ReplyView::Array(mut args)) = (fields.nth(2)?, fields.next()?)
        else {
            return None;
        };
        let ReplyView::Bulk(name) = args.next()? else { return None };
        Some((micros, String::from_utf8_lossy(name).into_owned()))
    });
    entries.max().unwrap_or_default()
}

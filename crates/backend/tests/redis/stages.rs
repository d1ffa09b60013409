//! Stages on a real `redis-server`: what is not whole is never installed, and nothing is left of it.

use std::time::Duration;

use dynomite_backend::{Operation, Output, ReservedKeys, STAGE_COUNT};
use dynomite_testkit::{RawClient, Redis};

use crate::conversation::{Conversation, NODE, WORKER};
use crate::piecewise::{
    STAGE, install, make_large_values, measure, number, read, read_piece, scan_count, stage, stage_key,
};
use crate::state::now_ms;

#[tokio::test]
async fn installed_stage_replaces_whatever_was_there() {
    let redis = Redis::start();
    let mut lane = Conversation::open_for_node(&redis.unix_url());
    lane.up().await;
    let mut client = redis.client();
    client.command(&["RPUSH", "source", "a", "b"]);
    client.command(&["SET", "old", "v", "EX", "1000"]);
    let start = measure(&mut lane, "source").await.expect("the key is there").start;
    let (pieces, _) = read(&mut lane, "source", start).await.expect("it stays there");
    for _ in 0..2 {
        stage(&mut lane, &pieces).await;
        assert_eq!(client.command(&["TYPE", "old"])[..2], *b"+s", "a stage concerns no key");
        assert_eq!(install(&mut lane, "old", None).await, Output::Installed);
        assert_eq!(client.command(&["LRANGE", "old", "0", "-1"]), b"*2\r\n$1\r\na\r\n$1\r\nb\r\n");
        assert_eq!(client.command(&["TTL", "old"]), b":-1\r\n");
        client.command(&["SET", "old", "v"]);
    }
    // A state whose time is over.
    stage(&mut lane, &pieces).await;
    let long_ago = Operation::InstallStage { key: "old".into(), stage: STAGE, expires_at_ms: Some(1) };
    lane.submit_at(now_ms(), long_ago);
    assert_eq!(lane.done().await, Output::Installed);
    assert_eq!(client.command(&["KEYS", "*"]), b"*1\r\n$6\r\nsource\r\n");
}

#[tokio::test]
async fn stages_are_independent_of_each_other() {
    let redis = Redis::start();
    let mut lane = Conversation::open_for_node(&redis.unix_url());
    lane.up().await;
    let mut client = redis.client();
    let mut payloads = Vec::new();
    for stage in 0..STAGE_COUNT {
        let key = format!("source-{stage}");
        client.command(&["RPUSH", &key, "value", &stage.to_string()]);
        let start = measure(&mut lane, &key).await.expect("the key is there").start;
        payloads.push(read_piece(&mut lane, &key, start).await.expect("it stays there").payload);
    }
    for _ in 0..2 {
        for stage in 0..STAGE_COUNT {
            let payload = payloads[usize::from(stage)].clone();
            assert_eq!(lane.run(Operation::StagePiece { stage, payload }).await, Output::Staged);
        }
    }
    for stage in 0..STAGE_COUNT {
        let key = format!("target-{stage}");
        let operation = Operation::InstallStage { key: key.clone().into(), stage, expires_at_ms: None };
        assert_eq!(lane.run(operation).await, Output::Installed);
        let expected = format!("*4\r\n$5\r\nvalue\r\n$1\r\n{stage}\r\n$5\r\nvalue\r\n$1\r\n{stage}\r\n");
        assert_eq!(client.command(&["LRANGE", &key, "0", "-1"]), expected.as_bytes());
    }
    for operation in [
        Operation::StagePiece { stage: STAGE_COUNT, payload: payloads[0].clone() },
        Operation::ClearStage { stage: STAGE_COUNT },
        Operation::InstallStage { key: "k".into(), stage: STAGE_COUNT, expires_at_ms: None },
    ] {
        assert_eq!(lane.run(operation).await, Output::Failed("ERR no such stage".into()));
    }
}

#[tokio::test]
async fn stage_that_is_not_whole_is_never_installed() {
    let redis = Redis::start();
    let mut lane = Conversation::open_for_node(&redis.unix_url());
    lane.up().await;
    let mut client = redis.client();
    client.command(&["SET", "target", "as it was"]);
    let unchanged = |client: &mut RawClient| client.command(&["GET", "target"]) == b"$9\r\nas it was\r\n";
    let is_failure =
        |output: Output, part: &str| matches!(output, Output::Failed(text) if text.contains(part));
    for key in make_large_values(&mut client) {
        let start = measure(&mut lane, key).await.expect("the key is there").start;
        let (pieces, _) = read(&mut lane, key, start).await.expect("it stays there");
        assert!(is_failure(install(&mut lane, "target", None).await, "of 0 pieces"), "nothing is there yet");

        // Its last piece is under way.
        lane.submit(Operation::StagePiece { stage: STAGE, payload: pieces[0].clone() });
        let output = install(&mut lane, "target", None).await;
        assert_eq!(output, Output::Staged);
        assert!(is_failure(lane.done().await, "of 1 pieces of stage 5 0 are there"));

        // Evicted between two pieces: what follows is not all.
        client.command(&[&b"DEL"[..], &stage_key(WORKER)]);
        let operation = Operation::StagePiece { stage: STAGE, payload: pieces[1].clone() };
        assert!(is_failure(lane.run(operation.clone()).await, "ERR stage 5 counts"), "{key}");
        assert!(
            is_failure(lane.run(operation).await, "ERR stage 5 counts"),
            "{key}: not before it was cleared"
        );
        assert!(is_failure(install(&mut lane, "target", None).await, "of 3 pieces"));
        assert!(unchanged(&mut client));

        assert_eq!(lane.run(Operation::ClearStage { stage: STAGE }).await, Output::Staged);
        assert_eq!(client.command(&[&b"EXISTS"[..], &stage_key(WORKER)]), b":0\r\n");
        assert!(is_failure(install(&mut lane, "target", None).await, "of 0 pieces"));
        stage(&mut lane, &pieces).await;
        assert_eq!(lane.run(Operation::ClearStage { stage: STAGE }).await, Output::Staged);
    }
    // Pieces of two types.
    client.command(&["RPUSH", "list", "a"]);
    client.command(&["SADD", "set", "a"]);
    let mut payloads = Vec::new();
    for key in ["list", "set"] {
        let start = measure(&mut lane, key).await.expect("the key is there").start;
        payloads.push(read_piece(&mut lane, key, start).await.expect("it stays there").payload);
    }
    for payload in payloads {
        lane.submit(Operation::StagePiece { stage: STAGE, payload });
    }
    assert_eq!(lane.done().await, Output::Staged);
    assert!(is_failure(lane.done().await, "WRONGTYPE"));
    assert!(is_failure(install(&mut lane, "target", None).await, "of 2 pieces"));
    assert!(unchanged(&mut client));
}

#[tokio::test]
async fn stage_that_went_after_its_last_piece_leaves_the_key_absent() {
    let redis = Redis::start();
    let mut lane = Conversation::open_for_node(&redis.unix_url());
    lane.up().await;
    let mut client = redis.client();
    client.command(&["SET", "k", "v"]);
    let start = measure(&mut lane, "k").await.expect("the key is there").start;
    let (pieces, _) = read(&mut lane, "k", start).await.expect("it stays there");
    stage(&mut lane, &pieces).await;
    client.command(&[&b"DEL"[..], &stage_key(WORKER)]);
    assert_eq!(install(&mut lane, "k", None).await, Output::Failed("ERR no such key".into()));
    assert_eq!(client.command(&["EXISTS", "k"]), b":0\r\n");
}

#[tokio::test]
async fn late_answers_about_what_was_cleared_do_not_count() {
    let redis = Redis::start();
    let mut lane = Conversation::open_for_node(&redis.unix_url());
    lane.up().await;
    redis.client().command(&["RPUSH", "k", "v"]);
    let start = measure(&mut lane, "k").await.expect("the key is there").start;
    let payload = read_piece(&mut lane, "k", start).await.expect("it stays there").payload;
    let piece = || Operation::StagePiece { stage: STAGE, payload: payload.clone() };
    lane.submit(piece());
    lane.submit(piece());
    lane.submit(Operation::ClearStage { stage: STAGE });
    lane.submit(piece());
    for _ in 0..3 {
        assert_eq!(lane.done().await, Output::Staged);
    }
    // Two confirmations of what was cleared, and one that is under way.
    lane.submit(piece());
    lane.submit(Operation::InstallStage { key: "k".into(), stage: STAGE, expires_at_ms: None });
    assert_eq!(lane.done().await, Output::Staged);
    assert_eq!(lane.done().await, Output::Staged);
    assert!(matches!(lane.done().await, Output::Failed(_)));
    assert_eq!(install(&mut lane, "k", None).await, Output::Installed);
    assert_eq!(lane.command(&["LLEN", "k"]).await, b":2\r\n");
}

#[tokio::test]
async fn unfinished_stages_are_removed_when_the_lane_comes_up() {
    let mut redis = Redis::start();
    let mut lane = Conversation::open_for_node(&redis.url());
    lane.up().await;
    let mut client = redis.client();
    client.command(&["SET", "k", "v"]);
    client.command(&[&b"SET"[..], &stage_key(WORKER + 1), b"of another worker"]);
    let start = measure(&mut lane, "k").await.expect("the key is there").start;
    let (pieces, _) = read(&mut lane, "k", start).await.expect("it stays there");
    stage(&mut lane, &pieces).await;
    assert_eq!(client.command(&["DBSIZE"]), b":3\r\n");
    let idle: i64 = number(&client.command(&[&b"PTTL"[..], &stage_key(WORKER)]));
    assert!((1..=3_600_000).contains(&idle), "goes by itself if the node never returns: {idle} ms");

    client.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    lane.down().await;
    assert_eq!(lane.up().await.keys, 2, "gone before the keys were counted");
    assert_eq!(client.command(&[&b"EXISTS"[..], &stage_key(WORKER)]), b":0\r\n");
    assert_eq!(client.command(&[&b"EXISTS"[..], &stage_key(WORKER + 1)]), b":1\r\n");
    assert!(matches!(install(&mut lane, "k", None).await, Output::Failed(_)), "the stage is empty");

    // The node ends in the middle of it; the server has a snapshot of then.
    stage(&mut lane, &pieces).await;
    assert_eq!(client.command(&["SAVE"]), b"+OK\r\n");
    drop(lane);
    redis.restart();
    assert_eq!(redis.client().command(&[&b"EXISTS"[..], &stage_key(WORKER)]), b":1\r\n");
    Conversation::open_for_node(&redis.url()).up().await;
    assert_eq!(redis.client().command(&[&b"EXISTS"[..], &stage_key(WORKER)]), b":0\r\n");
}

#[tokio::test]
async fn scan_hides_the_keys_of_the_node() {
    let redis = Redis::start();
    let mut lane = Conversation::open_for_node(&redis.url());
    lane.up().await;
    let mut client = redis.client();
    client.command(&["SET", "k", "v"]);
    client.command(&[&b"SET"[..], &ReservedKeys::of_node(NODE).marker(WORKER), b"1"]);
    client.command(&[&b"SET"[..], &stage_key(0), b"v"]);
    client.command(&[&b"SET"[..], &ReservedKeys::of_node("another").marker(0), b"1"]);
    assert_eq!(scan_count(&mut lane).await, 2, "k, and what to this node is a key like any other");
}

#[tokio::test]
async fn what_the_lane_answers_itself_keeps_its_place() {
    let redis = Redis::start();
    let mut lane = Conversation::open_up(&redis.url()).await;
    let refused = || Operation::ClearStage { stage: 0 };
    lane.submit(refused());
    lane.submit_command(&["PING"]);
    lane.submit(refused());
    lane.submit(refused());
    lane.submit_command(&["ECHO", "x"]);
    lane.submit(refused());
    let failed = Output::Failed("ERR no keys are reserved for stages".into());
    assert_eq!(lane.done().await, failed);
    assert_eq!(lane.reply().await, b"+PONG\r\n");
    assert_eq!(lane.done().await, failed);
    assert_eq!(lane.done().await, failed);
    assert_eq!(lane.reply().await, b"$1\r\nx\r\n");
    assert_eq!(lane.done().await, failed);
    assert_eq!(lane.event_within(Duration::from_millis(50)).await, None);
}

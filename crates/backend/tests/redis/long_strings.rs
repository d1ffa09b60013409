//! Strings that go into their stage by a lane's second connection.

use bytes::Bytes;
use dynomite_backend::{Operation, Output};
use dynomite_testkit::Redis;

use crate::conversation::{Conversation, NODE, WORKER};
use crate::piecewise::{STAGE, install, measure, number, read, side_id, side_is_open, stage, text};

/// Long enough to go by the side, and a whole number of pieces.
const LONG_BYTES: usize = 9 << 20;

#[tokio::test]
async fn long_strings_go_by_the_side_one_at_a_time() {
    let redis = Redis::start();
    let mut lane = Conversation::open_for_node(&redis.unix_url());
    lane.up().await;
    side_is_open(&redis, &mut lane).await;
    let mut client = redis.client();
    let values = [text(LONG_BYTES), text(LONG_BYTES + 1)];
    let mut payloads = Vec::new();
    for (key, value) in [("first", &values[0]), ("second", &values[1])] {
        client.command(&[b"SET", key.as_bytes(), value]);
        let start = measure(&mut lane, key).await.expect("the key is there").start;
        payloads.push(read(&mut lane, key, start).await.expect("it stays there").0);
    }
    client.command(&["CONFIG", "RESETSTAT"]);
    // One takes the connection, and the other finds it taken.
    for pair in payloads[0].iter().zip(&payloads[1]) {
        for (stage, payload) in [(0, pair.0), (1, pair.1)] {
            let operation = Operation::StagePiece { stage, payload: payload.clone() };
            assert_eq!(lane.run(operation).await, Output::Staged);
        }
    }
    let install = |stage: u8| {
        let key = Bytes::from(format!("copy-{stage}"));
        Operation::InstallStage { key, stage, expires_at_ms: None }
    };
    let missing = format!("ERR of {} bytes of stage 1 {LONG_BYTES} are there", LONG_BYTES + 1);
    assert_eq!(lane.run(install(1)).await, Output::Failed(missing), "its last byte");
    let last = Operation::StagePiece { stage: 1, payload: payloads[1].last().expect("a byte").clone() };
    assert_eq!(lane.run(last).await, Output::Staged);
    let idle = number(&client.command(&["PTTL", &format!("dynomite:{{{NODE}}}:stage:{WORKER}:0")]));
    assert!((1..=3_600_000).contains(&idle), "{idle}");
    for (stage, source) in [(0, "first"), (1, "second")] {
        let key = format!("copy-{stage}");
        assert_eq!(lane.run(install(stage)).await, Output::Installed);
        assert!(client.command(&["GET", &key]) == client.command(&["GET", source]));
        assert_eq!(client.command(&["PTTL", &key]), b":-1\r\n");
    }
    let stats = client.command(&["INFO", "commandstats"]);
    let stats = String::from_utf8_lossy(&stats);
    assert!(stats.contains("cmdstat_set:calls=1,"), "{stats}");
    assert!(stats.contains(&format!("cmdstat_append:calls={},", payloads[1].len())), "{stats}");

    // A whole piece where one byte is missing.
    let (id, pieces) = (side_id(&redis), &payloads[1]);
    stage(&mut lane, &pieces[..pieces.len() - 1]).await;
    let surplus = lane.run(Operation::StagePiece { stage: STAGE, payload: pieces[0].clone() }).await;
    assert!(matches!(&surplus, Output::Failed(text) if text.contains("all bytes")), "{surplus:?}");
    assert_eq!(side_id(&redis), id, "the server got nothing of it");
}

#[tokio::test]
async fn long_string_that_was_given_up_leaves_nothing_and_the_next_one_arrives() {
    let redis = Redis::start();
    let mut lane = Conversation::open_for_node(&redis.url());
    lane.up().await;
    let mut client = redis.client();
    client.command(&[&b"SET"[..], b"long", &text(LONG_BYTES)]);
    let start = measure(&mut lane, "long").await.expect("the key is there").start;
    let (pieces, _) = read(&mut lane, "long", start).await.expect("it stays there");
    let piece = |number: usize| Operation::StagePiece { stage: STAGE, payload: pieces[number].clone() };
    for breaks in [false, true, false] {
        side_is_open(&redis, &mut lane).await;
        stage(&mut lane, &pieces[..10]).await;
        assert_eq!(client.command(&["DBSIZE"]), b":1\r\n", "not before all of it is there");
        if breaks {
            client.command(&["CLIENT", "KILL", "ID", &side_id(&redis).expect("it was open")]);
            // What was written into a connection that the other side has closed counts as written.
            assert!(matches!(lane.run(piece(10)).await, Output::Staged | Output::Failed(_)));
            assert!(matches!(lane.run(piece(11)).await, Output::Failed(_)));
            assert!(matches!(install(&mut lane, "copy", None).await, Output::Failed(_)));
        }
        assert_eq!(lane.run(Operation::ClearStage { stage: STAGE }).await, Output::Staged);
        if breaks {
            // By the lane, and with that the other connection is missed and opened.
            stage(&mut lane, &pieces[..1]).await;
            assert_eq!(client.command(&["DBSIZE"]), b":2\r\n");
            assert_eq!(lane.run(Operation::ClearStage { stage: STAGE }).await, Output::Staged);
        }
    }
    for _ in 0..2 {
        side_is_open(&redis, &mut lane).await;
        stage(&mut lane, &pieces).await;
        // Nothing comes after its last byte.
        let surplus = lane.run(piece(1)).await;
        assert!(matches!(&surplus, Output::Failed(text) if text.contains("all bytes")), "{surplus:?}");
        assert!(matches!(install(&mut lane, "copy", None).await, Output::Failed(_)));
        assert_eq!(lane.run(Operation::ClearStage { stage: STAGE }).await, Output::Staged);
        stage(&mut lane, &pieces).await;
        assert_eq!(install(&mut lane, "copy", None).await, Output::Installed);
        assert!(client.command(&["GET", "copy"]) == client.command(&["GET", "long"]));
    }
    assert_eq!(client.command(&["DBSIZE"]), b":2\r\n");
}

#[tokio::test]
async fn long_string_that_another_one_follows_does_not_get_its_bytes() {
    let redis = Redis::start();
    let mut lane = Conversation::open_for_node(&redis.unix_url());
    lane.up().await;
    let mut client = redis.client();
    client.command(&[&b"SET"[..], b"long", &text(LONG_BYTES)]);
    let start = measure(&mut lane, "long").await.expect("the key is there").start;
    let (pieces, _) = read(&mut lane, "long", start).await.expect("it stays there");
    let piece = |stage: u8, number: usize| Operation::StagePiece { stage, payload: pieces[number].clone() };
    side_is_open(&redis, &mut lane).await;
    assert_eq!(lane.run(piece(0, 0)).await, Output::Staged);
    client.command(&["CLIENT", "KILL", "ID", &side_id(&redis).expect("it was open")]);
    // Goes by the lane, and has the connection opened again, for the next.
    let mut tries = 0;
    while lane.run(piece(0, 1)).await == Output::Staged {
        tries += 1;
        assert!(tries < pieces.len() - 2, "it is noticed before all is there");
    }
    assert_eq!(lane.run(piece(1, 0)).await, Output::Staged);
    side_is_open(&redis, &mut lane).await;
    for number in 0..pieces.len() {
        assert_eq!(lane.run(piece(2, number)).await, Output::Staged);
        if number + 1 < pieces.len() {
            assert!(matches!(lane.run(piece(0, number)).await, Output::Failed(_)));
        }
        // That a failed one is cleared is nothing to this one.
        if number == 5 {
            assert_eq!(lane.run(Operation::ClearStage { stage: 1 }).await, Output::Staged);
            assert_eq!(lane.run(Operation::ClearStage { stage: 0 }).await, Output::Staged);
            assert_eq!(lane.run(piece(0, 0)).await, Output::Staged, "by the lane");
            client.command(&["DEL", &format!("dynomite:{{{NODE}}}:stage:{WORKER}:0")]);
        }
    }
    let install = Operation::InstallStage { key: "copy".into(), stage: 2, expires_at_ms: None };
    assert_eq!(lane.run(install).await, Output::Installed);
    assert!(client.command(&["GET", "copy"]) == client.command(&["GET", "long"]));
}

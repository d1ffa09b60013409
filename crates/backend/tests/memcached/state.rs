//! States: what is dumped is what was there, and what is installed is what was dumped.

use bytes::Bytes;
use dynomite_backend::{KeyState, Operation, Output, Position};
use dynomite_testkit::Memcached;

use crate::conversation::{Conversation, state_of};

#[tokio::test]
async fn values_of_any_bytes_and_flags_move_whole() {
    let memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    let long = "x".repeat(900_000);
    for (value, flags) in [("", 0), ("v", u32::MAX), ("\r\nEND\r\nVA 1\r\n\0", 7), (&long, 1)] {
        let state = state_of(&mut lane, value.as_bytes(), flags, None).await;
        lane.install("copy", Some(state.clone())).await;
        assert_eq!(lane.dump("copy").await, Some(state));
        let expected = format!("VA {} f{flags} t-1\r\n{value}\r\n", value.len());
        assert_eq!(lane.command(&["mg", "copy", "f", "t", "v"]).await, expected);
    }
    lane.install("copy", None).await;
    assert_eq!(lane.dump("copy").await, None);
    lane.install("copy", None).await;
}

#[tokio::test]
async fn keys_of_any_bytes_are_one_key_for_every_operation() {
    let memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    let state = state_of(&mut lane, b"v", 3, None).await;
    let long = vec![b'k'; 250];
    let long_with_blanks = vec![b' '; 186];
    let keys: [&[u8]; 10] = [
        b"plain",
        b"a b",
        b"line\r\nend",
        b"zero\0",
        b" ",
        b"\xff\x01\x7f\t",
        b"%25",
        "caf\u{e9} \u{1f980}".as_bytes(),
        &long,
        &long_with_blanks,
    ];
    for key in keys {
        let key = Bytes::copy_from_slice(key);
        assert_eq!(
            lane.run(Operation::Measure { key: key.clone() }).await,
            Output::Measured(None),
            "{key:?}"
        );
        lane.install(key.clone(), Some(state.clone())).await;
        assert_eq!(lane.dump(key.clone()).await, Some(state.clone()), "{key:?}");
        let Output::Measured(Some(extent)) = lane.run(Operation::Measure { key: key.clone() }).await else {
            panic!("{key:?} is there");
        };
        assert!(!extent.is_large);
        let digest = Operation::Digest { key: key.clone(), position: Position::default() };
        assert!(matches!(lane.run(digest).await, Output::Digest(Some(_))), "{key:?}");
    }
    let mut seen = scanned(&mut lane).await;
    seen.sort();
    let mut expected = keys.map(Bytes::copy_from_slice).to_vec();
    expected.sort();
    assert_eq!(seen, expected);
    for key in keys {
        lane.install(Bytes::copy_from_slice(key), None).await;
    }
    assert_eq!(scanned(&mut lane).await, [] as [Bytes; 0]);
}

async fn scanned(lane: &mut Conversation) -> Vec<Bytes> {
    let mut all = Vec::new();
    let mut cursor = 0;
    loop {
        let Output::Scanned { keys, cursor: next } = lane.run(Operation::Scan { cursor, count: 3 }).await
        else {
            panic!("keys");
        };
        all.extend(keys);
        cursor = next;
        if cursor == 0 {
            return all;
        }
    }
}

#[tokio::test]
async fn keys_that_memcached_cannot_hold_are_refused_with_the_limit() {
    let memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    let state = state_of(&mut lane, b"v", 0, None).await;
    for (key, limit) in [
        (vec![b'k'; 251], "at most 250 bytes, and this one 251"),
        (vec![b' '; 187], "252 as base64"),
        (vec![], "no empty key"),
    ] {
        let key = Bytes::from(key);
        for operation in [
            Operation::Install { key: key.clone(), state: Some(state.clone()) },
            Operation::Install { key: key.clone(), state: None },
            Operation::Dump { key: key.clone() },
            Operation::Measure { key: key.clone() },
            Operation::Digest { key: key.clone(), position: Position::default() },
        ] {
            let text = lane.failure(operation).await;
            assert!(text.contains(limit), "{text}");
        }
    }
    assert_eq!(lane.command(&["mn"]).await, "MN\r\n");
}

#[tokio::test]
async fn payloads_of_another_kind_are_refused_and_change_nothing() {
    let memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    assert_eq!(lane.command(&["ms", "k", "old"]).await, "HD\r\n");
    for payload in ["", "mcd", "\u{0}\u{1}v", "dyn\u{1}\u{0}"] {
        let state = Some(KeyState { payload: payload.into(), expires_at_ms: None });
        let text = lane.failure(Operation::Install { key: "k".into(), state }).await;
        assert_eq!(text, "ERR the payload is none of memcached's, or it is damaged");
    }
    assert_eq!(lane.command(&["mg", "k", "v"]).await, "VA 3\r\nold\r\n");
}

#[tokio::test]
async fn digest_is_of_value_and_flags_and_of_nothing_else() {
    let memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    let mut digests = Vec::new();
    for args in [
        ["ms", "a", "F1", "T0", "one"],
        ["ms", "b", "F1", "T500", "one"],
        ["ms", "c", "F2", "T0", "one"],
        ["ms", "d", "F1", "T0", "two"],
    ] {
        assert_eq!(lane.command(&args).await, "HD\r\n");
        let operation = Operation::Digest { key: Bytes::from(args[1]), position: Position::default() };
        let Output::Digest(Some(part)) = lane.run(operation).await else { panic!("a digest") };
        assert_eq!(part.next, None);
        assert_eq!(part.expires_at_ms.is_some(), args[1] == "b");
        digests.push(part.digest);
    }
    assert_eq!(digests[0], digests[1], "the expiry is not in it, nor the key");
    assert_ne!(digests[0], digests[2], "the flags are");
    assert_ne!(digests[0], digests[3], "the value is");
    let absent = Operation::Digest { key: "absent".into(), position: Position::default() };
    assert_eq!(lane.run(absent).await, Output::Digest(None));
}

#[tokio::test]
async fn reading_a_state_is_no_access() {
    let memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    assert_eq!(lane.command(&["ms", "k", "T0", "v"]).await, "HD\r\n");
    for _ in 0..3 {
        lane.dump("k").await.expect("it is there");
        lane.run(Operation::Digest { key: "k".into(), position: Position::default() }).await;
        lane.run(Operation::Measure { key: "k".into() }).await;
    }
    assert_eq!(lane.command(&["mg", "k", "h", "u"]).await, "HD h0\r\n", "never fetched");
}

#[tokio::test]
async fn pieces_and_stages_are_refused() {
    let memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    for operation in [
        Operation::DumpPiece { key: "k".into(), position: Position::default() },
        Operation::StagePiece { stage: 0, payload: "p".into() },
        Operation::ClearStage { stage: 0 },
        Operation::InstallStage { key: "k".into(), stage: 0, expires_at_ms: None },
    ] {
        let text = lane.failure(operation).await;
        assert_eq!(text, "ERR memcached reads and writes values whole: there are no pieces and no stages");
    }
}

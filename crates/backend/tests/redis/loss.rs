//! What a lane says of itself when it is up tells whether the server lost data, and how much of it.

use dynomite_backend::ReservedKeys;
use dynomite_testkit::Redis;

use crate::conversation::{Conversation, NODE, WORKER};

/// Writes `count` keys and then the marker, as a worker does.
async fn write(lane: &mut Conversation, count: u64, marker: u64) {
    for number in 0..count {
        assert_eq!(lane.command(&["SET", &format!("key-{number}"), "v"]).await, b"+OK\r\n");
    }
    assert_eq!(lane.command(&[&b"SET"[..], &marker_key(), marker.to_string().as_bytes()]).await, b"+OK\r\n");
}

fn marker_key() -> Vec<u8> {
    ReservedKeys::of_node(NODE).marker(WORKER).to_vec()
}

#[tokio::test]
async fn server_that_comes_back_empty_has_another_run_id_and_no_marker() {
    let mut redis = Redis::start();
    let mut lane = Conversation::open_for_node(&redis.url());
    let first = lane.up().await;
    assert_eq!((first.keys, first.marker), (0, None), "a new server");
    write(&mut lane, 10, 7).await;
    redis.restart();
    lane.down().await;
    let second = lane.up().await;
    assert_ne!(second.run_id, first.run_id);
    assert_eq!((second.keys, second.marker), (0, None));
}

#[tokio::test]
async fn server_that_comes_back_from_a_snapshot_has_the_marker_of_then() {
    let mut redis = Redis::start();
    let mut lane = Conversation::open_for_node(&redis.unix_url());
    let first = lane.up().await;
    write(&mut lane, 10, 7).await;
    assert_eq!(redis.client().command(&["SAVE"]), b"+OK\r\n");
    write(&mut lane, 20, 8).await;
    redis.restart();
    lane.down().await;
    let second = lane.up().await;
    assert_ne!(second.run_id, first.run_id);
    assert_eq!((second.keys, second.marker), (11, Some(7)), "ten keys and the marker");
}

#[tokio::test]
async fn broken_connection_changes_neither_run_id_nor_marker() {
    let redis = Redis::start();
    let mut lane = Conversation::open_for_node(&redis.url());
    let first = lane.up().await;
    write(&mut lane, 10, 7).await;
    redis.client().command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    lane.down().await;
    let second = lane.up().await;
    assert_eq!(second.run_id, first.run_id);
    assert_eq!((second.keys, second.marker), (11, Some(7)));
}

#[tokio::test]
async fn marker_gone_by_a_flush_from_outside_is_seen_by_an_ordinary_get() {
    let redis = Redis::start();
    let mut lane = Conversation::open_for_node(&redis.url());
    lane.up().await;
    write(&mut lane, 10, 7).await;
    assert_eq!(lane.command(&[&b"GET"[..], &marker_key()]).await, b"$1\r\n7\r\n");
    redis.client().command(&["FLUSHALL"]);
    assert_eq!(lane.command(&[&b"GET"[..], &marker_key()]).await, b"$-1\r\n", "and the lane stays up");
}

#[tokio::test]
async fn marker_of_another_node_or_worker_is_not_taken_for_the_own() {
    let redis = Redis::start();
    let mut client = redis.client();
    for key in
        [ReservedKeys::of_node(NODE).marker(WORKER + 1), ReservedKeys::of_node("node-2").marker(WORKER)]
    {
        client.command(&[&b"SET"[..], &key, b"9"]);
    }
    let identity = Conversation::open_for_node(&redis.url()).up().await;
    assert_eq!((identity.keys, identity.marker), (2, None));
}

#[tokio::test]
async fn server_that_forbids_the_marker_is_not_used() {
    let redis = Redis::start();
    redis.client().command(&["ACL", "SETUSER", "app", "on", ">p", "~app:*", "+@all"]);
    let url = format!("redis://app:p@{}", redis.address());
    let reason = Conversation::open_for_node(&url).down().await;
    assert!(reason.starts_with("the datastore does not tell its node's marker (GET): NOPERM"), "{reason}");
    Conversation::open_up(&url).await;
}

//! What a lane says of itself when it is up tells whether the server lost data.

use std::time::Duration;

use dynomite_backend::ReservedKeys;
use dynomite_testkit::{Memcached, Relay};
use tokio::time::sleep;

use crate::conversation::{Conversation, NODE, WORKER, ask, config_of};

/// Writes `count` keys and then the marker, as a worker does.
async fn write(lane: &mut Conversation, count: u64, marker: u64) {
    for number in 0..count {
        let key = format!("key-{number}");
        assert_eq!(lane.command(&["set", &key, "0", "0", "v"]).await, "STORED\r\n");
    }
    let (key, marker) = (marker_key(), marker.to_string());
    assert_eq!(lane.command(&[b"set", &key[..], b"0", b"0", marker.as_bytes()]).await, "STORED\r\n");
}

fn marker_key() -> Vec<u8> {
    ReservedKeys::of_node(NODE).marker(WORKER).to_vec()
}

#[tokio::test]
async fn server_that_comes_back_has_another_run_id_and_no_marker() {
    let mut memcached = Memcached::start();
    let mut lane = Conversation::open(config_of(&format!("memcached://{}", memcached.address())));
    let first = lane.up().await;
    assert!(first.kind.starts_with("memcached 1."), "{}", first.kind);
    assert_eq!((first.keys, first.marker), (0, None), "a new server");
    write(&mut lane, 10, 7).await;
    memcached.restart();
    lane.down().await;
    let second = lane.up().await;
    assert_ne!(second.run_id, first.run_id);
    assert_eq!((second.keys, second.marker), (0, None));
}

#[tokio::test]
async fn broken_connection_changes_neither_run_id_nor_marker() {
    let memcached = Memcached::start();
    let relay = Relay::start(memcached.address());
    let mut lane = Conversation::open(config_of(&format!("memcached://{}", relay.address())));
    let first = lane.up().await;
    write(&mut lane, 10, 7).await;
    // Long enough for another second of the server's clock.
    sleep(Duration::from_millis(1100)).await;
    relay.cut();
    lane.down().await;
    relay.mend();
    let second = lane.up().await;
    assert_eq!(second.run_id, first.run_id);
    assert_eq!((second.keys, second.marker), (11, Some(7)), "ten keys and the marker");
}

#[tokio::test]
async fn flushed_server_has_no_marker_and_the_same_run_id() {
    let memcached = Memcached::start();
    let url = format!("memcached://{}", memcached.address());
    let mut lane = Conversation::open(config_of(&url));
    let first = lane.up().await;
    write(&mut lane, 10, 7).await;
    let mut another = Conversation::open(config_of(&url));
    assert_eq!(another.up().await.marker, Some(7));
    assert_eq!(ask(&mut memcached.client(), "flush_all"), "OK");
    assert_eq!(lane.command(&[&b"get"[..], &marker_key()]).await, "END\r\n");
    let second = Conversation::open(config_of(&url)).up().await;
    assert_eq!((second.run_id, second.marker), (first.run_id, None));
}

#[tokio::test]
async fn marker_of_another_node_or_worker_or_that_is_no_number_is_none() {
    let memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    for key in
        [ReservedKeys::of_node(NODE).marker(WORKER + 1), ReservedKeys::of_node("node-2").marker(WORKER)]
    {
        assert_eq!(lane.command(&[b"set", &key[..], b"0", b"0", b"9"]).await, "STORED\r\n");
    }
    let url = format!("memcached://{}", memcached.address());
    let identity = Conversation::open(config_of(&url)).up().await;
    assert_eq!((identity.keys, identity.marker), (2, None));
    for (text, expected) in [("x", None), ("", None), ("-1", None), ("18446744073709551615", Some(u64::MAX))]
    {
        let key = marker_key();
        assert_eq!(lane.command(&[b"set", &key[..], b"0", b"0", text.as_bytes()]).await, "STORED\r\n");
        assert_eq!(Conversation::open(config_of(&url)).up().await.marker, expected, "{text:?}");
    }
}

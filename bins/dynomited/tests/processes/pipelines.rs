//! Pipelines: however long, however many at once, every reply stands in its request's place.

use std::thread;
use std::time::Duration;

use dynomite_testkit::{RawClient, request};

use crate::shapes::{BINARY, OK, at_level, bulk, single, text, three_racks};

#[test]
fn tagged_pipelines_on_many_connections_are_answered_in_their_places() {
    let cluster = at_level(three_racks(2), "DC_ONE").set("workers=2").start();
    thread::scope(|scope| {
        for connection in 0..8 {
            let mut client = cluster.client(connection % 6).with_deadline(Duration::from_secs(60));
            scope.spawn(move || tagged(&mut client, connection, 4_000));
        }
    });
}

#[test]
fn tagged_pipelines_at_a_quorum_are_answered_in_their_places() {
    let cluster = at_level(three_racks(1), "DC_QUORUM").set("workers=2").start();
    thread::scope(|scope| {
        for connection in 0..3 {
            let mut client = cluster.client(connection).with_deadline(Duration::from_secs(60));
            scope.spawn(move || tagged(&mut client, connection, 4_000));
        }
    });
}

#[test]
fn a_hundred_thousand_requests_are_written_before_any_reply_is_read() {
    let cluster = single().start();
    hundred_thousand(cluster.client(0));
}

#[test]
fn a_hundred_thousand_requests_cross_a_peer_link_before_any_reply_is_read() {
    let cluster = at_level(three_racks(2), "DC_ONE").start();
    hundred_thousand(cluster.client(0));
}

/// More than the window of one connection and of one link: the client waits, and gets no error.
#[test]
fn windows_that_are_full_slow_the_client_and_refuse_nothing() {
    let cluster = dynomite_testkit::Cluster::builder(BINARY)
        .rack("dc1", "rack1", 2)
        .set("limits.client_inflight_max=64")
        .set("limits.client_output_max=16KiB")
        .start();
    let mut client = cluster.client(1).with_deadline(Duration::from_secs(60));
    tagged(&mut client, 0, 5_000);
}

/// SET, GET and ECHO with distinct keys, values and tags.
fn tagged(client: &mut RawClient, connection: usize, count: usize) {
    let mut bytes = Vec::new();
    let mut expected = Vec::new();
    for number in 0..count {
        let key = format!("tagged:{connection}:{number}");
        let value = format!("value {number} of {connection}");
        match number % 4 {
            3 => {
                let tag = format!("tag {number} of {connection}");
                bytes.extend_from_slice(&request(&["ECHO", &tag]));
                expected.push(bulk(&tag));
            }
            _ => {
                bytes.extend_from_slice(&request(&["SET", &key, &value]));
                expected.push(OK.to_vec());
                bytes.extend_from_slice(&request(&["GET", &key]));
                expected.push(bulk(&value));
            }
        }
    }
    let replies = client.exchange(&bytes, expected.len());
    for (index, (reply, expected)) in replies.iter().zip(&expected).enumerate() {
        assert_eq!(text(reply), text(expected), "reply {index} of connection {connection}");
    }
}

fn hundred_thousand(client: RawClient) {
    const COUNT: usize = 100_000;
    let mut client = client.with_deadline(Duration::from_secs(90));
    let mut bytes = Vec::new();
    for number in 0..COUNT / 2 {
        let (key, value) = (format!("k{number}"), format!("v{number}"));
        bytes.extend_from_slice(&request(&["SET", &key, &value]));
        bytes.extend_from_slice(&request(&["GET", &key]));
    }
    // Returns only when all has been taken by the socket; nothing has been read by then.
    client.send(&bytes);
    let replies = client.replies(COUNT);
    for (number, pair) in replies.chunks(2).enumerate() {
        assert_eq!(pair[0], OK, "SET {number}");
        assert_eq!(text(&pair[1]), text(&bulk(format!("v{number}"))), "GET {number}");
    }
    assert_eq!(client.command(&["PING"]), b"+PONG\r\n");
}

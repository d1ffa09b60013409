//! Values of every size, in pieces of every size, through nodes that do not hold them.

use std::thread;
use std::time::{Duration, Instant};

use dynomite_testkit::{Cluster, RawClient, request};

use crate::shapes::{BINARY, OK, at_level, bulk, key_owned, key_owned_by, text, three_racks};

const BULK_MAX: usize = 64 << 20;
const SIZES: [usize; 11] = [
    0,
    1,
    100,
    (16 << 10) - 1,
    16 << 10,
    (16 << 10) + 1,
    (64 << 10) - 1,
    (64 << 10) + 1,
    1 << 20,
    16 << 20,
    BULK_MAX,
];
/// Debug builds copy slowly, and the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn request_split_at_every_byte_is_answered_the_same() {
    let cluster = Cluster::builder(BINARY).rack("dc1", "rack1", 2).start();
    let key = key_owned(&cluster, 0, "split", false);
    let mut client = cluster.client(0);
    let pipeline = [
        request(&["SET", &key, "a value\r\nwith a line"]),
        request(&["GET", &key]),
        b"PING inline\r\n".to_vec(),
        request(&["MGET", &key, "absent"]),
        request(&["NOSUCH"]),
    ]
    .concat();
    let expected = client.exchange(&pipeline, 5);
    assert_eq!(expected[1], bulk("a value\r\nwith a line"));
    for at in 1..pipeline.len() {
        client.send(&pipeline[..at]);
        // Long enough for the first part to be read by itself, mostly.
        thread::sleep(Duration::from_millis(1));
        client.send(&pipeline[at..]);
        assert_eq!(client.replies(5), expected, "split at {at}");
    }
    for byte in &pipeline {
        client.send(&[*byte]);
    }
    assert_eq!(client.replies(5), expected, "byte by byte");
}

#[test]
fn values_of_all_sizes_pass_through_a_node_that_is_not_their_owner() {
    let cluster = patient(Cluster::builder(BINARY).rack("dc1", "rack1", 2)).start();
    for owner in [0, 1] {
        let key = key_owned(&cluster, owner, "value", true);
        let patient = |node| cluster.client(node).with_deadline(PATIENCE);
        all_sizes(&key, &mut patient(1 - owner), &mut [patient(owner)]);
    }
}

#[test]
fn values_of_all_sizes_are_replicated_to_three_racks() {
    let cluster = patient(at_level(three_racks(2), "DC_SAFE_QUORUM")).start();
    // Through a node that holds none of the copies, and read through one that holds one, in another rack.
    let key = key_owned(&cluster, 0, "value", false);
    let holder = if key_owned_by(&cluster, 2, &key) { 2 } else { 3 };
    let [mut writer, near, far] = [0, 1, holder].map(|node| cluster.client(node).with_deadline(PATIENCE));
    all_sizes(&key, &mut writer, &mut [near, far]);
    // A sequenced write takes another way than an overwrite.
    for number in 0..3 {
        let key = format!("pushed:{number}");
        let value = pattern(8 << 20);
        assert_eq!(writer.command(&[b"RPUSH", key.as_bytes(), b"small", &value]), b":2\r\n");
        for node in [1, 3, 5] {
            let mut client = cluster.client(node).with_deadline(PATIENCE);
            assert!(client.command(&["LINDEX", &key, "1"]) == bulk(&value), "{key} through node {node}");
        }
    }
}

#[test]
fn one_byte_over_the_limit_is_refused_before_it_is_sent() {
    let cluster = Cluster::builder(BINARY).rack("dc1", "rack1", 2).start();
    let mut other = cluster.client(0);
    for args in ["*3\r\n$3\r\nSET\r\n$1\r\nk\r\n", "*2\r\n$3\r\nGET\r\n", "*1\r\n"] {
        let mut client = cluster.client(0);
        client.send(format!("{args}${}\r\n", BULK_MAX + 1).as_bytes());
        assert_eq!(text(&client.reply()), "-ERR Protocol error: invalid bulk length\\r\\n");
        assert_eq!(client.read_to_end(), b"");
    }
    assert_eq!(other.command(&["PING"]), b"+PONG\r\n");
}

#[test]
fn small_requests_are_quick_while_large_values_pass_the_same_link() {
    let cluster = patient(Cluster::builder(BINARY).rack("dc1", "rack1", 2)).set("workers=1").start();
    let small = key_owned(&cluster, 0, "small", false);
    let large = key_owned(&cluster, 0, "large", false);
    let value = pattern(BULK_MAX);
    let mut writer = cluster.client(0).with_deadline(PATIENCE);
    let mut reader = cluster.client(0);
    assert_eq!(reader.command(&["SET", &small, "v"]), OK);

    let (took, waits) = thread::scope(|scope| {
        let transfer = scope.spawn(|| {
            let started_at = Instant::now();
            assert_eq!(writer.command(&[b"SET", large.as_bytes(), &value]), OK);
            assert!(writer.command(&["GET", &large]) == bulk(&value), "the large value");
            started_at.elapsed()
        });
        let mut waits = Vec::new();
        while !transfer.is_finished() {
            let started_at = Instant::now();
            assert_eq!(reader.command(&["GET", &small]), bulk("v"));
            waits.push(started_at.elapsed());
            thread::sleep(Duration::from_millis(2));
        }
        (transfer.join().unwrap(), waits)
    });
    let mut sorted = waits.clone();
    sorted.sort();
    let (median, worst) = (sorted[sorted.len() / 2], sorted[sorted.len() - 1]);
    assert!(sorted.len() > 10, "only {} small requests in {took:?}", sorted.len());
    assert!(median < Duration::from_millis(100), "the median is {median:?} in {took:?}");
    assert!(worst < (took / 3).max(Duration::from_millis(400)), "one waited {worst:?} in {took:?}");
}

fn all_sizes(key: &str, writer: &mut RawClient, readers: &mut [RawClient]) {
    for size in SIZES {
        let value = pattern(size);
        assert_eq!(text(&writer.command(&[b"SET", key.as_bytes(), &value])), text(OK), "{size} bytes");
        let expected = bulk(&value);
        // Not with assert_eq, which would print the values.
        assert!(writer.command(&["GET", key]) == expected, "{size} bytes, through the writer's node");
        for reader in readers.iter_mut() {
            assert!(reader.command(&["GET", key]) == expected, "{size} bytes, through another node");
            assert_eq!(reader.command(&["STRLEN", key]), format!(":{size}\r\n").as_bytes());
        }
    }
}

fn patient(builder: dynomite_testkit::ClusterBuilder) -> dynomite_testkit::ClusterBuilder {
    builder.set("timeouts.request=30s")
}

/// Bytes of all values whose place shows.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

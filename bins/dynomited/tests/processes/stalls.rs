//! Peers and datastores that stand still or break off: every request is answered by its deadline, the client's
//! connection stays usable, and all works again afterwards.

use std::thread;
use std::time::{Duration, Instant};

use dynomite_testkit::{Cluster, RawClient, eventually, request};

use crate::shapes::{
    BINARY, LONG, OK, PONG, SLACK, at_level, bulk, is_error, key_owned, key_with_primary, single, text,
    three_racks, timed,
};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);
const SETTING: &str = "timeouts.request=1s";
/// Keys for requests of all kinds; their owners and primaries are everywhere.
const KEY_COUNT: usize = 30;

#[test]
fn frozen_peer_delays_no_answer_beyond_its_deadline() {
    // With rare heartbeats nobody notices in this time that the peer is gone: only deadlines answer.
    for (level, heartbeat) in [("DC_ONE", "200ms"), ("DC_QUORUM", "3s")] {
        let builder = at_level(three_racks(1), level).set(SETTING).set("workers=2");
        let mut cluster = builder.set(&format!("timeouts.heartbeat={heartbeat}")).start();
        let mut client = prepared(&cluster, 0);
        cluster.nodes_mut()[2].server.freeze();
        let until = Instant::now() + Duration::from_secs(3);
        while Instant::now() < until {
            answered_in_time(&mut client, level);
        }
        cluster.nodes_mut()[2].server.thaw();
        recovers(&mut client);
        recovers(&mut cluster.client(2));
    }
}

#[test]
fn frozen_owner_fails_its_own_keys_alone() {
    let mut cluster = two_nodes();
    let near = key_owned(&cluster, 0, "near", true);
    let far = key_owned(&cluster, 0, "far", false);
    let mut client = cluster.client(0);
    cluster.nodes_mut()[1].server.freeze();
    client.send(&[request(&["SET", &far, "1"]), request(&["SET", &near, "2"]), request(&["PING"])].concat());
    let started_at = Instant::now();
    let replies = client.replies(3);
    assert!(started_at.elapsed() < REQUEST_TIMEOUT + SLACK);
    assert!(is_error(&replies[0]), "{}", text(&replies[0]));
    assert_eq!((replies[1].as_slice(), replies[2].as_slice()), (OK, PONG));
    // Once the peer is known to be gone, its keys fail at once.
    eventually(LONG, "an answer without delay", || {
        let (reply, took) = timed(&mut client, &["GET", &far]);
        is_error(&reply) && took < REQUEST_TIMEOUT / 4
    });
    assert_eq!(client.command(&["GET", &near]), bulk("2"));
    cluster.nodes_mut()[1].server.thaw();
    eventually(LONG, "the owner is back", || client.command(&["SET", &far, "3"]) == OK);
    assert_eq!(cluster.client(1).command(&["GET", &far]), bulk("3"));
}

#[test]
fn frozen_datastore_delays_no_answer_beyond_its_deadline() {
    let mut cluster = single().set(SETTING).start();
    let mut client = prepared(&cluster, 0);
    cluster.nodes_mut()[0].redis.freeze();
    for _ in 0..3 {
        answered_in_time(&mut client, "one node");
        let (pong, took) = timed(&mut client, &["PING"]);
        assert!(pong == PONG && took < SLACK);
    }
    cluster.nodes_mut()[0].redis.thaw();
    recovers(&mut client);
}

#[test]
fn frozen_datastore_of_a_rack_is_covered_by_the_others() {
    for level in ["DC_ONE", "DC_QUORUM"] {
        let mut cluster = at_level(three_racks(1), level).set(SETTING).start();
        // Through the node with the frozen datastore, and through another.
        let mut clients = [prepared(&cluster, 0), cluster.client(1)];
        cluster.nodes_mut()[0].redis.freeze();
        let until = Instant::now() + Duration::from_secs(3);
        while Instant::now() < until {
            for client in &mut clients {
                answered_in_time(client, level);
            }
        }
        cluster.nodes_mut()[0].redis.thaw();
        for client in &mut clients {
            recovers(client);
        }
    }
}

#[test]
fn dead_datastore_fails_at_once_and_is_used_again_when_it_is_back() {
    let mut cluster = single().set(SETTING).start();
    let mut client = prepared(&cluster, 0);
    cluster.nodes_mut()[0].redis.kill();
    answered_in_time(&mut client, "one node");
    eventually(LONG, "an answer without delay", || {
        let (reply, took) = timed(&mut client, &["GET", "key:0"]);
        reply.starts_with(b"-ERR Storage:") && took < REQUEST_TIMEOUT / 4
    });
    cluster.nodes_mut()[0].redis.restart();
    recovers(&mut client);
}

#[test]
fn peer_killed_in_the_middle_of_requests_leaves_none_unanswered() {
    // Far more than it takes: the loss of the link answers, not the deadline.
    let mut cluster = Cluster::builder(BINARY).rack("dc1", "rack1", 2).set("timeouts.request=20s").start();
    let far = key_owned(&cluster, 0, "far", false);
    let near = key_owned(&cluster, 0, "near", true);
    let mut client = cluster.client(0);
    // Frozen first, so that all of them are in flight when it is killed.
    cluster.nodes_mut()[1].server.freeze();
    let pipeline: Vec<u8> = (0..500)
        .flat_map(|number| request(&["SET", if number % 2 == 0 { &far } else { &near }, &number.to_string()]))
        .collect();
    let started_at = Instant::now();
    client.send(&pipeline);
    thread::sleep(Duration::from_millis(200));
    cluster.nodes_mut()[1].server.kill();
    let replies = client.replies(500);
    assert!(started_at.elapsed() < Duration::from_secs(1) + SLACK, "{:?}", started_at.elapsed());
    for (number, reply) in replies.iter().enumerate() {
        assert_eq!(is_error(reply), number % 2 == 0, "{number}: {}", text(reply));
    }
    cluster.nodes_mut()[1].server.restart();
    eventually(LONG, "the owner is back", || client.command(&["SET", &far, "again"]) == OK);
    assert_eq!(client.command(&["GET", &near]), bulk("499"));
}

#[test]
fn datastore_killed_in_the_middle_of_a_pipeline_leaves_no_request_unanswered() {
    let mut cluster = single().set(SETTING).start();
    let mut client = prepared(&cluster, 0);
    cluster.nodes_mut()[0].redis.freeze();
    let pipeline: Vec<u8> =
        (0..500).flat_map(|number| request(&["INCR", &format!("n{}", number % 9)])).collect();
    let started_at = Instant::now();
    client.send(&pipeline);
    thread::sleep(Duration::from_millis(200));
    cluster.nodes_mut()[0].redis.kill();
    let replies = client.replies(500);
    assert!(started_at.elapsed() < REQUEST_TIMEOUT + SLACK, "{:?}", started_at.elapsed());
    assert!(replies.iter().all(|reply| is_error(reply)));
    cluster.nodes_mut()[0].redis.restart();
    recovers(&mut client);
    // The replies of the broken pipeline belong to nobody: counting begins anew.
    assert_eq!(client.command(&["INCR", "n0"]), b":1\r\n");
}

#[test]
fn datastore_killed_under_load_gives_nobody_anothers_reply() {
    let mut cluster = at_level(three_racks(1), "DC_QUORUM").set(SETTING).set("workers=2").start();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..6)
            .map(|thread| {
                let mut client = cluster.client(thread % 3);
                scope.spawn(move || own_replies(&mut client, thread))
            })
            .collect();
        for _ in 0..3 {
            thread::sleep(Duration::from_millis(300));
            // Not borrowed by the clients, which have connections of their own.
            restart_datastore(&cluster);
        }
        for thread in threads {
            thread.join().unwrap();
        }
    });
    recovers(&mut cluster.client(1));
    cluster.nodes_mut()[1].redis.restart();
    recovers(&mut cluster.client(1));
}

/// Its value says whose it is, so a reply in a wrong place shows.
fn own_replies(client: &mut RawClient, thread: usize) {
    let until = Instant::now() + Duration::from_secs(2);
    let mut round = 0;
    while Instant::now() < until {
        let key = format!("own:{thread}:{}", round % 10);
        let value = format!("{thread} {round}");
        let tag = format!("tag {thread} {round}");
        client.send(
            &[request(&["SET", &key, &value]), request(&["GET", &key]), request(&["ECHO", &tag])].concat(),
        );
        let replies = client.replies(3);
        assert!(replies[0] == OK || is_error(&replies[0]), "{}", text(&replies[0]));
        let prefix = format!("\r\n{thread} ");
        let is_own = replies[1].windows(prefix.len()).any(|window| window == prefix.as_bytes());
        assert!(is_own || is_error(&replies[1]) || replies[1] == b"$-1\r\n", "{}", text(&replies[1]));
        assert_eq!(replies[2], bulk(&tag));
        round += 1;
    }
}

/// All its connections break, as in a restart that keeps the data.
fn restart_datastore(cluster: &Cluster) {
    let reply =
        cluster.nodes()[1].redis.client().command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    assert!(reply.starts_with(b":"), "{}", text(&reply));
}

fn two_nodes() -> Cluster {
    Cluster::builder(BINARY).rack("dc1", "rack1", 2).set(SETTING).start()
}

/// A connection through which every key was used.
fn prepared(cluster: &Cluster, node: usize) -> RawClient {
    let mut client = cluster.client(node);
    recovers(&mut client);
    // So that requests wait for every node, not only for some.
    for other in 0..cluster.nodes().len() {
        let key = key_with_primary(cluster, other, "counter");
        assert!((0..KEY_COUNT).any(|number| key == format!("counter:{number}")), "{key} comes too late");
    }
    client
}

/// Reads, overwrites and sequenced writes, one after another and as a pipeline.
#[track_caller]
fn answered_in_time(client: &mut RawClient, what: &str) {
    for number in 0..2 {
        for args in requests(number) {
            let (reply, took) = timed(client, &args.iter().map(String::as_str).collect::<Vec<_>>());
            assert!(took < REQUEST_TIMEOUT + SLACK, "{args:?} took {took:?}, {what}: {}", text(&reply));
        }
    }
    let pipeline: Vec<u8> = (0..KEY_COUNT).flat_map(requests).flat_map(|args| request(&args)).collect();
    let started_at = Instant::now();
    client.send(&pipeline);
    client.replies(KEY_COUNT * 3);
    // Commands on one key wait for each other, and each has its own deadline.
    assert!(
        started_at.elapsed() < 2 * REQUEST_TIMEOUT + SLACK,
        "the pipeline took {:?}, {what}",
        started_at.elapsed()
    );
}

/// On the same connection, everything works again.
#[track_caller]
fn recovers(client: &mut RawClient) {
    eventually(LONG, "every kind of request on every key works", || {
        (0..KEY_COUNT).flat_map(requests).all(|args| !is_error(&client.command(&args)))
    });
}

fn requests(number: usize) -> [Vec<String>; 3] {
    let key = |prefix: &str| format!("{prefix}:{number}");
    [
        vec!["SET".into(), key("key"), "v".into()],
        vec!["GET".into(), key("key")],
        vec!["INCR".into(), key("counter")],
    ]
}

//! Every class of write, at every level, reaches exactly its owners: one node of each rack, with equal state.

use dynomite_testkit::{Cluster, RawClient, Redis, eventually};

use crate::shapes::{LEVELS, LONG, OK, at_level, bulk, integer, text, three_racks};
use crate::stored::{converged, stored};

/// Writes of one key each, whose replies a lone Redis server gives, too. `#` becomes the number of a node.
const WRITES: &[&str] = &[
    "SET set:# one",
    "SET set:# two",
    "SET set:expiring:# v PX 500000",
    "SETEX setex:# 500 v",
    "PSETEX psetex:# 500000 v",
    "SET persisted:# v EX 500",
    "PERSIST persisted:#",
    "SET deleted:# v",
    "DEL deleted:#",
    "UNLINK never:#",
    "INCR incr:#",
    "INCRBY incr:# 41",
    "DECR incr:#",
    "APPEND append:# one",
    "APPEND append:# two",
    "SETRANGE append:# 1 N",
    "SETBIT bits:# 7 1",
    "HSET hash:# a 1 b 2",
    "HSET hash:# a 3",
    "HSETNX hash:# c 4",
    "HINCRBY hash:# c 5",
    "HDEL hash:# b",
    "LPUSH list:# b a",
    "RPUSH list:# c d e",
    "LPOP list:#",
    "RPOP list:#",
    "LSET list:# 0 B",
    "LINSERT list:# BEFORE c bb",
    "SADD members:# a b c",
    "SREM members:# b",
    "SADD emptied:# one",
    "SPOP emptied:#",
    "ZADD scores:# 1 a 2 b 3 c",
    "ZINCRBY scores:# 1.5 a",
    "ZADD scores:# GT CH 1 b",
    "ZREM scores:# c",
    "SET expire:# v",
    "EXPIRE expire:# 500",
    "SET pexpire:# v",
    "PEXPIRE pexpire:# 500000",
    "SET expireat:# v",
    "EXPIREAT expireat:# 4102444800",
    "INCRBYFLOAT float:# 0.1",
    "INCRBYFLOAT float:# 0.2",
    "HINCRBYFLOAT floats:# f 1.25",
    "SET taken:# v",
    "GETDEL taken:#",
    "SET getset:# one",
    "GETSET getset:# two",
    "SET getex:# v",
    "GETEX getex:# EX 500",
    "SET nx:# first NX",
    "SET nx:# second NX",
    "SETNX nx:# third",
    "SET xx:# never XX",
    "SET xx:# once",
    "SET xx:# twice XX",
    "SET get:# one",
    "SET get:# two GET",
    "SET keepttl:# one EX 500",
    "SET keepttl:# two KEEPTTL",
    "LPUSH set:# wrong-type",
    "INCR set:#",
];

/// How far apart two runs of the same script may set an expiry that counts from now.
const EXPIRY_TOLERANCE_MS: i64 = 60_000;

#[test]
fn every_write_reaches_one_node_of_each_rack_at_dc_one() {
    every_write_reaches_one_node_of_each_rack(LEVELS[0]);
}

#[test]
fn every_write_reaches_one_node_of_each_rack_at_dc_quorum() {
    every_write_reaches_one_node_of_each_rack(LEVELS[1]);
}

#[test]
fn every_write_reaches_one_node_of_each_rack_at_dc_safe_quorum() {
    every_write_reaches_one_node_of_each_rack(LEVELS[2]);
}

#[test]
fn every_write_reaches_one_node_of_each_rack_at_dc_each_safe_quorum() {
    every_write_reaches_one_node_of_each_rack(LEVELS[3]);
}

fn every_write_reaches_one_node_of_each_rack(level: &str) {
    let cluster = at_level(three_racks(2), level).set("workers=2").start();
    let oracle = Redis::start();
    let mut oracle = oracle.client();
    let mut clients: Vec<RawClient> = (0..6).map(|node| cluster.client(node)).collect();

    // Through every node, one connection each, and what a lone Redis server says.
    for (node, client) in clients.iter_mut().enumerate() {
        for write in WRITES {
            let write = write.replace('#', &node.to_string());
            let args: Vec<&str> = write.split(' ').collect();
            let reply = client.command(&args);
            assert_eq!(text(&reply), text(&oracle.command(&args)), "{write} at {level}");
        }
    }

    // Read back through every node. Below a quorum another rack may be a moment behind.
    let keys: Vec<String> = (0..6).flat_map(keys_of).collect();
    for key in &keys {
        for client in &mut clients {
            let mut differing = || {
                let (ours, theirs) = (stored(client, key), stored(&mut oracle, key));
                let is_equal = match (&ours, &theirs) {
                    (Some(ours), Some(theirs)) => {
                        ours.kind == theirs.kind
                            && ours.value == theirs.value
                            && is_near(ours.expires_at_ms, theirs.expires_at_ms)
                    }
                    (None, None) => true,
                    _ => false,
                };
                (!is_equal).then(|| format!("{key} at {level}: {ours:?} instead of {theirs:?}"))
            };
            if level == "DC_ONE" {
                eventually(LONG, &format!("{key} is equal through every node"), || differing().is_none());
            } else if let Some(text) = differing() {
                panic!("{text}");
            }
        }
    }

    // And in the datastores themselves.
    for (key, state) in converged(&cluster, keys.iter().map(String::as_str)) {
        let expected = stored(&mut oracle, key);
        assert_eq!(state.is_some(), expected.is_some(), "{key} at {level}: {state:?}");
        if let (Some(state), Some(expected)) = (state, expected) {
            assert_eq!((state.kind, state.value), (expected.kind, expected.value), "{key} at {level}");
            assert!(is_near(state.expires_at_ms, expected.expires_at_ms), "{key} at {level}: its expiry");
        }
    }
}

/// A random command is run once; the other racks get what it did.
#[test]
fn popped_members_are_the_same_in_every_rack() {
    let cluster = at_level(three_racks(1), "DC_QUORUM").start();
    let mut client = cluster.client(0);
    let members: Vec<String> = (0..60).map(|number| format!("member{number}")).collect();
    for set in ["s1", "s2", "s3", "s4"] {
        let mut args = vec!["SADD", set];
        args.extend(members.iter().map(String::as_str));
        assert_eq!(client.command(&args), integer(60));
        for _ in 0..10 {
            assert!(client.command(&["SPOP", set]).starts_with(b"$"));
            assert!(client.command(&["SPOP", set, "2"]).starts_with(b"*2\r\n"));
        }
    }
    for (set, state) in converged(&cluster, ["s1", "s2", "s3", "s4"]) {
        assert_eq!(state.unwrap().value.len(), 30, "{set}");
    }
}

/// Concurrent increments through all nodes give distinct results and the right sum.
#[test]
fn increments_through_all_nodes_at_once_are_distinct() {
    let cluster = at_level(three_racks(1), "DC_QUORUM").set("workers=2").start();
    let results: Vec<Vec<u8>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6).map(|thread| scope.spawn(increments(&cluster, thread % 3))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let distinct: std::collections::HashSet<&Vec<u8>> = results.iter().collect();
    assert_eq!((distinct.len(), results.len()), (600, 600));
    assert_eq!(cluster.client(1).command(&["GET", "counter"]), bulk("600"));
    assert_eq!(converged(&cluster, ["counter"])[0].1.as_ref().unwrap().value, ["$3\\r\\n600\\r\\n"]);
}

/// One of many clients that try to be first is.
#[test]
fn set_nx_through_all_nodes_at_once_is_won_once() {
    let cluster = at_level(three_racks(1), "DC_QUORUM").start();
    for round in 0..30 {
        let key = format!("lock:{round}");
        let winners: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..3)
                .map(|node| {
                    let mut client = cluster.client(node);
                    let key = &key;
                    scope.spawn(move || {
                        let reply = client.command(&["SET", key, &format!("node{node}"), "NX"]);
                        assert!(reply == OK || reply == b"$-1\r\n", "{}", text(&reply));
                        usize::from(reply == OK)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(winners, 1, "{key}");
    }
}

fn increments(cluster: &Cluster, node: usize) -> impl FnOnce() -> Vec<Vec<u8>> + use<> {
    let mut client = cluster.client(node);
    move || (0..100).map(|_| client.command(&["INCR", "counter"])).collect()
}

fn keys_of(node: usize) -> Vec<String> {
    let mut keys: Vec<String> =
        WRITES.iter().map(|write| write.split(' ').nth(1).unwrap().replace('#', &node.to_string())).collect();
    keys.sort();
    keys.dedup();
    keys
}

fn is_near(ours: i64, theirs: i64) -> bool {
    // What says an absolute time must be exact; `converged` compares the racks exactly.
    let tolerance = if theirs == -1 || theirs == 4_102_444_800_000 { 0 } else { EXPIRY_TOLERANCE_MS };
    (ours - theirs).abs() <= tolerance
}

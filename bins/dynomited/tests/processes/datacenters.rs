//! Two datacenters: each write arrives in the other, once.

use std::time::{Duration, Instant};

use dynomite_testkit::{Cluster, RawClient, eventually};
use serde_json::Value;

use crate::repair::dynoctl;
use crate::shapes::{LONG, NIL, OK, at_level, bulk, integer, text, two_datacenters};
use crate::stored::converged;

#[test]
fn write_in_one_datacenter_is_readable_in_the_other() {
    let cluster = at_level(two_datacenters(), "DC_QUORUM").start();
    for (here, there) in [(0, 3), (1, 5), (4, 2)] {
        let mut writer = cluster.client(here);
        let mut reader = cluster.client(there);
        let mut arrives = |what: &str, args: &[&str], reply: &[u8]| {
            eventually(LONG, what, || reader.command(args) == reply);
        };
        let key = |name: &str| format!("{name}:{here}");

        assert_eq!(writer.command(&["SET", &key("overwritten"), "v"]), OK);
        arrives("an overwrite", &["GET", &key("overwritten")], &bulk("v"));
        assert_eq!(writer.command(&["SETEX", &key("expiring"), "500", "v"]), OK);
        arrives("an overwrite with expiry", &["GET", &key("expiring")], &bulk("v"));
        for count in 1..=20 {
            assert_eq!(writer.command(&["INCR", &key("counter")]), integer(count));
        }
        arrives("increments", &["GET", &key("counter")], &bulk("20"));
        assert_eq!(writer.command(&["RPUSH", &key("list"), "a", "b"]), integer(2));
        assert_eq!(writer.command(&["LPUSH", &key("list"), "c"]), integer(3));
        arrives("pushes", &["LRANGE", &key("list"), "0", "-1"], b"*3\r\n$1\r\nc\r\n$1\r\na\r\n$1\r\nb\r\n");
        assert_eq!(writer.command(&["HSET", &key("hash"), "f", "v"]), integer(1));
        arrives("a hash", &["HGET", &key("hash"), "f"], &bulk("v"));
        assert_eq!(writer.command(&["DEL", &key("overwritten")]), integer(1));
        arrives("a deletion", &["GET", &key("overwritten")], NIL);
    }
}

/// What the nodes of the first datacenter say of the second, after `dynoctl datacenters` with these arguments.
fn flows(cluster: &Cluster, args: &[&str]) -> Vec<Value> {
    let output = dynoctl(cluster, 0, &[&["--json", "datacenters"], args].concat()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let all: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    all.into_iter().filter(|node| node["datacenter"] == "dc1").map(|node| node["to"][0].clone()).collect()
}

fn sum(flows: &[Value], name: &str) -> u64 {
    flows.iter().map(|flow| flow[name].as_u64().unwrap()).sum()
}

#[test]
fn what_a_paused_datacenter_misses_is_told_of_and_sent_when_it_resumes() {
    const KEYS: usize = 40;
    let cluster = at_level(two_datacenters(), "DC_QUORUM").set("workers=2").start();
    let (mut here, mut there) = (cluster.client(0), cluster.client(3));
    let paused = flows(&cluster, &["pause", "dc2"]);
    assert!(paused.len() == 3 && paused.iter().all(|flow| flow["paused"] == true), "{paused:?}");
    // Each worker hears of it within a moment.
    eventually(LONG, "a write that is held back", || {
        here.command(&["SET", "probe", "v"]);
        sum(&flows(&cluster, &[]), "waiting_keys") > 0
    });
    for number in 0..KEYS {
        for value in ["old", "new"] {
            assert_eq!(here.command(&["SET", &format!("held:{number}"), value]), OK);
        }
        assert_eq!(here.command(&["INCR", &format!("counted:{number}")]), integer(1));
    }
    let began = Instant::now();
    eventually(LONG, "the lag of what waits", || {
        let flows = flows(&cluster, &[]);
        let lag_ms = flows.iter().map(|flow| flow["lag_ms"].as_u64().unwrap()).max().unwrap();
        sum(&flows, "waiting_keys") >= 2 * KEYS as u64 && lag_ms >= 3000
    });
    assert!(began.elapsed() > Duration::from_secs(1), "the lag is that of the oldest write");
    for number in 0..KEYS {
        assert_eq!(there.command(&["GET", &format!("held:{number}")]), NIL);
        assert_eq!(there.command(&["GET", &format!("counted:{number}")]), NIL);
    }

    flows(&cluster, &["resume", "dc2"]);
    eventually(LONG, "what was held back", || {
        (0..KEYS).all(|number| {
            there.command(&["GET", &format!("held:{number}")]) == bulk("new")
                && there.command(&["GET", &format!("counted:{number}")]) == bulk("1")
        })
    });
    eventually(LONG, "no lag", || {
        let flows = flows(&cluster, &[]);
        sum(&flows, "lag_ms") + sum(&flows, "waiting_keys") + sum(&flows, "in_flight") == 0
    });
}

#[test]
fn a_rate_bounds_what_is_sent_to_a_datacenter() {
    const KEYS: usize = 60;
    const VALUE_BYTES: usize = 16 << 10;
    let cluster = at_level(two_datacenters(), "DC_QUORUM").start();
    let (mut here, mut there) = (cluster.client(0), cluster.client(4));
    let limited = flows(&cluster, &["rate", "dc2", "64KiB"]);
    assert!(limited.iter().all(|flow| flow["bytes_per_s"] == 64 << 10), "{limited:?}");
    // Each worker hears of a change within a moment; what waits is sent when all have heard of both.
    flows(&cluster, &["pause", "dc2"]);
    eventually(LONG, "a write that is held back", || {
        here.command(&["SET", "probe", "v"]);
        sum(&flows(&cluster, &[]), "waiting_keys") > 0
    });
    // What is sent later goes as the datastore dumps it, which compresses what it can.
    let mut random = 1_u32;
    let mut letter = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'!' + (random >> 24) as u8 % 90)
    };
    let value: String = (0..VALUE_BYTES).map(|_| letter()).collect();
    for number in 0..KEYS {
        assert_eq!(here.command(&["SET", &format!("limited:{number}"), &value]), OK);
    }
    let began = Instant::now();
    flows(&cluster, &["resume", "dc2"]);
    let last = |there: &mut RawClient| {
        (0..KEYS).all(|number| {
            there.command(&["STRLEN", &format!("limited:{number}")]) == integer(VALUE_BYTES as i64)
        })
    };
    eventually(LONG, "everything, by and by", || last(&mut there));
    // 960 KiB by three nodes, of which each may send a second's share at once.
    assert!(began.elapsed() > Duration::from_secs(2), "{:?}", began.elapsed());

    let unlimited = flows(&cluster, &["rate", "dc2", "unlimited"]);
    assert!(unlimited.iter().all(|flow| flow["bytes_per_s"].is_null()), "{unlimited:?}");
    let refused = dynoctl(&cluster, 0, &["datacenters", "pause", "dc9"]).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no node is in a datacenter `dc9`"));
}

#[test]
fn each_quorum_write_is_in_the_other_datacenter_when_it_is_answered() {
    let cluster = at_level(two_datacenters(), "DC_QUORUM").set("workers=2").start();
    for (here, there) in [(0, 3), (5, 1)] {
        let mut writer = cluster.client(here);
        let mut reader = cluster.client(there);
        assert_eq!(writer.command(&["DYNO_CONFIG:CONN_CONSISTENCY", "DC_EACH_SAFE_QUORUM"]), OK);
        for round in 0..100 {
            let key = format!("each:{here}:{}", round % 7);
            let value = round.to_string();
            assert_eq!(text(&writer.command(&["SET", &key, &value])), text(OK));
            assert_eq!(text(&reader.command(&["GET", &key])), text(&bulk(&value)), "{key}");
            let counter = format!("each-counter:{here}");
            assert_eq!(text(&writer.command(&["INCR", &counter])), text(&integer(round + 1)));
            assert_eq!(text(&reader.command(&["GET", &counter])), text(&bulk((round + 1).to_string())));
        }
        assert_eq!(text(&writer.command(&["DEL", &format!("each:{here}:0")])), text(&integer(1)));
        assert_eq!(text(&reader.command(&["GET", &format!("each:{here}:0")])), text(NIL));
    }
}

#[test]
fn write_from_another_datacenter_is_applied_once() {
    for level in ["DC_ONE", "DC_EACH_SAFE_QUORUM"] {
        let cluster = at_level(two_datacenters(), level).start();
        // One datacenter sequences each key, as the consistency rules want it.
        let mut clients: Vec<RawClient> = [0, 1, 2].map(|node| cluster.client(node)).into();
        for round in 0..60 {
            let client = &mut clients[round % 3];
            assert!(client.command(&["INCRBY", "counter", "3"]).starts_with(b":"));
            assert!(client.command(&["APPEND", "text", "x"]).starts_with(b":"));
            assert!(client.command(&["RPUSH", "list", "x"]).starts_with(b":"));
            assert!(client.command(&["HINCRBY", "hash", "f", "2"]).starts_with(b":"));
        }
        let states = converged(&cluster, ["counter", "text", "list", "hash"]);
        let value = |index: usize| states[index].1.clone().unwrap().value;
        assert_eq!(value(0), ["$3\\r\\n180\\r\\n"], "at {level}");
        assert_eq!(value(1), [bulk("x".repeat(60)).escape_ascii().to_string()], "at {level}");
        assert_eq!(value(2), vec!["x"; 60], "at {level}");
        assert_eq!(value(3), ["f = 120"], "at {level}");
    }
}

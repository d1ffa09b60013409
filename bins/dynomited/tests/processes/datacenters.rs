//! Two datacenters: each write arrives in the other, once.

use dynomite_testkit::{RawClient, eventually};

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

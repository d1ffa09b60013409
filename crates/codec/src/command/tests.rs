use std::collections::HashSet;

use bytes::Bytes;

use super::*;
use crate::Request;

fn request(line: &str) -> Request {
    Request::from_args(line.split(' ').collect::<Vec<_>>())
}

fn classified(line: &str) -> Result<(&'static str, Class), String> {
    classify(&request(line)).map(|call| (call.command.name, call.class)).map_err(|error| error.to_string())
}

fn call(line: &str) -> Call {
    classify(&request(line)).unwrap()
}

#[test]
fn every_row_is_found_by_its_name_in_any_case() {
    let mut names = HashSet::new();
    for (index, row) in commands().iter().enumerate() {
        assert!(names.insert(row.name), "{} is there once", row.name);
        assert_eq!(row.index as usize, index);
        let found = match row.name.split_once('|') {
            None => [lookup(row.name.as_bytes()), lookup(row.name.to_uppercase().as_bytes())],
            Some((container, name)) => {
                assert_eq!(lookup(row.name.as_bytes()), None);
                let container = lookup(container.as_bytes()).unwrap();
                [
                    lookup_subcommand(container, name.as_bytes()),
                    lookup_subcommand(container, name.to_uppercase().as_bytes()),
                ]
            }
        };
        assert_eq!(found, [Some(row); 2], "{}", row.name);
    }
    for name in ["", "ge", "gett", "get ", "g\x45t\0", "GE\x14"] {
        assert_eq!(lookup(name.as_bytes()), None, "{name:?}");
    }
    assert_eq!(lookup(&[b'a'; 100_000]), None);
}

#[test]
fn the_class_follows_from_the_arguments() {
    for (line, class) in [
        ("GET k", Class::Read),
        ("set k v", Class::Overwrite),
        ("SET k v ex 10", Class::Overwrite),
        ("SET k v PXAT 1700000000000", Class::Overwrite),
        ("SET k v EX 0", Class::Sequenced),
        ("SET k v EX -1", Class::Sequenced),
        ("SET k v EX 9223372036854775807", Class::Sequenced),
        ("SET k v EX abc", Class::Sequenced),
        ("SET k v WHAT 10", Class::Sequenced),
        ("SET k v NX", Class::Sequenced),
        ("SET k v xx EX 10", Class::Sequenced),
        ("SET k v GET", Class::Sequenced),
        ("SET k v KEEPTTL", Class::Sequenced),
        ("SETEX k 10 v", Class::Overwrite),
        ("PSETEX k 0 v", Class::Sequenced),
        ("MSET a 1 b 2", Class::Overwrite),
        ("DEL a b", Class::Overwrite),
        ("GETEX k", Class::Read),
        ("GETEX k PERSIST", Class::Sequenced),
        ("GETDEL k", Class::Sequenced),
        ("INCR k", Class::Sequenced),
        ("INCRBYFLOAT k 1.5", Class::Effect),
        ("SPOP k", Class::Effect),
        ("SORT k ALPHA", Class::Read),
        ("PFCOUNT k", Class::Read),
        ("SINTER k", Class::Read),
        ("OBJECT encoding k", Class::Read),
        ("GEORADIUS k 1 2 3 km ASC", Class::Read),
        ("PING", Class::Connection),
        ("COMMAND", Class::Connection),
        ("command COUNT", Class::Connection),
        ("CLIENT SETNAME x", Class::Connection),
        ("DYNOMITE RING", Class::Connection),
    ] {
        assert_eq!(call(line).class, class, "{line}");
    }
}

#[test]
fn unsupported_commands_say_why() {
    for line in [
        "SUBSCRIBE c",
        "MULTI",
        "EVAL x 0",
        "KEYS *",
        "BLPOP k 0",
        "RENAME a b",
        "SORT k BY w",
        "SORT k GET #",
        "SORT k STORE d",
        "SINTER a b",
        "PFCOUNT a b",
        "GEORADIUS k 1 2 3 km STORE d",
        "GEORADIUSBYMEMBER k m 3 km STOREDIST d",
        "CONFIG REWRITE",
        "XADD s * a 1",
        "FLUSHALL",
    ] {
        let text = classified(line).unwrap_err();
        let name = line.split(' ').next().unwrap().to_lowercase();
        assert!(text.starts_with(&format!("Dynomite: '{name}")), "{text}");
        assert!(text.contains("is not supported here: "), "{text}");
    }
}

#[test]
fn keys_are_where_the_table_says() {
    for (line, keys) in [
        ("GET k", vec!["k"]),
        ("OBJECT ENCODING k", vec!["k"]),
        ("MSET a 1 b 2", vec!["a", "b"]),
        ("DEL a b c", vec!["a", "b", "c"]),
        ("HSET h f v", vec!["h"]),
        ("PING", vec![]),
    ] {
        let request = request(line);
        let call = classify(&request).unwrap();
        assert_eq!(
            call.keys(&request).collect::<Vec<_>>(),
            keys.iter().map(|key| key.as_bytes()).collect::<Vec<_>>()
        );
        assert_eq!(call.key(&request), keys.first().map(|key| key.as_bytes()));
    }
}

#[test]
fn every_supported_command_with_a_key_has_it_in_one_place() {
    for row in commands() {
        let one = row.keys.first > 0 && row.keys.first == row.keys.last;
        match row.rule {
            Rule::Node | Rule::Container | Rule::Unsupported(_) => {}
            Rule::ReadOfOne => assert_eq!(row.keys.first, 1, "{}", row.name),
            _ => assert!(one || row.split != Split::No, "{}", row.name),
        }
    }
}

fn split(line: &str, keys_max: usize) -> Option<Vec<String>> {
    let request = request(line);
    let parts = classify(&request).unwrap().split(&request, keys_max).unwrap()?;
    for part in &parts.requests {
        assert_eq!(classify(part).unwrap(), parts.call);
    }
    let text =
        |part: &Request| part.args().map(|arg| String::from_utf8_lossy(arg)).collect::<Vec<_>>().join(" ");
    Some(parts.requests.iter().map(text).collect())
}

#[test]
fn requests_of_several_keys_are_divided() {
    assert_eq!(split("GET k", 1), None);
    assert_eq!(split("MGET k", 1), None);
    assert_eq!(split("DEL k", 1), None);
    assert_eq!(split("MSET k v", 1).unwrap(), ["SET k v"]);
    assert_eq!(split("MSET a 1 b 2 a 3", 1).unwrap(), ["SET a 1", "SET b 2", "SET a 3"]);
    assert_eq!(split("MGET a b a", 1).unwrap(), ["mget a", "mget b", "mget a"]);
    assert_eq!(split("UNLINK a b", 1).unwrap(), ["unlink a", "unlink b"]);
    for line in ["MGET a b c", "DEL a b c", "MSET a 1 b 2 c 3"] {
        assert_eq!(split(line, 3), None, "{line}");
    }
    assert_eq!(split("MGET a b c", 2).unwrap(), ["mget a b", "mget c"]);
    assert_eq!(split("EXISTS a b c d", 2).unwrap(), ["exists a b", "exists c d"]);
    assert_eq!(split("MSET a 1 b 2 c 3", 2).unwrap(), ["mset a 1 b 2", "mset c 3"]);
    let odd = request("MSET a 1 b");
    assert_eq!(
        call("MSET a 1 b").split(&odd, 1).unwrap_err().to_string(),
        "wrong number of arguments for 'mset' command"
    );
}

#[test]
fn replies_of_parts_are_put_together() {
    let merged = |line: &str, replies: &[&'static str]| {
        let replies: Vec<Bytes> = replies.iter().map(|reply| Bytes::from_static(reply.as_bytes())).collect();
        String::from_utf8(call(line).merge(&replies).to_vec()).unwrap()
    };
    assert_eq!(merged("MGET a b", &["*1\r\n$1\r\nx\r\n", "*1\r\n$-1\r\n"]), "*2\r\n$1\r\nx\r\n$-1\r\n");
    assert_eq!(
        merged("MGET a b c", &["*2\r\n$1\r\nx\r\n$-1\r\n", "*1\r\n$1\r\ny\r\n"]),
        "*3\r\n$1\r\nx\r\n$-1\r\n$1\r\ny\r\n"
    );
    assert_eq!(merged("MSET a 1 b 2", &["+OK\r\n", "+OK\r\n"]), "+OK\r\n");
    assert_eq!(merged("DEL a b c", &[":1\r\n", ":0\r\n", ":1\r\n"]), ":2\r\n");
    assert_eq!(merged("DEL a b c", &[":1\r\n", "-ERR x\r\n", "-ERR y\r\n"]), "-ERR x\r\n");
    assert!(merged("DEL a b", &[":1\r\n", "+OK\r\n"]).starts_with("-ERR Dynomite: "));
    assert!(merged("MGET a b", &["$1\r\nx\r\n", "*1\r\n$-1\r\n"]).starts_with("-ERR Dynomite: "));
}

#[test]
fn replies_are_compared_as_far_as_their_order_is_fixed() {
    let agree = |line: &str, a: &str, b: &str| replies_agree(&call(line), a.as_bytes(), b.as_bytes());
    let (ab, ba) = ("*2\r\n$1\r\na\r\n$1\r\nb\r\n", "*2\r\n$1\r\nb\r\n$1\r\na\r\n");
    assert!(agree("LRANGE k 0 -1", ab, ab));
    assert!(!agree("LRANGE k 0 -1", ab, ba));
    assert!(agree("SMEMBERS k", ab, ba));
    assert!(!agree("SMEMBERS k", ab, "*2\r\n$1\r\na\r\n$1\r\na\r\n"));
    assert!(!agree("SMEMBERS k", ab, "*1\r\n$1\r\na\r\n"));
    let pairs =
        |a: &str| format!("*4\r\n{}", a.split(' ').map(|x| format!("$1\r\n{x}\r\n")).collect::<String>());
    assert!(agree("HGETALL k", &pairs("a 1 b 2"), &pairs("b 2 a 1")));
    assert!(!agree("HGETALL k", &pairs("a 1 b 2"), &pairs("a 2 b 1")));
    assert!(agree("TTL k", ":1\r\n", ":2\r\n"));
    assert!(!agree("TTL k", ":1\r\n", "-ERR\r\n"));
}

#[test]
fn flags_are_listed_in_the_order_of_redis() {
    let names = |name: &[u8]| lookup(name).unwrap().flags.names().collect::<Vec<_>>();
    assert_eq!(names(b"set"), ["write", "denyoom"]);
    assert_eq!(names(b"xreadgroup"), ["write", "blocking", "movablekeys"]);
    assert_eq!(names(b"auth"), ["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"]);
}

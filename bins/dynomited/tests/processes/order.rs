//! Program order: a pipeline on one connection means what it says, wherever its keys are sequenced.

use dynomite_testkit::{RawClient, request};

use crate::shapes::{LEVELS, at_level, text, three_racks};

#[test]
fn pipelined_commands_on_a_key_take_effect_in_their_order_at_every_level() {
    let cluster = at_level(three_racks(2), "DC_ONE").set("workers=2").start();
    for level in LEVELS {
        for node in 0..6 {
            let mut client = cluster.client(node);
            assert_eq!(client.command(&["DYNO_CONFIG:CONN_CONSISTENCY", level]), b"+OK\r\n");
            // Different keys have different primaries.
            for number in 0..20 {
                in_order(&mut client, &format!("{level}:{node}:{number}"));
            }
        }
    }
}

/// Many keys at once, so that their commands could overtake each other.
#[test]
fn interleaved_keys_keep_their_own_order() {
    let cluster = at_level(three_racks(1), "DC_QUORUM").set("workers=2").start();
    for node in 0..3 {
        let mut client = cluster.client(node);
        let keys: Vec<String> = (0..50).map(|number| format!("{node}:{number}")).collect();
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for step in 0..script("").len() {
            for key in &keys {
                let (args, reply) = script(key).swap_remove(step);
                bytes.extend_from_slice(&request(&args));
                expected.push(reply);
            }
        }
        let replies = client.exchange(&bytes, expected.len());
        for (index, (reply, expected)) in replies.iter().zip(&expected).enumerate() {
            assert_eq!(text(reply), text(expected.as_bytes()), "reply {index} through node {node}");
        }
    }
}

fn in_order(client: &mut RawClient, key: &str) {
    let script = script(key);
    let bytes: Vec<u8> = script.iter().flat_map(|(args, _)| request(args)).collect();
    client.send(&bytes);
    let replies = client.replies(script.len());
    for ((args, expected), reply) in script.iter().zip(replies) {
        assert_eq!(text(&reply), text(expected.as_bytes()), "{}", args.join(" "));
    }
}

fn script(key: &str) -> Vec<(Vec<&str>, String)> {
    [
        ("DEL", "", ":0"),
        ("INCR", "", ":1"),
        ("GET", "", "$1\r\n1"),
        ("SET", "5", "+OK"),
        ("APPEND", "x", ":2"),
        ("GET", "", "$2\r\n5x"),
        ("INCR", "", "-ERR value is not an integer or out of range"),
        ("SET", "7", "+OK"),
        ("INCR", "", ":8"),
        ("INCR", "", ":9"),
        ("GETDEL", "", "$1\r\n9"),
        ("EXISTS", "", ":0"),
        ("SET", "1", "+OK"),
        ("DEL", "", ":1"),
        ("RPUSH", "a", ":1"),
        ("RPUSH", "b", ":2"),
        ("LPOP", "", "$1\r\na"),
        ("LLEN", "", ":1"),
        ("DEL", "", ":1"),
    ]
    .into_iter()
    .map(|(command, argument, reply)| {
        let mut args = vec![command, key];
        if !argument.is_empty() {
            args.push(argument);
        }
        (args, format!("{reply}\r\n"))
    })
    .collect()
}

//! Racks with different numbers of nodes: each key lies on its owner in each rack, also when a command has many.

use std::collections::HashSet;

use dynomite_testkit::{Cluster, RawClient};

use crate::shapes::{BINARY, OK, at_level, bulk, integer, text};
use crate::stored::{converged, keys};

const KEY_COUNT: usize = 400;
/// With hash `redis-slot` a token is its last slot times this.
const SLOT_STEP: u32 = 1 << 18;

#[test]
fn commands_of_many_keys_are_right_through_every_node_of_uneven_racks() {
    let cluster = uneven("DC_QUORUM");
    let mut clients: Vec<RawClient> = (0..7).map(|node| cluster.client(node)).collect();
    for writer in 0..7 {
        let keys: Vec<String> = (0..KEY_COUNT).map(|number| format!("{writer}:{number}")).collect();
        let values: Vec<String> = (0..KEY_COUNT).map(|number| format!("value {writer} {number}")).collect();
        let pairs = keys.iter().zip(&values).flat_map(|(key, value)| [key.as_str(), value.as_str()]);
        let client = &mut clients[writer];
        assert_eq!(text(&client.command(&with("MSET", pairs))), text(OK));

        let mut all = format!("*{}\r\n", KEY_COUNT + 1).into_bytes();
        for value in &values {
            all.extend_from_slice(&bulk(value));
        }
        all.extend_from_slice(b"$-1\r\n");
        let wanted = || keys.iter().map(String::as_str).chain(["absent"]);
        for client in &mut clients {
            assert_eq!(text(&client.command(&with("MGET", wanted()))), text(&all));
            assert_eq!(client.command(&with("EXISTS", wanted())), integer(KEY_COUNT as i64));
            assert_eq!(client.command(&with("TOUCH", wanted())), integer(KEY_COUNT as i64));
        }
    }

    // Half of each writer's keys go again, through another node than they came by.
    for writer in 0..7 {
        let command = if writer % 2 == 0 { "DEL" } else { "UNLINK" };
        let keys: Vec<String> = (0..KEY_COUNT / 2).map(|number| format!("{writer}:{number}")).collect();
        let client = &mut clients[(writer + 3) % 7];
        let gone = client.command(&with(command, keys.iter().map(String::as_str).chain(["absent"])));
        assert_eq!(gone, integer(KEY_COUNT as i64 / 2), "{command}");
        let left = clients[(writer + 5) % 7].command(&with("EXISTS", keys.iter().map(String::as_str)));
        assert_eq!(left, integer(0));
    }

    let left: Vec<String> = (0..7)
        .flat_map(|writer| (KEY_COUNT / 2..KEY_COUNT).map(move |number| format!("{writer}:{number}")))
        .collect();
    for (key, state) in converged(&cluster, left.iter().map(String::as_str)) {
        let (writer, number) = key.split_once(':').unwrap();
        let value = format!("value {writer} {number}");
        assert_eq!(state.unwrap().value, [bulk(value).escape_ascii().to_string()], "{key}");
    }
    for (node, tokens) in TOKENS.iter().enumerate() {
        let held = keys(&mut cluster.nodes()[node].redis.client()).into_iter();
        // Beside the clients' keys there are the node's own.
        let held: HashSet<String> = held.filter(|key| !key.starts_with("dynomite:{")).collect();
        let owned: HashSet<String> = left.iter().filter(|key| owns(tokens, slot(key))).cloned().collect();
        assert_eq!(held, owned, "the keys of {}", cluster.nodes()[node].name());
        assert!(!owned.is_empty());
    }
}

/// A key that is named twice counts as Redis counts it; the last value of MSET wins.
#[test]
fn keys_that_are_named_twice_count_twice() {
    let cluster = uneven("DC_ONE");
    let mut client = cluster.client(1);
    assert_eq!(client.command(&["MSET", "a", "1", "b", "2", "a", "3"]), OK);
    assert_eq!(client.command(&["MGET", "a", "b", "a"]), b"*3\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n3\r\n");
    assert_eq!(client.command(&["EXISTS", "a", "a", "b"]), integer(3));
    assert_eq!(client.command(&["DEL", "a", "a", "b"]), integer(2));
}

/// Where one Redis has all keys, a command of several keys reaches it whole, or in a few pieces.
#[test]
fn keys_of_one_datastore_stay_together() {
    let cluster = Cluster::builder(BINARY).rack("dc1", "rack1", 1).start();
    let mut client = cluster.client(0);
    for (count, calls) in [(2, 1), (32, 1), (33, 2), (100, 4)] {
        let names: Vec<String> = (0..count).map(|n| format!("key:{n}")).collect();
        let keys: Vec<&str> = names.iter().map(String::as_str).collect();
        let pairs: Vec<&str> = keys.iter().flat_map(|key| [*key, *key]).collect();
        let mut redis = cluster.nodes()[0].redis.client();
        redis.command(&["CONFIG", "RESETSTAT"]);
        assert_eq!(client.command(&[&["MSET"], &pairs[..]].concat()), OK);
        let values: Vec<u8> = keys.iter().flat_map(bulk).collect();
        let expected = [format!("*{count}\r\n").as_bytes(), &values].concat();
        assert_eq!(client.command(&[&["MGET"], &keys[..]].concat()), expected);
        assert_eq!(client.command(&[&["EXISTS"], &keys[..]].concat()), integer(count));
        assert_eq!(client.command(&[&["UNLINK"], &keys[..]].concat()), integer(count));
        let stats = String::from_utf8(redis.command(&["INFO", "commandstats"])).expect("INFO is text");
        for name in ["mset", "mget", "exists", "unlink"] {
            let line = format!("cmdstat_{name}:calls={calls},");
            assert!(stats.contains(&line), "{count} keys, {line}: {stats}");
        }
    }
}

/// Slots in which each node's last token lies, rack by rack: 1, 2 and 4 nodes.
const TOKENS: [&[(u32, u32)]; 7] = [
    &[(0, 16_383)],
    &[(0, 8_000)],
    &[(8_001, 16_383)],
    &[(0, 3_000)],
    &[(3_001, 9_000)],
    &[(9_001, 9_500), (15_001, 16_383)],
    &[(9_501, 15_000)],
];

fn uneven(level: &str) -> Cluster {
    let mut builder = at_level(Cluster::builder(BINARY), level);
    for (node, ranges) in TOKENS.iter().enumerate() {
        let rack = ["rack1", "rack2", "rack2", "rack3", "rack3", "rack3", "rack3"][node];
        let tokens: Vec<u32> = ranges.iter().map(|(_, last)| last * SLOT_STEP).collect();
        builder = builder.node("dc1", rack, Some(&tokens));
    }
    builder.start()
}

fn owns(ranges: &[(u32, u32)], slot: u32) -> bool {
    ranges.iter().any(|(first, last)| (*first..=*last).contains(&slot))
}

/// CRC-16/XMODEM modulo 16384, as the Redis Cluster specification has it.
fn slot(key: &str) -> u32 {
    let mut crc = 0u16;
    for byte in key.bytes() {
        crc ^= u16::from(byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
        }
    }
    u32::from(crc) % 16_384
}

fn with<'a>(command: &'a str, args: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    std::iter::once(command).chain(args).collect()
}

//! Bytes that no client should send: answered as Redis answers them, and nobody else notices.

use std::thread;
use std::time::Duration;

use dynomite_testkit::{Cluster, RawClient, Redis, request};

use crate::shapes::{PONG, at_level, bulk, single, text, three_racks};

/// Follows each input on the same connection; its reply shows that the connection was kept.
const SENTINEL: &str = "is-still-open";
const LARGE: usize = 60_000;

#[test]
fn bad_input_is_answered_as_redis_answers_it() {
    compare(&single().start());
}

#[test]
fn bad_input_is_answered_as_redis_answers_it_in_a_cluster() {
    compare(&at_level(three_racks(1), "DC_QUORUM").set("workers=2").start());
}

/// Seeded, so that what fails once fails again.
#[test]
fn garbled_requests_do_no_harm() {
    let cluster = at_level(three_racks(1), "DC_ONE").start();
    let mut observer = cluster.client(0);
    observer.command(&["SET", "observed", "v"]);
    let valid = [
        request(&["SET", "k", "value"]),
        request(&["MSET", "a", "1", "b", "2"]),
        request(&["HSET", "h", "f", "v"]),
        b"PING inline\r\n".to_vec(),
    ]
    .concat();
    let mut random = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = |bound: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % bound as u64) as usize
    };
    for _ in 0..300 {
        let mut bytes = valid.clone();
        for _ in 0..=next(4) {
            let at = next(bytes.len());
            match next(3) {
                0 => bytes[at] = next(256) as u8,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b"*$\r\n-0193:\"\x00\xff"[next(13)]),
            }
        }
        let mut client = cluster.client(next(3));
        // It may be closed in the middle.
        let _ = client.try_send(&bytes);
        let _ = client.is_silent_for(Duration::from_millis(1));
        assert_eq!(text(&observer.command(&["GET", "observed"])), text(&bulk("v")));
    }
    for node in 0..3 {
        assert_eq!(cluster.client(node).command(&["PING"]), PONG);
        assert!(!cluster.nodes()[node].server.log().contains("panic"));
    }
}

/// Redis takes two thousand times as many; here there is a limit with a name.
#[test]
fn more_arguments_than_the_limit_are_refused() {
    let cluster = single().start();
    let mut client = cluster.client(0);
    client.send(b"*1048577\r\n");
    assert_eq!(text(&client.reply()), "-ERR Protocol error: invalid multibulk length\\r\\n");
    assert_eq!(client.read_to_end(), b"");
}

fn compare(cluster: &Cluster) {
    // As many databases as a node has.
    let redis = Redis::builder().arg("--databases").arg("1").start();
    let mut observer = cluster.client(0);
    for client in [&mut observer, &mut redis.client()] {
        assert_eq!(client.command(&["SET", "text", "abc"]), b"+OK\r\n");
        assert_eq!(client.command(&["RPUSH", "list", "a"]), b":1\r\n");
    }
    let mut differences = Vec::new();
    for input in inputs() {
        let theirs = outcome(RawClient::connect(redis.address()), &input);
        let ours = outcome(cluster.client(0), &input);
        if ours != theirs {
            differences.push(format!("{}\n   ours: {ours}\n  Redis: {theirs}", text(&input)));
        }
        assert_eq!(text(&observer.command(&["GET", "text"])), text(&bulk("abc")), "after {}", text(&input));
    }
    assert!(differences.is_empty(), "{} inputs:\n{}", differences.len(), differences.join("\n"));
    assert_eq!(cluster.client(0).command(&["PING"]), PONG);
    assert!(!cluster.nodes()[0].server.log().contains("panic"));
}

/// All that is answered, and whether the connection was kept.
fn outcome(client: RawClient, input: &[u8]) -> String {
    let mut client = client.with_deadline(Duration::from_secs(5));
    let mut sent = client.try_send(input);
    if input.len() > LARGE {
        // A line that does not end must not be ended by what follows.
        thread::sleep(Duration::from_millis(50));
    }
    sent = sent.and_then(|()| client.try_send(&request(&["ECHO", SENTINEL])));
    let mut answers = Vec::new();
    loop {
        match client.try_reply() {
            Ok(reply) if reply == bulk(SENTINEL) => {
                answers.push("kept".to_owned());
                break;
            }
            Ok(reply) => answers.push(text(&reply)),
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                answers.push(format!("silence (sent: {sent:?})"));
                break;
            }
            Err(_) => {
                answers.push("closed".to_owned());
                break;
            }
        }
    }
    answers.join(" ")
}

fn inputs() -> Vec<Vec<u8>> {
    let mut inputs: Vec<Vec<u8>> = [
        // Frames.
        &b"*x\r\n"[..],
        b"*-1\r\n",
        b"*-5\r\n",
        b"*0\r\n",
        b"*2147483648\r\n",
        b"*99999999999999999999\r\n",
        b"* 1\r\n$4\r\nPING\r\n",
        b"*+1\r\n$4\r\nPING\r\n",
        b"*1\r\n$-1\r\n",
        b"*1\r\n$x\r\n",
        b"*1\r\n$999999999999\r\n",
        b"*1\r\n$99999999999999999999\r\n",
        b"*1\r\nPING\r\n",
        b"*1\r\n:4\r\n",
        b"*2\r\n$3\r\nGET\r\n*1\r\n$1\r\nk\r\n",
        b"*2\r\n$3\r\nGET\r\n:1\r\n",
        b"*1\r\n\r\n",
        b"*1\r\n$0\r\n\r\n",
        // Inline commands.
        b"\r\n",
        b"\n",
        b"PING\n",
        b"  PING  \r\n",
        b"SET k \"unbalanced\r\n",
        b"SET k 'unbalanced\r\n",
        b"ECHO \"a\"b\r\n",
        b"ECHO \"\\x41\\n\\\"\"\r\n",
        b"ECHO ''\r\n",
        b"GET\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\n\r\n",
    ]
    .into_iter()
    .map(<[u8]>::to_vec)
    .collect();

    // Commands that are none, or have other arguments.
    let commands: &[&[&str]] = &[
        &["NOSUCH"],
        &["NOSUCH", "a", "b\r\nc", ""],
        &[""],
        &["", "a"],
        &["GET"],
        &["GET", "a", "b"],
        &["SET", "k"],
        &["MSET", "a"],
        &["MSET", "a", "1", "b"],
        &["HSET", "h", "f"],
        &["DEL"],
        &["MGET"],
        &["EXISTS"],
        &["ECHO"],
        &["PING", "a", "b"],
        &["SELECT"],
        &["SELECT", "0"],
        &["SELECT", "1"],
        &["SELECT", "x"],
        &["HELLO", "9"],
        &["HELLO", "x"],
        &["AUTH", "secret"],
        &["CLIENT", "NOSUCH"],
        &["CLIENT"],
        &["OBJECT", "ENCODING"],
        &["SET", "k", "v", "NX", "XX"],
        &["SET", "k", "v", "EX", "0"],
        &["SET", "k", "v", "EX", "x"],
        &["SET", "k", "v", "EX"],
        &["SET", "k", "v", "EX", "9223372036854775807"],
        &["SETEX", "k", "-1", "v"],
        &["EXPIRE", "text", "x"],
        &["EXPIRE", "text", "9223372036854775807"],
        &["INCR", "text"],
        &["INCRBY", "k", "x"],
        &["INCRBYFLOAT", "text", "1"],
        &["LPUSH", "text", "a"],
        &["GET", "list"],
        &["HGET", "list", "f"],
        &["LSET", "list", "9", "a"],
        &["LSET", "absent", "0", "a"],
        &["ZADD", "z", "x", "m"],
        &["GETRANGE", "text", "a", "b"],
        &["SETRANGE", "text", "-1", "a"],
        // Keys and values of any bytes.
        &["SET", "", "empty key"],
        &["GET", ""],
        &["SET", "nul\0key", "nul\0value"],
        &["GET", "nul\0key"],
        &["SET", "line\r\nkey", "line\r\nvalue\r\n"],
        &["GET", "line\r\nkey"],
        &["DEL", "", "nul\0key", "line\r\nkey"],
        &["QUIT"],
    ];
    inputs.extend(commands.iter().map(|args| request(args)));

    // Large ones.
    inputs.push(b"*1\r\n".repeat(10_000));
    inputs.push(vec![b'a'; 70_000]);
    inputs.push([b"*".as_slice(), &[b'1'; 70_000]].concat());
    inputs.push([b"*1\r\n$".as_slice(), &[b'1'; 70_000]].concat());
    inputs.push(request(&[vec![b'n'; 300_000]]));
    inputs.push(request(&["GET".as_bytes(), &vec![b'k'; 300_000]]));
    inputs.push(request(&vec!["NOSUCH"; 20_000]));
    inputs.push(request(&vec!["GET"; 20_000]));
    inputs
}

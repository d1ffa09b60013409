//! One node over the memory store, as its clients see it.

use std::time::Duration;

use crate::support::{Running, single};
use dynomite_node::config::ByteSize;
use dynomite_testkit::{RawClient, eventually};

fn encoded(args: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        bytes.extend_from_slice(format!("${}\r\n{arg}\r\n", arg.len()).as_bytes());
    }
    bytes
}

#[test]
fn pipelines_are_answered_in_order_with_any_number_of_workers() {
    for workers in [1, 3] {
        let node = Running::start(single(workers));
        let mut client = node.client();
        let mut script = Vec::new();
        let mut expected: Vec<Vec<u8>> = Vec::new();
        for at in 0..2_000 {
            let (key, value) = (format!("k{}", at % 300), at.to_string());
            script.extend(encoded(&["SET", &key, &value]));
            script.extend(encoded(&["GET", &key]));
            script.extend(encoded(&["MGET", &key, "missing", &key]));
            script.extend(encoded(&["PING", &value]));
            let bulk = format!("${}\r\n{value}\r\n", value.len());
            expected.push(b"+OK\r\n".to_vec());
            expected.push(bulk.clone().into_bytes());
            expected.push(format!("*3\r\n{bulk}$-1\r\n{bulk}").into_bytes());
            expected.push(bulk.into_bytes());
        }
        assert_eq!(client.exchange(&script, expected.len()), expected);
    }
}

#[test]
fn a_script_split_at_any_byte_gives_the_same_replies() {
    let node = Running::start(single(2));
    let mut script = encoded(&["SET", "a", "x\r\ny"]);
    script.extend(b"GET a\r\n");
    script.extend(encoded(&["DEL", "a", "b"]));
    script.extend(encoded(&["NOSUCH", "x"]));
    script.extend(encoded(&["GET"]));
    script.extend(encoded(&["GET", "a"]));
    let mut client = node.client();
    let whole = client.exchange(&script, 6);
    assert_eq!(whole[1], b"$4\r\nx\r\ny\r\n");
    assert_eq!(whole[3], b"-ERR unknown command 'NOSUCH', with args beginning with: 'x' \r\n");
    for cut in 1..script.len() {
        client.send(&script[..cut]);
        std::thread::yield_now();
        client.send(&script[cut..]);
        assert_eq!(client.replies(6), whole, "cut at {cut}");
    }
}

#[test]
fn a_protocol_error_is_said_after_earlier_replies_and_closes() {
    let node = Running::start(single(2));
    let mut client = node.client();
    client.send(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n!bad\r\nPING\r\n");
    assert_eq!(client.read_to_end(), b"$-1\r\n-ERR Protocol error: expected '$', got '!'\r\n");
}

#[test]
fn quit_answers_what_came_before_it_and_nothing_after() {
    let node = Running::start(single(1));
    let mut client = node.client();
    client.send(b"SET a 1\r\nQUIT\r\nGET a\r\n");
    assert_eq!(client.read_to_end(), b"+OK\r\n+OK\r\n");
}

#[test]
fn a_client_that_stops_sending_gets_all_its_replies() {
    let node = Running::start(single(2));
    let mut client = node.client();
    client.send(b"SET a 1\r\nINCR a\r\nGET a\r\nGET");
    client.finish_sending();
    assert_eq!(client.read_to_end(), b"+OK\r\n:2\r\n$1\r\n2\r\n");
}

#[test]
fn a_hundred_thousand_requests_are_answered_though_the_client_reads_only_afterwards() {
    let node = Running::start(single(2));
    let mut client = node.client().with_deadline(Duration::from_secs(15));
    let script: Vec<u8> =
        (0..100_000).flat_map(|at| format!("SET k{} {at}\r\n", at % 1_000).into_bytes()).collect();
    client.send(&script);
    let replies = client.replies(100_000);
    assert!(replies.iter().all(|reply| reply == b"+OK\r\n"));
}

#[test]
fn a_client_that_never_reads_is_held_back_and_then_closed_while_others_are_served() {
    let mut config = single(1);
    config.limits.client_output_max = ByteSize::kib(64);
    config.timeouts.client_stall = Duration::from_millis(300);
    let node = Running::start(config);
    let mut other = node.client();
    let value = "v".repeat(10_000);
    assert_eq!(other.command(&["SET", "big", &value]), b"+OK\r\n");
    let mut lazy = node.client().with_deadline(Duration::from_millis(500));
    let script = encoded(&["GET", "big"]).repeat(20_000);
    // The node stops reading, so not all of it can be sent; 200 MB of replies would be.
    let _ = lazy.try_send(&script);
    for _ in 0..100 {
        assert_eq!(other.command(&["PING"]), b"+PONG\r\n");
    }
    eventually(Duration::from_secs(5), "the client that never reads to be closed", || {
        String::from_utf8(other.command(&["INFO", "stats"])).unwrap().contains("stalled_connections:1\r\n")
    });
    let clients = String::from_utf8(other.command(&["INFO", "clients"])).unwrap();
    assert!(clients.contains("connected_clients:1\r\n"), "{clients}");
}

#[test]
fn a_slow_reader_gets_everything_with_bounded_buffers() {
    let mut config = single(2);
    config.limits.client_output_max = ByteSize::kib(256);
    let node = Running::start(config);
    let mut client = node.client();
    let value = "v".repeat(10_000);
    assert_eq!(client.command(&["SET", "big", &value]), b"+OK\r\n");
    let replies = client.exchange(&encoded(&["GET", "big"]).repeat(3_000), 3_000);
    assert!(replies.iter().all(|reply| reply.len() == 10_010));
}

#[test]
fn large_values_and_many_keys_pass() {
    let node = Running::start(single(2));
    let mut client = node.client();
    let value = "x".repeat(20 << 20);
    assert_eq!(client.exchange(&encoded(&["SET", "large", &value]), 1), [b"+OK\r\n"]);
    assert_eq!(client.command(&["STRLEN", "large"]), b":20971520\r\n");
    assert_eq!(client.command(&["GET", "large"]).len(), (20 << 20) + 13);
    let keys: Vec<String> = (0..20_000).map(|at| format!("key:{at}")).collect();
    let mut mset = vec!["MSET"];
    keys.iter().for_each(|key| mset.extend([key.as_str(), key.as_str()]));
    assert_eq!(client.exchange(&encoded(&mset), 1), [b"+OK\r\n"]);
    let mut del = vec!["DEL"];
    del.extend(keys.iter().map(String::as_str));
    assert_eq!(client.exchange(&encoded(&del), 1), [b":20000\r\n"]);
}

#[test]
fn an_mget_whose_reply_would_be_over_the_limit_is_refused_and_the_connection_lives() {
    let mut config = single(1);
    config.limits.client_output_max = ByteSize::kib(64);
    let node = Running::start(config);
    let mut client = node.client();
    assert_eq!(client.command(&["SET", "big", &"v".repeat(10_000)]), b"+OK\r\n");
    let mut mget = vec!["MGET"];
    mget.resize(5_001, "big");
    let reply = String::from_utf8(client.command(&mget)).unwrap();
    assert!(
        reply.starts_with("-ERR Dynomite: the reply would be over limits.client_output_max"),
        "{reply:.100}"
    );
    assert_eq!(client.command(&["PING"]), b"+PONG\r\n");
}

#[test]
fn too_many_clients_are_told_so() {
    let mut config = single(2);
    config.limits.clients_max = 3;
    let node = Running::start(config);
    let mut clients: Vec<RawClient> = (0..3).map(|_| node.client()).collect();
    for client in &mut clients {
        assert_eq!(client.command(&["PING"]), b"+PONG\r\n");
    }
    assert_eq!(node.client().read_to_end(), b"-ERR max number of clients reached\r\n");
    drop(clients.pop());
    eventually(Duration::from_secs(5), "a place for a client", || {
        node.client().try_command(&["PING"]).is_ok_and(|reply| reply == b"+PONG\r\n")
    });
}

#[test]
fn a_stopped_node_answers_what_it_has_taken_and_frees_its_port() {
    let node = Running::start(single(2));
    let address = node.address();
    let mut client = node.client();
    client.send(&encoded(&["INCR", "n"]).repeat(5_000));
    assert_eq!(client.reply(), b":1\r\n");
    node.stop();
    let rest = String::from_utf8(client.read_to_end()).unwrap();
    let numbers: Vec<u32> = rest.lines().map(|line| line[1..].parse().unwrap()).collect();
    assert!(numbers.iter().copied().eq(2..2 + numbers.len() as u32), "replies end between two commands");
    assert!(RawClient::try_connect(address).is_err());
}

#[test]
fn an_address_in_use_is_an_error_that_names_it() {
    let node = Running::start(single(2));
    let mut config = single(2);
    config.listen = node.address();
    let error = crate::support::try_start(config).err().unwrap().to_string();
    assert!(error.contains(&node.address().to_string()) && error.contains("listen"), "{error}");
}

#[test]
fn when_all_buffers_are_full_large_users_wait_and_small_ones_are_served() {
    let mut config = single(2);
    config.limits.client_output_max = ByteSize::mib(4);
    config.limits.buffers_max = ByteSize::mib(8);
    let node = Running::start(config);
    let mut other = node.client();
    assert_eq!(other.command(&["SET", "big", &"v".repeat(100_000)]), b"+OK\r\n");
    let script = encoded(&["GET", "big"]).repeat(200);
    // 20 MB of replies each, of which the node would hold 4 MB for each without the common limit.
    let mut greedy: Vec<RawClient> =
        (0..16).map(|_| node.client().with_deadline(Duration::from_secs(20))).collect();
    for client in &mut greedy {
        assert_eq!(client.command(&["GET", "big"]).len(), 100_011);
    }
    for client in &mut greedy {
        client.send(&script);
        assert_eq!(other.command(&["PING"]), b"+PONG\r\n");
    }
    let mut most = 0;
    for _ in 0..50 {
        let info = String::from_utf8(other.command(&["INFO", "clients"])).unwrap();
        let held = info.lines().find_map(|line| line.strip_prefix("client_buffers_bytes:")).unwrap();
        most = most.max(held.parse::<usize>().unwrap());
        std::thread::sleep(Duration::from_millis(2));
    }
    // Without it, all 16 hold their 4 MB.
    assert!((4 << 20..44 << 20).contains(&most), "{most}");
    for client in &mut greedy {
        assert!(client.replies(200).iter().all(|reply| reply.len() == 100_011));
    }
}

#[test]
fn a_stated_length_costs_no_memory_before_its_bytes_come() {
    let node = Running::start(single(1));
    let buffered = || {
        let info = String::from_utf8(node.client().command(&["INFO", "clients"])).expect("text");
        let line = info.lines().find_map(|line| line.strip_prefix("client_buffers_bytes:")).expect("a line");
        line.parse::<usize>().expect("a number")
    };
    let mut client = node.client();
    client.send(format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n", 64 << 20).as_bytes());
    client.send(&[b'x'; 200_000]);
    eventually(Duration::from_secs(5), "what came is buffered", || buffered() >= 200_000);
    // A second read is what reserves for the rest.
    client.send(&[b'x'; 100_000]);
    eventually(Duration::from_secs(5), "that too", || buffered() >= 300_000);
    assert!(buffered() < 2 << 20, "{}", buffered());
}

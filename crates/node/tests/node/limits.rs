//! What a node does at the limits that its configuration names.

use std::time::Duration;

use dynomite_node::config::{ByteSize, Level};
use dynomite_testkit::{eventually, request};

use crate::support::{Running, racks, single, wait_linked};

#[test]
fn commands_over_a_limit_of_size_are_refused_in_redis_words() {
    let mut config = single(1);
    config.limits.bulk_max = ByteSize::kib(1);
    config.limits.request_max = ByteSize::kib(2);
    config.limits.inline_max = ByteSize::new(64);
    config.limits.args_max = 4;
    let node = Running::start(config);
    let kib = "v".repeat(1024);
    assert_eq!(node.client().command(&["MSET", "k", &kib]), b"+OK\r\n", "at the limit");
    let refused = |bytes: &[u8], error: &str| {
        let mut client = node.client();
        client.send(bytes);
        let reply = String::from_utf8(client.read_to_end()).unwrap();
        assert_eq!(reply, format!("-ERR Protocol error: {error}\r\n"));
    };
    refused(&request(&["SET", "k", &format!("{kib}v")]), "invalid bulk length");
    refused(&request(&["MGET", "a", "b", "c", "d"]), "invalid multibulk length");
    refused(&request(&["MGET", "a", &kib, &kib]), "too big request");
    refused(&[b'a'; 65], "too big inline request");
}

#[test]
fn commands_for_which_there_is_no_operation_wait_and_are_not_refused() {
    for workers in [1, 3] {
        let mut config = single(workers);
        config.limits.operations_max = 4;
        let node = Running::start(config);
        let mut clients = [node.client(), node.client(), node.client()];
        for client in &mut clients {
            let script: Vec<u8> =
                (0..500).flat_map(|at| request(&["SETNX", &format!("k{at}"), "v"])).collect();
            client.send(&script);
        }
        let replies: Vec<Vec<u8>> = clients.iter_mut().flat_map(|client| client.replies(500)).collect();
        assert!(replies.iter().all(|reply| reply == b":0\r\n" || reply == b":1\r\n"), "{workers} workers");
        assert_eq!(replies.iter().filter(|reply| *reply == b":1\r\n").count(), 500);
    }
}

#[test]
fn a_full_lane_refuses_what_was_not_run_and_goes_on() {
    let mut config = single(1);
    config.limits.lane_window = 4;
    let node = Running::start(config);
    let mut client = node.client();
    let replies = client.exchange(&request(&["INCR", "n"]).repeat(20), 20);
    let refused = b"-ERR Dynomite: node1 in rack1: overloaded; not run\r\n";
    let run = replies.iter().filter(|reply| *reply != refused).count();
    assert!((4..20).contains(&run), "{run}");
    assert_eq!(client.command(&["INCR", "n"]), format!(":{}\r\n", run + 1).as_bytes());
}

#[test]
fn a_full_link_counts_as_a_replica_that_was_not_reached() {
    let (mut configs, _leases) = racks(2, 1, Level::DcQuorum);
    configs[0].limits.link_window = 2;
    let nodes: Vec<Running> = configs.into_iter().map(Running::start).collect();
    wait_linked(&nodes);
    let mut client = nodes[0].client();
    let script: Vec<u8> = (0..20).flat_map(|at| request(&["SET", &format!("k{at}"), "v"])).collect();
    let replies = client.exchange(&script, 20);
    let refused = replies.iter().filter(|reply| *reply != b"+OK\r\n").collect::<Vec<_>>();
    assert!((1..=18).contains(&refused.len()), "{}", refused.len());
    for reply in refused {
        let reply = String::from_utf8_lossy(reply);
        assert!(reply.starts_with("-ERR Dynomite: ") && reply.contains("rack1"), "{reply}");
        assert!(reply.contains("overloaded"), "{reply}");
    }
    eventually(Duration::from_secs(5), "room on the link", || {
        client.command(&["SET", "k", "v"]) == b"+OK\r\n"
    });
}

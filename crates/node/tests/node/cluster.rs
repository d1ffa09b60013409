//! Several nodes in one process, over real sockets.

use std::time::Duration;

use crate::support::{Running, racks, wait_linked};
use dynomite_node::config::{Level, Workers};
use dynomite_testkit::{RawClient, eventually};

fn start(count: usize, workers: u16, level: Level) -> Vec<Running> {
    let (configs, _leases) = racks(count, workers, level);
    let nodes: Vec<Running> = configs.into_iter().map(Running::start).collect();
    wait_linked(&nodes);
    nodes
}

#[test]
fn what_one_node_wrote_another_reads_at_quorum() {
    for workers in [1, 2] {
        let nodes = start(3, workers, Level::DcQuorum);
        let mut writer = nodes[0].client();
        let mut reader = nodes[2].client();
        for at in 0..200 {
            let (key, value) = (format!("key:{at}"), at.to_string());
            assert_eq!(writer.command(&["SET", &key, &value]), b"+OK\r\n");
            assert_eq!(reader.command(&["GET", &key]), format!("${}\r\n{value}\r\n", value.len()).as_bytes());
            assert_eq!(writer.command(&["INCR", "counter"]), format!(":{}\r\n", 2 * at + 1).as_bytes());
            assert_eq!(reader.command(&["INCR", "counter"]), format!(":{}\r\n", 2 * at + 2).as_bytes());
        }
    }
}

#[test]
fn nodes_with_different_numbers_of_workers_understand_each_other() {
    let (mut configs, _leases) = racks(3, 1, Level::DcQuorum);
    configs[1].workers = Workers::Count(3);
    configs[2].workers = Workers::Count(2);
    let nodes: Vec<Running> = configs.into_iter().map(Running::start).collect();
    wait_linked(&nodes);
    let mut clients: Vec<RawClient> = nodes.iter().map(Running::client).collect();
    for at in 0..300 {
        let key = format!("k{}", at % 50);
        let reply = clients[at % 3].command(&["INCR", &key]);
        assert_eq!(reply, format!(":{}\r\n", at / 50 + 1).as_bytes(), "{key}");
    }
}

#[test]
fn commands_of_one_connection_take_effect_in_their_order() {
    let nodes = start(3, 2, Level::DcOne);
    let mut client = nodes[1].client();
    let mut script = Vec::new();
    let mut expected = Vec::new();
    for at in 0..500 {
        let key = format!("k{}", at % 7);
        script.extend_from_slice(
            format!("SET {key} {at}\r\nINCR {key}\r\nGET {key}\r\nAPPEND {key} x\r\n").as_bytes(),
        );
        script.extend_from_slice(format!("GET {key}\r\nDEL {key}\r\nGET {key}\r\n").as_bytes());
        let value = (at + 1).to_string();
        expected.push("+OK\r\n".to_owned());
        expected.push(format!(":{value}\r\n"));
        expected.push(format!("${}\r\n{value}\r\n", value.len()));
        expected.push(format!(":{}\r\n", value.len() + 1));
        expected.push(format!("${}\r\n{value}x\r\n", value.len() + 1));
        expected.push(":1\r\n".to_owned());
        expected.push("$-1\r\n".to_owned());
    }
    let replies = client.exchange(&script, expected.len());
    for (at, (reply, expected)) in replies.iter().zip(&expected).enumerate() {
        assert_eq!(std::str::from_utf8(reply).unwrap(), expected, "reply {at}");
    }
}

#[test]
fn large_values_are_replicated_beside_small_ones() {
    let nodes = start(3, 2, Level::DcQuorum);
    let mut large = nodes[0].client().with_deadline(Duration::from_secs(20));
    let mut small = nodes[0].client();
    let value = "v".repeat(8 << 20);
    large.send(format!("*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n${}\r\n{value}\r\n", value.len()).as_bytes());
    for at in 0..200 {
        assert_eq!(small.command(&["SET", "small", &at.to_string()]), b"+OK\r\n");
    }
    assert_eq!(large.reply(), b"+OK\r\n");
    let mut reader = nodes[2].client();
    assert_eq!(reader.command(&["STRLEN", "large"]), b":8388608\r\n");
    assert_eq!(reader.command(&["GET", "large"]).len(), (8 << 20) + 12);
}

#[test]
fn a_killed_rack_is_noticed_and_taken_back() {
    let (configs, _leases) = racks(3, 2, Level::DcQuorum);
    let mut nodes: Vec<Running> = configs.iter().cloned().map(Running::start).collect();
    wait_linked(&nodes);
    let mut client = nodes[0].client();
    assert_eq!(client.command(&["SET", "a", "1"]), b"+OK\r\n");
    nodes.remove(2).kill();
    eventually(Duration::from_secs(5), "the loss to be noticed", || peers_up(&mut client) == 1);
    assert_eq!(client.command(&["SET", "a", "2"]), b"+OK\r\n");
    assert_eq!(client.command(&["GET", "a"]), b"$1\r\n2\r\n");
    nodes.push(Running::start(configs[2].clone()));
    wait_linked(&nodes);
    assert_eq!(client.command(&["SET", "a", "3"]), b"+OK\r\n");
}

#[test]
fn a_node_that_stops_takes_leave_and_no_request_fails() {
    let mut nodes = start(3, 2, Level::DcQuorum);
    let mut client = nodes[0].client();
    let stopping = nodes.remove(2);
    let stopper = std::thread::spawn(move || stopping.stop());
    for at in 0..400 {
        assert_eq!(client.command(&["SET", &format!("k{at}"), "v"]), b"+OK\r\n", "{at}");
    }
    stopper.join().unwrap();
    eventually(Duration::from_secs(5), "the leave to be noticed", || peers_up(&mut client) == 1);
}

fn peers_up(client: &mut RawClient) -> usize {
    let info = String::from_utf8(client.command(&["INFO", "dynomite"])).unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix("peers_up:"));
    line.unwrap().parse().unwrap()
}

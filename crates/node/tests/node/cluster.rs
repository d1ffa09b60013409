//! Several nodes in one process, over real sockets.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::{Running, racks, single, wait_linked};
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

#[test]
fn every_line_of_info_is_described_and_nothing_else() {
    const PAGE: &str = include_str!("../../../../docs/operations.md");
    let nodes = start(2, 2, Level::DcQuorum);
    let info = String::from_utf8(nodes[0].client().command(&["INFO"])).unwrap();
    let shown: BTreeSet<&str> = info.lines().filter_map(|line| Some(line.split_once(':')?.0)).collect();
    assert!(shown.contains("hints_for_node0") && shown.contains("hints_for_node1"), "{info}");
    let shown: BTreeSet<&str> = shown
        .into_iter()
        .map(|name| if name.starts_with("hints_for_") { "hints_for_<node>" } else { name })
        .collect();
    let section = PAGE.split("\n## ").find(|section| section.starts_with("INFO\n")).unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let described: BTreeSet<&str> = rows
        .flat_map(|cell| cell.trim_end_matches('`').split("`, `"))
        .filter(|name| *name != "hints_for_datacenter_<name>")
        .collect();
    let missing: Vec<_> = shown.difference(&described).collect();
    let superfluous: Vec<_> = described.difference(&shown).collect();
    assert!(missing.is_empty() && superfluous.is_empty(), "missing {missing:?}, superfluous {superfluous:?}");
}

#[test]
fn a_repair_reaches_all_workers_and_adds_their_answers_up() {
    let nodes = start(3, 2, Level::DcQuorum);
    let mut client = nodes[1].client();
    let mut ask =
        |args: &[&str]| String::from_utf8(client.command(&[&["DYNOMITE", "REPAIR"], args].concat())).unwrap();
    assert!(ask(&["STATUS"]).contains("\"state\":\"none\""));
    assert!(ask(&["STOP"]).starts_with("-ERR no repair is running"));
    assert_eq!(ask(&["START", "PREVIEW"]), "+OK\r\n");
    assert!(ask(&["START"]).starts_with("-ERR a repair is running on this node already"));
    eventually(Duration::from_secs(30), "its end", || ask(&["STATUS"]).contains("\"state\":\"done\""));
    let status = ask(&["STATUS"]);
    // 4,096 buckets with each of two nodes.
    for part in [
        "\"buckets_done\":8192",
        "\"buckets_total\":8192",
        "\"workers_done\":2",
        "\"preview\":true",
        "\"repair\":1",
    ] {
        assert!(status.contains(part), "{part} in {status}");
    }
    for (args, wanted) in [
        (
            &["START", "BUCKETS", "5", "4"][..],
            "-ERR 5 to 4 is no range of buckets: the first and the last of 0 to 4095",
        ),
        (&["START", "BUCKETS", "0", "4096"], "-ERR 0 to 4096 is no range of buckets"),
        (&["START", "TOKENS", "1", "2"], "-ERR no key can have a token from 1 to 2"),
        (&["START", "BUCKETS", "1"], "-ERR syntax error: REPAIR START takes PREVIEW"),
        (&["START", "NONSENSE"], "-ERR syntax error"),
        (&["NONSENSE"], "-ERR 'NONSENSE' is none of START, STATUS, STOP"),
        (&["STATUS", "x"], "-ERR wrong number of arguments"),
    ] {
        let reply = ask(args);
        assert!(reply.starts_with(wanted), "{args:?}: {reply}");
    }
    let single = Running::start(single(1));
    let reply = String::from_utf8(single.client().command(&["DYNOMITE", "REPAIR", "START"])).unwrap();
    assert!(reply.starts_with("-ERR this cluster holds one copy of each key"), "{reply}");
}

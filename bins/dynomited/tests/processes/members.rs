//! Who is there and how: all nodes agree on it, notice within seconds who has gone, and route around a dead datastore.

use std::thread;
use std::time::{Duration, Instant};

use dynomite_testkit::{Cluster, RawClient, eventually};
use serde_json::Value;

use crate::repair::dynoctl;
use crate::shapes::{LONG, OK, SLACK, at_level, bulk, text, three_racks};

/// Within this everybody calls a dead node down.
const NOTICED: Duration = Duration::from_secs(8);
/// How long reads go on after a datastore was called down.
const AFTERMATH: Duration = Duration::from_secs(2);

/// What a node says of all members.
fn members(client: &mut RawClient) -> Value {
    let reply = client.command(&["DYNOMITE", "MEMBERS"]);
    let start = reply.iter().position(|byte| *byte == b'{').expect("an object");
    serde_json::from_slice(&reply[start..reply.len() - 2]).unwrap()
}

/// One field of each member, as a node says it, in the order of the racks.
fn field(cluster: &Cluster, node: usize, name: &str) -> Vec<Value> {
    let members = members(&mut cluster.client(node));
    members["members"].as_array().unwrap().iter().map(|member| member[name].clone()).collect()
}

/// What `at` says of `of`.
fn of(cluster: &Cluster, at: usize, of: usize, name: &str) -> Value {
    field(cluster, at, name)[of].clone()
}

#[track_caller]
fn all_agree(cluster: &Cluster, nodes: &[usize], name: &str, expected: &[&str]) {
    let what = format!("everybody says {name} is {expected:?}");
    eventually(LONG, &what, || nodes.iter().all(|node| field(cluster, *node, name) == expected));
}

/// Which node is called what by the others, in time.
#[track_caller]
fn noticed(cluster: &Cluster, observers: &[usize], node: usize, status: &str, since: Instant) {
    let what = format!("node {node} is called {status}");
    eventually(LONG, &what, || observers.iter().all(|at| of(cluster, *at, node, "status") == status));
    assert!(since.elapsed() < NOTICED + SLACK, "{what} after {:?}", since.elapsed());
}

fn start() -> Cluster {
    let cluster = three_racks(1).set("workers=2").start();
    all_agree(&cluster, &[0, 1, 2], "status", &["up"; 3]);
    cluster
}

#[test]
fn all_nodes_agree_on_who_is_there_and_how() {
    let cluster = start();
    let all = [0, 1, 2];
    all_agree(&cluster, &all, "name", &["node01", "node02", "node03"]);
    all_agree(&cluster, &all, "rack", &["rack1", "rack2", "rack3"]);
    all_agree(&cluster, &all, "state", &["normal"; 3]);
    all_agree(&cluster, &all, "datastore", &["up"; 3]);
    all_agree(&cluster, &all, "program_version", &[env!("CARGO_PKG_VERSION"); 3]);
    let addresses: Vec<String> =
        cluster.nodes().iter().map(|node| node.server.client_address().to_string()).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    all_agree(&cluster, &all, "client_address", &addresses);
    for name in ["ring_digest", "generation", "id", "peer_address"] {
        eventually(LONG, &format!("everybody tells the same {name}"), || {
            let [first, second, third] = all.map(|node| field(&cluster, node, name));
            first == second && second == third && first.iter().all(|value| !value.is_null())
        });
    }
    for number in 0..50 {
        assert_eq!(cluster.client(0).command(&["SET", &format!("key:{number}"), "v"]), OK);
    }
    eventually(LONG, "everybody knows how many keys each has", || {
        all.iter().all(|node| field(&cluster, *node, "keys") == [50, 50, 50])
    });
    eventually(LONG, "latencies are measured", || of(&cluster, 0, 1, "latency_us").as_u64() > Some(0));
    let traffic = &members(&mut cluster.client(0))["gossip"];
    assert!(traffic["messages_sent"].as_u64() > Some(0), "{traffic}");
    assert!(traffic["bytes_received"].as_u64() > Some(0), "{traffic}");
    let info = text_of_info(&cluster, 0);
    assert!(info.contains("members_up:3\r\n") && info.contains("members_down:0\r\n"), "{info}");
}

#[test]
fn killed_node_is_called_down_and_up_again() {
    let mut cluster = start();
    let generation = of(&cluster, 0, 2, "generation");
    let killed_at = Instant::now();
    cluster.nodes_mut()[2].server.kill();
    noticed(&cluster, &[0, 1], 2, "down", killed_at);
    let shown = dynoctl(&cluster, 0, &["status"]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("3 members, 1 down as node01 sees it"), "{shown}");
    cluster.nodes_mut()[2].server.restart();
    noticed(&cluster, &[0, 1], 2, "up", Instant::now());
    eventually(LONG, "its new run is known", || of(&cluster, 0, 2, "generation") != generation);
    all_agree(&cluster, &[0, 1, 2], "datastore", &["up"; 3]);
}

#[test]
fn frozen_node_is_called_down_and_up_again() {
    let mut cluster = start();
    let frozen_at = Instant::now();
    cluster.nodes_mut()[1].server.freeze();
    noticed(&cluster, &[0, 2], 1, "down", frozen_at);
    cluster.nodes_mut()[1].server.thaw();
    noticed(&cluster, &[0, 1, 2], 1, "up", Instant::now());
}

#[test]
fn dead_datastore_is_told_of_and_read_around() {
    let mut cluster = at_level(three_racks(1), "DC_ONE").set("workers=2").start();
    all_agree(&cluster, &[0, 1, 2], "datastore", &["up"; 3]);
    for number in 0..100 {
        assert_eq!(cluster.client(0).command(&["SET", &format!("key:{number}"), "v"]), OK);
    }
    cluster.nodes_mut()[2].redis.kill();
    all_agree(&cluster, &[0, 1, 2], "datastore", &["up", "up", "down"]);
    all_agree(&cluster, &[0, 1], "status", &["up"; 3]);
    let started_at = Instant::now();
    while started_at.elapsed() < AFTERMATH {
        for node in [0, 1, 2] {
            let mut client = cluster.client(node);
            for number in 0..100 {
                let reply = client.command(&["GET", &format!("key:{number}")]);
                assert_eq!(text(&reply), text(&bulk("v")), "read at node {node}");
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
    cluster.nodes_mut()[2].redis.restart();
    all_agree(&cluster, &[0, 1, 2], "datastore", &["up"; 3]);
}

#[test]
fn operators_see_the_same_at_every_node() {
    let cluster = start();
    all_agree(&cluster, &[0, 1, 2], "datastore", &["up"; 3]);
    for node in [0, 1, 2] {
        let shown = |command: &str| {
            let output = dynoctl(&cluster, node, &[command]).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let status = shown("status");
        assert_eq!(status.matches("  up      normal  up").count(), 3, "{status}");
        assert!(status.contains("3 members as node0"), "{status}");
        let describe = shown("describe");
        assert!(describe.contains("all nodes that tell theirs have the same ring"), "{describe}");
        assert!(describe.starts_with("cluster dynomite, asked at node0"), "{describe}");
        let gossip = shown("gossip");
        assert!(gossip.contains("verdicts") && gossip.matches("127.0.0.1").count() >= 3, "{gossip}");
    }
}

/// The number of a run does not depend on the clock alone when there is a data directory.
#[test]
fn generations_grow_with_each_start() {
    let mut cluster = three_racks(1).data_dirs().start();
    let run = |cluster: &Cluster| -> u64 {
        let path = cluster.nodes()[0].server.data_dir().join("run");
        std::fs::read_to_string(path).unwrap().trim().parse().unwrap()
    };
    let first = run(&cluster);
    eventually(LONG, "others know it", || of(&cluster, 1, 0, "generation") == first);
    cluster.nodes_mut()[0].server.kill();
    let path = cluster.nodes()[0].server.data_dir().join("run");
    std::fs::write(path, format!("{}\n", first + 1_000_000)).unwrap();
    cluster.nodes_mut()[0].server.restart();
    assert_eq!(run(&cluster), first + 1_000_001);
    eventually(LONG, "others know the later one", || {
        of(&cluster, 1, 0, "generation") == first + 1_000_001 && of(&cluster, 1, 0, "status") == "up"
    });
}

fn text_of_info(cluster: &Cluster, node: usize) -> String {
    String::from_utf8(cluster.client(node).command(&["INFO", "members"])).unwrap()
}

//! A cluster that grows and shrinks while clients work: what did not run because of it says so, nothing is lost, and in the end each
//! node holds its share and nothing else.

use std::time::{Duration, Instant};

use dynomite_testkit::{Cluster, RawClient, eventually};
use serde_json::Value;

use crate::load::{Load, Reads};
use crate::shapes::{OK, at_level, integer, three_racks};
use crate::stored::converged;

const KEYS: usize = 500;
/// One node comes or goes.
const CHANGED: Duration = Duration::from_secs(90);

fn fill(cluster: &Cluster) -> Vec<String> {
    let mut client = cluster.client(0);
    let mut keys = Vec::new();
    for number in 0..KEYS {
        let (string, counter) = (format!("string:{number}"), format!("counter:{number}"));
        assert_eq!(client.command(&["SET", &string, &format!("value {number}")]), OK);
        assert_eq!(client.command(&["INCRBY", &counter, "5"]), integer(5));
        keys.extend([string, counter]);
    }
    keys
}

fn topology(client: &mut RawClient) -> Value {
    let reply = client.command(&["DYNOMITE", "TOPOLOGY"]);
    let start = reply.iter().position(|byte| *byte == b'{').expect("an object");
    serde_json::from_slice(&reply[start..reply.len() - 2]).unwrap()
}

/// Waits until nothing is under way and the ring has so many nodes, as all nodes see it.
#[track_caller]
fn at_rest(cluster: &Cluster, node_count: usize) {
    eventually(CHANGED, &format!("a ring of {node_count} nodes at rest"), || {
        (0..cluster.nodes().len()).filter(|node| cluster.nodes()[*node].server.process_id().is_some()).all(
            |node| {
                let topology = topology(&mut cluster.client(node));
                topology["change"].is_null() && topology["nodes"].as_array().unwrap().len() == node_count
            },
        )
    });
}

fn commit(cluster: &Cluster, change: &[&str]) {
    let mut client = cluster.client(0);
    let epoch = topology(&mut client)["epoch"].to_string();
    let command = [&["DYNOMITE", "TOPOLOGY", "COMMIT", &epoch][..], change].concat();
    assert_eq!(client.command(&command), OK);
    eventually(CHANGED, "the change is decided", || {
        let last = topology(&mut client)["last"].as_str().unwrap_or_default().to_owned();
        assert!(!last.contains("refused"), "{last}");
        last.contains("decided")
    });
}

/// One more node of a rack, taken in by itself.
fn join(cluster: &mut Cluster, rack: &str) -> usize {
    let node = cluster.begin_join("dc1", rack);
    cluster.nodes_mut()[node].server.wait_ready();
    at_rest(cluster, cluster.nodes().len());
    node
}

/// The last node leaves, and its process ends by itself.
fn leave(cluster: &mut Cluster) {
    let last = cluster.nodes().len() - 1;
    let name = cluster.nodes()[last].name().to_owned();
    commit(cluster, &["LEAVE", &name]);
    let status = cluster.nodes_mut()[last].server.wait(CHANGED);
    assert!(status.success(), "{status}");
    cluster.remove(last);
    at_rest(cluster, last);
}

/// What clients were told since `since`, but for what did not run and can be sent again: that a node did not know the ring yet.
fn errors(load: &Load, since: Instant) -> Vec<String> {
    let is_to_be_sent_again = |text: &String| text.contains("the ring has changed; not run");
    let all = load.errors_since(since);
    assert!(all.iter().filter(|text| is_to_be_sent_again(text)).count() < 20, "{all:?}");
    all.into_iter().filter(|text| !is_to_be_sent_again(text)).collect()
}

fn clean_up(cluster: &Cluster) {
    for node in 0..cluster.nodes().len() {
        assert_eq!(cluster.client(node).command(&["DYNOMITE", "CLEANUP"]), OK);
    }
}

#[test]
fn a_cluster_grows_from_three_nodes_to_nine_and_shrinks_back_under_load() {
    let mut cluster = at_level(three_racks(1), "DC_QUORUM").set("vnodes=4").data_dirs().start();
    let keys = fill(&cluster);
    let addresses: Vec<_> = (0..3).map(|node| cluster.nodes()[node].server.client_address()).collect();
    let begun_at = Instant::now();
    let load = Load::start(&addresses, 2, Reads::SeeTheWrite);
    load.await_requests(100);
    for round in 0..2 {
        for rack in ["rack1", "rack2", "rack3"] {
            let node = join(&mut cluster, rack);
            assert_eq!(
                cluster.client(node).command(&["INCRBY", &format!("counter:{node}"), "1"]),
                integer(6),
                "{round}"
            );
        }
        assert_eq!(errors(&load, begun_at), Vec::<String>::new());
        clean_up(&cluster);
        for (key, state) in converged(&cluster, keys.iter().map(String::as_str)) {
            assert!(state.is_some(), "{key} is gone");
        }
    }
    while cluster.nodes().len() > 3 {
        leave(&mut cluster);
    }
    load.await_requests(100);
    assert_eq!(errors(&load, begun_at), Vec::<String>::new());
    load.stop();
    clean_up(&cluster);
    for (key, state) in converged(&cluster, keys.iter().map(String::as_str)) {
        assert!(state.is_some(), "{key} is gone");
    }
}

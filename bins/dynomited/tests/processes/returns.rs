//! Nodes that come back with less than they had: a record log that is lost or torn, a datastore that is empty, a whole rack or a
//! whole datacenter that starts from nothing. Clients elsewhere notice nothing, and all copies are equal afterwards.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dynomite_testkit::{Cluster, eventually};

use crate::load::{Load, Reads};
use crate::repair::info;
use crate::shapes::{OK, at_level, bulk, integer, three_racks, two_datacenters};
use crate::stored::converged;

const KEYS: usize = 200;
/// Until all copies are rebuilt and were found equal.
const REBUILT: Duration = Duration::from_secs(60);

fn string(number: usize) -> String {
    format!("string:{number}")
}

/// Strings, counters, lists and what expires, by clients of node 0.
fn fill(cluster: &Cluster) -> Vec<String> {
    let mut client = cluster.client(0);
    let mut keys = Vec::new();
    for number in 0..KEYS {
        assert_eq!(client.command(&["SET", &string(number), &format!("value {number}")]), OK);
        keys.push(string(number));
    }
    for number in 0..20 {
        let [counter, list, expiring] =
            ["counter", "list", "expiring"].map(|kind| format!("{kind}:{number}"));
        assert_eq!(client.command(&["INCRBY", &counter, "7"]), integer(7));
        assert_eq!(client.command(&["RPUSH", &list, "a", "b", "c"]), integer(3));
        assert_eq!(client.command(&["SETEX", &expiring, "5000", "v"]), OK);
        keys.extend([counter, list, expiring]);
    }
    keys
}

/// Ends nodes and their datastores, and takes from them all that they had.
fn lose(cluster: &mut Cluster, nodes: &[usize]) {
    for node in nodes {
        let node = &mut cluster.nodes_mut()[*node];
        node.server.kill();
        node.redis.kill();
        fs::remove_dir_all(node.server.data_dir()).unwrap();
    }
}

fn start_again(cluster: &mut Cluster, nodes: &[usize]) {
    for node in nodes {
        let node = &mut cluster.nodes_mut()[*node];
        node.redis.restart();
        node.server.restart();
    }
    cluster.await_connected();
}

fn await_whole(cluster: &Cluster, nodes: &[usize]) {
    eventually(REBUILT, "all copies are trusted again", || {
        nodes.iter().all(|node| {
            info(cluster, *node, "buckets_lost") == 0 && info(cluster, *node, "copies_untrusted") == 0
        })
    });
}

/// Loses nodes and has them start again while clients of others work on; all keys are to be everywhere then.
fn starts_from_nothing(mut cluster: Cluster, lost: &[usize], served_by: &[usize]) {
    let keys = fill(&cluster);
    converged(&cluster, keys.iter().map(String::as_str));
    let addresses: Vec<SocketAddr> =
        served_by.iter().map(|node| cluster.nodes()[*node].server.client_address()).collect();
    lose(&mut cluster, lost);
    for node in served_by {
        eventually(REBUILT, "the loss is noticed", || {
            let client = &mut cluster.client(*node);
            (0..KEYS).step_by(10).all(|number| {
                client.command(&["GET", &string(number)]) == bulk(format!("value {number}"))
                    && client.command(&["SET", &format!("probe:{number}"), "v"]) == OK
            })
        });
    }
    let begun_at = Instant::now();
    let load = Load::start(&addresses, 4, Reads::SeeTheWrite);
    load.await_requests(100);
    start_again(&mut cluster, lost);
    await_whole(&cluster, lost);
    load.await_requests(100);
    assert_eq!(load.errors_since(begun_at), Vec::<String>::new());
    load.stop();
    for (key, state) in converged(&cluster, keys.iter().map(String::as_str)) {
        assert!(state.is_some(), "{key} is gone");
    }
}

#[test]
fn a_whole_datacenter_starts_from_nothing_while_the_other_serves() {
    let cluster = at_level(two_datacenters(), "DC_QUORUM").data_dirs().start();
    starts_from_nothing(cluster, &[3, 4, 5], &[0, 1, 2]);
}

#[test]
fn a_whole_rack_starts_from_nothing_while_the_others_serve() {
    let cluster = at_level(three_racks(2), "DC_QUORUM").data_dirs().start();
    starts_from_nothing(cluster, &[4, 5], &[0, 1, 2, 3]);
}

/// What a node keeps is damaged by `damage` while it is away and misses writes; its datastore keeps what it has.
fn comes_back_after(damage: impl FnOnce(&std::path::Path)) {
    let mut cluster = at_level(three_racks(1), "DC_QUORUM").data_dirs().start();
    let mut keys = fill(&cluster);
    cluster.nodes_mut()[2].server.kill();
    let mut client = cluster.client(0);
    eventually(REBUILT, "a write without the node", || client.command(&["SET", "missed:0", "v"]) == OK);
    for number in 1..50 {
        assert_eq!(client.command(&["SET", &format!("missed:{number}"), "v"]), OK);
        assert_eq!(client.command(&["SET", &string(number), "missed"]), OK);
        assert_eq!(client.command(&["DEL", &string(100 + number)]), integer(1));
    }
    keys.extend((0..50).map(|number| format!("missed:{number}")));
    damage(&cluster.nodes()[2].server.data_dir());
    cluster.nodes_mut()[2].server.restart();
    cluster.await_connected();
    await_whole(&cluster, &[2]);
    for (key, state) in converged(&cluster, keys.iter().map(String::as_str)) {
        let is_deleted = (101..150).any(|number| key == string(number));
        assert_eq!(state.is_some(), !is_deleted, "{key}");
    }
    assert_eq!(cluster.client(2).command(&["GET", &string(1)]), bulk("missed"));
    assert_eq!(cluster.client(2).command(&["INCR", "counter:0"]), integer(8));
}

#[test]
fn a_node_whose_data_directory_is_gone_is_rebuilt_over_its_old_datastore() {
    comes_back_after(|data_dir| fs::remove_dir_all(data_dir).unwrap());
}

#[test]
fn a_node_whose_record_log_is_torn_goes_on_with_what_is_whole() {
    comes_back_after(|data_dir| {
        let mut torn = 0;
        for path in files_below(data_dir) {
            let len = path.metadata().unwrap().len();
            if len > 200 {
                fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(len - 37).unwrap();
                torn += 1;
            }
        }
        assert!(torn > 0, "nothing was written");
    });
}

fn files_below(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(files_below(&path)),
            false => files.push(path),
        }
    }
    files
}

//! A rack that dies: reads and overwrites go on, and before anybody knows, every request is answered in time.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use dynomite_testkit::{Cluster, eventually};

use crate::load::{Load, Reads};
use crate::shapes::{LONG, OK, SLACK, at_level, bulk, three_racks};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the load goes on after the loss was noticed.
const AFTERMATH: Duration = Duration::from_secs(2);

#[test]
fn killed_node_costs_no_error_once_noticed_at_dc_one() {
    killed_node_costs_no_error_once_noticed("DC_ONE");
}

#[test]
fn killed_node_costs_no_error_once_noticed_at_dc_quorum() {
    killed_node_costs_no_error_once_noticed("DC_QUORUM");
}

#[test]
fn killed_datastore_costs_no_error_once_noticed_at_dc_one() {
    killed_datastore_costs_no_error_once_noticed("DC_ONE");
}

#[test]
fn killed_datastore_costs_no_error_once_noticed_at_dc_quorum() {
    killed_datastore_costs_no_error_once_noticed("DC_QUORUM");
}

/// What was written while a node was away is there when it is back: it is overwritten again, and read at a quorum.
#[test]
fn killed_node_takes_part_again_after_its_restart() {
    let mut cluster = at_level(three_racks(1), "DC_QUORUM").set("timeouts.request=1s").start();
    cluster.nodes_mut()[2].server.kill();
    let mut client = cluster.client(0);
    eventually(LONG, "a write without the killed node", || client.command(&["SET", "away", "1"]) == OK);
    cluster.nodes_mut()[2].server.restart();
    cluster.await_connected();
    let mut returned = cluster.client(2);
    assert_eq!(returned.command(&["SET", "back", "2"]), OK);
    assert_eq!(returned.command(&["GET", "away"]), bulk("1"));
    assert_eq!(cluster.client(1).command(&["GET", "back"]), bulk("2"));
}

fn killed_node_costs_no_error_once_noticed(level: &str) {
    let mut cluster = start(level);
    let survivors: Vec<SocketAddr> = [0, 1].map(|node| cluster.nodes()[node].server.client_address()).into();
    let load = begin(&survivors, level);
    let killed_at = Instant::now();
    cluster.nodes_mut()[2].server.kill();
    for node in [0, 1] {
        // By each of its workers, and answers to what was on its way may still be.
        eventually(LONG, "the loss is noticed", || {
            let log = cluster.nodes()[node].server.log();
            let is_loss = |line: &&str| line.contains("link is down") && line.contains("node03");
            log.lines().filter(is_loss).count() >= 2
        });
    }
    goes_on(load, killed_at, level);
}

fn killed_datastore_costs_no_error_once_noticed(level: &str) {
    let mut cluster = start(level);
    // The clients of the node whose datastore is gone are served by the other racks.
    let all: Vec<SocketAddr> = cluster.nodes().iter().map(|node| node.server.client_address()).collect();
    let load = begin(&all, level);
    let killed_at = Instant::now();
    cluster.nodes_mut()[2].redis.kill();
    eventually(LONG, "the loss is noticed", || {
        let log = cluster.nodes()[2].server.log();
        log.contains("datastore is down")
    });
    goes_on(load, killed_at, level);
}

fn start(level: &str) -> Cluster {
    at_level(three_racks(1), level).set("timeouts.request=1s").set("workers=2").start()
}

fn begin(addresses: &[SocketAddr], level: &str) -> Load {
    let reads = if level == "DC_ONE" { Reads::MayBeOld } else { Reads::SeeTheWrite };
    let begun_at = Instant::now();
    let load = Load::start(addresses, 3, reads);
    load.await_requests(2_000);
    assert_eq!(load.errors_since(begun_at), Vec::<String>::new(), "before anything happened");
    load
}

fn goes_on(load: Load, killed_at: Instant, level: &str) {
    let noticed_at = Instant::now();
    let request_count = load.request_count();
    thread::sleep(AFTERMATH);
    let errors = load.errors_of_requests_since(noticed_at);
    assert!(
        errors.is_empty(),
        "{} errors at {level} after the loss was noticed: {:?}",
        errors.len(),
        &errors[0]
    );
    assert!(load.request_count() > request_count + 100, "the load goes on");
    assert!(load.slowest() < REQUEST_TIMEOUT + SLACK, "a request took {:?}", load.slowest());
    let before = load.errors_since(killed_at);
    assert!(before.iter().all(|text| text.contains("-ERR")), "{before:?}");
    load.stop();
}

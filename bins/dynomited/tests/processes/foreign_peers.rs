//! What is no node of the cluster and connects to the peer port: refused with a line in the log, and no harm done.

use std::time::{Duration, Instant};

use dynomite_testkit::{Cluster, Dynomited, PortLease, RawClient, eventually, request};

use crate::shapes::{BINARY, LONG, OK, SLACK, at_level, bulk, text, three_racks};

const REFUSED: &str = "peer connection refused";

#[test]
fn other_protocols_on_the_peer_port_are_refused() {
    let cluster = at_level(three_racks(1), "DC_SAFE_QUORUM").set("timeouts.connect=500ms").start();
    let noise: Vec<u8> = (0..100_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let known_preamble = b"DYNOMITE\x01\x00";
    let inputs: [(&str, Vec<u8>); 8] = [
        ("HTTP", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
        ("RESP", request(&["SET", "k", "v"])),
        ("the legacy protocol", b"   $2014$ 16 5 0 1 1 *1 d *7\r\n*1\r\n$4\r\n".to_vec()),
        ("noise", noise.clone()),
        ("another version", b"DYNOMITE\x63\x00".to_vec()),
        ("a frame of 4 GiB", [known_preamble, &[0xFF; 16][..]].concat()),
        ("noise behind the preamble", [known_preamble, &noise[..4000]].concat()),
        ("half a preamble and silence", b"DYNO".to_vec()),
    ];
    let address = cluster.nodes()[0].peer_address();
    for (what, bytes) in inputs {
        let lines = count(&cluster, 0, REFUSED);
        // More than once, because the log has a line a second at most.
        eventually(LONG, &format!("a line about {what}"), || {
            let mut stranger = RawClient::connect(address);
            // It may be closed in the middle.
            let _ = stranger.try_send(&bytes);
            let started_at = Instant::now();
            stranger.read_to_end();
            assert!(started_at.elapsed() < Duration::from_millis(500) + SLACK, "{what} was kept");
            count(&cluster, 0, REFUSED) > lines
        });
    }
    // Nothing at all, for as long as a handshake may take.
    let started_at = Instant::now();
    RawClient::connect(address).read_to_end();
    assert!(started_at.elapsed() < Duration::from_millis(500) + SLACK);
    works(&cluster);
}

/// Many at once cost the log a few lines.
#[test]
fn a_flood_of_strangers_is_logged_in_few_lines() {
    let cluster = at_level(three_racks(1), "DC_SAFE_QUORUM").start();
    let address = cluster.nodes()[0].peer_address();
    for _ in 0..500 {
        let mut stranger = RawClient::connect(address);
        let _ = stranger.try_send(b"GET / HTTP/1.0\r\n\r\n");
        stranger.read_to_end();
    }
    let lines = count(&cluster, 0, REFUSED);
    assert!((1..100).contains(&lines), "{lines} lines");
    works(&cluster);
}

#[test]
fn node_of_another_cluster_is_refused() {
    let cluster = at_level(three_racks(1), "DC_SAFE_QUORUM").start();
    let stranger = stranger(&cluster, "stranger", "cluster = \"other\"\n");
    eventually(LONG, "both logs name both clusters", || {
        let both = |log: &str| log.contains("\"other\"") && log.contains("\"dynomite\"");
        both(&stranger.log()) && both(&cluster.nodes()[0].server.log())
    });
    works(&cluster);
}

#[test]
fn node_that_the_others_do_not_list_is_refused() {
    let cluster = at_level(three_racks(1), "DC_SAFE_QUORUM").start();
    let stranger = stranger(&cluster, "stranger", "");
    eventually(LONG, "both logs say that it is not listed", || {
        let text = "does not list node \"stranger\"";
        stranger.log().contains(text) && cluster.nodes()[0].server.log().contains(text)
    });
    works(&cluster);
}

#[test]
fn node_with_another_ring_is_refused() {
    let mut cluster = at_level(three_racks(1), "DC_QUORUM").start();
    cluster.nodes_mut()[2].server.kill();
    // It has the name and the seeds of the lost node, and other tokens.
    let impostor = stranger(&cluster, "node03", "vnodes = 7\n");
    eventually(LONG, "both logs say what to compare", || {
        let text = "different rings";
        impostor.log().contains(text) && cluster.nodes()[0].server.log().contains(text)
    });
    assert!(!cluster.nodes()[0].sees_up("node03").unwrap());
    let mut client = cluster.client(0);
    eventually(LONG, "the others go on", || client.command(&["SET", "k", "v"]) == OK);
}

/// A node that is configured to be a peer of the cluster's nodes.
fn stranger(cluster: &Cluster, name: &str, settings: &str) -> Dynomited {
    let ports = [PortLease::take(), PortLease::take()];
    let mut config = format!(
        "name = \"{name}\"\ndatacenter = \"dc1\"\nrack = \"rack3\"\nlisten = \"{}\"\npeer_listen = \"{}\"\n{settings}",
        ports[0].address(),
        ports[1].address(),
    );
    for node in cluster.nodes().iter().filter(|node| node.name() != name) {
        config.push_str(&format!(
            "[[seeds]]\nname = \"{}\"\npeer_address = \"{}\"\ndatacenter = \"dc1\"\nrack = \"{}\"\n",
            node.name(),
            node.peer_address(),
            node.rack()
        ));
    }
    Dynomited::start(BINARY, &config, ports[0].address())
}

/// With all three racks: nobody was taken for another.
fn works(cluster: &Cluster) {
    for node in 0..3 {
        for other in cluster.nodes() {
            assert!(cluster.nodes()[node].sees_up(other.name()).unwrap(), "{} is not up", other.name());
        }
        let mut client = cluster.client(node);
        for number in 0..50 {
            let key = format!("{node}:{number}");
            assert_eq!(text(&client.command(&["SET", &key, "v"])), text(OK));
            assert_eq!(text(&client.command(&["GET", &key])), text(&bulk("v")));
        }
    }
}

fn count(cluster: &Cluster, node: usize, text: &str) -> usize {
    cluster.nodes()[node].server.log().matches(text).count()
}

//! A cluster that knows no IPv4 address.

use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::process::Command;

use dynomite_testkit::{Dynomited, PortLease, RawClient, Redis, eventually};

use crate::handshakes::dynoctl_binary;
use crate::shapes::{BINARY, LONG, OK, bulk, text};

/// `::1` with a port that nobody else uses.
fn at(port: &PortLease) -> SocketAddr {
    SocketAddr::from((Ipv6Addr::LOCALHOST, port.port()))
}

#[test]
fn two_nodes_at_the_ipv6_loopback_are_a_cluster() {
    if let Err(error) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        eprintln!("skipped: this machine has no IPv6 loopback, [::1]: {error}");
        return;
    }
    let ports: Vec<[PortLease; 2]> = (0..2).map(|_| [PortLease::take(), PortLease::take()]).collect();
    let seeds: String = ports
        .iter()
        .enumerate()
        .map(|(index, [_, peer])| {
            format!("[[seeds]]\nname = \"n{index}\"\npeer_address = \"{}\"\nrack = \"r{index}\"\n", at(peer))
        })
        .collect();
    let nodes: Vec<(Dynomited, Redis)> = ports
        .iter()
        .enumerate()
        .map(|(index, [client, peer])| {
            // The testkit itself asks it by IPv4.
            let redis = Redis::builder().arg("--bind").arg("127.0.0.1").arg("::1").start();
            let config = format!(
                "name = \"n{index}\"\nlisten = \"{}\"\npeer_listen = \"{}\"\n\
                 [datastore]\nurl = \"redis://[::1]:{}\"\n\
                 [consistency]\nread = \"DC_QUORUM\"\nwrite = \"DC_QUORUM\"\n{seeds}",
                at(client),
                at(peer),
                redis.address().port()
            );
            (Dynomited::builder(BINARY, &config, at(client)).spawn(), redis)
        })
        .collect();
    let connect = |index: usize| RawClient::try_connect(at(&ports[index][0]));
    eventually(LONG, "both racks answer", || {
        connect(0)
            .and_then(|mut client| client.try_command(&["SET", "k", "v"]))
            .is_ok_and(|reply| reply == OK)
    });
    let mut client = connect(1).unwrap();
    assert_eq!(client.command(&["GET", "k"]), bulk("v"));
    for (_, redis) in &nodes {
        assert_eq!(redis.client().command(&["GET", "k"]), bulk("v"), "each rack has a copy");
    }
    let listed = text(&client.command(&["CLIENT", "LIST"]));
    assert!(listed.contains("addr=[::1]:"), "{listed}");

    let shown = Command::new(dynoctl_binary())
        .args(["--node", &at(&ports[1][0]).to_string(), "ring"])
        .output()
        .unwrap();
    let ring = String::from_utf8(shown.stdout).unwrap();
    // Where no client_address is given, nodes take the others to serve clients at the port that they serve them at.
    let own = at(&ports[1][0]).to_string();
    let peers: Vec<String> = ports.iter().map(|[_, peer]| at(peer).to_string()).collect();
    for address in peers.iter().chain([&own]) {
        assert!(ring.contains(address.as_str()), "no {address} in {ring}");
    }
    assert!(ring.contains("0 down"), "{ring}");
}

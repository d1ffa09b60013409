//! Nodes inside the test process.

use std::net::SocketAddr;
use std::time::Duration;

use dynomite_node::config::{Config, HostPort, Level, Seed, Workers};
use dynomite_node::{Node, StartError};
use dynomite_testkit::{PortLease, RawClient, eventually};

/// A node on threads of its own; killed when dropped.
pub(crate) struct Running(Option<Node>);

impl Running {
    pub(crate) fn start(config: Config) -> Self {
        Self(Some(try_start(config).unwrap()))
    }

    pub(crate) fn client(&self) -> RawClient {
        RawClient::connect(self.address())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.as_ref().unwrap().client_address()
    }

    pub(crate) fn peer_address(&self) -> SocketAddr {
        self.0.as_ref().unwrap().peer_address().unwrap()
    }

    pub(crate) fn stop(mut self) {
        let node = self.0.take().unwrap();
        block_on(node.stop());
    }

    pub(crate) fn kill(mut self) {
        self.0.take().unwrap().kill();
    }
}

pub(crate) fn try_start(config: Config) -> Result<Node, StartError> {
    block_on(Node::start(config))
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// A single node with a memory store and `workers` workers on a free port.
pub(crate) fn single(workers: u16) -> Config {
    Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        workers: Workers::Count(workers),
        ..Config::default()
    }
}

/// Configurations of one datacenter with one node in each of `racks` racks. The leases keep the peer ports.
pub(crate) fn racks(racks: usize, workers: u16, level: Level) -> (Vec<Config>, Vec<PortLease>) {
    let leases: Vec<PortLease> = (0..racks).map(|_| PortLease::take()).collect();
    let seeds: Vec<Seed> = leases
        .iter()
        .enumerate()
        .map(|(at, lease)| Seed {
            name: format!("node{at}"),
            peer_address: HostPort::from(lease.address()),
            client_address: None,
            datacenter: "dc1".to_owned(),
            rack: format!("rack{at}"),
            tokens: None,
        })
        .collect();
    let configs = seeds.iter().zip(&leases).map(|(seed, lease)| {
        let mut config = single(workers);
        config.name = seed.name.clone();
        config.rack = seed.rack.clone();
        config.peer_listen = Some(lease.address());
        config.seeds = seeds.clone();
        config.consistency.read = level;
        config.consistency.write = level;
        config
    });
    (configs.collect(), leases)
}

/// Waits until every node has links to all others.
pub(crate) fn wait_linked(nodes: &[Running]) {
    for node in nodes {
        let mut client = node.client();
        eventually(Duration::from_secs(10), "links between all nodes, and copies that may vote", || {
            let info = String::from_utf8(client.command(&["INFO", "dynomite"])).unwrap();
            info.contains(&format!("peers_up:{}\r\n", nodes.len() - 1))
                && info.contains("\nbuckets_lost:0\r\n")
        });
    }
}

//! The demo's nodes.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, Result, bail};
use dynomite_node::Node;
use dynomite_node::config::{Config, Level, Seed, Workers};

const DATACENTERS: u16 = 2;
const RACKS: u16 = 3;
const NODES: u16 = DATACENTERS * RACKS;
/// From a node's client port to its peer port.
const PEER_OFFSET: u16 = 100;
const FIRST_BASE: u16 = 8102;
/// Port ranges that are tried when none was asked for.
const BASES_TRIED: u16 = 40;

/// Where one node stands.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) datacenter: String,
    pub(super) rack: String,
    pub(super) address: SocketAddr,
    peer_address: SocketAddr,
}

/// How long the nodes have to find each other.
const READY_WITHIN: std::time::Duration = std::time::Duration::from_secs(20);

/// All nodes of the demo; a stopped one is `None`.
pub(super) struct Cluster {
    places: Vec<Place>,
    nodes: Vec<Option<Node>>,
}

impl Cluster {
    /// Starts the nodes on the ports from `base` on, or on the first free range.
    pub(super) async fn start(base: Option<u16>) -> Result<Self> {
        let places = places(free_base(base)?);
        let mut nodes = Vec::new();
        for place in &places {
            let node = Node::start(config(place, &places)).await;
            nodes.push(Some(node.with_context(|| format!("node {} does not start", place.name))?));
        }
        for node in nodes.iter().flatten() {
            let ready = tokio::time::timeout(READY_WITHIN, node.ready()).await;
            ready.context("the nodes do not find each other")?;
        }
        Ok(Self { places, nodes })
    }

    /// Where the nodes are, and what to try.
    pub(super) fn describe(&self) -> String {
        let mut text = String::from(
            "A Dynomite cluster: 2 datacenters x 3 racks, every rack with a full copy, at DC_QUORUM.\n\n",
        );
        let _ = writeln!(text, "  {:<12}{:<8}{:<12}{:<18}peers", "datacenter", "rack", "node", "clients");
        for place in &self.places {
            let Place { name, datacenter, rack, address, peer_address } = place;
            let _ = writeln!(
                text,
                "  {datacenter:<12}{rack:<8}{name:<12}{:<18}{peer_address}",
                address.to_string()
            );
        }
        let (first, last) = (self.address(0).port(), self.address(NODES - 1).port());
        let _ = write!(
            text,
            "\nTry, in another terminal:\n\
             \n  redis-cli -p {first} set greeting hello     write in dc1\
             \n  redis-cli -p {last} get greeting           read in dc2\
             \n  redis-cli -p {first} dynomite route greeting   where the key lives\n"
        );
        text
    }

    pub(super) fn address(&self, node: u16) -> SocketAddr {
        self.places[usize::from(node)].address
    }

    pub(super) fn place(&self, node: u16) -> &Place {
        &self.places[usize::from(node)]
    }

    /// Stops one node, as if its rack were gone.
    pub(super) async fn stop_node(&mut self, node: u16) {
        if let Some(node) = self.nodes[usize::from(node)].take() {
            node.stop().await;
        }
    }

    /// Stops all nodes.
    pub(super) async fn stop(&mut self) {
        for node in self.nodes.iter_mut().filter_map(Option::take) {
            node.stop().await;
        }
    }
}

fn places(base: u16) -> Vec<Place> {
    (0..NODES)
        .map(|node| {
            let (dc, rack) = (node / RACKS + 1, node % RACKS + 1);
            let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            Place {
                name: format!("dc{dc}-rack{rack}"),
                datacenter: format!("dc{dc}"),
                rack: format!("rack{rack}"),
                address: at(base + node),
                peer_address: at(base + PEER_OFFSET + node),
            }
        })
        .collect()
}

fn config(place: &Place, all: &[Place]) -> Config {
    let seeds = all.iter().map(|place| Seed {
        name: place.name.clone(),
        peer_address: place.peer_address.into(),
        client_address: Some(place.address.into()),
        datacenter: place.datacenter.clone(),
        rack: place.rack.clone(),
        tokens: None,
    });
    let mut config = Config {
        cluster: "demo".to_owned(),
        name: place.name.clone(),
        datacenter: place.datacenter.clone(),
        rack: place.rack.clone(),
        listen: place.address,
        peer_listen: Some(place.peer_address),
        // Six nodes share this machine.
        workers: Workers::Count(1),
        seeds: seeds.collect(),
        ..Config::default()
    };
    config.consistency.read = Level::DcQuorum;
    config.consistency.write = Level::DcQuorum;
    config
}

/// The first port of a range that can be bound.
fn free_base(asked: Option<u16>) -> Result<u16> {
    let busy = |base: u16| {
        let ports = (0..NODES).flat_map(|node| [base + node, base + PEER_OFFSET + node]);
        ports.into_iter().find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_err())
    };
    match asked {
        Some(base) => match busy(base) {
            None => Ok(base),
            Some(port) => bail!("port {port} cannot be used; choose another range with --port-base"),
        },
        None => (0..BASES_TRIED)
            .map(|step| FIRST_BASE + step * 10)
            .find(|base| busy(*base).is_none())
            .context("no free ports from 8102 on; choose a range with --port-base"),
    }
}

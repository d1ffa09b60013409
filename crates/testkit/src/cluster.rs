//! A whole cluster of one's own: every node a real `dynomited` in front of a real `redis-server`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::{Dynomited, PortLease, RawClient, Redis};

/// Processes start one after another on a busy machine; links are dialled again with growing pauses.
const CONNECT_DEADLINE: Duration = Duration::from_secs(60);
/// How long a node is asked before the others have their turn.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Running nodes with their datastores. Killed when dropped.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<ClusterNode>,
    /// How further nodes are started.
    builder: ClusterBuilder,
    /// How many nodes there ever were.
    count: usize,
}

/// One node of a [`Cluster`].
#[derive(Debug)]
pub struct ClusterNode {
    /// The `dynomited` process.
    pub server: Dynomited,
    /// Its datastore.
    pub redis: Redis,
    name: String,
    datacenter: String,
    rack: String,
    ports: [PortLease; 2],
}

/// What a cluster shall look like. See [`Cluster::builder`].
#[derive(Debug, Clone)]
pub struct ClusterBuilder {
    binary: PathBuf,
    nodes: Vec<Plan>,
    settings: Vec<String>,
    keep_data: bool,
}

#[derive(Debug, Clone)]
struct Plan {
    datacenter: String,
    rack: String,
    tokens: Option<Vec<u32>>,
}

impl Cluster {
    /// A cluster of the server `binary` (`env!("CARGO_BIN_EXE_dynomited")`), without nodes yet.
    pub fn builder(binary: impl AsRef<Path>) -> ClusterBuilder {
        ClusterBuilder {
            binary: binary.as_ref().to_owned(),
            nodes: Vec::new(),
            settings: Vec::new(),
            keep_data: false,
        }
    }

    /// All nodes, in the order in which the builder was told of them.
    pub fn nodes(&self) -> &[ClusterNode] {
        &self.nodes
    }

    /// All nodes, to kill, freeze and restart them.
    pub fn nodes_mut(&mut self) -> &mut [ClusterNode] {
        &mut self.nodes
    }

    /// A new client connection to the node with this index.
    ///
    /// # Panics
    /// When it does not accept the connection.
    #[track_caller]
    pub fn client(&self, node: usize) -> RawClient {
        self.nodes[node].server.client()
    }

    /// The racks as `(datacenter, rack)`, each with the indexes of its nodes.
    pub fn racks(&self) -> Vec<((&str, &str), Vec<usize>)> {
        let mut racks: Vec<((&str, &str), Vec<usize>)> = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let name = (node.datacenter.as_str(), node.rack.as_str());
            match racks.iter_mut().find(|(other, _)| *other == name) {
                Some((_, nodes)) => nodes.push(index),
                None => racks.push((name, vec![index])),
            }
        }
        racks
    }

    /// Starts one more node, which finds the others by their addresses and waits to be taken in; its index. Does not wait until it
    /// is.
    ///
    /// # Panics
    /// When a process cannot be started.
    #[track_caller]
    pub fn begin_join(&mut self, datacenter: &str, rack: &str) -> usize {
        let sources: Vec<String> = self.nodes.iter().map(|node| node.peer_address().to_string()).collect();
        let discovery = format!("[discovery]\nsources = {sources:?}\n");
        let plan = Plan { datacenter: datacenter.to_owned(), rack: rack.to_owned(), tokens: None };
        let ports = [PortLease::take(), PortLease::take()];
        self.nodes.push(self.builder.spawn(self.count, &plan, ports, &discovery));
        self.count += 1;
        self.nodes.len() - 1
    }

    /// Ends a node that is not wanted any more, and its datastore. Those behind it move up by one.
    pub fn remove(&mut self, node: usize) -> ClusterNode {
        self.nodes.remove(node)
    }

    /// Waits until every node that runs has its datastore and sees every other node up.
    ///
    /// # Panics
    /// When that takes too long; the text holds the answer that was still wrong.
    #[track_caller]
    pub fn await_connected(&self) {
        let started_at = Instant::now();
        for node in self.nodes.iter().filter(|node| node.server.process_id().is_some()) {
            while let Err(error) = node.is_connected() {
                assert!(
                    started_at.elapsed() < CONNECT_DEADLINE,
                    "{} is not connected after {CONNECT_DEADLINE:?}: {error:#}",
                    node.name
                );
                std::thread::sleep(POLL_INTERVAL);
            }
        }
    }
}

impl ClusterNode {
    /// The node's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its datacenter.
    pub fn datacenter(&self) -> &str {
        &self.datacenter
    }

    /// Its rack.
    pub fn rack(&self) -> &str {
        &self.rack
    }

    /// Where its peers connect.
    pub fn peer_address(&self) -> std::net::SocketAddr {
        self.ports[1].address()
    }

    /// Whether the node itself calls another one, by its name, up.
    ///
    /// # Errors
    /// When the node does not answer, or does not know the other.
    pub fn sees_up(&self, other: &str) -> anyhow::Result<bool> {
        let ring = self.ring()?;
        let at =
            ring.find(&format!("\"name\":\"{other}\"")).with_context(|| format!("no {other} in {ring}"))?;
        let state = ring[at..].split("\"state\":\"").nth(1).context("a node without a state")?;
        Ok(state.starts_with("up\"") || state.starts_with("self\""))
    }

    fn is_connected(&self) -> anyhow::Result<()> {
        let ring = self.ring()?;
        ensure!(!ring.contains("\"state\":\"down\""), "{ring}");
        // In a new cluster copies may not vote before the nodes have found each other.
        let info =
            RawClient::try_connect(self.server.client_address())?.try_command(&["INFO", "dynomite"])?;
        // Builds of before there were records do not say so.
        let info = String::from_utf8(info)?;
        let lost = info.lines().find_map(|line| line.strip_prefix("buckets_lost:"));
        ensure!(lost.is_none_or(|count| count == "0"), "copies may not vote yet");
        // Enough keys to reach every node of the own rack, and every worker's link and lane.
        let mut client = RawClient::try_connect(self.server.client_address())?;
        for number in 0..32 {
            let reply = client.try_command(&["EXISTS", &format!("connected:{number}")])?;
            ensure!(reply == b":0\r\n", "{}", reply.escape_ascii());
        }
        Ok(())
    }

    /// The ring as the node shows it, without blanks.
    fn ring(&self) -> anyhow::Result<String> {
        let reply =
            RawClient::try_connect(self.server.client_address())?.try_command(&["DYNOMITE", "RING"])?;
        ensure!(reply.starts_with(b"$"), "{}", reply.escape_ascii());
        Ok(String::from_utf8(reply)?.replace(char::is_whitespace, ""))
    }
}

impl ClusterBuilder {
    /// Adds a rack of so many nodes, whose tokens are allocated.
    #[must_use]
    pub fn rack(mut self, datacenter: &str, rack: &str, node_count: usize) -> Self {
        for _ in 0..node_count {
            self = self.node(datacenter, rack, None);
        }
        self
    }

    /// Adds one node; with `None` its tokens are allocated.
    #[must_use]
    pub fn node(mut self, datacenter: &str, rack: &str, tokens: Option<&[u32]>) -> Self {
        let tokens = tokens.map(<[u32]>::to_vec);
        self.nodes.push(Plan { datacenter: datacenter.to_owned(), rack: rack.to_owned(), tokens });
        self
    }

    /// Sets a key of every node's configuration: `.set("timeouts.request=1s")`.
    #[must_use]
    pub fn set(mut self, setting: &str) -> Self {
        self.settings.push(setting.to_owned());
        self
    }

    /// Gives every node a `data_dir` of its own; see [`Dynomited::data_dir`].
    #[must_use]
    pub fn data_dirs(mut self) -> Self {
        self.keep_data = true;
        self
    }

    /// Starts all nodes and waits until each sees all the others.
    ///
    /// # Panics
    /// When a process cannot be started or does not get ready.
    #[track_caller]
    pub fn start(self) -> Cluster {
        let cluster = self.start_apart();
        cluster.await_connected();
        cluster
    }

    /// Starts all nodes, and waits until each answers its clients, but not until they see each other.
    ///
    /// # Panics
    /// When a process cannot be started or does not get ready.
    #[track_caller]
    pub fn start_apart(self) -> Cluster {
        let ports: Vec<[PortLease; 2]> =
            self.nodes.iter().map(|_| [PortLease::take(), PortLease::take()]).collect();
        let seeds = self.seeds(&ports);
        let mut nodes: Vec<ClusterNode> = Vec::new();
        for (index, (plan, ports)) in self.nodes.iter().zip(ports).enumerate() {
            nodes.push(self.spawn(index, plan, ports, &seeds));
        }
        for node in &mut nodes {
            node.server.wait_ready();
        }
        let count = nodes.len();
        Cluster { nodes, builder: self, count }
    }

    /// Starts one node and its datastore; `seeds` is the part of its configuration that says where others are.
    fn spawn(&self, index: usize, plan: &Plan, ports: [PortLease; 2], seeds: &str) -> ClusterNode {
        let redis = Redis::start();
        let name = node_name(index);
        let client_address = ports[0].address();
        let mut config = format!(
            "name = \"{name}\"\ndatacenter = \"{}\"\nrack = \"{}\"\nlisten = \"{client_address}\"\n",
            plan.datacenter, plan.rack
        );
        if seeds.is_empty() {
            config.push_str(&plan.tokens_line());
        } else {
            config.push_str(&format!("peer_listen = \"{}\"\n", ports[1].address()));
        }
        config.push_str(&format!("[datastore]\nurl = \"{}\"\n{seeds}", redis.url()));
        let mut builder = Dynomited::builder(&self.binary, &config, client_address);
        if self.keep_data {
            builder = builder.data_dir();
        }
        for setting in &self.settings {
            builder = builder.arg("--set").arg(setting);
        }
        let (datacenter, rack) = (plan.datacenter.clone(), plan.rack.clone());
        ClusterNode { server: builder.spawn(), redis, name, datacenter, rack, ports }
    }

    /// The list of all nodes; nothing for a single one, which has no peers.
    fn seeds(&self, ports: &[[PortLease; 2]]) -> String {
        let mut seeds = String::new();
        if self.nodes.len() == 1 {
            return seeds;
        }
        for (index, (plan, [client, peer])) in self.nodes.iter().zip(ports).enumerate() {
            seeds.push_str(&format!(
                "[[seeds]]\nname = \"{}\"\npeer_address = \"{}\"\nclient_address = \"{}\"\ndatacenter = \"{}\"\nrack = \"{}\"\n{}",
                node_name(index),
                peer.address(),
                client.address(),
                plan.datacenter,
                plan.rack,
                plan.tokens_line()
            ));
        }
        seeds
    }
}

impl Plan {
    fn tokens_line(&self) -> String {
        self.tokens.as_ref().map_or_else(String::new, |tokens| format!("tokens = {tokens:?}\n"))
    }
}

/// `node01`, `node02` …: none is the beginning of another.
fn node_name(index: usize) -> String {
    format!("node{:02}", index + 1)
}

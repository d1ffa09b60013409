//! What is measured beside each other: processes of our own, all reached over loopback TCP.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dynomite_testkit::{Cluster, Dynomited, Nutcracker, PortLease, RawClient, Redis, request};

use super::loads::{Load, MGET_KEY_COUNT};
use super::redis_benchmark::key;
use crate::cargo::find_program;

/// Bytes of values that are written at a time when the keys are filled: too few to make a proxy's memory grow.
const FILL_BATCH_BYTES: usize = 64 * 1024;
/// After filling, for what replicas still have to do at DC_ONE when the reply is out.
const FILL_SETTLE: Duration = Duration::from_millis(500);

/// A kind of system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum System {
    Redis,
    Nutcracker,
    Node,
    MemoryNode,
    RacksOne,
    RacksQuorum,
    RacksSafeQuorum,
    DatacentersOne,
    /// One of ours, but of another program.
    Another(&'static Another),
}

/// A system of another `dynomited` than the one that was just built.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Another {
    /// Which of ours.
    pub(crate) system: System,
    pub(crate) binary: PathBuf,
    /// What the program is called.
    pub(crate) binary_name: String,
    name: String,
}

impl Another {
    /// The same system as `system`, of the program `binary`, which people call `binary_name`. Kept until the process ends.
    pub(crate) fn system(system: System, binary_name: &str, binary: &Path) -> System {
        System::Another(Box::leak(Box::new(Self {
            system,
            binary: binary.to_owned(),
            binary_name: binary_name.to_owned(),
            name: format!("{}, {binary_name}", system.name()),
        })))
    }
}

impl System {
    /// In the order in which they are measured and shown.
    pub(crate) const ALL: [Self; 8] = [
        Self::Redis,
        Self::Nutcracker,
        Self::Node,
        Self::MemoryNode,
        Self::RacksOne,
        Self::RacksQuorum,
        Self::RacksSafeQuorum,
        Self::DatacentersOne,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Redis => "Redis",
            Self::Nutcracker => "nutcracker",
            Self::Node => "one node",
            Self::MemoryNode => "one node, memory store",
            Self::RacksOne => "3 racks, DC_ONE",
            Self::RacksQuorum => "3 racks, DC_QUORUM",
            Self::RacksSafeQuorum => "3 racks, DC_SAFE_QUORUM",
            Self::DatacentersOne => "2 datacenters, DC_ONE",
            Self::Another(another) => &another.name,
        }
    }

    /// The level at which a cluster reads and writes.
    fn level(self) -> Option<&'static str> {
        match self {
            Self::Redis | Self::Nutcracker | Self::Node | Self::MemoryNode => None,
            Self::RacksOne | Self::DatacentersOne => Some("DC_ONE"),
            Self::RacksQuorum => Some("DC_QUORUM"),
            Self::RacksSafeQuorum => Some("DC_SAFE_QUORUM"),
            Self::Another(another) => another.system.level(),
        }
    }

    /// What has to run for it; systems that differ by their level share it.
    fn deployment(self) -> Deployment {
        match self {
            Self::Redis => Deployment::Redis,
            Self::Nutcracker => Deployment::Nutcracker,
            Self::Node => Deployment::Node,
            Self::MemoryNode => Deployment::MemoryNode,
            Self::RacksOne | Self::RacksQuorum | Self::RacksSafeQuorum => Deployment::Racks,
            Self::DatacentersOne => Deployment::Datacenters,
            Self::Another(another) => another.system.deployment(),
        }
    }

    /// The program of which it is, if that is another than the one that was just built.
    fn another_binary(self) -> Option<&'static Path> {
        match self {
            Self::Another(another) => Some(&another.binary),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deployment {
    Redis,
    Nutcracker,
    Node,
    MemoryNode,
    Racks,
    Datacenters,
}

/// Of which program systems are, and how it is configured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) binary: &'a Path,
    /// Its setting of that name.
    pub(crate) workers: &'a str,
    /// Whether the nodes of clusters keep records and hints on disk. Those of other programs never do.
    pub(crate) data_dirs: bool,
}

/// Everything that runs. Killed when dropped.
pub(crate) struct Systems {
    wanted: Vec<System>,
    running: Vec<Running>,
}

impl Systems {
    /// Starts what these systems need. `plan` is for those of no other program.
    ///
    /// # Panics
    /// When a process cannot be started or does not answer.
    pub(crate) fn start(wanted: &[System], plan: &Plan<'_>) -> Self {
        let mut running: Vec<Running> = Vec::new();
        for system in wanted {
            let (deployment, another_binary) = (system.deployment(), system.another_binary());
            if running.iter().all(|other| !other.is_for(*system)) {
                let another = another_binary.map(|binary| Plan { binary, data_dirs: false, ..*plan });
                let servers = deployment.start(another.as_ref().unwrap_or(plan));
                running.push(Running { deployment, another_binary, servers });
            }
        }
        Self { wanted: wanted.to_vec(), running }
    }

    /// The systems, in the order in which they are measured.
    pub(crate) fn wanted(&self) -> &[System] {
        &self.wanted
    }

    /// What runs for this one.
    ///
    /// # Errors
    /// When it was not started.
    pub(crate) fn running(&self, system: System) -> Result<&Running> {
        let running = self.running.iter().find(|running| running.is_for(system));
        running.with_context(|| format!("{} was not started", system.name()))
    }

    /// Writes every key that a load may read, with values of its size.
    ///
    /// # Errors
    /// When a system does not take one.
    pub(crate) fn fill(&self, load: &Load) -> Result<()> {
        for running in &self.running {
            running.fill(load).with_context(|| format!("{:?} cannot be filled", running.deployment))?;
        }
        std::thread::sleep(FILL_SETTLE);
        Ok(())
    }
}

/// The processes of one or more systems.
pub(crate) struct Running {
    deployment: Deployment,
    another_binary: Option<&'static Path>,
    servers: Servers,
}

enum Servers {
    Redis(Redis),
    Nutcracker(Nutcracker, Redis),
    Node {
        server: Dynomited,
        redis: Option<Redis>,
        /// Leased for as long as the node listens there.
        _port: PortLease,
    },
    Cluster(Cluster),
}

impl Running {
    fn is_for(&self, system: System) -> bool {
        (self.deployment, self.another_binary) == (system.deployment(), system.another_binary())
    }

    /// Where the clients connect: in a cluster, to its first node.
    pub(crate) fn address(&self) -> SocketAddr {
        match &self.servers {
            Servers::Redis(redis) => redis.address(),
            Servers::Nutcracker(nutcracker, _) => nutcracker.address(),
            Servers::Node { server, .. } => server.client_address(),
            Servers::Cluster(cluster) => cluster.nodes()[0].server.client_address(),
        }
    }

    /// The process numbers of what stands before the datastores; of Redis itself where nothing does.
    ///
    /// # Errors
    /// When one of them has ended.
    pub(crate) fn proxies(&self) -> Result<Vec<u32>> {
        let processes = match &self.servers {
            Servers::Redis(redis) => vec![redis.process_id()],
            Servers::Nutcracker(nutcracker, _) => vec![nutcracker.process_id()],
            Servers::Node { server, .. } => vec![server.process_id()],
            Servers::Cluster(cluster) => {
                cluster.nodes().iter().map(|node| node.server.process_id()).collect()
            }
        };
        processes.into_iter().map(|process| process.context("a server has ended")).collect()
    }

    /// The process numbers of the datastores behind that; none where the proxy holds the data itself, or is none.
    ///
    /// # Errors
    /// When one of them has ended.
    pub(crate) fn datastores(&self) -> Result<Vec<u32>> {
        let stores = self.stores();
        stores.into_iter().map(|redis| redis.process_id().context("a datastore has ended")).collect()
    }

    /// Sets the level of every node, for connections made from now on.
    ///
    /// # Errors
    /// When a node refuses it.
    pub(crate) fn set_level(&self, system: System) -> Result<()> {
        let (Servers::Cluster(cluster), Some(level)) = (&self.servers, system.level()) else { return Ok(()) };
        for node in cluster.nodes() {
            let mut client = RawClient::try_connect(node.server.client_address())?;
            for key in ["read-consistency", "write-consistency"] {
                let reply = client.try_command(&["CONFIG", "SET", key, level])?;
                ensure!(reply == b"+OK\r\n", "{}: {key}: {}", node.name(), reply.escape_ascii());
            }
        }
        Ok(())
    }

    /// Reads and writes one key in every way that loads do, and looks at the replies.
    ///
    /// # Errors
    /// When one of them is not what Redis answers.
    pub(crate) fn check(&self, load: &Load) -> Result<()> {
        let mut client = RawClient::try_connect(self.address())?;
        let (name, value) = (key(0), "v".repeat(load.value_bytes));
        let reply = client.try_command(&["SET", &name, &value])?;
        ensure!(reply == b"+OK\r\n", "SET is answered {}", reply.escape_ascii());
        let expected = format!("${}\r\n{value}\r\n", value.len());
        let reply = client.try_command(&["GET", &name])?;
        ensure!(reply == expected.as_bytes(), "GET is answered {}", reply.escape_ascii());
        let mut command = vec!["MGET"];
        command.extend([name.as_str(); MGET_KEY_COUNT]);
        let expected = format!("*{MGET_KEY_COUNT}\r\n{}", expected.repeat(MGET_KEY_COUNT));
        let reply = client.try_command(&command)?;
        ensure!(reply == expected.as_bytes(), "MGET is answered {}", reply.escape_ascii());
        Ok(())
    }

    /// How many error replies the datastores have given, and how many of their reads found nothing.
    ///
    /// # Errors
    /// When one does not tell.
    pub(crate) fn datastore_faults(&self) -> Result<u64> {
        let mut sum = 0;
        let own = match &self.servers {
            Servers::Redis(redis) => Some(redis),
            _ => None,
        };
        for redis in self.stores().into_iter().chain(own) {
            let info = redis.client().try_command(&["INFO", "stats"])?;
            let info = String::from_utf8_lossy(&info);
            for name in ["total_error_replies:", "keyspace_misses:"] {
                let value = info.lines().find_map(|line| line.strip_prefix(name));
                let value = value.and_then(|value| value.trim().parse::<u64>().ok());
                sum += value.with_context(|| format!("Redis does not tell its {name}"))?;
            }
        }
        Ok(sum)
    }

    fn stores(&self) -> Vec<&Redis> {
        match &self.servers {
            Servers::Redis(_) => Vec::new(),
            Servers::Nutcracker(_, redis) => vec![redis],
            Servers::Node { redis, .. } => redis.iter().collect(),
            Servers::Cluster(cluster) => cluster.nodes().iter().map(|node| &node.redis).collect(),
        }
    }

    fn fill(&self, load: &Load) -> Result<()> {
        let address = match &self.servers {
            // It never gives back what a pipeline took; what is measured of its memory is for the loads alone.
            Servers::Nutcracker(_, redis) => redis.address(),
            _ => self.address(),
        };
        let mut client = RawClient::try_connect(address)?;
        let value = "v".repeat(load.value_bytes);
        let numbers: Vec<u32> = (0..load.key_count()).collect();
        for batch in numbers.chunks(FILL_BATCH_BYTES / load.value_bytes) {
            let commands: Vec<u8> =
                batch.iter().flat_map(|number| request(&["SET", &key(*number), &value])).collect();
            for reply in client.exchange(&commands, batch.len()) {
                ensure!(reply == b"+OK\r\n", "SET is answered {}", reply.escape_ascii());
            }
        }
        Ok(())
    }
}

impl Deployment {
    fn start(self, plan: &Plan<'_>) -> Servers {
        let setting = format!("workers={}", plan.workers);
        let cluster = || {
            let builder = Cluster::builder(plan.binary).set(&setting);
            if plan.data_dirs { builder.data_dirs() } else { builder }
        };
        match self {
            Self::Redis => Servers::Redis(Redis::start()),
            Self::Nutcracker => {
                let redis = Redis::start();
                Servers::Nutcracker(Nutcracker::start(nutcracker_program(), redis.address()), redis)
            }
            Self::Node => node(plan.binary, &setting, Some(Redis::start())),
            Self::MemoryNode => node(plan.binary, &setting, None),
            Self::Racks => {
                let racks = ["rack1", "rack2", "rack3"];
                let cluster = racks.iter().fold(cluster(), |cluster, rack| cluster.rack("dc1", rack, 1));
                Servers::Cluster(cluster.start())
            }
            Self::Datacenters => {
                Servers::Cluster(cluster().rack("dc1", "rack1", 1).rack("dc2", "rack1", 1).start())
            }
        }
    }
}

/// Its path, or its name where it is not found.
pub(crate) fn nutcracker_program() -> PathBuf {
    find_program("nutcracker").unwrap_or_else(|| "nutcracker".into())
}

/// A single node in front of `redis`, or on the memory store.
fn node(binary: &Path, setting: &str, redis: Option<Redis>) -> Servers {
    let port = PortLease::take();
    let url = redis.as_ref().map_or_else(|| "memory".to_owned(), Redis::url);
    let config = format!("listen = \"{}\"\n[datastore]\nurl = \"{url}\"\n", port.address());
    let server = Dynomited::builder(binary, &config, port.address()).arg("--set").arg(setting).start();
    Servers::Node { server, redis, _port: port }
}

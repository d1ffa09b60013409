//! Two datacenters of three racks: six `dynomited`, each over a `redis-server` of its own, whose links go through relays.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use dynomite_testkit::{Dynomited, PortLease, Redis, Relay};
use tempfile::TempDir;

use super::class::Class;
use super::disk::{self, Disk, Method};
use super::history::Micros;
use super::load::reply::{Connection, Reply};

pub(super) const DC_COUNT: usize = 2;
pub(super) const RACKS_PER_DC: usize = 3;
/// As the nodes are configured.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// What happened to a node may show for so long after its end.
const AFTERMATH: Micros = 1_000_000;
const CONNECT_MAX: Duration = Duration::from_secs(60);
const ASK_MAX: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// What `INFO` calls copies that do not vote.
const UNTRUSTED: [&str; 2] = ["buckets_lost", "copies_untrusted"];

pub(super) struct Cluster {
    pub(super) hosts: Vec<Host>,
    /// The relay through which one host dials another: `relays[from][to]`.
    relays: Vec<Vec<Option<Relay>>>,
    /// How their data directories are made.
    pub(super) disk_method: Method,
    _scripts: TempDir,
}

/// A node with everything that belongs to it.
pub(super) struct Host {
    pub(super) name: String,
    pub(super) dc: u8,
    pub(super) client_address: SocketAddr,
    pub(super) store_address: SocketAddr,
    /// Whether its datastore writes a log of all commands, or only the snapshots that it is told to.
    pub(super) store_has_log: bool,
    // In this order: a directory that a process writes to cannot be unmounted.
    server: Mutex<Dynomited>,
    store: Mutex<Redis>,
    pub(super) disk: Disk,
    /// The number of the process that should be running; 0 for none.
    process: AtomicU32,
    disturbances: Mutex<Vec<Disturbance>>,
    /// Whether its disk was full at any time.
    had_full_disk: AtomicBool,
    _ports: [PortLease; 2],
}

/// The lines of a node's `INFO`, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts(pub(super) BTreeMap<String, String>);

/// A time in which a node cannot be expected to answer.
struct Disturbance {
    begun_at: Micros,
    ended_at: Micros,
}

impl Cluster {
    /// Starts everything, and waits until each node sees all the others and its datastore, and is whole.
    pub(super) fn start(binary: &Path) -> Result<Self> {
        let scripts = tempfile::tempdir()?;
        let disk_method = Method::find();
        let count = DC_COUNT * RACKS_PER_DC;
        let ports: Vec<[PortLease; 2]> = (0..count).map(|_| [PortLease::take(), PortLease::take()]).collect();
        let relay = |from: usize, to: usize| (from != to).then(|| Relay::start(ports[to][1].address()));
        let relays: Vec<Vec<_>> =
            (0..count).map(|from| (0..count).map(|to| relay(from, to)).collect()).collect();
        let seeds: Vec<String> = (0..count).map(|from| seeds(&relays[from], &ports)).collect();
        let program = match disk_method {
            Method::SizeLimit => disk::wrapper(scripts.path())?,
            Method::FileSystem => binary.to_owned(),
        };
        let mut hosts = Vec::new();
        for ((index, ports), seeds) in ports.into_iter().enumerate().zip(seeds) {
            let disk = Disk::new(disk_method)?;
            let store_has_log = index % 2 == 1;
            let store = start_store(store_has_log);
            let config = config(index, &ports, &store, &disk, &seeds);
            let client_address = ports[0].address();
            let server =
                Dynomited::builder(&program, &config, client_address).env("DYNOMITED", binary).spawn();
            hosts.push(Host {
                name: name(index),
                dc: dc(index),
                client_address,
                store_address: store.address(),
                store_has_log,
                process: AtomicU32::new(server.process_id().unwrap_or_default()),
                server: Mutex::new(server),
                store: Mutex::new(store),
                disk,
                disturbances: Mutex::default(),
                had_full_disk: AtomicBool::new(false),
                _ports: ports,
            });
        }
        let cluster = Self { hosts, relays, disk_method, _scripts: scripts };
        for host in &cluster.hosts {
            host.server().wait_ready();
        }
        cluster.await_whole()?;
        Ok(cluster)
    }

    pub(super) fn dc_count(&self) -> usize {
        DC_COUNT
    }

    /// The hosts of a datacenter.
    pub(super) fn hosts_of(&self, dc: u8) -> impl Iterator<Item = usize> {
        (0..self.hosts.len()).filter(move |host| self::dc(*host) == dc)
    }

    /// The relay through which `from` dials `to`, which must be another one.
    pub(super) fn relay(&self, from: usize, to: usize) -> &Relay {
        self.relays[from][to].as_ref().expect("no host dials itself")
    }

    /// Whether all nodes see each other and their datastores and are whole, and which one is not.
    pub(super) fn whole(&self) -> Result<()> {
        for host in &self.hosts {
            let facts = host.facts()?;
            let others = (self.hosts.len() - 1).to_string();
            let peers_up = facts.text("peers_up");
            ensure!(peers_up == others, "{} sees {peers_up} of its peers", host.name);
            let shortage = facts.shortage()?;
            ensure!(shortage.is_none(), "{} has {}", host.name, shortage.unwrap_or_default());
        }
        Ok(())
    }

    fn await_whole(&self) -> Result<()> {
        let started_at = Instant::now();
        while let Err(error) = self.whole() {
            super::interrupt::check()?;
            ensure!(started_at.elapsed() < CONNECT_MAX, "{error:#}, after {CONNECT_MAX:?}");
            std::thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }
}

impl Host {
    pub(super) fn server(&self) -> MutexGuard<'_, Dynomited> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server, unless somebody else is at it.
    pub(super) fn idle_server(&self) -> Option<MutexGuard<'_, Dynomited>> {
        self.server.try_lock().ok()
    }

    pub(super) fn store(&self) -> MutexGuard<'_, Redis> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process that should be running.
    pub(super) fn process(&self) -> Option<u32> {
        Some(self.process.load(Ordering::Relaxed)).filter(|process| *process > 0)
    }

    /// Starts the node again; waits until it answers.
    pub(super) fn start_again(&self, server: &mut Dynomited) {
        server.restart();
        self.process.store(server.process_id().unwrap_or_default(), Ordering::Relaxed);
    }

    /// The process is about to be ended on purpose.
    pub(super) fn forget_process(&self) {
        self.process.store(0, Ordering::Relaxed);
    }

    /// From now on nothing can be written to its disk.
    pub(super) fn fill_disk(&self) -> Result<()> {
        self.had_full_disk.store(true, Ordering::Relaxed);
        self.disk.fill(self.process())
    }

    pub(super) fn had_full_disk(&self) -> bool {
        self.had_full_disk.load(Ordering::Relaxed)
    }

    /// From now on nobody can expect answers from it.
    pub(super) fn disturb(&self, now: Micros) {
        self.disturbances().push(Disturbance { begun_at: now, ended_at: Micros::MAX });
    }

    /// All disturbances are over.
    pub(super) fn calm(&self, now: Micros) {
        for disturbance in self.disturbances().iter_mut() {
            disturbance.ended_at = disturbance.ended_at.min(now + AFTERMATH);
        }
    }

    /// Whether it was disturbed at any moment of a time.
    pub(super) fn was_disturbed(&self, from: Micros, to: Micros) -> bool {
        self.disturbances().iter().any(|one| one.begun_at <= to && from <= one.ended_at)
    }

    /// What `INFO` says.
    pub(super) fn facts(&self) -> Result<Facts> {
        let mut connection = Connection::open(self.client_address)?;
        connection.send(b"INFO\r\n", ASK_MAX)?;
        let Reply::Bulk(Some(text)) = connection.reply(Instant::now() + ASK_MAX)? else {
            bail!("{} has no INFO", self.name);
        };
        let text = String::from_utf8(text)?;
        let pairs = text.lines().filter_map(|line| line.split_once(':'));
        Ok(Facts(pairs.map(|(name, value)| (name.to_owned(), value.trim_end().to_owned())).collect()))
    }

    fn disturbances(&self) -> MutexGuard<'_, Vec<Disturbance>> {
        self.disturbances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Facts {
    /// Why copies of the node do not vote; nothing when it is whole.
    ///
    /// # Errors
    /// When `INFO` does not say so.
    pub(super) fn shortage(&self) -> Result<Option<String>> {
        let mut shortage = None;
        if self.text("datastore_state") != "up" {
            shortage = Some("no datastore".to_owned());
        }
        for name in UNTRUSTED {
            let count: u64 = self.text(name).parse().with_context(|| format!("INFO does not tell {name}"))?;
            if count > 0 && shortage.is_none() {
                shortage = Some(format!("{name}:{count}"));
            }
        }
        Ok(shortage)
    }

    /// One line; empty when there is none of that name.
    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// A datastore that keeps all it has answered over a SIGKILL, or only the snapshots that it is told to make.
fn start_store(has_log: bool) -> Redis {
    let log = if has_log { "yes" } else { "no" };
    // When Redis syncs its log itself, it answers up to two seconds of writes before they are in the log.
    Redis::builder().arg("--appendonly").arg(log).arg("--appendfsync").arg("no").start()
}

fn name(host: usize) -> String {
    format!("node{}", host + 1)
}

fn dc(host: usize) -> u8 {
    (host / RACKS_PER_DC) as u8
}

fn place(host: usize) -> String {
    format!("datacenter = \"dc{}\"\nrack = \"rack{}\"\n", dc(host) + 1, host % RACKS_PER_DC + 1)
}

/// All other nodes, at the relays through which one node reaches them.
fn seeds(relays: &[Option<Relay>], ports: &[[PortLease; 2]]) -> String {
    let mut seeds = String::new();
    for (host, relay) in relays.iter().enumerate() {
        let Some(relay) = relay else { continue };
        seeds.push_str(&format!(
            "[[seeds]]\nname = \"{}\"\npeer_address = \"{}\"\nclient_address = \"{}\"\n{}",
            name(host),
            relay.address(),
            ports[host][0].address(),
            place(host)
        ));
    }
    seeds
}

fn config(host: usize, ports: &[PortLease; 2], store: &Redis, disk: &Disk, seeds: &str) -> String {
    format!(
        "name = \"{}\"\nlisten = \"{}\"\npeer_listen = \"{}\"\nworkers = 2\n{}data_dir = \"{}\"\n\
         [datastore]\nurl = \"{}\"\n\
         [timeouts]\nrequest = \"{}ms\"\n\
         [consistency]\nread = \"DC_QUORUM\"\nwrite = \"DC_QUORUM\"\n\
         [[consistency.prefix]]\nprefix = \"{}\"\nread = \"DC_ONE\"\nwrite = \"DC_ONE\"\n{seeds}",
        name(host),
        ports[0].address(),
        ports[1].address(),
        place(host),
        disk.path().display(),
        store.url(),
        REQUEST_TIMEOUT.as_millis(),
        Class::Weak.prefix(),
    )
}

//! What is done to the cluster: every fault begins, lasts and ends.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use dynomite_testkit::{Flow, Redis, Way};

use super::cluster::Host;
use super::load::reply::{Connection, Reply};
use super::run::Run;

mod director;
mod plan;

pub(super) use director::{Outcome, carry_out};
pub(super) use plan::plan;

/// A delayed link is so slow; a request and its answer take twice that, and quorums still fit into the deadline.
const LINK_DELAY: Duration = Duration::from_millis(300);
/// A throttled link carries so much.
const LINK_BYTES_PER_SECOND: u32 = 40_000;
/// How long a datastore may take for a command of ours, such as saving everything.
const STORE_ASK_MAX: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// SIGKILL, and later a new start.
    NodeKilled,
    /// SIGTERM, and later a new start.
    NodeStopped,
    /// SIGSTOP, and later SIGCONT.
    NodeFrozen,
    StoreFrozen,
    /// SIGKILL, and later a new start without any data.
    StoreEmptied,
    /// SIGKILL, and a new start with what it held some seconds ago.
    StoreSetBack,
    /// SIGKILL, or a stop where it keeps no log, and later a new start with all its data.
    StoreRestarted,
    /// Nothing more can be written where the node keeps its records and hints.
    DiskFull,
    /// Connections are reset.
    LinkCut,
    /// Packets are swallowed.
    LinkHeld,
    LinkDelayed,
    LinkThrottled,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Since the beginning of the run.
    pub(super) begins_at: Duration,
    pub(super) lasts: Duration,
    pub(super) kind: Kind,
    pub(super) target: Target,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Host(usize),
    Links {
        /// What they are together.
        scope: Scope,
        /// The hosts at the two ends of each.
        ends: Vec<(usize, usize)>,
        /// Only what goes from the first end to the second is concerned.
        is_one_way: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Pair,
    /// All links of one node, which is its rack too.
    Node,
    /// All links between the datacenters.
    Datacenter,
}

impl Kind {
    pub(super) const ALL: [Self; 12] = [
        Self::NodeKilled,
        Self::NodeStopped,
        Self::NodeFrozen,
        Self::StoreFrozen,
        Self::StoreEmptied,
        Self::StoreSetBack,
        Self::StoreRestarted,
        Self::DiskFull,
        Self::LinkCut,
        Self::LinkHeld,
        Self::LinkDelayed,
        Self::LinkThrottled,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NodeKilled => "node-killed",
            Self::NodeStopped => "node-stopped",
            Self::NodeFrozen => "node-frozen",
            Self::StoreFrozen => "store-frozen",
            Self::StoreEmptied => "store-emptied",
            Self::StoreSetBack => "store-set-back",
            Self::StoreRestarted => "store-restarted",
            Self::DiskFull => "disk-full",
            Self::LinkCut => "link-cut",
            Self::LinkHeld => "link-held",
            Self::LinkDelayed => "link-delayed",
            Self::LinkThrottled => "link-throttled",
        }
    }

    /// Whether a copy may lose something that its datacenter's other racks have to give back.
    pub(super) fn takes_data(self) -> bool {
        matches!(self, Self::StoreEmptied | Self::StoreSetBack)
    }
}

impl Fault {
    /// For people: what, where, how long.
    pub(super) fn shown(&self, run: &Run) -> String {
        let name = |host: usize| run.cluster.hosts[host].name.as_str();
        let target = match &self.target {
            Target::Host(host) => format!("{} (dc{})", name(*host), run.cluster.hosts[*host].dc + 1),
            Target::Links { scope, ends, is_one_way } => {
                let (from, to) = ends[0];
                let arrow = if *is_one_way { "→" } else { "↔" };
                match scope {
                    Scope::Pair => format!("{}{arrow}{}", name(from), name(to)),
                    Scope::Node if ends.iter().all(|(one, _)| *one == from) => {
                        format!("{}{arrow}all", name(from))
                    }
                    Scope::Node => format!("all{arrow}{}", name(to)),
                    Scope::Datacenter => {
                        let dc = |host: usize| run.cluster.hosts[host].dc + 1;
                        format!("dc{}{arrow}dc{}", dc(from), dc(to))
                    }
                }
            }
        };
        format!("{} {target} for {:.1} s", self.kind.name(), self.lasts.as_secs_f64())
    }

    /// Does it, waits, and undoes it.
    fn inflict(&self, run: &Run) -> Result<()> {
        match &self.target {
            Target::Links { ends, is_one_way, .. } => {
                disturb_links(run, self.kind, ends, *is_one_way);
                run.pause(self.lasts);
                mend_links(run, ends);
                Ok(())
            }
            Target::Host(host) => {
                let host = &run.cluster.hosts[*host];
                match self.kind {
                    Kind::NodeKilled | Kind::NodeStopped | Kind::NodeFrozen => {
                        host.disturb(run.clock.now());
                        let outcome = self.inflict_on_node(run, host);
                        host.calm(run.clock.now());
                        outcome
                    }
                    Kind::DiskFull => self.inflict_on_disk(run, host),
                    _ => self.inflict_on_store(run, host),
                }
            }
        }
    }

    fn inflict_on_node(&self, run: &Run, host: &Host) -> Result<()> {
        /// More than a node may take to answer what is in flight (`timeouts.drain`).
        const STOP_MAX: Duration = Duration::from_secs(15);
        let mut server = host.server();
        match self.kind {
            Kind::NodeFrozen => {
                server.freeze();
                run.pause(self.lasts);
                server.thaw();
                return Ok(());
            }
            Kind::NodeStopped => {
                host.forget_process();
                let status = server.terminate(STOP_MAX);
                ensure!(status.success(), "{} stopped with {status}", host.name);
            }
            _ => {
                host.forget_process();
                server.kill();
            }
        }
        run.pause(self.lasts);
        host.start_again(&mut server);
        Ok(())
    }

    fn inflict_on_disk(&self, run: &Run, host: &Host) -> Result<()> {
        host.fill_disk()?;
        run.pause(self.lasts);
        host.disk.free(host.process())
    }

    fn inflict_on_store(&self, run: &Run, host: &Host) -> Result<()> {
        let mut store = host.store();
        match self.kind {
            Kind::StoreFrozen => {
                store.freeze();
                run.pause(self.lasts);
                store.thaw();
                return Ok(());
            }
            Kind::StoreSetBack => {
                ask(host, b"SAVE\r\n").context("SAVE")?;
                run.pause(self.lasts);
                store.kill();
            }
            Kind::StoreEmptied => {
                store.kill();
                forget_everything(&store)?;
                run.pause(self.lasts);
            }
            _ => {
                if !host.store_has_log {
                    // The connection ends with the server.
                    drop(ask(host, b"SHUTDOWN SAVE\r\n"));
                }
                store.kill();
                run.pause(self.lasts);
            }
        }
        store.restart();
        Ok(())
    }
}

fn ask(host: &Host, command: &[u8]) -> io::Result<Reply> {
    let mut connection = Connection::open(host.store_address)?;
    connection.send(command, STORE_ASK_MAX)?;
    connection.reply(Instant::now() + STORE_ASK_MAX)
}

/// Removes everything that a datastore keeps on disk.
fn forget_everything(store: &Redis) -> Result<()> {
    for entry in fs::read_dir(store.directory())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rdb") {
            fs::remove_file(path)?;
        } else if path.is_dir() {
            fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

fn disturb_links(run: &Run, kind: Kind, ends: &[(usize, usize)], is_one_way: bool) {
    let flow = match kind {
        Kind::LinkDelayed => Flow::Delayed(LINK_DELAY),
        Kind::LinkThrottled => Flow::Throttled(LINK_BYTES_PER_SECOND),
        _ => Flow::Held,
    };
    let both = |(from, to): (usize, usize)| [(from, to), (to, from)];
    for (from, to) in
        ends.iter().flat_map(|pair| both(*pair).into_iter().take(if is_one_way { 1 } else { 2 }))
    {
        if kind == Kind::LinkCut {
            // A connection has no half that could be reset: one way means who may dial.
            run.cluster.relay(from, to).cut();
        } else {
            run.cluster.relay(from, to).set(Way::Forth, flow);
            run.cluster.relay(to, from).set(Way::Back, flow);
        }
    }
}

fn mend_links(run: &Run, ends: &[(usize, usize)]) {
    for (from, to) in ends {
        run.cluster.relay(*from, *to).mend();
        run.cluster.relay(*to, *from).mend();
    }
}

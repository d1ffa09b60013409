//! A run, written down before it begins: who sends what when, and what breaks when and for how long.
//!
//! Every fault carries its own end, so any subset of a plan is a plan, and a failing one can be shrunk.

mod changes;
mod faults;
mod workload;

use std::fmt;

use dynomite_backend::PieceSizes;

use crate::{
    command::Command,
    random::{Dice, Random},
    scenario::Scenario,
    topology::Topology,
    world::CLOCK_AHEAD_MAX_MS,
};

pub use changes::{Change, ChangeMix, PlannedChange};
pub use faults::{FaultKind, FaultMix};
pub use workload::{Traffic, Workload};

/// Microseconds of simulated time since the run began.
pub type Micros = u64;

/// Microseconds in a millisecond.
pub const MS: Micros = 1000;

/// All that happens to a cluster from outside.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Decides delays and everything else that the plan does not say.
    pub seed: u64,
    /// The cluster.
    pub topology: Topology,
    /// How its surroundings behave when nothing is broken.
    pub surroundings: Surroundings,
    /// What clients send, in the order of time.
    pub commands: Vec<PlannedCommand>,
    /// What breaks.
    pub faults: Vec<PlannedFault>,
    /// Which nodes come and go, in the order of time.
    pub changes: Vec<PlannedChange>,
}

/// Delays and clocks.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The usual way of a message inside a datacenter.
    pub near_us: Micros,
    /// The usual way of a message to another datacenter.
    pub far_us: Micros,
    /// Whether delays vary; otherwise each is exactly the usual one.
    pub varies: bool,
    /// How far each node's clock is off at the beginning, in microseconds.
    pub skew_us: Vec<i64>,
    /// How many microseconds each node's clock gains in a second.
    pub drift_ppm: Vec<i64>,
    /// Operations that an engine takes from clients at a time.
    pub operations_max: usize,
    /// Operations on a lane at a time.
    pub lane_window_max: usize,
    /// Which states move in pieces.
    pub piece_sizes: PieceSizes,
}

/// One command of one client.
#[derive(Debug, Clone)]
pub struct PlannedCommand {
    /// When it is sent, unless the client still waits for an earlier one.
    pub at: Micros,
    /// Clients are numbered; each has one connection.
    pub client: usize,
    /// The node that the client connects to first. The same for all commands of a client.
    pub home: usize,
    /// The command.
    pub command: Command,
}

/// One fault with its beginning and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedFault {
    /// When it begins.
    pub at: Micros,
    /// How long it lasts; 0 for what happens in a moment.
    pub lasts: Micros,
    /// What it is.
    pub fault: Fault,
}

/// What can break. Nodes are numbers, see [`Topology`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Packets between two groups of nodes are swallowed.
    Partition {
        /// One side.
        side: Group,
        /// Whether packets of the side to the others are swallowed.
        outbound: bool,
        /// Whether packets of the others to the side are swallowed.
        inbound: bool,
    },
    /// Packets from one node to another are swallowed.
    Cut {
        /// The sender.
        from: usize,
        /// The receiver.
        to: usize,
    },
    /// The connections of one node to another break, in a moment.
    Reset {
        /// The node that dialled.
        from: usize,
        /// The other.
        to: usize,
    },
    /// Messages from one node to another take longer.
    SlowLink {
        /// The sender.
        from: usize,
        /// The receiver.
        to: usize,
        /// By so much.
        by_us: Micros,
    },
    /// A node's answers to another one come twice. TCP does not do that; engines are to bear it all the same.
    Echo {
        /// The node that answers.
        from: usize,
        /// The other.
        to: usize,
    },
    /// One node's window for another is full: nothing more is sent there.
    FullLink {
        /// The sender.
        from: usize,
        /// The receiver.
        to: usize,
    },
    /// The process dies and is started again.
    Crash {
        /// The node.
        node: usize,
        /// What else is lost.
        loss: Loss,
    },
    /// The process stands still.
    Freeze {
        /// The node.
        node: usize,
    },
    /// All of a node's messages and operations take longer.
    SlowNode {
        /// The node.
        node: usize,
        /// By so much.
        by_us: Micros,
    },
    /// The connections to the datastore break. Some of the operations that were under way run.
    LaneBreak {
        /// The node.
        node: usize,
        /// How many of a hundred operations under way run.
        run_percent: u64,
    },
    /// The datastore dies and is started again without its data.
    StoreLoss {
        /// The node.
        node: usize,
    },
    /// The datastore dies and is started again with its data, of which nobody else knows that it is all there.
    StoreRestart {
        /// The node.
        node: usize,
        /// How many of a hundred operations under way run.
        run_percent: u64,
    },
    /// The datastore's data is saved when the fault begins. When it ends, the datastore dies and begins anew with what was
    /// saved, if its node can see that this is not all that it had acknowledged; if not, it begins with all.
    StoreSetBack {
        /// The node.
        node: usize,
    },
    /// The datastore stands still.
    StoreFreeze {
        /// The node.
        node: usize,
    },
    /// Each of the datastore's operations takes longer.
    StoreSlow {
        /// The node.
        node: usize,
        /// By so much.
        by_us: Micros,
    },
    /// The wall clock is set.
    ClockStep {
        /// The node.
        node: usize,
        /// Forwards or backwards.
        by_us: i64,
    },
}

/// Nodes that are cut off together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// One node.
    Node(usize),
    /// The nodes of one rack, counted over all datacenters.
    Rack(usize),
    /// The nodes of one datacenter.
    Dc(usize),
}

/// What a crash takes along beside the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Nothing: all that was written survives.
    Nothing,
    /// What the machine has in memory: the datastore's data, and what was written to the logs since the last sync, the last
    /// frame torn.
    Power,
    /// The log.
    Log,
    /// The datastore's data.
    Store,
    /// Log and data.
    LogAndStore,
}

impl Group {
    /// Whether the group has `node`.
    pub fn has(self, topology: &Topology, node: usize) -> bool {
        match self {
            Self::Node(one) => one == node,
            Self::Rack(rack) => topology.rack_of(node) == rack,
            Self::Dc(dc) => topology.dc_of(node) == dc,
        }
    }
}

impl Fault {
    /// The node that loses data by it.
    pub fn loses_data_of(&self) -> Option<usize> {
        match self {
            Self::StoreLoss { node } | Self::StoreSetBack { node } => Some(*node),
            Self::Crash { node, loss } if *loss != Loss::Nothing => Some(*node),
            _ => None,
        }
    }
}

impl Plan {
    /// The plan that `seed` makes of a scenario.
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        let mut random = Random::new(seed ^ u64::from(crc_of(scenario.name)));
        let topology = scenario.shape.topology(&mut random);
        let surroundings = Surroundings::draw(&topology, &scenario.shape, &mut random);
        let commands = workload::draw(&topology, &scenario.workload, &mut random);
        let faults = faults::draw(&topology, &scenario.faults, &scenario.workload, &mut random);
        let changes = changes::draw(&topology, &scenario.shape.changes, &scenario.workload, &mut random);
        Self { seed, topology, surroundings, commands, faults, changes }
    }

    /// When the last fault is over and the last command was sent.
    pub fn quiet_at(&self) -> Micros {
        let faults = self.faults.iter().map(|fault| fault.at + fault.lasts).max().unwrap_or(0);
        let changes = self.changes.iter().map(|change| change.at).max().unwrap_or(0);
        self.commands.iter().map(|command| command.at).max().unwrap_or(0).max(faults).max(changes)
    }

    /// How far two clocks of the cluster can be apart in the course of the run.
    pub fn skew_spread_us(&self) -> u64 {
        let skews = self.surroundings.skew_us.iter().copied();
        let spread = skews.clone().max().unwrap_or(0) - skews.min().unwrap_or(0);
        let steps: u64 = self
            .faults
            .iter()
            .map(
                |fault| {
                    if let Fault::ClockStep { by_us, .. } = fault.fault { by_us.unsigned_abs() } else { 0 }
                },
            )
            .sum();
        let drift = self.surroundings.drift_ppm.iter().map(|ppm| ppm.unsigned_abs()).max().unwrap_or(0);
        // Clocks drift apart in both directions, over the run and some time after it.
        spread.unsigned_abs() + steps + 2 * drift * (self.quiet_at() / 1_000_000 + DRIFT_AFTER_S)
    }

    /// How far versions that two datacenters stamp at the same time can be apart. A node that has lost its log claims keys above
    /// all that it may have promised, and the clocks that it talks to follow.
    pub fn version_spread_us(&self) -> u64 {
        let loses_log = |fault: &PlannedFault| {
            matches!(fault.fault, Fault::Crash { loss: Loss::Log | Loss::LogAndStore, .. })
        };
        let ahead = if self.faults.iter().any(loses_log) { CLOCK_AHEAD_MAX_MS * MS } else { 0 };
        self.skew_spread_us() + ahead
    }

    /// The dice of the run.
    pub fn dice(&self) -> Dice {
        Dice::new(self.seed)
    }
}

/// Seconds after the end of a plan that are counted into the drift of its clocks.
const DRIFT_AFTER_S: u64 = 120;

/// Tells scenarios apart, so that equal seeds do not make equal plans of them. FNV-1a.
fn crc_of(name: &str) -> u32 {
    dynomite_ring::NodeId::from_name(name).0
}

/// Limits of the nodes, those of the real ones.
const OPERATIONS_MAX: usize = 65_536;
const LANE_WINDOW_MAX: usize = 65_536;
/// Sizes with which nearly every value moves in pieces, of an element or a few bytes each.
pub(crate) const SMALL_PIECES: PieceSizes = PieceSizes { large_bytes_min: 24, piece_bytes: 7 };
/// Limits that a handful of clients reaches.
const TIGHT: (usize, usize) = (3, 2);

impl Surroundings {
    /// Everything takes `near_us` or `far_us`, and all clocks agree.
    pub fn even(topology: &Topology, near_us: Micros, far_us: Micros) -> Self {
        let nothing = vec![0; topology.len()];
        Self {
            near_us,
            far_us,
            varies: false,
            skew_us: nothing.clone(),
            drift_ppm: nothing,
            operations_max: OPERATIONS_MAX,
            lane_window_max: LANE_WINDOW_MAX,
            piece_sizes: PieceSizes::default(),
        }
    }

    fn draw(topology: &Topology, shape: &crate::scenario::Shape, random: &mut Random) -> Self {
        let near_us = *random.pick(&[100, 300, 1000, 3000]);
        let far_us = random.between(10 * MS, 60 * MS);
        let nodes = 0..topology.len();
        let skew_us = nodes
            .clone()
            .map(|_| random.below(2 * shape.skew_us + 1) as i64 - shape.skew_us as i64)
            .collect();
        let drift_ppm =
            nodes.map(|_| random.below(2 * shape.drift_ppm + 1) as i64 - shape.drift_ppm as i64).collect();
        let (operations_max, lane_window_max) =
            if shape.is_tight { TIGHT } else { (OPERATIONS_MAX, LANE_WINDOW_MAX) };
        let piece_sizes = if shape.is_piecewise { SMALL_PIECES } else { PieceSizes::default() };
        Self {
            near_us,
            far_us,
            varies: true,
            skew_us,
            drift_ppm,
            operations_max,
            lane_window_max,
            piece_sizes,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partition { side, outbound: true, inbound: true } => write!(f, "partition {side:?}"),
            Self::Partition { side, outbound: true, .. } => write!(f, "partition {side:?}, its packets only"),
            Self::Partition { side, .. } => write!(f, "partition {side:?}, packets to it only"),
            other => write!(f, "{other:?}"),
        }
    }
}

impl fmt::Display for PlannedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10.3} ms  {}", self.at as f64 / MS as f64, self.fault)?;
        if self.lasts > 0 {
            write!(f, " for {:.3} ms", self.lasts as f64 / MS as f64)?;
        }
        Ok(())
    }
}

impl fmt::Display for PlannedCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at as f64 / MS as f64;
        write!(f, "{at:>10.3} ms  client {} (node {}): {}", self.client, self.home, self.command)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Topology { dc_count, rack_count, node_count, worker_count, .. } = self.topology;
        writeln!(f, "{dc_count} DCs x {rack_count} racks x {node_count} nodes of {worker_count} workers")?;
        let Surroundings { near_us, far_us, skew_us, drift_ppm, .. } = &self.surroundings;
        writeln!(f, "near {near_us} us, far {far_us} us, skew {skew_us:?} us, drift {drift_ppm:?} ppm")?;
        for fault in &self.faults {
            writeln!(f, "{fault}")?;
        }
        for PlannedChange { at, change } in &self.changes {
            writeln!(f, "{:>10.3} ms  {change:?}", *at as f64 / MS as f64)?;
        }
        for command in &self.commands {
            writeln!(f, "{command}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

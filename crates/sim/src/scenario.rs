//! What can be run: families of random runs, and scripts.

mod directed;
mod families;

use dynomite_ring::HashKind;

use crate::{
    plan::{ChangeMix, FaultMix, Plan, Workload},
    random::Random,
    topology::Topology,
};

pub use directed::{Directed, directed};
pub use families::SCENARIOS;

/// What must hold, as in `docs/consistency.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// When faults stop, all replicas of every key hold equal state within a bounded time; across datacenters too.
    Converges,
    /// A write acknowledged by a majority is in the final state, or was superseded; one that was not run is nowhere.
    NothingLost,
    /// A quorum read sees what was acknowledged in its datacenter before it began, or something later.
    ReadsItsQuorum,
    /// One SET NX wins, and every element is counted, added and taken away once.
    DecidesOnce,
    /// Every reply belongs to its request.
    NoCrossTalk,
    /// Nothing is left in flight, and no more is kept than there is reason to.
    Bounded,
    /// Every command is answered once, by its deadline.
    Answered,
    /// The engine does not panic.
    NoPanic,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Converges,
        Self::NothingLost,
        Self::ReadsItsQuorum,
        Self::DecidesOnce,
        Self::NoCrossTalk,
        Self::Bounded,
        Self::Answered,
        Self::NoPanic,
    ];

    /// A short name, for tables and the command line.
    pub fn code(self) -> &'static str {
        match self {
            Self::Converges => "I1",
            Self::NothingLost => "I2",
            Self::ReadsItsQuorum => "I3",
            Self::DecidesOnce => "I4",
            Self::NoCrossTalk => "I5",
            Self::Bounded => "I6",
            Self::Answered => "I7",
            Self::NoPanic => "panic",
        }
    }
}

/// The cluster of a scenario; what is left open is drawn for each run.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Datacenters.
    pub dc_count: usize,
    /// Racks of each datacenter, at least and at most.
    pub racks: (usize, usize),
    /// Nodes of each rack, at most.
    pub nodes_max: usize,
    /// Workers of each node, at most.
    pub workers_max: usize,
    /// How far a clock is off at most.
    pub skew_us: u64,
    /// How many microseconds a clock gains or loses in a second at most.
    pub drift_ppm: u64,
    /// Whether limits are so low that they are reached.
    pub is_tight: bool,
    /// Whether pieces are so small that most states move in several.
    pub is_piecewise: bool,
    /// Which nodes come and go.
    pub changes: ChangeMix,
}

/// A family of runs.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// The cluster.
    pub shape: Shape,
    /// What clients send.
    pub workload: Workload,
    /// What breaks.
    pub faults: FaultMix,
    /// What must hold.
    pub demands: &'static [Invariant],
}

impl Shape {
    pub(crate) fn topology(&self, random: &mut Random) -> Topology {
        let (least, most) = self.racks;
        Topology {
            dc_count: self.dc_count,
            rack_count: random.between(least as u64, most as u64) as usize,
            node_count: random.between(1, self.nodes_max as u64) as usize + self.changes.spare_count,
            spare_count: self.changes.spare_count,
            vnode_count: *random.pick(&[1, 4, 16]),
            worker_count: random.between(1, self.workers_max as u64) as usize,
            hash: *random.pick(&[HashKind::RedisSlot, HashKind::Murmur]),
        }
    }
}

/// Something that can be run: a family, which makes a plan of a seed, or a script.
#[derive(Debug, Clone, Copy)]
pub enum Runnable {
    /// A family.
    Family(&'static Scenario),
    /// A script.
    Script(&'static Directed),
}

impl Runnable {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        SCENARIOS.iter().map(Self::Family).chain(directed().iter().map(Self::Script))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Family(scenario) => scenario.name,
            Self::Script(script) => script.name,
        }
    }

    /// What it is about.
    pub fn about(self) -> &'static str {
        match self {
            Self::Family(scenario) => scenario.about,
            Self::Script(script) => script.about,
        }
    }

    /// What must hold.
    pub fn demands(self) -> &'static [Invariant] {
        match self {
            Self::Family(scenario) => scenario.demands,
            Self::Script(script) => script.demands,
        }
    }

    /// The plan of one run. A script is the same for every seed but for what its surroundings leave open.
    pub fn plan(self, seed: u64) -> Plan {
        match self {
            Self::Family(scenario) => Plan::new(scenario, seed),
            Self::Script(script) => (script.plan)(seed),
        }
    }
}

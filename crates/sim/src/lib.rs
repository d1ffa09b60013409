//! Whole clusters in one thread and in simulated time: the engine that ships, over the memory store, with links, clocks,
//! disks, datastores and clients that fail as real ones do.
//!
//! One number decides everything about a run. A [`Scenario`] makes a [`Plan`] of it: what clients send, and what breaks
//! when. [`run()`] plays the plan and judges what clients were told and what replicas hold at the end; [`shrink()`] makes a
//! failing plan small.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod campaign;
mod check;
mod command;
mod gossip;
mod history;
#[cfg(feature = "mutants")]
mod mutants;
mod plan;
mod random;
mod report;
mod run;
mod scenario;
mod shrink;
#[cfg(test)]
mod tests;
mod topology;
mod trace;
mod world;

pub use campaign::{Campaign, Tally};
pub use check::Violation;
pub use command::{Action, Command, Key, Kind};
pub use gossip::{
    Cluster, Figures, GOSSIP_SCENARIOS, GossipScenario, Link, Members, Network, Process, Sends,
    SimulatedMember, Times, addr_of, measure, place_of, play_gossip,
};
pub use history::{Entry, History, Outcome};
#[cfg(feature = "mutants")]
pub use mutants::{Found, Hunt, Planted, hunt_all, plant};
pub use plan::{
    Change, ChangeMix, Fault, FaultKind, FaultMix, Group, Loss, MS, Micros, Plan, PlannedChange,
    PlannedCommand, PlannedFault, Surroundings, Traffic, Workload,
};
pub use random::{Dice, Random};
pub use report::describe;
pub use run::{Verdict, catch_panics_quietly, run, run_with};
pub use scenario::{Directed, Invariant, Runnable, SCENARIOS, Scenario, Shape, directed};
pub use shrink::shrink;
pub use topology::Topology;
pub use trace::{Trace, TraceTo};
pub use world::{Disk, KeyState, World};

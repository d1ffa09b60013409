//! The membership crate in a network of its own: from ten to a thousand members in virtual time.
//!
//! [`measure()`] says how fast and at what cost; [`GossipScenario`]s break things at random, and say afterwards what
//! does not hold. As everywhere here, a seed decides all of it. Other protocols may be put in the same network and measured alike.

mod cluster;
mod figures;
mod members;
mod network;
mod scenarios;
#[cfg(test)]
mod tests;

pub use cluster::Cluster;
pub use figures::{Figures, Times, measure};
pub use members::{Members, SimulatedMember};
pub use network::{Link, Network, Process, Sends, addr_of, place_of};
pub use scenarios::{GOSSIP_SCENARIOS, GossipScenario, play_gossip};

//! The membership crate in a network of its own: from ten to a thousand members in virtual time.
//!
//! [`measure()`] says how fast and at what cost; [`GossipScenario`]s break things at random, and say afterwards what
//! does not hold. As everywhere here, a seed decides all of it.

mod figures;
mod network;
mod scenarios;
#[cfg(test)]
mod tests;

pub use figures::{Figures, measure};
pub use scenarios::{GOSSIP_SCENARIOS, GossipScenario, play_gossip};

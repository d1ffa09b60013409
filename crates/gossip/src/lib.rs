//! Membership for clusters, as a pure state machine: time comes in as an argument, nothing is sent and no clock is read.
//!
//! [`Gossip`] is one member: it finds the others through seeds, tells and hears of changes, notices who is gone, and keeps
//! each member's typed items. [`PhiAccrual`] is the failure detector in it, for links of other kinds. What must be decided
//! once is not for gossip: [`agreement`] decides it by Paxos.

pub mod agreement;
mod config;
mod counts;
mod error;
mod event;
mod gossip;
mod item;
mod items;
mod members;
mod node;
mod out;
mod phi;
mod rng;
mod rumours;
#[cfg(test)]
mod testing;
#[cfg(feature = "udp")]
pub mod udp;
mod wire;

pub use config::Config;
pub use counts::Counts;
pub use error::GossipError;
pub use event::Event;
pub use gossip::{Gossip, Health, Member};
pub use item::Item;
pub use node::{Identity, NodeId, Status};
pub use out::Out;
pub use phi::{PhiAccrual, PhiConfig};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

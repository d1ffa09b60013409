//! A whole Dynomite node: workers, client listener, peer links, configuration.
//!
//! [`Node::start`] is the one place that composes everything; it takes a validated [`Config`]. The rest of the crate is
//! the tokio shell around the pure crates: it does I/O, reads clocks and owns threads, and decides nothing about data.

mod backoff;
mod client;
pub mod config;
mod counters;
pub mod disk;
mod flows;
mod journal;
mod json;
mod link;
mod membership;
mod missed;
mod node;
mod repairs;
pub mod seeds;
mod shared;
mod slice;
mod slots;
mod topology;
mod worker;

pub use config::Config;
pub use node::{Node, NodeFailed, StartError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

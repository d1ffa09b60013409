//! A whole Dynomite node: workers, client listener, peer links, configuration.

mod client;
pub mod config;
mod counters;
mod link;
mod node;
mod shared;
mod slice;
mod slots;
mod worker;

pub use config::Config;
pub use node::{Node, NodeFailed, StartError};

//! A whole Dynomite node: workers, client listener, peer links, configuration.

pub mod config;

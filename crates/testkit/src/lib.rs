//! Real `redis-server`, `memcached` and `dynomited` processes for tests, and a byte-exact RESP connection to them.
//!
//! Invariants: a server listens on loopback only; it never outlives the test process, however that ends; no two test
//! processes use the same port; every wait has a deadline. What goes wrong here panics, because it fails the test: a
//! missing server is never a reason to skip one.

#![expect(clippy::panic, reason = "a test that lacks what it needs has failed")]

mod client;
mod cluster;
mod dynomited;
mod eventually;
mod guardian;
mod memcached;
mod nutcracker;
mod ports;
mod process;
mod redis;
mod relay;

pub use client::{RawClient, request};
pub use cluster::{Cluster, ClusterBuilder, ClusterNode};
pub use dynomited::{Dynomited, DynomitedBuilder};
pub use eventually::eventually;
pub use memcached::Memcached;
pub use nutcracker::Nutcracker;
pub use ports::PortLease;
pub use redis::{Redis, RedisBuilder};
pub use relay::{Flow, Relay, Way};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

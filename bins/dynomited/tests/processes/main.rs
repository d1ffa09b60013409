//! Real `dynomited` processes over real `redis-server`s, as a user has them: each test starts its own servers, does what
//! clients, operators and accidents do, and looks at the datastores directly.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod bad_input;
mod clients;
mod contention;
mod datacenters;
mod foreign_peers;
mod growing;
mod handshakes;
mod ipv6;
mod large_values;
mod lifecycle;
mod load;
mod lost_nodes;
mod members;
mod nearness;
mod order;
mod pipelines;
mod placement;
mod repair;
mod replication;
mod returns;
mod shapes;
mod slow_readers;
mod stalls;
mod stored;
mod values;

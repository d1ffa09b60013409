//! Nodes inside the test process, over real sockets.

#![expect(clippy::unwrap_used, reason = "a test that lacks what it needs has failed")]

mod cluster;
mod commands;
mod datastores;
mod failures;
mod handshake;
mod limits;
mod one_node;
mod support;

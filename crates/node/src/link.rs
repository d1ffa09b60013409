//! Links between nodes: one TCP connection from each worker of a node to every other node. The dialer sends requests,
//! the other side sends the responses back, in any order.
//!
//! `frame` cuts bytes into messages, `queue` lets small messages pass large ones, `hello` is what both sides must agree
//! on; all three are pure. `handshake` and `connection` do the I/O.

mod connection;
mod frame;
mod handshake;
mod hello;
mod liveness;
mod queue;

pub(crate) use connection::{Closed, Connection, Settings};
pub(crate) use frame::Kind;
pub(crate) use handshake::{accept, dial};
pub(crate) use hello::Hello;

//! Links between nodes: one TCP connection from each worker of a node to every other node. The dialer sends requests,
//! the other side sends the responses back, in any order.
//!
//! Nodes that talk about the membership do so on connections of their own, which begin in the same way: see
//! [`Purpose`].
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
pub(crate) use frame::{BODY_MAX, Decoder, HEADER_BYTES, Kind, Message, member_frame};
pub(crate) use handshake::{accept, dial};
pub(crate) use hello::{Hello, Purpose};

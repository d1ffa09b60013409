//! RESP framing and the Redis command table: pure, bounded, resumable, zero-copy.

pub mod encode;
mod operation;
mod request;

pub use operation::{KeyState, Operation, Output};
pub use request::{ArgRange, ArgRanges, Request};

//! Where a key lives: key hashes, tokens, vnodes and replica placement as an immutable snapshot.
//!
//! A cluster is made of datacenters, a datacenter of racks, a rack of nodes. **Each rack holds one full copy of the
//! data**, divided among its nodes by tokens: a token owns the hashes `(previous token, token]` of its rack, and the
//! smallest token also owns what lies above the greatest. A [`Ring`] answers which nodes hold a key; it never changes
//! after it was built, so it may be shared between threads without locks. The crate does no I/O and reads no clock.

mod allocate;
mod description;
mod error;
mod hash;
mod hasher;
mod moved;
mod node;
mod ownership;
mod plan;
mod ring;
#[cfg(test)]
mod testing;
mod token;
mod topology;

pub use allocate::{allocate, allocate_static};
pub use description::RingDescription;
pub use error::{ParseHashError, ParseTokenError, RingError};
pub use hash::HashKind;
pub use hasher::KeyHasher;
pub use moved::{MovedRange, moved_ranges};
pub use node::{Node, NodeId};
pub use ownership::Ownership;
pub use plan::{Change, NodeLoad, Plan, PlanError, Step, Transfer};
pub use ring::{Replicas, Ring};
pub use token::{SLOT_COUNT, Token, TokenRange, TokenSpace};
pub use topology::{Dc, DcIdx, NodeIdx, Rack, RackIdx};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

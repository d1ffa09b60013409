//! Datastores behind one small trait: Redis, and an embedded memory store.

mod lane;
mod memory;
mod redis;
mod reserved;
mod sync;

pub use dynomite_codec::{KeyState, Operation, Output};
pub use lane::{Backend, Lane, LaneEvent, StoreIdentity};
pub use memory::{MemoryBackend, MemoryConfig, MemoryStats, MemoryStore};
pub use redis::{RedisAddress, RedisBackend, RedisConfig, RedisUrlError};
pub use reserved::ReservedKeys;
pub use sync::{SyncBackend, SyncLane, SyncStore};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

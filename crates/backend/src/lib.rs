//! Datastores behind one small trait: Redis, and an embedded memory store.

mod element;
mod lane;
mod memory;
mod redis;
mod reserved;
mod sync;

pub use dynomite_codec::{DigestPart, Extent, KeyState, Operation, Output, Piece, Position, STAGE_COUNT};
pub use element::LARGE_BYTES_MIN;
pub use lane::{Backend, Lane, LaneEvent, StoreIdentity};
pub use memory::{MemoryBackend, MemoryConfig, MemoryStats, MemoryStore, PieceSizes};
pub use redis::{RedisAddress, RedisBackend, RedisConfig, RedisUrlError};
pub use reserved::ReservedKeys;
pub use sync::{SyncBackend, SyncLane, SyncStore};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

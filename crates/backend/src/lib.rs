//! Datastores behind one small trait: Redis, memcached, and an embedded memory store.

mod address;
mod backoff;
mod broken;
mod connection;
mod element;
mod lane;
mod memcached;
mod memory;
mod pipe;
mod redis;
mod reserved;
mod server_lane;
mod stream;
mod sync;

pub use address::{ServerAddress, ServerAddress as RedisAddress};
pub use dynomite_codec::{DigestPart, Extent, KeyState, Operation, Output, Piece, Position, STAGE_COUNT};
pub use element::LARGE_BYTES_MIN;
pub use lane::{Backend, Lane, LaneEvent, StoreIdentity};
pub use memcached::{MemcachedBackend, MemcachedConfig, MemcachedUrlError};
pub use memory::{MemoryBackend, MemoryConfig, MemoryStats, MemoryStore, PieceSizes};
pub use redis::{RedisBackend, RedisConfig, RedisUrlError};
pub use reserved::ReservedKeys;
pub use sync::{SyncBackend, SyncLane, SyncStore};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! An embedded store with the types and commands of Redis: one part per worker, no locks, no I/O, no clock of its own.
//!
//! Invariants: replies are those of Redis 7.0 in RESP2, byte for byte, but for the order of unordered members, random
//! picks and cursors; the same seed and the same calls give the same replies.

use std::hash::{BuildHasher, RandomState};

use bytes::{Bytes, BytesMut};
#[cfg(doc)]
use dynomite_codec::STAGE_COUNT;
use dynomite_codec::{DigestPart, Extent, KeyState, Piece, Position, Request};

use crate::element::{LARGE_BYTES_MIN, PIECE_BYTES};
use crate::{Backend, Lane, StoreIdentity, SyncLane, SyncStore};
use fault::Fault;
use keyspace::{Expiry, Keyspace};
use pieces::Stages;
use value::Value;

mod blob;
mod commands;
mod dense_map;
mod dispatch;
mod extended;
mod fault;
mod glob;
mod hash;
mod keyspace;
mod list;
mod number;
mod payload;
mod pieces;
mod rng;
mod set;
mod sorted_set;
mod value;

/// Keys that one [`SyncStore::tick`] looks at for expiry: some ten microseconds' work.
const EXPIRE_BUDGET: usize = 1024;

/// How much a memory store may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryConfig {
    /// Bytes that keys and values may take in all, divided evenly among the workers; `None` for no limit. Over it, keys
    /// that were not used for long are evicted.
    pub max_bytes: Option<usize>,
}

/// The backend whose lanes each own a [`MemoryStore`]. Data lives as long as the lanes.
pub struct MemoryBackend {
    config: MemoryConfig,
    identity: StoreIdentity,
}

impl MemoryBackend {
    /// A backend with nothing in it and an identity of its own.
    pub fn new(config: MemoryConfig) -> Self {
        let run_id = format!("{:016x}", RandomState::new().hash_one(0u8));
        Self { config, identity: StoreIdentity { kind: "memory".into(), run_id, ..StoreIdentity::default() } }
    }
}

impl Backend for MemoryBackend {
    fn describe(&self) -> String {
        "memory".into()
    }

    fn open_lane(&self, worker: usize, worker_count: usize) -> Box<dyn Lane> {
        let max_bytes = self.config.max_bytes.map(|bytes| bytes / worker_count.max(1));
        let store = MemoryStore::new(RandomState::new().hash_one(worker), MemoryConfig { max_bytes });
        Box::new(SyncLane::new(store, self.identity.clone()))
    }

    fn has_parts(&self) -> bool {
        true
    }
}

/// From which size on states are large, and how large their pieces are. The same on all nodes of a cluster, or digests differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PieceSizes {
    /// From so many bytes on a state is large.
    pub large_bytes_min: u64,
    /// About how many bytes a piece holds; not zero.
    pub piece_bytes: u32,
}

impl Default for PieceSizes {
    fn default() -> Self {
        Self { large_bytes_min: LARGE_BYTES_MIN, piece_bytes: PIECE_BYTES as u32 }
    }
}

/// Counters and sizes of a [`MemoryStore`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryStats {
    /// Keys held, those included that have expired and were not yet removed.
    pub key_count: usize,
    /// Keys that have an expiry.
    pub volatile_count: usize,
    /// About how many bytes keys and values take.
    pub used_bytes: usize,
    /// Keys removed because their time had passed.
    pub expired_count: u64,
    /// Keys removed to stay inside the byte budget.
    pub evicted_count: u64,
}

/// The keys of one worker.
#[derive(Clone)]
pub struct MemoryStore {
    keys: Keyspace,
    stages: Stages,
    sizes: PieceSizes,
}

impl MemoryStore {
    /// An empty store. `seed` decides random picks (`SPOP`, `RANDOMKEY`, eviction), so that a simulation can be repeated.
    pub fn new(seed: u64, config: MemoryConfig) -> Self {
        Self {
            keys: Keyspace::new(seed, config.max_bytes),
            stages: Stages::new(1),
            sizes: PieceSizes::default(),
        }
    }

    /// The same store with other sizes of pieces, and the stages of so many lanes: those of lane `n` begin with stage
    /// `n *` [`STAGE_COUNT`]. For simulations; before anything is staged.
    #[must_use]
    pub fn with_pieces(mut self, sizes: PieceSizes, lane_count: usize) -> Self {
        self.stages = Stages::new(lane_count);
        self.sizes = PieceSizes { piece_bytes: sizes.piece_bytes.max(1), ..sizes };
        self
    }

    /// Looks at up to `budget` keys, going round, and removes those that have expired; returns how many. A lane does this
    /// now and then by itself. Costs nothing while no key has an expiry.
    pub fn expire_some(&mut self, now_ms: u64, budget: usize) -> usize {
        self.keys.now_ms = now_ms;
        self.keys.expire_some(budget)
    }

    /// Counters and sizes.
    pub fn stats(&self) -> MemoryStats {
        MemoryStats {
            key_count: self.keys.len(),
            volatile_count: self.keys.volatile_count(),
            used_bytes: self.keys.used_bytes(),
            expired_count: self.keys.expired_count,
            evicted_count: self.keys.evicted_count,
        }
    }

    /// The key's value and expiry.
    fn find(&mut self, now_ms: u64, key: &[u8]) -> Option<(&Value, Option<u64>)> {
        self.keys.now_ms = now_ms;
        let expires_at_ms = self.keys.expiry(key)?;
        self.keys.peek(key).map(|(value, _)| (value, expires_at_ms))
    }
}

impl SyncStore for MemoryStore {
    fn execute(&mut self, now_ms: u64, request: &Request, reply: &mut BytesMut) {
        self.keys.now_ms = now_ms;
        commands::COMMANDS.execute(&mut self.keys, request, reply);
    }

    fn dump(&mut self, now_ms: u64, key: &[u8]) -> Result<Option<KeyState>, String> {
        let found = self.find(now_ms, key);
        Ok(found.map(|(value, expires_at_ms)| KeyState { payload: payload::encode(value), expires_at_ms }))
    }

    fn install(&mut self, now_ms: u64, key: &Bytes, state: Option<&KeyState>) -> Result<(), String> {
        self.keys.now_ms = now_ms;
        let Some(state) = state else {
            self.keys.remove(key);
            return Ok(());
        };
        let value = payload::decode(&state.payload).map_err(text_of)?;
        self.keys.make_room_for(state.payload.len()).map_err(text_of)?;
        self.keys.set(key, value, state.expires_at_ms.map_or(Expiry::Never, Expiry::At));
        Ok(())
    }

    fn scan(&mut self, now_ms: u64, cursor: u64, count: usize) -> (Vec<Bytes>, u64) {
        self.keys.now_ms = now_ms;
        let mut keys = Vec::new();
        let cursor = self.keys.scan(cursor, count, |key, _| keys.push(Bytes::copy_from_slice(key)));
        (keys, cursor)
    }

    fn measure(&mut self, now_ms: u64, key: &[u8]) -> Result<Option<Extent>, String> {
        let PieceSizes { large_bytes_min, piece_bytes } = self.sizes;
        let found = self.find(now_ms, key);
        Ok(found.map(|(value, _)| Extent {
            is_large: value.heap_bytes() as u64 >= large_bytes_min,
            start: pieces::start(value, piece_bytes),
        }))
    }

    fn dump_piece(&mut self, now_ms: u64, key: &[u8], position: Position) -> Result<Option<Piece>, String> {
        let Some((value, expires_at_ms)) = self.find(now_ms, key) else { return Ok(None) };
        let piece = pieces::encode(value, position);
        Ok(piece.map(|(payload, next)| Piece { payload, expires_at_ms, next }))
    }

    fn digest(&mut self, now_ms: u64, key: &[u8], position: Position) -> Result<Option<DigestPart>, String> {
        let Some((value, expires_at_ms)) = self.find(now_ms, key) else { return Ok(None) };
        let part = pieces::digest(value, position);
        Ok(part.map(|(digest, next)| DigestPart { digest, expires_at_ms, next }))
    }

    fn stage_piece(&mut self, now_ms: u64, stage: u8, payload: &Bytes) -> Result<(), String> {
        self.keys.now_ms = now_ms;
        let bytes = self.stages.bytes() + payload.len();
        self.stages.push(stage, payload, || self.keys.make_room_for(bytes)).map_err(text_of)
    }

    fn clear_stage(&mut self, stage: u8) -> Result<(), String> {
        self.stages.clear(stage).map_err(text_of)
    }

    fn install_stage(
        &mut self,
        now_ms: u64,
        key: &Bytes,
        stage: u8,
        expires_at_ms: Option<u64>,
    ) -> Result<(), String> {
        self.keys.now_ms = now_ms;
        self.keys.make_room_for(self.stages.bytes()).map_err(text_of)?;
        let value = self.stages.take(stage).map_err(text_of)?;
        self.keys.set(key, value, expires_at_ms.map_or(Expiry::Never, Expiry::At));
        Ok(())
    }

    fn tick(&mut self, now_ms: u64) {
        self.expire_some(now_ms, EXPIRE_BUDGET);
    }
}

fn text_of(fault: Fault) -> String {
    fault.text().to_owned()
}

#[cfg(test)]
mod tests;

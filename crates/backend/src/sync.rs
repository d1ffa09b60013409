//! Makes a [`Backend`] of any store that answers at once: one that lives in this process.
//!
//! Invariants: operations run in the order they were submitted, each exactly once; outputs leave in that order; what
//! waits to be polled is bounded in bytes, except for the one reply that crosses the bound.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use dynomite_codec::{DigestPart, Extent, KeyState, Operation, Output, Piece, Position, Request};
use xxhash_rust::xxh3::xxh3_64;

use crate::{Backend, Lane, LaneEvent, StoreIdentity};

/// Reply bytes that wait for a poll before further operations are held back unexecuted.
const WAITING_BYTES_MAX: usize = 16 << 20;
/// Outputs that wait for a poll before further operations are held back unexecuted.
const WAITING_COUNT_MAX: usize = 64 << 10;
/// Milliseconds between two calls of [`SyncStore::tick`].
const TICK_MS: u64 = 10;
/// Replies are cut from buffers of this size, so that a small reply costs no allocation.
const REPLY_BUFFER_BYTES: usize = 16 << 10;
const NO_STAGES: &str = "ERR this store takes states whole";

/// A store that answers at once. One per worker, so it needs no locks.
///
/// Time is an argument: `now_ms` is the wall clock in milliseconds since the Unix epoch, and may go back a little.
pub trait SyncStore {
    /// Runs one command and appends its reply in RESP2 to `reply`: exactly one value, an error value for a command
    /// that is unknown or has the wrong number of arguments.
    fn execute(&mut self, now_ms: u64, request: &Request, reply: &mut BytesMut);

    /// Reads the whole state of a key; `None` when it is absent.
    ///
    /// # Errors
    /// The text of the failure, as an error reply would have it without the leading `-`.
    fn dump(&mut self, now_ms: u64, key: &[u8]) -> Result<Option<KeyState>, String>;

    /// Replaces the whole state of a key; `None` deletes it.
    ///
    /// # Errors
    /// As [`SyncStore::dump`], when the payload can't be understood or there is no room; nothing changed then.
    fn install(&mut self, now_ms: u64, key: &Bytes, state: Option<&KeyState>) -> Result<(), String>;

    /// Gives about `count` keys from `cursor` on (0 begins) and the next page's cursor (0 ends). A key that is present
    /// during a whole iteration is given at least once.
    fn scan(&mut self, now_ms: u64, cursor: u64, count: usize) -> (Vec<Bytes>, u64);

    /// Tells whether a key's state is large, and where reading it in pieces begins; `None` when it is absent. As it comes,
    /// every state moves whole.
    ///
    /// # Errors
    /// As [`SyncStore::dump`].
    fn measure(&mut self, now_ms: u64, key: &[u8]) -> Result<Option<Extent>, String> {
        let state = self.dump(now_ms, key)?;
        Ok(state.map(|_| Extent { is_large: false, start: Position::default() }))
    }

    /// Reads the piece of a key's state that begins at `position`, which [`SyncStore::measure`] or the last piece gave; `None`
    /// when the key is absent or no longer of that type. As it comes, the one piece of [`SyncStore::dump`].
    ///
    /// # Errors
    /// As [`SyncStore::dump`].
    fn dump_piece(&mut self, now_ms: u64, key: &[u8], position: Position) -> Result<Option<Piece>, String> {
        let _ = position;
        let state = self.dump(now_ms, key)?;
        Ok(state.map(|KeyState { payload, expires_at_ms }| Piece { payload, expires_at_ms, next: None }))
    }

    /// As [`SyncStore::dump_piece`], the piece's digest. As it comes, that of the payload of [`SyncStore::dump`], for stores
    /// where equal values have equal payloads.
    ///
    /// # Errors
    /// As [`SyncStore::dump`].
    fn digest(&mut self, now_ms: u64, key: &[u8], position: Position) -> Result<Option<DigestPart>, String> {
        let piece = self.dump_piece(now_ms, key, position)?;
        Ok(piece.map(|Piece { payload, expires_at_ms, next }| DigestPart {
            digest: xxh3_64(&payload),
            expires_at_ms,
            next,
        }))
    }

    /// Adds a piece to those that stage `stage` holds; see [`Operation::StagePiece`]. As it comes, refuses.
    ///
    /// # Errors
    /// As [`SyncStore::install`]; the stage takes nothing more until it was cleared.
    fn stage_piece(&mut self, now_ms: u64, stage: u8, payload: &Bytes) -> Result<(), String> {
        let _ = (now_ms, stage, payload);
        Err(NO_STAGES.to_owned())
    }

    /// Drops what stage `stage` holds. As it comes, refuses.
    ///
    /// # Errors
    /// When there is no such stage.
    fn clear_stage(&mut self, stage: u8) -> Result<(), String> {
        let _ = stage;
        Err(NO_STAGES.to_owned())
    }

    /// Replaces the whole state of a key by what stage `stage` holds, which is empty then. As it comes, refuses.
    ///
    /// # Errors
    /// When the stage holds nothing, or a piece of it failed, or there is no room; nothing changed then.
    fn install_stage(
        &mut self,
        now_ms: u64,
        key: &Bytes,
        stage: u8,
        expires_at_ms: Option<u64>,
    ) -> Result<(), String> {
        let _ = (now_ms, key, stage, expires_at_ms);
        Err(NO_STAGES.to_owned())
    }

    /// Called now and then, between operations, for bounded housekeeping such as expiry. Does nothing by default.
    fn tick(&mut self, now_ms: u64) {
        let _ = now_ms;
    }

    /// Runs any operation. `buffer` is where replies are built; a reply is cut from its front without copying.
    fn run(&mut self, now_ms: u64, operation: &Operation, buffer: &mut BytesMut) -> Output {
        match operation {
            Operation::Command(request) => {
                self.execute(now_ms, request, buffer);
                Output::Reply(buffer.split().freeze())
            }
            Operation::Dump { key } => self.dump(now_ms, key).map_or_else(Output::Failed, Output::State),
            Operation::Install { key, state } => {
                self.install(now_ms, key, state.as_ref()).map_or_else(Output::Failed, |()| Output::Installed)
            }
            Operation::Scan { cursor, count } => {
                let (keys, cursor) = self.scan(now_ms, *cursor, *count);
                Output::Scanned { keys, cursor }
            }
            Operation::Measure { key } => {
                self.measure(now_ms, key).map_or_else(Output::Failed, Output::Measured)
            }
            Operation::DumpPiece { key, position } => {
                self.dump_piece(now_ms, key, *position).map_or_else(Output::Failed, Output::Piece)
            }
            Operation::Digest { key, position } => {
                self.digest(now_ms, key, *position).map_or_else(Output::Failed, Output::Digest)
            }
            Operation::StagePiece { stage, payload } => {
                self.stage_piece(now_ms, *stage, payload).map_or_else(Output::Failed, |()| Output::Staged)
            }
            Operation::ClearStage { stage } => {
                self.clear_stage(*stage).map_or_else(Output::Failed, |()| Output::Staged)
            }
            Operation::InstallStage { key, stage, expires_at_ms } => self
                .install_stage(now_ms, key, *stage, *expires_at_ms)
                .map_or_else(Output::Failed, |()| Output::Installed),
        }
    }
}

/// A backend whose lanes each own one store, made by a factory that gets `(worker, worker_count)`.
///
/// The stores live as long as their lanes: dropping a lane drops its data.
pub struct SyncBackend<F> {
    description: String,
    identity: StoreIdentity,
    factory: F,
}

impl<F, S> SyncBackend<F>
where
    F: Fn(usize, usize) -> S + Send + Sync + 'static,
    S: SyncStore + 'static,
{
    /// A backend called `description` in logs, with an identity that no other backend has.
    pub fn new(description: impl Into<String>, factory: F) -> Self {
        let description = description.into();
        let run_id = format!("{:016x}", RandomState::new().hash_one(&description));
        let identity = StoreIdentity { kind: description.clone(), run_id, ..StoreIdentity::default() };
        Self { identity, description, factory }
    }

    /// Replaces the identity, for reproducible tests. Every lane tells it as it is, `keys` and `marker` too: for stores that
    /// keep their data over a restart, open a [`SyncLane`] with each lane's own.
    #[must_use]
    pub fn with_identity(mut self, identity: StoreIdentity) -> Self {
        self.identity = identity;
        self
    }
}

impl<F, S> Backend for SyncBackend<F>
where
    F: Fn(usize, usize) -> S + Send + Sync + 'static,
    S: SyncStore + 'static,
{
    fn describe(&self) -> String {
        self.description.clone()
    }

    fn open_lane(&self, worker: usize, worker_count: usize) -> Box<dyn Lane> {
        Box::new(SyncLane::new((self.factory)(worker, worker_count), self.identity.clone()))
    }

    fn has_parts(&self) -> bool {
        true
    }
}

/// The lane of a [`SyncStore`]: submitting executes, polling hands out.
pub struct SyncLane<S> {
    store: S,
    identity: Option<StoreIdentity>,
    waiting: VecDeque<Output>,
    waiting_bytes: usize,
    held: VecDeque<(u64, Operation)>,
    buffer: BytesMut,
    ticked_at_ms: u64,
    waker: Option<Waker>,
}

impl<S: SyncStore> SyncLane<S> {
    /// A lane over `store` whose first event says [`LaneEvent::Up`] with `identity`.
    pub fn new(store: S, identity: StoreIdentity) -> Self {
        Self {
            store,
            identity: Some(identity),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            held: VecDeque::new(),
            buffer: BytesMut::new(),
            ticked_at_ms: 0,
            waker: None,
        }
    }

    /// The store behind the lane.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The store behind the lane, to look into it or change it from outside.
    pub fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    fn is_full(&self) -> bool {
        self.waiting_bytes >= WAITING_BYTES_MAX || self.waiting.len() >= WAITING_COUNT_MAX
    }

    fn run(&mut self, now_ms: u64, operation: &Operation) {
        if now_ms.abs_diff(self.ticked_at_ms) >= TICK_MS {
            self.ticked_at_ms = now_ms;
            self.store.tick(now_ms);
        }
        if self.buffer.capacity() < 64 {
            self.buffer.reserve(REPLY_BUFFER_BYTES);
        }
        let output = self.store.run(now_ms, operation, &mut self.buffer);
        self.waiting_bytes += size_of(&output);
        self.waiting.push_back(output);
    }
}

impl<S: SyncStore> Lane for SyncLane<S> {
    fn submit(&mut self, now_ms: u64, operation: Operation) {
        if self.is_full() || !self.held.is_empty() {
            self.held.push_back((now_ms, operation));
        } else {
            self.run(now_ms, &operation);
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, events: &mut Vec<LaneEvent>) -> Poll<()> {
        let before = events.len();
        events.extend(self.identity.take().map(LaneEvent::Up));
        events.extend(self.waiting.drain(..).map(LaneEvent::Done));
        self.waiting_bytes = 0;
        while !self.is_full() {
            let Some((now_ms, operation)) = self.held.pop_front() else { break };
            self.run(now_ms, &operation);
        }
        if !self.waiting.is_empty() {
            cx.waker().wake_by_ref();
        }
        if events.len() > before {
            return Poll::Ready(());
        }
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

fn size_of(output: &Output) -> usize {
    match output {
        Output::Reply(reply) => reply.len(),
        Output::State(Some(state)) => state.payload.len(),
        Output::Scanned { keys, .. } => keys.iter().map(|key| key.len() + 32).sum(),
        Output::Piece(Some(piece)) => piece.payload.len(),
        Output::Failed(text) => text.len(),
        Output::State(None)
        | Output::Installed
        | Output::Measured(_)
        | Output::Piece(None)
        | Output::Digest(_)
        | Output::Staged => 0,
    }
}

#[cfg(test)]
mod tests;

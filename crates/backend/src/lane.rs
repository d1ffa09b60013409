//! What a datastore must do: the [`Backend`] and [`Lane`] traits.
//!
//! A *lane* is one ordered conversation with a datastore, owned by one worker. Operations go in by
//! [`Lane::submit`] and come out of [`Lane::poll`] as one [`LaneEvent::Done`] each, **in the same order**. That order is
//! what makes a node's knowledge of a key equal to what the datastore holds, so an adapter must never reorder, drop or
//! repeat an operation: when it cannot tell whether an operation ran, it reports [`LaneEvent::Down`].

use std::task::{Context, Poll};

use dynomite_codec::{Operation, Output};

/// A datastore that a node can stand in front of. One per node, shared by its workers.
pub trait Backend: Send + Sync + 'static {
    /// What this is, for logs and `INFO`: `memory`, `redis://127.0.0.1:6379`. Without credentials.
    fn describe(&self) -> String;

    /// Opens the lane of worker `worker` of `worker_count`. Called once per worker, on that worker's thread, inside its
    /// tokio runtime. A lane starts down and says [`LaneEvent::Up`] when it can take operations.
    ///
    /// Every key is always sent to the same lane where the node replicates, and where [`Backend::has_parts`].
    fn open_lane(&self, worker: usize, worker_count: usize) -> Box<dyn Lane>;

    /// Whether each lane has data of its own, as in a store that lives inside the process; otherwise all see the same.
    fn has_parts(&self) -> bool;
}

/// One ordered conversation with a datastore.
pub trait Lane {
    /// Appends an operation. Never blocks and never fails: while the lane is down the caller does not submit, and what
    /// is submitted in the moment of breaking is covered by the next [`LaneEvent::Down`].
    ///
    /// `now_ms` is the wall clock in milliseconds since the Unix epoch, for stores that expire keys themselves.
    fn submit(&mut self, now_ms: u64, operation: Operation);

    /// Sends what was submitted and collects what came back, appending to `events`. Returns `Ready` when it appended
    /// anything; otherwise it has arranged for `cx` to be woken. Called once per worker turn, however many operations
    /// were submitted, so one call should become at most a few system calls.
    fn poll(&mut self, cx: &mut Context<'_>, events: &mut Vec<LaneEvent>) -> Poll<()>;
}

/// What happens on a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaneEvent {
    /// The lane takes operations from now on. All its stages are empty.
    Up(StoreIdentity),
    /// The oldest unanswered operation is done.
    Done(Output),
    /// The conversation broke. The outcome of every operation that was submitted and is not done is unknown; none of
    /// them will be answered. The lane reconnects by itself and says `Up` again.
    Down {
        /// For the log and for error replies: `connection refused (os error 111)`.
        reason: String,
    },
}

/// Who answered on the other side, and how much it holds: what tells whether data is gone.
///
/// The same `run_id` means that the datastore lived on while the connection was broken. After another one, no keys or no
/// marker mean that all data is lost; a marker that is older than the one last written, that the newest writes are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreIdentity {
    /// Kind and version: `redis 7.0.15`, `memory`.
    pub kind: String,
    /// Changes whenever the datastore's process starts anew (Redis: `run_id`).
    pub run_id: String,
    /// How many keys the datastore holds, the lane's part of them where it has parts. Those that a node keeps for itself
    /// count too.
    pub keys: u64,
    /// What the worker's marker ([`ReservedKeys::marker`](crate::ReservedKeys::marker)) says; `None` when it is absent or no
    /// number.
    pub marker: Option<u64>,
}

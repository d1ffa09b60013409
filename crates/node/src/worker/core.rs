//! What every part of a worker needs at hand: the engine and its output, the way to the other workers, the time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::{SystemTime, UNIX_EPOCH};

use dynomite_replication::{ClientCommand, Engine, Input, Now, Origin, Out, ReplicaRequest, ReplicaResponse};

use crate::counters::Counters;
use crate::journal::{Journal, Kept};
use crate::shared::Shared;
use crate::worker::mail::{Mail, Mailroom};
use crate::worker::stalled::Stalled;
use crate::worker::tasks::Tasks;

/// So many inputs are given to the engine together: enough to share what each has to wait for, few enough to stay in the
/// processor's first cache.
const INPUTS_MAX: usize = 32;

/// The centre of a worker, apart from its sockets.
pub(crate) struct Core {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) engine: Engine,
    /// Where what the engine wants kept goes.
    pub(crate) journal: Option<Journal>,
    pub(crate) out: Out,
    /// What waits for a log that cannot be written.
    stalled: Stalled,
    /// What has arrived for the engine and was not given to it yet.
    inputs: Vec<Input>,
    pub(crate) mail: Mailroom,
    /// Where tasks of this worker are started.
    pub(crate) tasks: Tasks,
    pub(crate) counters: Counters,
    /// The number of the operator's repair that the engine is at.
    pub(super) repair: Option<u64>,
    /// Commands given to other workers and not yet answered.
    pub(crate) forwarded: usize,
    /// Bytes by which the clients' buffers have grown since it was last told to the other workers.
    pub(crate) buffered_delta: isize,
    /// Bytes in the buffers of all clients of the node, as of the beginning of the last turn.
    buffered_bytes: usize,
    now: Now,
    is_now_fresh: bool,
    turn_waker: Option<Waker>,
    /// Whether a turn is under way, or woken and not yet begun.
    is_turn_coming: bool,
}

impl Core {
    pub(crate) fn new(
        index: usize,
        shared: Arc<Shared>,
        engine: Engine,
        journal: Option<Journal>,
        mail: Mailroom,
        tasks: Tasks,
    ) -> Self {
        Self {
            index,
            shared,
            engine,
            journal,
            out: Out::default(),
            stalled: Stalled::default(),
            inputs: Vec::with_capacity(INPUTS_MAX),
            mail,
            tasks,
            counters: Counters::default(),
            repair: None,
            forwarded: 0,
            buffered_delta: 0,
            buffered_bytes: 0,
            now: Now { ms: 0, wall_us: 0 },
            is_now_fresh: false,
            turn_waker: None,
            is_turn_coming: false,
        }
    }

    /// The time, read once for all that happens until the end of the next turn.
    pub(crate) fn now(&mut self) -> Now {
        if !self.is_now_fresh {
            let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            // From 1 on: to the engine, time 0 is before everything.
            let ms = self.shared.started_at.elapsed().as_millis() as u64 + 1;
            self.now = Now { ms, wall_us: wall.as_micros() as u64 };
            self.is_now_fresh = true;
        }
        self.now
    }

    /// Something arrived from outside: what it causes must not be stamped with a time before its arrival, or a client that
    /// writes here after it was answered elsewhere would find its write older than the one before. Without copies nothing is
    /// stamped, and the time is read once a turn.
    pub(crate) fn time_has_passed(&mut self) {
        self.is_now_fresh &= !self.shared.is_replicated();
    }

    /// Makes sure that a turn will run after the tasks that are ready now.
    pub(crate) fn wake_turn(&mut self) {
        if !self.is_turn_coming {
            self.is_turn_coming = true;
            if let Some(waker) = &self.turn_waker {
                waker.wake_by_ref();
            }
        }
    }

    /// A turn begins: what it causes itself needs no waking.
    pub(crate) fn begin_turn(&mut self, waker: &Waker) {
        self.is_turn_coming = true;
        self.buffered_bytes = self.shared.buffered_bytes.load(Ordering::Relaxed);
        match &mut self.turn_waker {
            Some(known) => known.clone_from(waker),
            None => self.turn_waker = Some(waker.clone()),
        }
    }

    pub(crate) fn end_turn(&mut self) {
        let delta = std::mem::take(&mut self.buffered_delta);
        if delta != 0 {
            // Two's complement makes one addition of both.
            self.shared.buffered_bytes.fetch_add(delta as usize, Ordering::Relaxed);
            self.buffered_bytes = self.buffered_bytes.saturating_add_signed(delta);
        }
        self.is_turn_coming = false;
        self.is_now_fresh = false;
    }

    /// Brings to the log what the engine wants kept. What is in `out` afterwards may be carried out: while the log cannot be
    /// written, what depends on it is put aside.
    pub(crate) fn keep(&mut self) {
        let Some(journal) = &mut self.journal else { return };
        let kept = journal.keep(&mut self.engine);
        if kept == Kept::All {
            return self.stalled.come_back(&mut self.out);
        }
        let now = self.now();
        if kept == Kept::Nothing {
            self.stalled.put_aside(now, &mut self.out);
        }
        let patience_ms = self.shared.config.timeouts.request.as_millis() as u64;
        self.stalled.give_up(now, patience_ms, &mut self.out);
    }

    /// Shows this worker's numbers to the others.
    pub(crate) fn publish(&self) {
        let mut counters = Counters { ring_epoch: self.engine.ring_epoch(), ..self.counters };
        if let Some(journal) = &self.journal {
            counters.record_log_bytes = journal.record_bytes();
            counters.hint_log_bytes = journal.hint_bytes();
        }
        self.shared.counters[self.index].publish(counters, &self.engine.stats());
        self.shared.missed.note(self.index, &self.engine);
    }

    /// Whether the buffers of all clients of the node are over their limit.
    pub(crate) fn is_over_buffers(&self) -> bool {
        let bytes = self.buffered_bytes.saturating_add_signed(self.buffered_delta);
        bytes > self.shared.config.limits.buffers_max.bytes()
    }

    /// Whether the engine has nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.inputs.is_empty() && self.engine.in_flight() == 0
    }

    /// Whether commands of clients may be taken: the engine has room for them.
    pub(crate) fn has_room(&self) -> bool {
        self.engine.in_flight() + self.inputs.len() + self.forwarded
            < self.shared.config.limits.operations_max as usize
    }

    /// Runs a client's command, here or at the worker that has its slice.
    pub(crate) fn submit(&mut self, command: ClientCommand) {
        let worker = self.shared.worker_for(command.token, self.index);
        if worker == self.index {
            self.put(Input::Command(command));
        } else {
            self.forwarded += 1;
            self.mail.put(worker, Mail::Command(command));
        }
        self.wake_turn();
    }

    /// Takes another node's request, here or at the worker that has its slice.
    pub(crate) fn take_request(&mut self, origin: Origin, request: ReplicaRequest) {
        self.counters.peer_requests += 1;
        let worker = self.shared.worker_for(request.token, self.index);
        if worker == self.index {
            self.put(Input::Request(origin, request));
        } else {
            self.mail.put(worker, Mail::Request(origin, request));
        }
        self.wake_turn();
    }

    /// Takes another node's answer to a request of this worker.
    pub(crate) fn take_response(&mut self, response: ReplicaResponse) {
        self.put(Input::Response(response));
        self.wake_turn();
    }

    /// Keeps what has arrived until enough of it is there, or a turn comes.
    pub(crate) fn put(&mut self, input: Input) {
        self.inputs.push(input);
        if self.inputs.len() >= INPUTS_MAX {
            self.run_inputs();
        }
    }

    /// Gives the engine what has arrived. Whether there was anything.
    pub(crate) fn run_inputs(&mut self) -> bool {
        if self.inputs.is_empty() {
            return false;
        }
        let now = self.now();
        self.engine.handle_inputs(now, &mut self.inputs, &mut self.out);
        true
    }
}

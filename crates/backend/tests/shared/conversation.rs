//! A lane driven as a worker drives it: by its polls alone.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::time::Duration;

use dynomite_backend::{Backend, Lane, LaneEvent, Operation, Output, StoreIdentity};
use dynomite_codec::Request;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(20);
/// The name of the node with reserved keys.
pub(crate) const NODE: &str = "node-1";
/// The number of the lane's worker.
pub(crate) const WORKER: usize = 3;

pub(crate) struct Conversation {
    lane: Box<dyn Lane>,
    /// When operations are submitted.
    clock: fn() -> u64,
    events: VecDeque<LaneEvent>,
}

impl Conversation {
    /// Opens lane 3 of 4, to which operations are submitted at the time that `clock` tells.
    pub(crate) fn with(backend: &impl Backend, clock: fn() -> u64) -> Self {
        Self { lane: backend.open_lane(WORKER, 4), clock, events: VecDeque::new() }
    }

    pub(crate) fn submit(&mut self, operation: Operation) {
        self.submit_at((self.clock)(), operation);
    }

    pub(crate) fn submit_at(&mut self, now_ms: u64, operation: Operation) {
        self.lane.submit(now_ms, operation);
    }

    pub(crate) fn submit_command<A: AsRef<[u8]>>(&mut self, args: &[A]) {
        self.submit(Operation::Command(Request::from_args(args)));
    }

    pub(crate) async fn event(&mut self) -> LaneEvent {
        timeout(DEADLINE, self.next_event()).await.expect("an event before the deadline")
    }

    /// The event that comes within `patience`, if one does.
    pub(crate) async fn event_within(&mut self, patience: Duration) -> Option<LaneEvent> {
        timeout(patience, self.next_event()).await.ok()
    }

    pub(crate) async fn up(&mut self) -> StoreIdentity {
        match self.event().await {
            LaneEvent::Up(identity) => identity,
            other => panic!("expected Up, got {other:?}"),
        }
    }

    pub(crate) async fn down(&mut self) -> String {
        match self.event().await {
            LaneEvent::Down { reason } => reason,
            other => panic!("expected Down, got {other:?}"),
        }
    }

    pub(crate) async fn done(&mut self) -> Output {
        match self.event().await {
            LaneEvent::Done(output) => output,
            other => panic!("expected Done, got {other:?}"),
        }
    }

    pub(crate) async fn run(&mut self, operation: Operation) -> Output {
        self.submit(operation);
        self.done().await
    }

    async fn next_event(&mut self) -> LaneEvent {
        let mut arrived = Vec::new();
        while self.events.is_empty() {
            poll_fn(|cx| self.lane.poll(cx, &mut arrived)).await;
            assert!(!arrived.is_empty(), "a poll that is ready gives an event");
            self.events.extend(arrived.drain(..));
        }
        self.events.pop_front().expect("there is one")
    }
}

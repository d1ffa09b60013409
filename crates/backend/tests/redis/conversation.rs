//! A lane driven as a worker drives it: by its polls alone.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::time::Duration;

use dynomite_backend::{
    Backend, Lane, LaneEvent, Operation, Output, RedisBackend, RedisConfig, ReservedKeys, StoreIdentity,
};
use dynomite_codec::Request;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(20);
/// The name of the node with reserved keys.
pub(crate) const NODE: &str = "node-1";
/// The number of the lane's worker.
pub(crate) const WORKER: usize = 3;

pub(crate) struct Conversation {
    lane: Box<dyn Lane>,
    events: VecDeque<LaneEvent>,
}

impl Conversation {
    /// Opens lane 3 of 4 to the server at `url`, with short waits between attempts.
    pub(crate) fn open(url: &str) -> Self {
        Self::open_with(config(url))
    }

    /// As [`Self::open`], with reserved keys.
    pub(crate) fn open_for_node(url: &str) -> Self {
        Self::open_with(RedisConfig { reserved: Some(ReservedKeys::of_node(NODE)), ..config(url) })
    }

    pub(crate) fn open_with(config: RedisConfig) -> Self {
        Self { lane: RedisBackend::new(config).open_lane(WORKER, 4), events: VecDeque::new() }
    }

    pub(crate) async fn open_up(url: &str) -> Self {
        let mut conversation = Self::open(url);
        conversation.up().await;
        conversation
    }

    /// Submits at the beginning of time.
    pub(crate) fn submit(&mut self, operation: Operation) {
        self.submit_at(0, operation);
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

    /// The raw reply to one command.
    pub(crate) async fn command<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Vec<u8> {
        self.submit_command(args);
        self.reply().await
    }

    pub(crate) async fn reply(&mut self) -> Vec<u8> {
        match self.done().await {
            Output::Reply(reply) => reply.to_vec(),
            other => panic!("expected a reply, got {other:?}"),
        }
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

fn config(url: &str) -> RedisConfig {
    let mut config = RedisConfig::from_url(url).expect("the test's own URL");
    config.backoff_min = Duration::from_millis(10);
    config.backoff_max = Duration::from_millis(50);
    config
}

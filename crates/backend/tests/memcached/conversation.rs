//! Conversations with a memcached server.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use dynomite_backend::{KeyState, MemcachedBackend, MemcachedConfig, Operation, Output, ReservedKeys};
use dynomite_testkit::{Memcached, RawClient};

pub(crate) use crate::shared::{Conversation, NODE, WORKER};

impl Conversation {
    /// Opens a lane with reserved keys.
    pub(crate) fn open(config: MemcachedConfig) -> Self {
        let reserved = Some(ReservedKeys::of_node(NODE));
        Self::with(&MemcachedBackend::new(MemcachedConfig { reserved, ..config }), now_ms)
    }

    pub(crate) async fn open_up(memcached: &Memcached) -> Self {
        Self::open_up_with(config(memcached)).await
    }

    pub(crate) async fn open_up_with(config: MemcachedConfig) -> Self {
        let mut conversation = Self::open(config);
        conversation.up().await;
        conversation
    }

    /// The raw reply to one command.
    pub(crate) async fn command<A: AsRef<[u8]>>(&mut self, args: &[A]) -> String {
        self.submit_command(args);
        match self.done().await {
            Output::Reply(reply) => String::from_utf8_lossy(&reply).into_owned(),
            other => panic!("expected a reply, got {other:?}"),
        }
    }

    /// The text with which one operation fails.
    pub(crate) async fn failure(&mut self, operation: Operation) -> String {
        match self.run(operation).await {
            Output::Failed(text) => text,
            other => panic!("expected a failure, got {other:?}"),
        }
    }

    pub(crate) async fn dump(&mut self, key: impl Into<Bytes>) -> Option<KeyState> {
        match self.run(Operation::Dump { key: key.into() }).await {
            Output::State(state) => state,
            other => panic!("expected a state, got {other:?}"),
        }
    }

    pub(crate) async fn install(&mut self, key: impl Into<Bytes>, state: Option<KeyState>) {
        let output = self.run(Operation::Install { key: key.into(), state }).await;
        assert_eq!(output, Output::Installed);
    }
}

/// With short waits between attempts.
pub(crate) fn config(memcached: &Memcached) -> MemcachedConfig {
    config_of(&format!("memcached://{}", memcached.address()))
}

pub(crate) fn config_of(url: &str) -> MemcachedConfig {
    let mut config = MemcachedConfig::from_url(url).expect("the test's own URL");
    config.backoff_min = Duration::from_millis(10);
    config.backoff_max = Duration::from_millis(50);
    config
}

pub(crate) fn now_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    since_epoch.as_millis() as u64
}

/// What the lane dumps of a value that was written with `flags`, and expires at `expires_at_ms`.
pub(crate) async fn state_of(
    lane: &mut Conversation,
    value: &[u8],
    flags: u32,
    expires_at_ms: Option<u64>,
) -> KeyState {
    let flags = format!("F{flags}");
    assert_eq!(lane.command(&[&b"ms"[..], b"state-of", flags.as_bytes(), value]).await, "HD\r\n");
    let state = lane.dump("state-of").await.expect("it was written");
    assert_eq!(lane.command(&["md", "state-of"]).await, "HD\r\n");
    KeyState { expires_at_ms, ..state }
}

/// What the server answers to `line` in its first line.
pub(crate) fn ask(client: &mut RawClient, line: &str) -> String {
    client.send(format!("{line}\r\n").as_bytes());
    String::from_utf8_lossy(&client.read_line()).trim_end().to_owned()
}

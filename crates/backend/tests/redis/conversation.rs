//! Conversations with a Redis server.

use std::time::Duration;

use dynomite_backend::{Output, RedisBackend, RedisConfig, ReservedKeys};

pub(crate) use crate::shared::{Conversation, NODE, WORKER};

impl Conversation {
    /// Opens a lane to the server at `url`, with short waits between attempts, at the beginning of time.
    pub(crate) fn open(url: &str) -> Self {
        Self::open_with(config(url))
    }

    /// As [`Self::open`], with reserved keys.
    pub(crate) fn open_for_node(url: &str) -> Self {
        Self::open_with(RedisConfig { reserved: Some(ReservedKeys::of_node(NODE)), ..config(url) })
    }

    pub(crate) fn open_with(config: RedisConfig) -> Self {
        Self::with(&RedisBackend::new(config), || 0)
    }

    pub(crate) async fn open_up(url: &str) -> Self {
        let mut conversation = Self::open(url);
        conversation.up().await;
        conversation
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
}

fn config(url: &str) -> RedisConfig {
    let mut config = RedisConfig::from_url(url).expect("the test's own URL");
    config.backoff_min = Duration::from_millis(10);
    config.backoff_max = Duration::from_millis(50);
    config
}

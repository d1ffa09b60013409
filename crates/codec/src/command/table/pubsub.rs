//! Publish and subscribe.

use super::{ALL_KEYS, Command, MESSAGES, NO_KEY, ONE_KEY, Rule, command};
use crate::command::flags::{FAST, LOADING, NONE, NOSCRIPT, PUBSUB, STALE};

#[rustfmt::skip]
pub(super) const ROWS: &[Command] = &[
    command("psubscribe", -2, PUBSUB | NOSCRIPT | LOADING | STALE, NO_KEY, "2.0.0", Rule::Unsupported(MESSAGES), "Listen for messages published to channels matching the given patterns"),
    command("publish", 3, PUBSUB | LOADING | STALE | FAST, NO_KEY, "2.0.0", Rule::Unsupported(MESSAGES), "Post a message to a channel"),
    command("pubsub", -2, NONE, NO_KEY, "2.8.0", Rule::Container, "A container for Pub/Sub commands"),
    command("pubsub|channels", -2, PUBSUB | LOADING | STALE, NO_KEY, "2.8.0", Rule::Unsupported(MESSAGES), "List active channels"),
    command("pubsub|help", 2, LOADING | STALE, NO_KEY, "6.2.0", Rule::Unsupported(MESSAGES), "Show helpful text about the different subcommands"),
    command("pubsub|numpat", 2, PUBSUB | LOADING | STALE, NO_KEY, "2.8.0", Rule::Unsupported(MESSAGES), "Get the count of unique patterns pattern subscriptions"),
    command("pubsub|numsub", -2, PUBSUB | LOADING | STALE, NO_KEY, "2.8.0", Rule::Unsupported(MESSAGES), "Get the count of subscribers for channels"),
    command("pubsub|shardchannels", -2, PUBSUB | LOADING | STALE, NO_KEY, "7.0.0", Rule::Unsupported(MESSAGES), "List active shard channels"),
    command("pubsub|shardnumsub", -2, PUBSUB | LOADING | STALE, NO_KEY, "7.0.0", Rule::Unsupported(MESSAGES), "Get the count of subscribers for shard channels"),
    command("punsubscribe", -1, PUBSUB | NOSCRIPT | LOADING | STALE, NO_KEY, "2.0.0", Rule::Unsupported(MESSAGES), "Stop listening for messages posted to channels matching the given patterns"),
    command("spublish", 3, PUBSUB | LOADING | STALE | FAST, ONE_KEY, "7.0.0", Rule::Unsupported(MESSAGES), "Post a message to a shard channel"),
    command("ssubscribe", -2, PUBSUB | NOSCRIPT | LOADING | STALE, ALL_KEYS, "7.0.0", Rule::Unsupported(MESSAGES), "Listen for messages published to the given shard channels"),
    command("subscribe", -2, PUBSUB | NOSCRIPT | LOADING | STALE, NO_KEY, "2.0.0", Rule::Unsupported(MESSAGES), "Listen for messages published to the given channels"),
    command("sunsubscribe", -1, PUBSUB | NOSCRIPT | LOADING | STALE, ALL_KEYS, "7.0.0", Rule::Unsupported(MESSAGES), "Stop listening for messages posted to the given shard channels"),
    command("unsubscribe", -1, PUBSUB | NOSCRIPT | LOADING | STALE, NO_KEY, "2.0.0", Rule::Unsupported(MESSAGES), "Stop listening for messages posted to the given channels"),
];

//! How patient a node is, and how much it keeps.

use std::time::Duration;

/// Patience and bounds of an [`super::Agreement`]. The bounds should be the same on all nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How long an attempt waits for a majority, and a node for what it asked another one.
    pub answer_timeout: Duration,
    /// About how long a failed attempt waits before the next one; twice as long with each, and by chance up to half as
    /// much less or more, so that of two proposers one gets through.
    pub backoff: Duration,
    /// The longest such wait.
    pub backoff_max: Duration,
    /// When no further attempt is made.
    pub give_up_after: Duration,
    /// The longest value; longer ones are refused, from others too.
    pub value_bytes_max: usize,
    /// How many epochs are kept for those behind, at least 1. Who is further behind leaves some out.
    pub chain_len_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            answer_timeout: Duration::from_secs(1),
            backoff: Duration::from_millis(50),
            backoff_max: Duration::from_secs(2),
            give_up_after: Duration::from_secs(15),
            value_bytes_max: 4 * 1024 * 1024,
            chain_len_max: 16,
        }
    }
}

impl Config {
    /// The mean wait after the last of so many attempts.
    pub(super) fn backoff(&self, attempt_count: u32) -> Duration {
        self.backoff.saturating_mul(1 << (attempt_count.clamp(1, 16) - 1)).min(self.backoff_max)
    }
}

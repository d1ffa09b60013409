//! How a member gossips, and every bound with its name.

use std::time::Duration;

use crate::{GossipError, PhiConfig, Status};

/// How a member gossips. All members of a cluster should have the same, except `status`; the interval and the three
/// `message` and `items` bounds must be.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The name of the cluster: messages of another one are refused.
    pub cluster: String,
    /// What this member is at first: [`Status::Normal`], or [`Status::Joining`] where the embedder says later that it is ready.
    pub status: Status,
    /// Time from heartbeat to heartbeat.
    pub interval: Duration,
    /// Exchanges that a member begins in one interval, with as many others.
    pub fanout: usize,
    /// When silence becomes suspicious. Suspicion only leads to probes, so this may be sharper than a detector whose
    /// opinion counts by itself.
    pub phi: PhiConfig,
    /// How many others are asked to probe a suspect, beside the probe by the member itself.
    pub relays: usize,
    /// How long a removed item is remembered; no member may be out of touch for longer without catching up afresh.
    pub item_grace: Duration,
    /// How long a member that has left is remembered. Whoever is cut off for longer than half of it may bring the member
    /// back, as one that is down.
    pub departed_grace: Duration,
    /// When a member that stays down is given up without an operator saying so; `None`: never.
    pub give_up_after: Option<Duration>,
    /// The longest message that is sent. 1,400 fits one packet everywhere.
    pub message_bytes_max: usize,
    /// The longest message that is read; longer ones are counted and dropped.
    pub received_bytes_max: usize,
    /// Members known at once, the departed included; others are refused.
    pub members_max: usize,
    /// Items of one member, those lately removed included.
    pub items_max: usize,
    /// Bytes in all items of one member.
    pub items_bytes_max: usize,
    /// Members probed at once; suspects beyond wait.
    pub probes_max: usize,
    /// Seeds; those beyond are refused.
    pub seeds_max: usize,
}

/// What a message holds besides one item, at most: two lives, and what stands around deltas and items.
const AROUND_ITEM: usize = 200;

impl Config {
    /// The defaults, at an interval of one second.
    pub fn new(cluster: impl Into<String>) -> Self {
        Self::with_interval(cluster, Duration::from_secs(1))
    }

    /// The defaults at another interval.
    pub fn with_interval(cluster: impl Into<String>, interval: Duration) -> Self {
        Self {
            cluster: cluster.into(),
            status: Status::Normal,
            interval,
            fanout: 3,
            phi: PhiConfig {
                expected_interval: interval,
                threshold: 5.0,
                window: 32,
                min_std_deviation: interval * 2 / 5,
                max_interval: interval * 4,
            },
            relays: 3,
            item_grace: Duration::from_secs(3600),
            departed_grace: Duration::from_secs(72 * 3600),
            give_up_after: None,
            message_bytes_max: 1400,
            received_bytes_max: 65_535,
            members_max: 10_000,
            items_max: 64,
            items_bytes_max: 16 * 1024,
            probes_max: 16,
            seeds_max: 64,
        }
    }

    /// The longest item that fits a message.
    pub fn item_bytes_max(&self) -> usize {
        self.message_bytes_max.saturating_sub(AROUND_ITEM).min(self.items_bytes_max)
    }

    /// How long an answer to a probe is waited for before it is repeated, and then before the verdict: a direct answer
    /// should come within it, one through others within twice as long.
    pub(crate) fn probe_timeout(&self) -> Duration {
        self.interval / 2
    }

    /// From one exchange to the next.
    pub(crate) fn tick(&self) -> Duration {
        self.interval / (self.fanout as u32)
    }

    pub(crate) fn check(&self) -> Result<(), GossipError> {
        let wrong = [
            (self.interval < Duration::from_millis(1), "interval is below 1 ms"),
            (self.interval > Duration::from_secs(3600), "interval is above an hour"),
            (!(1..=16).contains(&self.fanout), "fanout is not 1 to 16"),
            (self.message_bytes_max < 512, "message_bytes_max is below 512"),
            (
                self.received_bytes_max < self.message_bytes_max,
                "received_bytes_max is below message_bytes_max",
            ),
            (!(1..=65_536).contains(&self.members_max), "members_max is not 1 to 65536"),
            (self.items_max > 65_536, "items_max is above 65536"),
            (self.probes_max == 0, "probes_max is 0"),
            (self.status == Status::Left, "status is left"),
        ];
        match wrong.into_iter().find(|(is_wrong, _)| *is_wrong) {
            Some((_, what)) => Err(GossipError::Config { what }),
            None => Ok(()),
        }
    }
}

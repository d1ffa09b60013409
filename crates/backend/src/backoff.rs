//! How long to wait before the next attempt to connect.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Doubling delays between two bounds, each shortened by up to a half at random, so that the lanes of many nodes do
/// not come back to a restarted server in the same millisecond.
#[derive(Debug)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
    randomness: RandomState,
    draws: u64,
}

impl Backoff {
    pub(crate) fn new(min: Duration, max: Duration) -> Self {
        let max = max.max(min);
        Self { min, max, next: min, randomness: RandomState::new(), draws: 0 }
    }

    /// The next delay.
    pub(crate) fn delay(&mut self) -> Duration {
        let full = self.next;
        self.next = full.saturating_mul(2).min(self.max);
        self.draws += 1;
        let fraction = (self.randomness.hash_one(self.draws) % 1024) as u32;
        full - full / 2 * fraction / 1024
    }

    /// A connection ended that lasted for `lifetime`. Only one that lasted proves that the server is well: one that
    /// accepts connections and drops them at once shall not be called every few milliseconds.
    pub(crate) fn connection_lasted(&mut self, lifetime: Duration) {
        if lifetime >= self.next {
            self.next = self.min;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: Duration = Duration::from_millis(50);
    const MAX: Duration = Duration::from_secs(5);

    #[test]
    fn delays_double_up_to_the_maximum_and_keep_at_least_half() {
        let mut backoff = Backoff::new(MIN, MAX);
        let mut full = MIN;
        for _ in 0..20 {
            let delay = backoff.delay();
            assert!(delay <= full && delay >= full / 2, "{delay:?} of {full:?}");
            full = (full * 2).min(MAX);
        }
        assert_eq!(full, MAX);
    }

    #[test]
    fn two_lanes_do_not_wait_equally() {
        let delays = || {
            let mut backoff = Backoff::new(MIN, MAX);
            (0..20).map(|_| backoff.delay()).collect::<Vec<_>>()
        };
        assert_ne!(delays(), delays());
    }

    #[test]
    fn only_a_lasting_connection_starts_over() {
        let mut backoff = Backoff::new(MIN, MAX);
        for _ in 0..4 {
            backoff.delay();
        }
        backoff.connection_lasted(Duration::from_millis(10));
        assert!(backoff.delay() >= MIN * 8);
        backoff.connection_lasted(MAX);
        assert!(backoff.delay() <= MIN);
    }
}

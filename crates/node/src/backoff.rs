//! Waits between attempts at what does not work yet.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Doubling waits, each shortened by up to half at random, so that nodes which lost something together do not try it again
/// together.
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    wait: Duration,
    random: RandomState,
    draws: u64,
}

impl Backoff {
    /// Waits from `min`, or a little less, to `max`.
    pub(crate) fn new(min: Duration, max: Duration) -> Self {
        let min = min.min(max);
        Self { min, max, wait: min, random: RandomState::new(), draws: 0 }
    }

    /// The next wait is the shortest again.
    pub(crate) fn reset(&mut self) {
        self.wait = self.min;
    }

    pub(crate) fn next(&mut self) -> Duration {
        let wait = self.spread(self.wait);
        self.wait = (self.wait * 2).min(self.max);
        wait
    }

    /// `wait`, shortened by up to half at random.
    pub(crate) fn spread(&mut self, wait: Duration) -> Duration {
        self.draws += 1;
        let share = self.random.hash_one(self.draws) % 1024;
        wait / 2 + wait / 2 * share as u32 / 1024
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: Duration = Duration::from_millis(50);
    const MAX: Duration = Duration::from_secs(5);

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew() {
        let mut backoff = Backoff::new(MIN, MAX);
        let waits: Vec<Duration> = (0..12).map(|_| backoff.next()).collect();
        assert!(waits[0] <= MIN && waits[0] >= MIN / 2, "{waits:?}");
        assert!(waits[11] <= MAX && waits[11] >= MAX / 2, "{waits:?}");
        backoff.reset();
        assert!(backoff.next() <= MIN);
    }

    #[test]
    fn the_shortest_wait_is_not_above_the_longest() {
        assert!(Backoff::new(MAX, MIN).next() <= MIN);
    }
}

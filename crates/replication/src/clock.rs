//! The hybrid logical clock that stamps versions.
//!
//! Invariant: a stamp is greater than every earlier stamp of this clock and every clock value it observed.

use dynomite_ring::NodeId;

use crate::{
    Version,
    planted::{self, Planted},
};

/// A node's stamping clock. Wall time comes in as an argument; a wall clock that jumps back only slows the stamps down
/// until it has caught up.
///
/// The lower 16 bits of a stamp begin at the wall clock's fraction of a millisecond and count on from there, so that stamps
/// of nodes whose clocks agree follow real time more closely than a millisecond.
#[derive(Debug)]
pub struct Clock {
    node: NodeId,
    last: u64,
    ahead_max_ms: u64,
}

/// A clock value was further ahead of this node's wall clock than the limit allows. Whose fault: the sender's clock (or
/// this node's is behind). Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a clock is {ahead_ms} ms ahead of this node's; at most {ahead_max_ms} ms are allowed: check time synchronisation"
)]
pub struct ClockTooFarAhead {
    /// How far ahead it was.
    pub ahead_ms: u64,
    /// The limit.
    pub ahead_max_ms: u64,
}

impl Clock {
    /// A clock for `node` that accepts other clocks at most `ahead_max_ms` ahead of its own wall time.
    pub fn new(node: NodeId, ahead_max_ms: u64) -> Self {
        Self { node, last: 0, ahead_max_ms }
    }

    /// The greatest value stamped or observed; sent along with every frame.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Goes on above `clock`, which an earlier process of this node knew of.
    pub fn start_above(&mut self, clock: u64) {
        self.last = self.last.max(clock);
    }

    /// A new version, greater than all before. `wall_us` is the wall clock in microseconds since the Unix epoch.
    pub fn stamp(&mut self, wall_us: u64) -> Version {
        self.stamp_with(wall_us, 0)
    }

    /// A new version for a sequenced write, as [`Version::is_sequenced`] tells from then on.
    pub fn stamp_sequenced(&mut self, wall_us: u64) -> Version {
        self.stamp_with(wall_us, 1)
    }

    fn stamp_with(&mut self, wall_us: u64, lowest_bit: u64) -> Version {
        let fraction = (wall_us % 1000) * (1 << 16) / 1000;
        let least = ((wall_us / 1000) << 16 | fraction).max(self.last + 1);
        self.last = least + ((least ^ lowest_bit) & 1);
        let node = if planted::has(Planted::VersionsWithoutNode) { NodeId(0) } else { self.node };
        Version { clock: self.last, node }
    }

    /// Takes note of another node's clock, so that later stamps are greater.
    ///
    /// # Errors
    /// [`ClockTooFarAhead`] when following it would carry this clock too far from its own wall time.
    pub fn observe(&mut self, wall_us: u64, clock: u64) -> Result<(), ClockTooFarAhead> {
        let ahead_ms = (clock >> 16).saturating_sub(wall_us / 1000);
        if ahead_ms > self.ahead_max_ms {
            return Err(ClockTooFarAhead { ahead_ms, ahead_max_ms: self.ahead_max_ms });
        }
        self.last = self.last.max(clock);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_grow_when_the_wall_clock_stands_still_or_goes_back() {
        let mut clock = Clock::new(NodeId(7), 1000);
        let stamps: Vec<_> = [50, 50, 20, 51].map(|wall| clock.stamp(wall * 1000)).into();
        assert!(stamps.is_sorted_by(|a, b| a < b), "{stamps:?}");
        assert_eq!(stamps[3].millis(), 51);
    }

    #[test]
    fn stamps_of_two_nodes_follow_time_within_a_millisecond() {
        let earlier = Clock::new(NodeId(9), 1000).stamp(50_100);
        let later = Clock::new(NodeId(1), 1000).stamp(50_101);
        assert!(earlier < later && earlier.millis() == later.millis());
    }

    #[test]
    fn stamps_exceed_what_was_observed() {
        let mut clock = Clock::new(NodeId(7), 1000);
        clock.observe(50_000, 900 << 16 | 3).unwrap();
        assert!(clock.stamp(50_000).clock > 900 << 16 | 3);
    }

    #[test]
    fn a_clock_too_far_ahead_is_refused_and_not_followed() {
        let mut clock = Clock::new(NodeId(7), 1000);
        let error = clock.observe(50_000, 1051 << 16).unwrap_err();
        assert_eq!(error.ahead_ms, 1001);
        assert_eq!(clock.stamp(50_000).millis(), 50);
    }
}

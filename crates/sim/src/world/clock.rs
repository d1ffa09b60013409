//! A node's wall clock: off, drifting, and set now and then.

use crate::plan::Micros;

/// Microseconds since the Unix epoch when a run begins.
pub(crate) const EPOCH_US: u64 = 1_700_000_000_000_000;
const MILLION: i64 = 1_000_000;

#[derive(Debug, Clone, Copy)]
pub(crate) struct WallClock {
    skew_us: i64,
    drift_ppm: i64,
}

impl WallClock {
    pub(crate) fn new(skew_us: i64, drift_ppm: i64) -> Self {
        Self { skew_us, drift_ppm }
    }

    /// What it shows at `now`, in microseconds since the Unix epoch.
    pub(crate) fn wall_us(&self, now: Micros) -> u64 {
        let drift = now as i64 / MILLION * self.drift_ppm;
        (EPOCH_US + now).saturating_add_signed(self.skew_us + drift)
    }

    /// Somebody sets it.
    pub(crate) fn step(&mut self, by_us: i64) {
        self.skew_us += by_us;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_off_drifts_and_is_set() {
        let mut clock = WallClock::new(-50, 3);
        assert_eq!(clock.wall_us(0), EPOCH_US - 50);
        assert_eq!(clock.wall_us(10_000_000), EPOCH_US + 10_000_000 - 50 + 30);
        clock.step(1000);
        assert_eq!(clock.wall_us(0), EPOCH_US + 950);
    }
}

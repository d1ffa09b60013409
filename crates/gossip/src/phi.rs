//! The phi-accrual failure detector (Hayashibara, Défago, Yared and Katayama: "The φ Accrual Failure Detector", 2004).
//!
//! Instead of a fixed timeout it learns how regularly heartbeats come and says how surprising the present silence is:
//! phi 1 means that one silence in ten is this long, phi 8 one in 10^8. Memory is bounded by the window; every method
//! takes constant time.

mod window;

use std::time::Duration;

use window::Window;

/// How a [`PhiAccrual`] judges.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PhiConfig {
    /// How often the other side means to send; the estimate until there are measurements.
    pub expected_interval: Duration,
    /// The phi above which the other side is suspected. Positive; 8 suits most networks.
    pub threshold: f64,
    /// How many of the last intervals count: 2 to 1000; values outside are taken as the nearer end.
    pub window: usize,
    /// The intervals are taken to vary by at least this much, so that a very regular sender is not suspected at the
    /// first small delay.
    pub min_std_deviation: Duration,
    /// A longer interval counts as this long, so that one pause does not blind the detector to the next. At least the
    /// expected interval.
    pub max_interval: Duration,
}

impl PhiConfig {
    /// A configuration for heartbeats every `interval` that tolerates gaps of three and a half intervals from the start
    /// and suspects a regular sender after about four and a half: at 200 ms, 0.9 s.
    pub fn for_interval(interval: Duration) -> Self {
        Self {
            expected_interval: interval,
            threshold: 8.0,
            window: 100,
            min_std_deviation: interval / 3 * 2,
            max_interval: interval.saturating_mul(3),
        }
    }
}

impl Default for PhiConfig {
    /// [`PhiConfig::for_interval`] of 150 ms.
    fn default() -> Self {
        Self::for_interval(Duration::from_millis(150))
    }
}

/// Judges from the heartbeats of one sender whether it is still there.
///
/// `now` is the time since any fixed moment, the same for all calls; a monotonic clock.
#[derive(Debug, Clone)]
pub struct PhiAccrual {
    config: PhiConfig,
    intervals: Window,
    last_heartbeat: Option<Duration>,
    /// How many standard deviations above the mean a silence reaches the threshold.
    deviations_at_threshold: f64,
}

impl PhiAccrual {
    /// A detector that has heard nothing yet. It suspects nobody before the first heartbeat: how long to wait for a
    /// first sign of life is the caller's to say. Where a connection was established, that may be the first heartbeat.
    pub fn new(config: PhiConfig) -> Self {
        let mut intervals = Window::new(config.window.clamp(2, 1000));
        // Two samples around the estimate, which leave the window like all others.
        intervals.push(config.expected_interval / 4 * 3);
        intervals.push(config.expected_interval.saturating_add(config.expected_interval / 4));
        Self {
            config,
            intervals,
            last_heartbeat: None,
            deviations_at_threshold: deviations_at(config.threshold),
        }
    }

    /// A heartbeat arrived. One that is older than the last is ignored.
    pub fn heartbeat(&mut self, now: Duration) {
        if let Some(last) = self.last_heartbeat {
            let Some(interval) = now.checked_sub(last) else { return };
            let longest = self.config.max_interval.max(self.config.expected_interval);
            self.intervals.push(interval.min(longest));
        }
        self.last_heartbeat = Some(now);
    }

    /// A sign of life that is not a heartbeat, or a reason why there was none: the silence begins anew, and nothing is learnt
    /// about intervals.
    pub fn excuse(&mut self, now: Duration) {
        self.last_heartbeat = self.last_heartbeat.max(Some(now));
    }

    /// How surprising the silence is: 0 or more, and growing with the silence. 0 before the first heartbeat.
    pub fn phi(&self, now: Duration) -> f64 {
        let Some(last) = self.last_heartbeat else { return 0.0 };
        let silence = now.saturating_sub(last).as_secs_f64();
        phi_at((silence - self.intervals.mean()) / self.std_deviation())
    }

    /// Whether phi is above the threshold.
    pub fn is_suspect(&self, now: Duration) -> bool {
        self.suspect_at().is_some_and(|at| now > at)
    }

    /// The moment after which the sender is suspected unless a heartbeat arrives: when to look again. `None` before the
    /// first heartbeat.
    pub fn suspect_at(&self) -> Option<Duration> {
        let silence = self.intervals.mean() + self.deviations_at_threshold * self.std_deviation();
        let silence = Duration::try_from_secs_f64(silence.max(0.0)).unwrap_or(Duration::MAX);
        Some(self.last_heartbeat?.saturating_add(silence))
    }

    /// When the last heartbeat arrived.
    pub fn last_heartbeat(&self) -> Option<Duration> {
        self.last_heartbeat
    }

    fn std_deviation(&self) -> f64 {
        // Never zero: it divides.
        self.intervals.std_deviation().max(self.config.min_std_deviation.as_secs_f64()).max(1e-6)
    }
}

/// Minus the decimal logarithm of the chance that a normally distributed interval is longer than the mean by this many
/// standard deviations, by the logistic approximation of the normal distribution (Bowling et al., 2009; its error is
/// below 0.0002). Written so that it neither overflows nor loses the small chances.
fn phi_at(deviations: f64) -> f64 {
    let x = deviations * (1.5976 + 0.070_56 * deviations * deviations);
    (x.max(0.0) + (-x.abs()).exp().ln_1p()) / std::f64::consts::LN_10
}

/// The inverse of [`phi_at`], by bisection.
fn deviations_at(phi: f64) -> f64 {
    let (mut low, mut high) = (-100.0, 100.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if phi_at(middle) < phi { low = middle } else { high = middle }
    }
    low
}

#[cfg(test)]
mod tests;

//! The last intervals, with their mean and deviation kept up to date.

use std::collections::VecDeque;
use std::time::Duration;

/// At most a fixed number of intervals. Sums are whole microseconds, so they never drift.
#[derive(Debug, Clone)]
pub(super) struct Window {
    micros: VecDeque<u64>,
    count_max: usize,
    sum: u128,
    sum_of_squares: u128,
}

impl Window {
    pub(super) fn new(count_max: usize) -> Self {
        Self { micros: VecDeque::with_capacity(count_max), count_max, sum: 0, sum_of_squares: 0 }
    }

    pub(super) fn push(&mut self, interval: Duration) {
        if self.micros.len() == self.count_max
            && let Some(oldest) = self.micros.pop_front()
        {
            self.sum -= u128::from(oldest);
            self.sum_of_squares -= square(oldest);
        }
        // Longer than a century is as good as a century, and its square still fits many times.
        let micros = interval.as_micros().min(1 << 52) as u64;
        self.micros.push_back(micros);
        self.sum += u128::from(micros);
        self.sum_of_squares += square(micros);
    }

    /// In seconds. The window is never empty.
    pub(super) fn mean(&self) -> f64 {
        self.sum as f64 / self.micros.len() as f64 / 1e6
    }

    /// In seconds.
    pub(super) fn std_deviation(&self) -> f64 {
        let count = self.micros.len() as u128;
        // In whole numbers until the difference is taken: as floats, two great sums would cancel.
        let scaled_variance = count * self.sum_of_squares - self.sum * self.sum;
        (scaled_variance as f64).sqrt() / count as f64 / 1e6
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.micros.len()
    }
}

fn square(micros: u64) -> u128 {
    u128::from(micros) * u128::from(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_are_those_of_the_last_intervals() {
        let mut window = Window::new(4);
        for millis in [9000, 7, 2000, 4000, 4000, 6000] {
            window.push(Duration::from_millis(millis));
        }
        assert_eq!(window.len(), 4);
        assert!((window.mean() - 4.0).abs() < 1e-9);
        assert!((window.std_deviation() - 2.0_f64.sqrt()).abs() < 1e-9);
    }

    #[test]
    fn enormous_intervals_do_not_overflow() {
        let mut window = Window::new(1000);
        for _ in 0..2000 {
            window.push(Duration::MAX);
        }
        assert_eq!(window.std_deviation(), 0.0);
    }
}

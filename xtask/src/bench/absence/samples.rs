//! What clients saw, request by request.

use std::collections::BTreeMap;
use std::time::Duration;

/// One request that was answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    due_ms: u32,
    latency_us: u32,
    is_write: bool,
    is_error: bool,
}

impl Sample {
    /// `due` counts from the epoch of the load.
    pub(super) fn new(due: Duration, latency: Duration, is_write: bool, is_error: bool) -> Self {
        let latency_us = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
        Self { due_ms: due.as_millis() as u32, latency_us, is_write, is_error }
    }

    #[cfg(test)]
    pub(super) fn latency(&self) -> Duration {
        Duration::from_micros(self.latency_us.into())
    }
}

/// All requests of a load.
#[derive(Debug, Default)]
pub(super) struct Samples {
    all: Vec<Sample>,
    errors: BTreeMap<String, u64>,
}

/// The requests of one kind that were due in some time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Summary {
    pub(super) count: usize,
    pub(super) error_count: usize,
    pub(super) per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) p999_ms: f64,
    pub(super) max_ms: f64,
    /// The 99th percentile of each second in which something was due, in their order.
    pub(super) p99_ms_by_second: Vec<f64>,
}

impl Samples {
    pub(super) fn push(&mut self, sample: Sample) {
        self.all.push(sample);
    }

    pub(super) fn note_error(&mut self, text: &str) {
        *self.errors.entry(text.to_owned()).or_default() += 1;
    }

    /// Each text, and how often it came.
    pub(super) fn errors(&self) -> &BTreeMap<String, u64> {
        &self.errors
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Sample> {
        self.all.iter()
    }

    /// The writes, or the reads, that were due between two moments. Errors count with their latencies.
    pub(super) fn summary(&self, from: Duration, to: Duration, is_write: bool) -> Summary {
        let range = from.as_millis() as u32..to.as_millis() as u32;
        let chosen: Vec<&Sample> = self
            .all
            .iter()
            .filter(|sample| sample.is_write == is_write && range.contains(&sample.due_ms))
            .collect();
        let sorted = |samples: &mut dyn Iterator<Item = &&Sample>| {
            let mut latencies: Vec<u32> = samples.map(|sample| sample.latency_us).collect();
            latencies.sort_unstable();
            latencies
        };
        let all = sorted(&mut chosen.iter());
        let mut seconds: BTreeMap<u32, Vec<&Sample>> = BTreeMap::new();
        for sample in &chosen {
            seconds.entry((sample.due_ms - range.start) / 1000).or_default().push(sample);
        }
        let p99s = seconds.values().map(|second| percentile_ms(&sorted(&mut second.iter()), 0.99));
        Summary {
            count: chosen.len(),
            error_count: chosen.iter().filter(|sample| sample.is_error).count(),
            per_second: chosen.len() as f64 / to.saturating_sub(from).as_secs_f64(),
            p50_ms: percentile_ms(&all, 0.5),
            p99_ms: percentile_ms(&all, 0.99),
            p999_ms: percentile_ms(&all, 0.999),
            max_ms: percentile_ms(&all, 1.0),
            p99_ms_by_second: p99s.collect(),
        }
    }
}

impl Summary {
    /// The 99th percentile of the second in which it was greatest.
    pub(super) fn worst_second_p99_ms(&self) -> f64 {
        self.p99_ms_by_second.iter().copied().fold(f64::NAN, f64::max)
    }
}

/// Of sorted microseconds: the least that at least this part of them does not exceed. NaN of nothing.
fn percentile_ms(sorted: &[u32], part: f64) -> f64 {
    const US_PER_MS: f64 = 1e3;
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(rank.max(1) - 1).map_or(f64::NAN, |us| f64::from(*us) / US_PER_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_least_that_enough_do_not_exceed() {
        let hundred: Vec<u32> = (1..=100).map(|ms| ms * 1000).collect();
        assert_eq!([0.5, 0.99, 1.0].map(|part| percentile_ms(&hundred, part)), [50.0, 99.0, 100.0]);
        assert_eq!(percentile_ms(&[7000], 0.5), 7.0);
        assert!(percentile_ms(&[], 0.5).is_nan());
    }

    #[test]
    fn a_summary_is_of_one_kind_and_one_time() {
        let ms = Duration::from_millis;
        let mut samples = Samples::default();
        for (due, latency, is_write) in [(999, 50, true), (1000, 1, true), (1500, 9, false), (2999, 5, true)]
        {
            samples.push(Sample::new(ms(due), ms(latency), is_write, due == 1000));
        }
        let writes = samples.summary(ms(1000), ms(3000), true);
        assert_eq!((writes.count, writes.error_count, writes.per_second), (2, 1, 1.0));
        assert_eq!((writes.p50_ms, writes.max_ms, writes.worst_second_p99_ms()), (1.0, 5.0, 5.0));
        assert_eq!(writes.p99_ms_by_second, [1.0, 5.0]);
        assert_eq!(samples.summary(ms(1000), ms(3000), false).max_ms, 9.0);
    }
}

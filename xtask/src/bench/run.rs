//! One load on all systems: calibrated, interleaved, and what came of it.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::loads::{CONNECTION_COUNT, Load};
use super::process_stats::{self, usage};
use super::redis_benchmark;
use super::systems::{Another, Running, System, Systems};

/// A trial that lasted this long tells the rate well enough to choose the length of the runs.
const TRIAL_SECONDS: f64 = 0.1;
/// Trials that were too short are followed by longer ones, this much at most.
const TRIAL_GROWTH_MAX: f64 = 50.0;
/// Pipelines of every connection in the first trial, unless that is more than so many bytes of values.
const FIRST_TRIAL_PIPELINES: u64 = 20;
const FIRST_TRIAL_BYTES: u64 = 256 << 20;
/// From the last reply until processes are looked at: what is done after replies is work for the requests too.
const SETTLE: Duration = Duration::from_millis(50);

const BYTES_PER_MB: f64 = 1e6;

/// How long and how often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// Runs of every system for each load.
    pub(crate) round_count: usize,
    /// What a run is calibrated to last.
    pub(crate) run_seconds: f64,
}

/// One run of one system. "Per request" is per command that a client sent: an MGET of ten keys is one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Run {
    pub(crate) requests_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// CPU microseconds per request of all proxy processes; of Redis where there is none.
    pub(crate) cpu_us: f64,
    /// Likewise of all datastores; none where the proxy holds the data itself, or is none.
    pub(crate) datastore_cpu_us: Option<f64>,
    /// Context switches per request of all proxy threads.
    pub(crate) switches: f64,
    /// The sum of the proxies' peaks of resident memory.
    pub(crate) peak_mb: f64,
}

/// One figure of a run.
pub(crate) type Figure = fn(&Run) -> f64;

pub(crate) fn requests_per_second(run: &Run) -> f64 {
    run.requests_per_second
}

pub(crate) fn p99_ms(run: &Run) -> f64 {
    run.p99_ms
}

pub(crate) fn cpu_us(run: &Run) -> f64 {
    run.cpu_us
}

/// All runs of one system under one load, one for each round.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) system: System,
    pub(crate) runs: Vec<Run>,
}

impl Row {
    /// The median over the rounds.
    pub(crate) fn median(&self, figure: Figure) -> f64 {
        median(self.runs.iter().map(figure))
    }

    /// The median of the datastores' CPU microseconds per request.
    pub(crate) fn datastore_cpu_us(&self) -> Option<f64> {
        let values: Option<Vec<f64>> = self.runs.iter().map(|run| run.datastore_cpu_us).collect();
        values.map(|values| median(values.into_iter()))
    }
}

/// One load on all systems.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) load: Load,
    pub(crate) rows: Vec<Row>,
}

impl Comparison {
    /// The rows of one system, if it was measured.
    pub(crate) fn row(&self, system: System) -> Option<&Row> {
        self.rows.iter().find(|row| row.system == system)
    }

    /// The rows of other programs than the one that was just built.
    pub(crate) fn others(&self) -> impl Iterator<Item = (&'static Another, &Row)> {
        self.rows.iter().filter_map(|row| match row.system {
            System::Another(another) => Some((another, row)),
            _ => None,
        })
    }

    /// How many times the figure of `base` that of `system` is: taken within each round, then the median.
    pub(crate) fn ratio(&self, figure: Figure, system: System, base: System) -> Option<f64> {
        let pairs = self.row(system)?.runs.iter().zip(&self.row(base)?.runs);
        Some(median(pairs.map(|(run, base)| figure(run) / figure(base))))
    }
}

/// Puts all systems under this load, `round_count` times one right after the other.
///
/// # Errors
/// When a reply is an error, a read finds nothing, or a process ends.
pub(crate) fn compare(systems: &Systems, load: &Load, settings: Settings) -> Result<Comparison> {
    let mut prepared = Vec::new();
    for system in systems.wanted().iter().copied() {
        let running = systems.running(system)?;
        let request_count =
            prepare(running, system, load, settings.run_seconds).with_context(|| system.name())?;
        prepared.push((running, request_count, Row { system, runs: Vec::new() }));
    }
    let faults = prepared.iter().map(|(running, ..)| running.datastore_faults());
    let faults_before = faults.collect::<Result<Vec<u64>>>()?;
    for _ in 0..settings.round_count {
        for (running, request_count, row) in &mut prepared {
            row.runs.push(run(running, row.system, load, *request_count).with_context(|| row.system.name())?);
        }
    }
    for ((running, _, row), before) in prepared.iter().zip(faults_before) {
        let faults = running.datastore_faults()? - before;
        ensure!(faults == 0, "{}: {faults} errors or missing keys in its datastores", row.system.name());
        running.check(load).with_context(|| row.system.name())?;
    }
    Ok(Comparison { load: *load, rows: prepared.into_iter().map(|(_, _, row)| row).collect() })
}

/// Checks the replies, and gives the number of requests that keeps the system busy for so long.
fn prepare(running: &Running, system: System, load: &Load, seconds: f64) -> Result<u64> {
    running.set_level(system)?;
    running.check(load)?;
    let at_once = u64::from(CONNECTION_COUNT * load.depth);
    let mut request_count =
        (at_once * FIRST_TRIAL_PIPELINES).min(FIRST_TRIAL_BYTES / load.request_bytes()).max(at_once);
    loop {
        let trial = redis_benchmark::run(running.address(), load, request_count)?;
        if trial.seconds >= TRIAL_SECONDS {
            return Ok((trial.requests_per_second() * seconds) as u64);
        }
        // A little more than enough, for the next is likely to be faster yet.
        let growth = (1.5 * TRIAL_SECONDS / trial.seconds).min(TRIAL_GROWTH_MAX);
        request_count = (request_count as f64 * growth) as u64;
    }
}

fn run(running: &Running, system: System, load: &Load, request_count: u64) -> Result<Run> {
    running.set_level(system)?;
    let (proxies, datastores) = (running.proxies()?, running.datastores()?);
    process_stats::reset_peaks(&proxies)?;
    let before = (usage(&proxies)?, usage(&datastores)?);
    let measured = redis_benchmark::run(running.address(), load, request_count)?;
    thread::sleep(SETTLE);
    let used = usage(&proxies)?.since(before.0);
    let used_by_datastores = usage(&datastores)?.since(before.1);

    let request_count = measured.request_count as f64;
    let per_request = |cpu: Duration| cpu.as_secs_f64() * 1e6 / request_count;
    Ok(Run {
        requests_per_second: measured.requests_per_second(),
        p50_ms: measured.p50_ms,
        p99_ms: measured.p99_ms,
        cpu_us: per_request(used.cpu),
        datastore_cpu_us: (!datastores.is_empty()).then(|| per_request(used_by_datastores.cpu)),
        switches: used.switch_count as f64 / request_count,
        peak_mb: process_stats::peak_bytes(&proxies)? as f64 / BYTES_PER_MB,
    })
}

/// The value in the middle; the mean of the two there when their number is even. NaN of nothing.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::bench::loads::Operation;
    use crate::bench::systems::Plan;

    fn row(system: System, rates: &[f64]) -> Row {
        let run = |rate: &f64| Run {
            requests_per_second: *rate,
            p50_ms: 1.0,
            p99_ms: 2.0,
            cpu_us: 3.0,
            datastore_cpu_us: Some(*rate),
            switches: 4.0,
            peak_mb: 5.0,
        };
        Row { system, runs: rates.iter().map(run).collect() }
    }

    #[test]
    fn median_is_in_the_middle_whatever_the_order() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert!(median([].into_iter()).is_nan());
    }

    #[test]
    fn ratios_are_taken_within_rounds() {
        // The machine was busy in the second round: the ratio of the medians would be 1.
        let rows = vec![row(System::Redis, &[10.0, 1.0, 8.0]), row(System::Node, &[20.0, 2.0, 8.0])];
        let load = Load { operation: Operation::Get, value_bytes: 32, depth: 1 };
        let comparison = Comparison { load, rows };
        assert_eq!(comparison.ratio(requests_per_second, System::Node, System::Redis), Some(2.0));
        assert_eq!(comparison.ratio(requests_per_second, System::Node, System::Nutcracker), None);
        assert_eq!(comparison.rows[1].median(requests_per_second), 8.0);
        assert_eq!(comparison.rows[1].datastore_cpu_us(), Some(8.0));
    }

    #[test]
    fn a_load_whose_keys_are_missing_fails() {
        let plan = Plan { binary: Path::new("unused"), workers: "auto", data_dirs: false };
        let systems = Systems::start(&[System::Redis], &plan);
        let address = systems.running(System::Redis).expect("it was started").address();
        redis_benchmark::prove_that_errors_fail(address).expect("errors are noticed");
        let load = Load { operation: Operation::Get, value_bytes: 32, depth: 16 };
        let settings = Settings { round_count: 2, run_seconds: 0.02 };
        let missing = compare(&systems, &load, settings).expect_err("nothing was filled");
        assert!(missing.to_string().contains("missing keys"), "{missing:#}");
        systems.fill(&load).expect("it takes every key");
        let comparison = compare(&systems, &load, settings).expect("now they are there");
        assert_eq!(comparison.rows[0].runs.len(), 2);
    }
}

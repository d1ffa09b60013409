//! What all threads of a run share: its clock, its end, what was found and what is told.

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow, ensure};

use super::cluster::Cluster;
use super::history::Micros;
use super::interrupt;
use super::ledger::Ledger;
use super::tally::Tally;
use super::violations::Violations;

/// How fast a waiting thread notices that the run is over.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

pub(super) struct Run {
    pub(super) clock: Clock,
    pub(super) cluster: Cluster,
    pub(super) ledger: Ledger,
    pub(super) tally: Tally,
    pub(super) violations: Violations,
    pub(super) journal: Journal,
    is_over: AtomicBool,
}

/// Time since the run began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    began_at: Instant,
    /// The same moment on the clock that datastores show, in milliseconds since 1970.
    began_at_ms: i64,
}

/// Lines for people, each with its time; they are kept.
pub(super) struct Journal {
    clock: Clock,
    lines: Mutex<Vec<String>>,
}

impl Run {
    pub(super) fn new(clock: Clock, cluster: Cluster) -> Self {
        Self {
            clock,
            ledger: Ledger::new(cluster.dc_count()),
            cluster,
            tally: Tally::default(),
            violations: Violations::default(),
            journal: Journal { clock, lines: Mutex::default() },
            is_over: AtomicBool::new(false),
        }
    }

    /// Ends load and faults; what is broken is mended at once.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed) || interrupt::is_wanted()
    }

    /// Waits; tells whether the run still goes on.
    pub(super) fn pause(&self, duration: Duration) -> bool {
        self.pause_until(self.clock.now() + duration.as_micros() as Micros)
    }

    pub(super) fn pause_until(&self, moment: Micros) -> bool {
        loop {
            let now = self.clock.now();
            if self.is_over() || now >= moment {
                return !self.is_over();
            }
            thread::sleep(POLL_INTERVAL.min(Duration::from_micros(moment - now)));
        }
    }

    /// Waits for a fact after the run; tells whether it came true in time.
    ///
    /// # Errors
    /// When the user wants no more.
    pub(super) fn wait_for(&self, deadline: Duration, mut fact: impl FnMut() -> bool) -> Result<bool> {
        const INTERVAL: Duration = Duration::from_millis(200);
        let started_at = Instant::now();
        while !fact() {
            interrupt::check()?;
            if started_at.elapsed() > deadline {
                return Ok(false);
            }
            thread::sleep(INTERVAL);
        }
        Ok(true)
    }
}

/// Does something with servers, which panic when they do not do as they are told; here that is a finding.
pub(super) fn guarded(work: impl FnOnce() -> Result<()>) -> Result<()> {
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(anyhow!(text.unwrap_or_else(|| "panicked".to_owned())))
    })
}

impl Clock {
    pub(super) fn start() -> Result<Self> {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        ensure!(since_1970.is_ok(), "the clock is before 1970");
        let began_at_ms = since_1970.unwrap_or_default().as_millis() as i64;
        Ok(Self { began_at: Instant::now(), began_at_ms })
    }

    pub(super) fn now(&self) -> Micros {
        self.began_at.elapsed().as_micros() as Micros
    }

    /// A time of a datastore as microseconds of the run; times before it are negative.
    pub(super) fn moment_of(&self, unix_ms: i64) -> i64 {
        (unix_ms - self.began_at_ms).saturating_mul(1_000)
    }
}

impl Journal {
    pub(super) fn line(&self, text: &str) {
        let line = format!("[{:7.1} s] {text}", self.clock.now() as f64 / 1e6);
        println!("{line}");
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    pub(super) fn text(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n") + "\n"
    }
}

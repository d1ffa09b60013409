//! Looks after the processes while the run goes on: do they live, how large do they get, and what is happening now.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::cluster::Host;
use super::history::Micros;
use super::run::{Run, guarded};
use super::violations::Kind;

const LOOK_INTERVAL: Duration = Duration::from_millis(250);
const TELL_INTERVAL: Micros = 5_000_000;
/// A node holds records of some thousand keys, and what waits for broken links (`limits.link_bytes_max` is far more than
/// the load of a fault's time).
pub(super) const PEAK_BYTES_MAX: u64 = 256 << 20;

/// The peaks of resident memory, by host, over all their processes.
pub(super) struct Watch {
    peaks: Vec<AtomicU64>,
}

impl Watch {
    pub(super) fn new(run: &Run) -> Self {
        Self { peaks: run.cluster.hosts.iter().map(|_| AtomicU64::new(0)).collect() }
    }

    pub(super) fn peaks(&self) -> Vec<u64> {
        self.peaks.iter().map(|peak| peak.load(Ordering::Relaxed)).collect()
    }

    /// Works until the run is over.
    pub(super) fn work(&self, run: &Run) {
        let mut told = (run.clock.now(), run.tally.total());
        while run.pause(LOOK_INTERVAL) {
            self.look(run);
            let now = run.clock.now();
            if now - told.0 >= TELL_INTERVAL {
                let counts = run.tally.total();
                let rate =
                    (counts.request_count() - told.1.request_count()) as f64 * 1e6 / (now - told.0) as f64;
                run.journal.line(&format!(
                    "{rate:.0} requests/s; of {} writes {} ok, {} not run, {} unknown; of {} reads {} failed; {} violations",
                    counts.write_count,
                    counts.done_count,
                    counts.not_run_count,
                    counts.unknown_count,
                    counts.read_count,
                    counts.failed_read_count,
                    run.violations.total()
                ));
                told = (now, counts);
            }
        }
    }

    /// One look at every process. What ended by itself is started again, so that the run can go on.
    pub(super) fn look(&self, run: &Run) {
        for (host, peak) in run.cluster.hosts.iter().zip(&self.peaks) {
            let Some(process) = host.process() else { continue };
            match peak_bytes(process) {
                Some(bytes) => drop(peak.fetch_max(bytes, Ordering::Relaxed)),
                None => revive(run, host, process),
            }
        }
    }

    /// Whether all stayed within the bound.
    pub(super) fn judge(&self, run: &Run) {
        for (host, peak) in run.cluster.hosts.iter().zip(self.peaks()) {
            if peak > PEAK_BYTES_MAX {
                let text = format!("took {} MiB; at most {} MiB", peak >> 20, PEAK_BYTES_MAX >> 20);
                run.violations.add(Kind::Memory, &host.name, text);
            }
        }
    }
}

fn revive(run: &Run, host: &Host, process: u32) {
    let Some(mut server) = host.idle_server() else { return };
    // A fault may have ended it on purpose just now.
    if host.process() != Some(process) || peak_bytes(process).is_some() {
        return;
    }
    run.journal.line(&format!("{} ended by itself", host.name));
    run.violations.add(Kind::Ended, &host.name, "ended by itself; its log says why");
    host.forget_process();
    host.disturb(run.clock.now());
    let started = guarded(|| {
        host.start_again(&mut server);
        Ok(())
    });
    host.calm(run.clock.now());
    if let Err(error) = started {
        run.violations.add(Kind::Ended, &host.name, format!("does not start again: {error:#}"));
    }
}

/// The peak of a process's resident memory; nothing when it has ended.
fn peak_bytes(process: u32) -> Option<u64> {
    const KIB: u64 = 1024;
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * KIB)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn process_that_ended_has_no_memory() {
        assert!(peak_bytes(std::process::id()).is_some_and(|bytes| bytes > 1 << 20));
        let mut child = Command::new("true").spawn().expect("it starts");
        let id = child.id();
        // Until it is waited for it is a zombie.
        dynomite_testkit::eventually(Duration::from_secs(10), "its end", || peak_bytes(id).is_none());
        child.wait().expect("it ended");
    }
}

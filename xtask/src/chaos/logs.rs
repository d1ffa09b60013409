//! What the nodes logged: nothing of it may be an error, and it can be kept.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::run::Run;
use super::violations::Kind;

/// Of each node so many lines are told.
const TOLD_MAX: usize = 20;

/// Finds panics and errors in the nodes' logs.
pub(super) fn judge(run: &Run) {
    for host in &run.cluster.hosts {
        let log = host.server().log();
        let is_due = |line: &str| host.had_full_disk() && tells_of_full_disk(line);
        for line in log.lines().filter(|line| is_error(line) && !is_due(line)).take(TOLD_MAX) {
            run.violations.add(Kind::Logged, &host.name, line);
        }
    }
}

/// Copies all logs, and the lines that were told, into a directory of the run's own.
pub(super) fn keep(run: &Run, target: &Path, seed: u64) -> Result<PathBuf> {
    let directory = target.join("chaos").join(format!("seed-{seed}"));
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("run.log"), run.journal.text())?;
    for host in &run.cluster.hosts {
        fs::write(directory.join(format!("{}.log", host.name)), host.server().log())?;
        fs::write(directory.join(format!("{}-redis.log", host.name)), host.store().log())?;
    }
    Ok(directory)
}

/// A line is a time, a level and what it is about.
fn is_error(line: &str) -> bool {
    line.split_whitespace().nth(1) == Some("ERROR") || line.contains("panicked at")
}

/// A log that cannot be written is an error, with the reason that the system gives for a full disk, of either method.
fn tells_of_full_disk(line: &str) -> bool {
    let is_full = line.contains("No space left on device") || line.contains("File too large");
    is_full && line.contains("nothing can be appended to the log")
}

#[cfg(test)]
mod tests {
    use super::{is_error, tells_of_full_disk};

    #[test]
    fn full_disks_are_told_by_logs_that_cannot_be_written() {
        let told =
            "ERROR dynomite_node: nothing can be appended to the log; it is tried again and again error=";
        assert!(tells_of_full_disk(&format!("{told}No space left on device (os error 28)")));
        assert!(!tells_of_full_disk(&format!("{told}Input/output error (os error 5)")));
        assert!(!tells_of_full_disk("ERROR a task panicked: No space left on device (os error 28)"));
    }

    #[test]
    fn only_errors_and_panics_are_told() {
        assert!(is_error("2026-01-01T00:00:00.000000Z ERROR dynomite_node::worker: a task panicked"));
        assert!(is_error("thread 'worker-1' (12) panicked at crates/node/src/worker.rs:1:1:"));
        assert!(!is_error("2026-01-01T00:00:00.000000Z  WARN dynomite_node::worker: ERROR is only a word"));
        assert!(!is_error("2026-01-01T00:00:00.000000Z  INFO dynomited: stopped"));
        assert!(!is_error(""));
    }
}

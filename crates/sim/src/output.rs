//! What the program prints.

use std::{
    io::{IsTerminal, Write, stderr},
    sync::Mutex,
    time::{Duration, Instant},
};

#[cfg(feature = "mutants")]
use dynomite_sim::{Found, Hunt, Invariant};
use dynomite_sim::{Runnable, Tally};

/// The line of progress is drawn this often.
const DRAWN_EVERY: Duration = Duration::from_millis(200);

/// A line that says how far the campaign is, where somebody can see it.
pub(crate) struct Progress {
    began_at: Instant,
    drawn_at: Mutex<Instant>,
    is_seen: bool,
}

impl Default for Progress {
    fn default() -> Self {
        let began_at = Instant::now();
        Self { began_at, drawn_at: Mutex::new(began_at), is_seen: stderr().is_terminal() }
    }
}

impl Progress {
    /// So many runs are over, so many of them failed, and there may be so many in all.
    pub(crate) fn tell(&self, over: u64, failed: u64, total: u64) {
        let Ok(mut drawn_at) = self.drawn_at.try_lock() else { return };
        if !self.is_seen || drawn_at.elapsed() < DRAWN_EVERY {
            return;
        }
        *drawn_at = Instant::now();
        let rate = over as f64 / self.began_at.elapsed().as_secs_f64();
        let total = if total == u64::MAX { String::new() } else { format!("/{total}") };
        // Where it cannot be written nobody misses it.
        let _ = write!(stderr(), "\r\x1b[K{over}{total} runs, {failed} failed, {rate:.0}/s");
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        if self.is_seen {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

/// All scenarios and what must hold in them.
pub(crate) fn list(scenarios: &[Runnable]) {
    for runnable in scenarios {
        let codes: Vec<&str> = runnable.demands().iter().map(|invariant| invariant.code()).collect();
        println!("{:<34} {}\n{:<34} {}", runnable.name(), codes.join(" "), "", runnable.about());
    }
}

/// What came of a campaign.
pub(crate) fn table(scenarios: &[Runnable], tallies: &[Tally]) {
    println!(
        "\n{:<34} {:>7} {:>9} {:>6} {:>7} {:>7} {:>10} {:>8}  what, and the first seed",
        "scenario", "seeds", "commands", "done", "faults", "failed", "simulated", "seeds/s"
    );
    let mut all = Tally::default();
    for (runnable, tally) in scenarios.iter().zip(tallies) {
        row(runnable.name(), tally);
        all.run_count += tally.run_count;
        all.command_count += tally.command_count;
        all.done_count += tally.done_count;
        all.fault_count += tally.fault_count;
        all.failed_count += tally.failed_count;
        all.simulated += tally.simulated;
        all.real += tally.real;
    }
    row("all", &all);
}

fn row(name: &str, tally: &Tally) {
    let done_percent = 100.0 * tally.done_count as f64 / tally.command_count.max(1) as f64;
    let rate = tally.run_count as f64 / tally.real.as_secs_f64().max(f64::EPSILON);
    let violations: Vec<String> =
        tally.violations.iter().map(|(invariant, count)| format!("{} {count}", invariant.code())).collect();
    let first = tally.first_failure.map(|seed| format!("; seed {seed}")).unwrap_or_default();
    println!(
        "{name:<34} {:>7} {:>9} {done_percent:>5.1}% {:>7} {:>7} {:>8} s {rate:>8.0}  {}{first}",
        tally.run_count,
        tally.command_count,
        tally.fault_count,
        tally.failed_count,
        tally.simulated / 1_000_000,
        violations.join(", "),
    );
}

/// One planted bug is done with.
#[cfg(feature = "mutants")]
pub(crate) fn tell_hunt(hunt: &Hunt) {
    let Hunt { bug, run_count, took, found } = hunt;
    let took = took.as_secs_f64();
    match found {
        Some(Found { scenario, seed, violation }) => {
            eprintln!("{bug:?}: found in {scenario} with seed {seed} ({took:.1} s)\n    {violation}");
        }
        None => eprintln!("{bug:?}: NOT FOUND in {run_count} runs ({took:.1} s)"),
    }
}

/// What came of all planted bugs.
#[cfg(feature = "mutants")]
pub(crate) fn hunts(hunts: &[Hunt]) {
    println!(
        "\n{:<22} {:<38} {:>5} {:<6} {:>6}  what is broken",
        "planted", "found in", "seed", "by", "runs"
    );
    for Hunt { bug, run_count, found, .. } in hunts {
        let (name, about) = (format!("{bug:?}"), bug.about());
        match found {
            Some(Found { scenario, seed, violation }) => {
                let code = violation.invariant.code();
                println!("{name:<22} {scenario:<38} {seed:>5} {code:<6} {run_count:>6}  {about}");
            }
            None => println!("{name:<22} {:<38} {:>5} {:<6} {run_count:>6}  {about}", "NOT FOUND", "", ""),
        }
    }
    let found: Vec<&Found> = hunts.iter().filter_map(|hunt| hunt.found.as_ref()).collect();
    let by = Invariant::ALL.map(|invariant| {
        let count = found.iter().filter(|found| found.violation.invariant == invariant).count();
        format!("{} {count}", invariant.code())
    });
    println!("{} of {} found; by {}", found.len(), hunts.len(), by.join(", "));
}

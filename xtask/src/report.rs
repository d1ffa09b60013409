//! Steps with a heading and a time each, and the summary at the end.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

/// What became of the steps so far.
#[derive(Default)]
pub(crate) struct Report {
    steps: Vec<Step>,
}

struct Step {
    name: String,
    outcome: Outcome,
    time: Duration,
}

enum Outcome {
    Passed,
    /// Not run, and why; the whole still succeeds.
    LeftOut(String),
    Failed(String),
}

impl Report {
    /// Runs one step. Its failure is noted and does not end the run; tells whether it succeeded.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<()>) -> bool {
        println!("\n== {name}");
        let started_at = Instant::now();
        let outcome = match work() {
            Ok(()) => Outcome::Passed,
            Err(error) => {
                println!("{error:#}");
                Outcome::Failed(first_line(&format!("{error:#}")))
            }
        };
        let is_passed = matches!(outcome, Outcome::Passed);
        let time = started_at.elapsed();
        println!("-- {name}: {} in {:.1} s", if is_passed { "ok" } else { "FAILED" }, time.as_secs_f64());
        self.steps.push(Step { name: name.to_owned(), outcome, time });
        is_passed
    }

    /// Notes a step that is not run.
    pub(crate) fn leave_out(&mut self, name: &str, reason: String) {
        println!("\n== {name}\nleft out: {reason}");
        self.steps.push(Step {
            name: name.to_owned(),
            outcome: Outcome::LeftOut(reason),
            time: Duration::ZERO,
        });
    }

    /// Prints the summary and gives the exit code.
    pub(crate) fn finish(self) -> ExitCode {
        println!("\n== summary");
        let (mut failed_count, mut left_out_count) = (0, 0);
        for Step { name, outcome, time } in &self.steps {
            let (word, detail) = match outcome {
                Outcome::Passed => ("ok", ""),
                Outcome::LeftOut(reason) => {
                    left_out_count += 1;
                    ("LEFT OUT", reason.as_str())
                }
                Outcome::Failed(error) => {
                    failed_count += 1;
                    ("FAILED", error.as_str())
                }
            };
            println!(
                "{word:<8} {:>6.1} s  {name}{}{detail}",
                time.as_secs_f64(),
                if detail.is_empty() { "" } else { ": " }
            );
        }
        let count = self.steps.len();
        println!(
            "{count} steps: {} ok, {left_out_count} left out, {failed_count} failed",
            count - left_out_count - failed_count
        );
        if failed_count > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

//! `cargo xtask bench`: the benchmarks, by criterion.

use anyhow::Result;

use crate::cargo::{self, cargo};
use crate::report::Report;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run only this benchmark program (a file of benches/benches without .rs)
    #[arg(long)]
    bench: Option<String>,
    /// Passed on to criterion, such as a name filter or --quick
    #[arg(last = true)]
    criterion: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Report> {
    let mut report = Report::default();
    let mut command = cargo(["bench", "--package", "dynomite-benches", "--locked"]);
    // Not the library's empty harness, which does not know criterion's options.
    command.args(["--bench", arguments.bench.as_deref().unwrap_or("*")]);
    command.arg("--").args(&arguments.criterion);
    report.step("benchmarks", || cargo::run(&mut command));
    Ok(report)
}

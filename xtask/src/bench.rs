//! `cargo xtask bench`: the benchmarks, by criterion, or a node beside its Redis.

use std::path::Path;

use anyhow::Result;

use crate::cargo::{self, cargo, metadata, text};
use crate::report::Report;
use crate::{ratio, servers};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run only this benchmark program (a file of benches/benches without .rs)
    #[arg(long)]
    bench: Option<String>,
    /// Measure pipelined requests through one node beside the Redis that it stands in front of; fail below half
    #[arg(long, conflicts_with_all = ["bench", "criterion"])]
    ratio: bool,
    /// Passed on to criterion, such as a name filter or --quick
    #[arg(last = true)]
    criterion: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Report> {
    let mut report = Report::default();
    if arguments.ratio {
        return run_ratio(report);
    }
    let mut command = cargo(["bench", "--package", "dynomite-benches", "--locked"]);
    // Not the library's empty harness, which does not know criterion's options.
    command.args(["--bench", arguments.bench.as_deref().unwrap_or("*")]);
    command.arg("--").args(&arguments.criterion);
    report.step("benchmarks", || cargo::run(&mut command));
    Ok(report)
}

fn run_ratio(mut report: Report) -> Result<Report> {
    let target = text(&metadata()?, "target_directory")?.to_owned();
    let binary = Path::new(&target).join("release/dynomited");
    let is_ready = report.step("datastores", servers::prepare)
        && report.step("build", || {
            cargo::run(&mut cargo(["build", "--release", "--package", "dynomited", "--locked"]))
        });
    if is_ready {
        report.step("one node beside its Redis", || ratio::measure(&binary));
    }
    Ok(report)
}

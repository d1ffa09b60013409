//! `cargo xtask sim`: builds the simulator for speed, with its assertions, and runs it.

use std::ffi::OsStr;

use anyhow::{Context, Result, ensure};

use crate::cargo::cargo;
use crate::report::Report;

/// Optimised, quick to build, and with every assertion of the engine. Not in the workspace's manifest, because nothing
/// else is built so.
const PROFILE: [&str; 5] = [
    "profile.sim.inherits='release'",
    "profile.sim.lto=false",
    "profile.sim.codegen-units=16",
    "profile.sim.debug-assertions=true",
    "profile.sim.overflow-checks=true",
];
/// Needs engines in which bugs can be planted.
const MUTANTS: &str = "--mutants";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Passed to the simulator; `--help` lists what it takes, `--mutants --help` what it takes with planted bugs
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Report> {
    let mut report = Report::default();
    report.step("simulation", || simulate(&arguments.arguments));
    Ok(report)
}

/// Runs the simulator; an error when it finds something wrong.
pub(crate) fn simulate(arguments: &[impl AsRef<OsStr>]) -> Result<()> {
    let mut command = cargo(["run", "--quiet", "--locked", "--package", "dynomite-sim", "--profile", "sim"]);
    for setting in PROFILE {
        command.args(["--config", setting]);
    }
    if arguments.iter().any(|argument| argument.as_ref() == MUTANTS) {
        command.args(["--features", "mutants"]);
    }
    let status = command.arg("--").args(arguments).status().context("cannot start cargo")?;
    ensure!(status.success(), "see above");
    Ok(())
}

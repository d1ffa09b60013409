//! `cargo xtask sim`: builds the simulator for speed, with its assertions, and runs it.

use std::ffi::OsStr;
use std::process::Command;

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
/// Needs the crates that the membership is measured beside, which only an example has.
const BASELINES: &str = "--baselines";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Passed to the simulator; `--help` lists what it takes, `--mutants --help` what it takes with
    /// planted bugs, `--gossip --baselines --help` beside other crates
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Report> {
    let mut report = Report::default();
    report.step("simulation", || simulate(&arguments.arguments));
    Ok(report)
}

/// Has a cargo command build for speed, with assertions, into the target directory's `sim`.
pub(crate) fn with_assertions(command: &mut Command) {
    command.args(["--profile", "sim"]);
    for setting in PROFILE {
        command.args(["--config", setting]);
    }
}

/// Runs the simulator; an error when it finds something wrong.
pub(crate) fn simulate(arguments: &[impl AsRef<OsStr>]) -> Result<()> {
    let mut command = cargo(["run", "--quiet", "--locked", "--package", "dynomite-sim"]);
    with_assertions(&mut command);
    let has = |name: &str| arguments.iter().any(|argument| argument.as_ref() == name);
    if has(MUTANTS) {
        command.args(["--features", "mutants"]);
    }
    if has(BASELINES) {
        command.args(["--example", "gossip_baselines"]);
    }
    let status = command.arg("--").args(arguments).status().context("cannot start cargo")?;
    ensure!(status.success(), "see above");
    Ok(())
}

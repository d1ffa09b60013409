//! `cargo xtask test`: everything that is run, from unit tests to whole clusters of processes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::cargo::{self, cargo, has_subcommand, metadata, packages, text};
use crate::report::Report;
use crate::sim;
use crate::{python, servers};

/// Tests find the Python interpreter with the client library here.
const PYTHON_VARIABLE: &str = "DYNOMITE_TEST_PYTHON";
/// The demo's tour or an example shows something and ends.
const SHOW_TIME_MAX: Duration = Duration::from_secs(60);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run only tests whose name contains this; leaves out documentation tests and examples
    #[arg(long)]
    filter: Option<String>,
}

/// Simulated clusters of every test run: 20 seeds of every family, 10 of every script.
const SIMULATION: [&str; 2] = ["--seeds", "20"];

/// The bugs that can be planted in engines, each to be found in simulated clusters within fewer seeds than there are for it when
/// the check is run by itself: nearly all show in the first few.
const PLANTED: [&str; 3] = ["--mutants", "--seeds", "60"];

pub(crate) fn run(arguments: &Arguments) -> Result<Report> {
    let mut report = Report::default();
    let workspace = metadata()?;
    let target = PathBuf::from(text(&workspace, "target_directory")?);

    if !report.step("datastores", servers::prepare) {
        return Ok(report);
    }
    let mut interpreter = None;
    match python::prepare(&target) {
        Ok(path) => interpreter = Some(path),
        Err(error) => report.leave_out("tests with the Python client", format!("{error:#}")),
    }
    if !report.step("build", || cargo::run(&mut cargo(["build", "--workspace", "--all-targets", "--locked"])))
    {
        return Ok(report);
    }
    if arguments.filter.is_none() {
        show_all(&mut report, &workspace, &target.join("debug"))?;
    }
    if arguments.filter.is_none() {
        report.step("simulation", || sim::simulate(&SIMULATION));
        report.step("planted bugs", || sim::simulate(&PLANTED));
    }
    // Last, so that the output ends with what failed.
    report.step("tests", || cargo::run(&mut tests(arguments, interpreter.as_deref())));
    Ok(report)
}

/// Documentation's examples, the demo and the example programs.
fn show_all(report: &mut Report, workspace: &serde_json::Value, programs: &Path) -> Result<()> {
    report
        .step("documentation tests", || cargo::run(&mut cargo(["test", "--workspace", "--doc", "--locked"])));
    report.step("demo --tour", || show(Command::new(programs.join("dynomited")).args(["demo", "--tour"])));
    for name in examples(workspace)? {
        report.step(&format!("example {name}"), || {
            show(&mut Command::new(programs.join("examples").join(&name)))
        });
    }
    Ok(())
}

fn tests(arguments: &Arguments, interpreter: Option<&Path>) -> Command {
    let mut command = if has_subcommand("nextest") {
        cargo(["nextest", "run", "--workspace", "--locked", "--no-fail-fast"])
    } else {
        println!("cargo-nextest is not installed; `cargo test` runs the same tests, a package at a time");
        // Not the documentation tests: those are a step of their own.
        cargo(["test", "--workspace", "--locked", "--no-fail-fast", "--lib", "--bins", "--tests"])
    };
    command.args(&arguments.filter);
    if let Some(interpreter) = interpreter {
        command.env(PYTHON_VARIABLE, interpreter);
    }
    command
}

/// The names of all example programs.
fn examples(workspace: &serde_json::Value) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for package in packages(workspace)? {
        for target in package["targets"].as_array().context("a package without targets")? {
            let is_example =
                target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "example"));
            if is_example {
                names.push(text(target, "name")?.to_owned());
            }
        }
    }
    names.sort();
    Ok(names)
}

/// Runs a program that must end by itself, and well.
fn show(command: &mut Command) -> Result<()> {
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
    let outcome = wait(&mut child);
    if outcome.is_err() {
        // It may have ended in the meantime; then there is nothing to kill.
        let _ = child.kill();
        let _ = child.wait();
    }
    outcome
}

fn wait(child: &mut Child) -> Result<()> {
    let deadline = Instant::now() + SHOW_TIME_MAX;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "it ended with {status}");
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
    }
    bail!("it still runs after {} s", SHOW_TIME_MAX.as_secs())
}

//! `cargo xtask lint`: everything that can be said of the code without running it.

use anyhow::Result;

use crate::cargo::{self, cargo};
use crate::report::Report;
use crate::{deny, dependencies, tidy};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Install cargo-deny if it is missing, as CI does; this takes minutes
    #[arg(long)]
    install: bool,
    /// Only the checks that compile nothing
    #[arg(long)]
    quick: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Report> {
    let mut report = Report::default();
    report.step("format", || cargo::run(&mut cargo(["fmt", "--all", "--check", "--", "-l"])));
    report.step("dependency directions", dependencies::check);
    report.step("tidiness", tidy::check);
    if arguments.quick {
        return Ok(report);
    }
    report.step("clippy", || {
        let deny = ["--locked", "--", "-D", "warnings"];
        cargo::run(cargo(["clippy", "--workspace", "--all-targets"]).args(deny))?;
        // Not among all targets, so that `cargo bench` leaves it to those who have valgrind.
        cargo::run(cargo(["clippy", "--package", "dynomite-benches", "--bench", "instructions"]).args(deny))
    });
    report.step("documentation", || {
        let mut command = cargo(["doc", "--workspace", "--no-deps", "--locked"]);
        cargo::run(command.env("RUSTDOCFLAGS", "-D warnings"))
    });
    deny::check(&mut report, arguments.install);
    Ok(report)
}

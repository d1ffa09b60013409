//! Project automation. `cargo xtask test` runs every test, `cargo xtask lint` every static check, `cargo xtask bench`
//! every measurement; CI runs the first two.

mod bench;
mod cargo;
mod chaos;
mod deny;
mod dependencies;
mod instructions;
mod lint;
mod python;
mod report;
mod servers;
mod sim;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Project automation")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run all tests: unit, property, process, documentation and example programs
    Test(test::Arguments),
    /// Run all static checks: format, clippy, dependency directions, licences, tidiness
    Lint(lint::Arguments),
    /// Measure speed beside Redis and nutcracker; `micro` runs the criterion benches
    Bench(bench::Arguments),
    /// Break a cluster of real processes under load in every way, and judge what is left
    Chaos(chaos::Arguments),
    /// Run simulated clusters of the replication engine, and judge them
    #[command(disable_help_flag = true)]
    Sim(sim::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Test(arguments) => test::run(&arguments),
        Command::Lint(arguments) => lint::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Chaos(arguments) => chaos::run(&arguments),
        Command::Sim(arguments) => sim::run(&arguments),
    };
    match outcome {
        Ok(report) => report.finish(),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

//! The Dynomite server: reads its configuration, starts one node and stops it on a signal.

mod check;
mod command_line;
mod demo;
mod file_limit;
mod logging;
mod serve;

use std::process::ExitCode;

use clap::Parser;

use command_line::{CommandLine, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    let outcome = match command_line.subcommand {
        None => serve::run(&command_line.config),
        Some(Subcommand::Check(config)) => check::run(&config),
        Some(Subcommand::Demo(arguments)) => demo::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        // One line for each problem, beginning with its position, as editors and CI read it.
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}

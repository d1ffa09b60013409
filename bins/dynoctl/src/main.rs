//! The operator's tool: asks a running node about itself, its ring and where a key lives.

mod answer;
mod command_line;
mod connection;
mod datacenters;
mod ping;
mod ring;
mod route;
mod table;

use std::io::{ErrorKind, IsTerminal, Write, stdout};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use command_line::{CommandLine, Subcommand};
use connection::Connection;

fn main() -> ExitCode {
    match run(&CommandLine::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dynoctl: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command_line: &CommandLine) -> Result<()> {
    let mut connection = Connection::open(&command_line.node)?;
    let is_json = command_line.json;
    let is_coloured = !is_json && stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let text = match &command_line.subcommand {
        Subcommand::Ping => ping::run(&mut connection, is_json)?,
        Subcommand::Ring => ring::run(&mut connection, is_json, is_coloured)?,
        Subcommand::Datacenters { change } => {
            datacenters::run(&mut connection, change.as_ref(), is_json, is_coloured)?
        }
        Subcommand::Route { key } => route::run(&mut connection, key, is_json, is_coloured)?,
    };
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// A reader such as `head` that has seen enough is no failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

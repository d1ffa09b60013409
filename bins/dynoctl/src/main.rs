//! The operator's tool: asks a running node about itself, its ring and where a key lives.

mod answer;
mod command_line;
mod connection;
mod datacenters;
mod describe;
mod gossip;
mod members;
mod nodes;
mod ping;
mod repair;
mod ring;
mod route;
mod status;
mod table;

use std::io::{ErrorKind, IsTerminal, Write, stdout};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use command_line::{CommandLine, Subcommand};
use connection::Connection;
use repair::{Form, Verdict};

/// Copies differ, or not everything was compared.
const UNEQUAL: u8 = 3;

fn main() -> ExitCode {
    match run(&CommandLine::parse()) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dynoctl: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command_line: &CommandLine) -> Result<ExitCode> {
    let mut connection = Connection::open(&command_line.node)?;
    let is_json = command_line.json;
    let is_coloured = !is_json && stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let text = match &command_line.subcommand {
        Subcommand::Ping => ping::run(&mut connection, is_json)?,
        Subcommand::Status => status::run(&mut connection, is_json, is_coloured)?,
        Subcommand::Gossip => gossip::run(&mut connection, is_json, is_coloured)?,
        Subcommand::Describe => describe::run(&mut connection, is_json, is_coloured)?,
        Subcommand::Ring => ring::run(&mut connection, is_json, is_coloured)?,
        Subcommand::Datacenters { change } => {
            datacenters::run(&mut connection, change.as_ref(), is_json, is_coloured)?
        }
        Subcommand::Repair { action, options } => {
            let verdict = repair::run(connection, action.as_ref(), options, form_of(is_json))?;
            return Ok(if verdict == Verdict::Equal { ExitCode::SUCCESS } else { ExitCode::from(UNEQUAL) });
        }
        Subcommand::Route { key } => route::run(&mut connection, key, is_json, is_coloured)?,
    };
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// How progress is shown.
fn form_of(is_json: bool) -> Form {
    if is_json {
        Form::Json
    } else if stdout().is_terminal() {
        Form::Terminal
    } else {
        Form::Lines
    }
}

/// A reader such as `head` that has seen enough is no failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

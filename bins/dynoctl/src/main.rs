//! The operator's tool: asks a running node about itself, its ring and where a key lives.

mod answer;
mod cleanup;
mod command_line;
mod connection;
mod datacenters;
mod describe;
mod form;
mod gossip;
mod members;
mod nodes;
mod ping;
mod repair;
mod ring;
mod route;
mod status;
mod table;
mod topology;

use std::io::{ErrorKind, IsTerminal, Write, stdout};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use command_line::{CommandLine, Subcommand};
use connection::Connection;
use form::Form;
use repair::Verdict;
use topology::Change;

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
    if let Some((change, options)) = Change::of(&command_line.subcommand) {
        topology::change(connection, &change, options, is_json, is_coloured)?;
        return Ok(ExitCode::SUCCESS);
    }
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
            let verdict = repair::run(connection, action.as_ref(), options, Form::of_output(is_json))?;
            return Ok(if verdict == Verdict::Equal { ExitCode::SUCCESS } else { ExitCode::from(UNEQUAL) });
        }
        Subcommand::Abort { wait } => {
            topology::abort(connection, *wait, Form::of_output(is_json))?;
            return Ok(ExitCode::SUCCESS);
        }
        Subcommand::Transfers { watch } => {
            topology::transfers(connection, *watch, Form::of_output(is_json), is_coloured)?;
            return Ok(ExitCode::SUCCESS);
        }
        Subcommand::Cleanup { all } => {
            cleanup::run(connection, *all, Form::of_output(is_json))?;
            return Ok(ExitCode::SUCCESS);
        }
        Subcommand::Join { .. }
        | Subcommand::Leave { .. }
        | Subcommand::Replace { .. }
        | Subcommand::Move { .. }
        | Subcommand::Rebalance { .. } => unreachable!("changes were handled above"),
        Subcommand::Route { key } => route::run(&mut connection, key, is_json, is_coloured)?,
    };
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// A reader such as `head` that has seen enough is no failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

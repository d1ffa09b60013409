//! `dynoctl repair`: has copies compared and healed, and shows how far that is.

mod display;
mod status;

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::answer::parse;
use crate::command_line::{Range, RepairAction, RepairOptions};
use crate::connection::Connection;
use crate::form::Form;
use crate::nodes;
use display::Display;
use status::Status;

/// How often a node is asked how far it is.
const INTERVAL: Duration = Duration::from_millis(250);

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The node answered, and where copies were compared they are equal now.
    Equal,
    /// Differences are left, or not everything was compared.
    Unequal,
}

/// Compares, or shows or ends what compares. Prints as it goes.
pub(crate) fn run(
    connection: Connection,
    action: Option<&RepairAction>,
    options: &RepairOptions,
    form: Form,
) -> Result<Verdict> {
    match action {
        None => on_each(connection, options.all, |connection| repair(connection, options, form)),
        Some(RepairAction::Status { all }) => on_each(connection, *all, |connection| {
            Display::new(form).show_now(&ask(connection)?)?;
            Ok(Verdict::Equal)
        }),
        Some(RepairAction::Stop { all }) => {
            on_each(connection, *all, |connection| stop(connection, *all, form))
        }
    }
}

/// Does something at the node, or at all nodes one after the other. One that fails does not keep the others from it.
fn on_each(
    mut connection: Connection,
    all: bool,
    mut act: impl FnMut(&mut Connection) -> Result<Verdict>,
) -> Result<Verdict> {
    if !all {
        return act(&mut connection);
    }
    let (mut verdict, mut failed) = (Verdict::Equal, Vec::new());
    for node in nodes::all(&mut connection)? {
        let done = Connection::open(&node.address).and_then(|mut connection| act(&mut connection));
        match done {
            Ok(Verdict::Equal) => {}
            Ok(Verdict::Unequal) => verdict = Verdict::Unequal,
            Err(error) => failed.push(format!("{}: {error:#}", node.name)),
        }
    }
    if failed.is_empty() {
        return Ok(verdict);
    }
    bail!("not done everywhere; run it again when these answer:\n  {}", failed.join("\n  "))
}

fn repair(connection: &mut Connection, options: &RepairOptions, form: Form) -> Result<Verdict> {
    let mut display = Display::new(form);
    let before = ask(connection)?;
    if before.is_running() {
        display.say(&format!(
            "{}: a repair is running already and is shown here; nothing was begun",
            before.node
        ))?;
    } else if let Err(error) = connection.ask(&start_command(options)) {
        // Somebody else may have been faster.
        let now = ask(connection)?;
        if !now.is_running() {
            return Err(error);
        }
        display.say(&format!("{}: a repair was begun by somebody else and is shown here", now.node))?;
    }
    follow(connection, &mut display)
}

fn start_command(options: &RepairOptions) -> Vec<String> {
    let mut command: Vec<String> = ["DYNOMITE", "REPAIR", "START"].map(str::to_owned).into();
    if options.preview {
        command.push("PREVIEW".to_owned());
    }
    if options.full {
        command.push("FULL".to_owned());
    }
    if let Some(Range { of, first, last }) = &options.range {
        command.extend([of.word().to_owned(), first.to_string(), last.to_string()]);
    }
    command
}

/// Shows how far a node is until it is done.
fn follow(connection: &mut Connection, display: &mut Display) -> Result<Verdict> {
    let mut followed = None;
    loop {
        let status = ask(connection).with_context(|| {
            format!(
                "{} was lost while it compares; it may go on with that: `dynoctl repair status` tells",
                connection.node()
            )
        })?;
        if *followed.get_or_insert(status.number) != status.number {
            bail!("{} was started anew, or another repair was begun there: this one has ended", status.node);
        }
        if !status.is_running() {
            display.finish(&status)?;
            return Ok(if status.has_equal_copies() { Verdict::Equal } else { Verdict::Unequal });
        }
        display.show(&status)?;
        sleep(INTERVAL);
    }
}

fn stop(connection: &mut Connection, all: bool, form: Form) -> Result<Verdict> {
    let mut display = Display::new(form);
    // Of all nodes, most compare nothing.
    if !all || ask(connection)?.is_running() {
        connection.ask(&["DYNOMITE", "REPAIR", "STOP"])?;
    }
    while ask(connection)?.is_running() {
        sleep(INTERVAL);
    }
    display.show_now(&ask(connection)?)?;
    Ok(Verdict::Equal)
}

fn ask(connection: &mut Connection) -> Result<Status> {
    Status::of(parse(&connection.ask(&["DYNOMITE", "REPAIR", "STATUS"])?)?)
}

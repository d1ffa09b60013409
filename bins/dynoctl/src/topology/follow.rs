//! Shows how far a change is until it is over. When the node that is asked goes, another one is.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::status::Status;
use super::{INTERVAL, ask};
use crate::connection::Connection;
use crate::form::{CLEARED, Form, drawn, write};
use crate::nodes;

/// Lines in a file are at least so far apart, unless a step was taken.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Follows one change.
pub(super) struct Follower {
    connection: Connection,
    /// Where other nodes of the ring can be asked.
    others: Vec<String>,
    form: Form,
    /// Those of the plan, when that is known.
    steps: Option<u64>,
    last_line: Option<(Instant, u64)>,
}

impl Follower {
    pub(super) fn new(connection: Connection, form: Form, steps: Option<u64>) -> Self {
        Self { connection, others: Vec::new(), form, steps, last_line: None }
    }

    /// Until `what` is not under way any more; gives how the node stands then.
    pub(super) fn follow(mut self, what: &str) -> Result<Status> {
        // A node that leaves ends when it is done, so it cannot be asked to the end.
        self.others =
            nodes::all(&mut self.connection)?.into_iter().map(|node| node.address).collect::<Vec<_>>();
        loop {
            let status = self.ask(what)?;
            if let Some(problem) = &status.problem {
                self.clear()?;
                bail!(
                    "{what}: {} takes no part any more, and cannot tell how it goes on: {problem}",
                    self.connection.node()
                );
            }
            match &status.change {
                Some(change) if change.what == what => {
                    if let Some(reason) = change.is_stuck() {
                        self.clear()?;
                        bail!("{what}: {reason}: `dynoctl abort`");
                    }
                    self.show(&status)?;
                }
                Some(change) => {
                    self.clear()?;
                    bail!("{what}: it has ended, and now there is another change: {}", change.what);
                }
                None => {
                    self.finish(what, &status)?;
                    return Ok(status);
                }
            }
            sleep(INTERVAL);
        }
    }

    fn ask(&mut self, what: &str) -> Result<Status> {
        let error = match ask(&mut self.connection) {
            Ok(status) => return Ok(status),
            Err(error) => error,
        };
        for address in self.others.clone() {
            let Ok(mut other) = Connection::open(&address) else { continue };
            if let Ok(status) = ask(&mut other) {
                self.connection = other;
                return Ok(status);
            }
        }
        self.clear()?;
        Err(error.context(format!(
            "{what}: no node can be asked any more how far it is. It goes on without dynoctl; `dynoctl transfers` at any \
             node tells"
        )))
    }

    fn show(&mut self, status: &Status) -> Result<()> {
        if self.form == Form::Terminal {
            write(&drawn(&status.progress(self.steps)))?;
            return Ok(());
        }
        let is_due =
            self.last_line.is_none_or(|(at, epoch)| epoch != status.epoch || at.elapsed() >= LINE_INTERVAL);
        if is_due {
            self.last_line = Some((Instant::now(), status.epoch));
            self.line(&status.progress(self.steps), status)?;
        }
        Ok(())
    }

    fn finish(&self, what: &str, status: &Status) -> Result<()> {
        self.clear()?;
        self.line(&format!("{what}: it is over, at epoch {}", status.epoch), status)
    }

    fn line(&self, text: &str, status: &Status) -> Result<()> {
        match self.form {
            Form::Json => write(&format!("{}\n", status.json))?,
            Form::Terminal | Form::Lines => write(&format!("{text}\n"))?,
        }
        Ok(())
    }

    fn clear(&self) -> Result<()> {
        if self.form == Form::Terminal {
            write(CLEARED)?;
        }
        Ok(())
    }
}

//! Progress on a terminal, in a file, or for a program.

use std::io;
use std::time::{Duration, Instant};

use super::status::Status;
use crate::form::{CLEARED, Form, drawn, write};

/// Lines in a file are at least so far apart, unless much has happened.
const LINE_INTERVAL: Duration = Duration::from_secs(10);
/// So many percent are much.
const LINE_PERCENT: u64 = 10;

/// Shows one repair.
#[derive(Debug)]
pub(super) struct Display {
    form: Form,
    /// When the last line was, and at how many percent.
    last: Option<(Instant, u64)>,
}

impl Display {
    pub(super) fn new(form: Form) -> Self {
        Self { form, last: None }
    }

    /// How far it is, where that is worth a line.
    pub(super) fn show(&mut self, status: &Status) -> io::Result<()> {
        if self.form == Form::Terminal {
            return write(&drawn(&status.progress()));
        }
        let percent = status.percent();
        let is_due = self.last.is_none_or(|(at, before)| {
            at.elapsed() >= LINE_INTERVAL || percent / LINE_PERCENT > before / LINE_PERCENT
        });
        if is_due {
            self.last = Some((Instant::now(), percent));
            self.show_now(status)?;
        }
        Ok(())
    }

    /// How far it is, or how it ended, in a line of its own.
    pub(super) fn show_now(&mut self, status: &Status) -> io::Result<()> {
        match self.form {
            Form::Json => write(&format!("{}\n", status.json)),
            Form::Terminal | Form::Lines => write(&format!("{}\n", status.outcome())),
        }
    }

    /// How it ended.
    pub(super) fn finish(&mut self, status: &Status) -> io::Result<()> {
        if self.form == Form::Terminal {
            write(CLEARED)?;
        }
        self.show_now(status)
    }

    /// Something for people.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        if self.form == Form::Json { Ok(()) } else { write(&format!("{text}\n")) }
    }
}

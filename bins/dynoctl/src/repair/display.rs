//! Progress on a terminal, in a file, or for a program.

use std::io::{self, Write, stdout};
use std::time::{Duration, Instant};

use super::status::Status;

/// Lines in a file are at least so far apart, unless much has happened.
const LINE_INTERVAL: Duration = Duration::from_secs(10);
/// So many percent are much.
const LINE_PERCENT: u64 = 10;

/// Where it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One line that is drawn again.
    Terminal,
    /// Lines, now and then.
    Lines,
    /// One object a line, now and then.
    Json,
}

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
            write("\r\x1b[K")?;
        }
        self.show_now(status)
    }

    /// Something for people.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        if self.form == Form::Json { Ok(()) } else { write(&format!("{text}\n")) }
    }
}

/// A line over the one before; what does not fit into the terminal's width is cut off, as a second line could not be drawn
/// over.
fn drawn(line: &str) -> String {
    const NO_WRAP: &str = "\x1b[?7l";
    const WRAP: &str = "\x1b[?7h";
    const CLEAR_REST: &str = "\x1b[K";
    format!("\r{NO_WRAP}{line}{CLEAR_REST}{WRAP}")
}

fn write(text: &str) -> io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

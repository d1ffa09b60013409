//! How progress is printed: on a terminal, in a file, or for a program.

use std::io::{self, IsTerminal, Write, stdout};

/// Takes away the line that [`drawn`] made.
pub(crate) const CLEARED: &str = "\r\x1b[K";

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

impl Form {
    /// The one for the program's output.
    pub(crate) fn of_output(is_json: bool) -> Self {
        if is_json {
            Self::Json
        } else if stdout().is_terminal() {
            Self::Terminal
        } else {
            Self::Lines
        }
    }
}

/// A line over the one before; what does not fit into the terminal's width is cut off, as a second line could not be drawn
/// over.
pub(crate) fn drawn(line: &str) -> String {
    const NO_WRAP: &str = "\x1b[?7l";
    const WRAP: &str = "\x1b[?7h";
    const CLEAR_REST: &str = "\x1b[K";
    format!("\r{NO_WRAP}{line}{CLEAR_REST}{WRAP}")
}

/// Prints at once.
pub(crate) fn write(text: &str) -> io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

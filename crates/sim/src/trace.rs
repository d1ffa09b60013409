//! What happened in a run: always as a digest, on demand as lines.

use crate::plan::{MS, Micros};

/// Longer lines are cut off after so many characters: some messages list thousands of buckets.
const LINE_MAX: usize = 600;

/// Where the lines of a run go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TraceTo {
    /// Nowhere: only the digest is kept.
    #[default]
    Nowhere,
    /// To standard output, as they come.
    Output,
    /// Into memory.
    Memory,
}

/// Sees every event of a run.
#[derive(Debug, Default)]
pub struct Trace {
    to: TraceTo,
    digest: u64,
    lines: Vec<String>,
}

impl Trace {
    /// A trace that goes to `to`.
    pub fn new(to: TraceTo) -> Self {
        Self { to, ..Self::default() }
    }

    /// A digest over all events so far, their times and contents.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// The lines, if they are kept in memory.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    pub(crate) fn event(&mut self, at: Micros, event: &crate::world::Event) {
        self.digest = event.mixed_into(self.digest.rotate_left(5) ^ at);
        if self.to != TraceTo::Nowhere {
            self.put(format!("{:>12.3} ms  {event:?}", at as f64 / MS as f64));
        }
    }

    pub(crate) fn line(&mut self, line: impl FnOnce() -> String) {
        if self.to != TraceTo::Nowhere {
            self.put(line());
        }
    }

    fn put(&mut self, mut line: String) {
        if let Some((end, _)) = line.char_indices().nth(LINE_MAX) {
            let left_out = line.len() - end;
            line.truncate(end);
            line.push_str(&format!("... and {left_out} bytes more"));
        }
        match self.to {
            TraceTo::Output => println!("{line}"),
            TraceTo::Memory => self.lines.push(line),
            TraceTo::Nowhere => {}
        }
    }
}

//! What is wrong with a configuration, and where.

use std::fmt;

/// Every problem that was found in one configuration. The operator's fault; nothing was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

/// One problem. Displays as `dynomited.toml:3:10: limits.bulk_max: what is wrong`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where the value came from.
    pub origin: Origin,
    /// The key's path, such as `limits.bulk_max` or `seeds[1].name`; empty when it is about the whole.
    pub key: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A position in a file; both numbers count from 1, columns in characters.
    Position {
        /// The file's name.
        file: String,
        /// Line.
        line: usize,
        /// Column.
        column: usize,
    },
    /// A file as a whole.
    File(String),
    /// `--set` or an environment variable, as the operator wrote it.
    Override(String),
    /// A value that was set in Rust, or a default.
    Program,
}

impl ConfigError {
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        debug_assert!(!problems.is_empty(), "an error says something");
        Self { problems }
    }

    pub(super) fn unreadable(file: &str, error: &std::io::Error) -> Self {
        let origin = Origin::File(file.to_owned());
        Self::new(vec![Problem { origin, key: String::new(), message: format!("cannot be read: {error}") }])
    }

    /// The problems, in the order of the keys they are about.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    /// One problem a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl Problem {
    /// A problem whose position is not known yet.
    pub(super) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { origin: Origin::Program, key: key.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Position { file, line, column } => write!(f, "{file}:{line}:{column}: ")?,
            Origin::File(name) | Origin::Override(name) => write!(f, "{name}: ")?,
            Origin::Program => {}
        }
        // `--set limits.bulk_max` has named the key already.
        let is_named = matches!(&self.origin, Origin::Override(name) if name.ends_with(&self.key));
        if !self.key.is_empty() && !is_named {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

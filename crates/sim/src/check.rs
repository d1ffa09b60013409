//! Judges a run: each invariant has a checker of its own.

mod answered;
mod bounded;
mod collections;
mod convergence;
mod decisions;
mod judged;
mod registers;
mod replies;
#[cfg(test)]
mod testing;

use std::fmt;

use crate::{command::Key, scenario::Invariant, world::World};

pub(crate) use convergence::has_converged;
pub(crate) use judged::Judged;

/// Something that must hold did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What.
    pub invariant: Invariant,
    /// The key that it is about, if it is about one.
    pub key: Option<Key>,
    /// What is wrong, in a sentence.
    pub text: String,
    /// The entries of the history that show it.
    pub entries: Vec<usize>,
}

impl Violation {
    pub(crate) fn of(invariant: Invariant, key: Key, text: impl Into<String>) -> Self {
        Self { invariant, key: Some(key), text: text.into(), entries: Vec::new() }
    }

    pub(crate) fn shown_by(mut self, entries: impl IntoIterator<Item = usize>) -> Self {
        self.entries.extend(entries);
        self.entries.sort_unstable();
        self.entries.dedup();
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.invariant.code(), self.invariant)?;
        if let Some(key) = self.key {
            write!(f, ", key {key}")?;
        }
        write!(f, ": {}", self.text)
    }
}

/// Everything that is wrong with a run that has come to rest, of what `demands` asks for.
pub(crate) fn check(world: &mut World, demands: &[Invariant]) -> Vec<Violation> {
    let mut violations = Vec::new();
    convergence::check(world, &mut violations);
    answered::check(world, &mut violations);
    bounded::check(world, &mut violations);
    for judged in Judged::keys(world) {
        replies::check(&judged, &mut violations);
        decisions::check(&judged, &mut violations);
        if judged.key.kind.is_register() {
            registers::check(&judged, &mut violations);
        } else if judged.key.kind.is_collection() {
            collections::check(&judged, &mut violations);
        }
    }
    violations.retain(|violation| demands.contains(&violation.invariant));
    violations
}

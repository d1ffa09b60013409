//! What must not happen and did.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::history::Key;
use super::judge;

/// More of a kind are counted and not kept.
const KEPT_MAX: u64 = 100;
/// A key's last writes, as many as are kept with a violation.
const HISTORY_MAX: usize = 60;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A reader saw what contradicts the acknowledged writes of its datacenter.
    Read,
    /// What is there in the end contradicts the acknowledged writes.
    Lost,
    /// Two answers contradict each other.
    Answers,
    /// The copies of a key are not equal in the end.
    Unequal,
    /// Nodes find no end of differences between copies that are equal.
    Compared,
    /// A key is there that nobody wrote, or expires when nobody said so.
    Strange,
    /// No answer by the deadline.
    Late,
    /// An answer that is none to that command, or an error that does not say whether a write was run.
    Misshapen,
    /// A connection was closed by a node that nobody had disturbed.
    Closed,
    /// A node ended by itself, or did not start again.
    Ended,
    /// A log line that says error, or a panic.
    Logged,
    /// A node grew beyond the bound.
    Memory,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Read => "contradicting read",
            Self::Lost => "contradicting final state",
            Self::Answers => "contradicting answers",
            Self::Unequal => "unequal copies",
            Self::Compared => "endless differences",
            Self::Strange => "strange key",
            Self::Late => "late answer",
            Self::Misshapen => "misshapen answer",
            Self::Closed => "closed connection",
            Self::Ended => "ended node",
            Self::Logged => "logged error",
            Self::Memory => "memory",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Violation {
    pub(super) kind: Kind,
    /// The key or the node.
    pub(super) subject: String,
    pub(super) text: String,
    /// The key's last writes and those that the text names.
    pub(super) history: Vec<Line>,
}

/// One write.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Whether the violation's text names it.
    pub(super) is_named: bool,
    pub(super) text: String,
}

#[derive(Default)]
pub(super) struct Violations {
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    kept: Vec<Violation>,
    counts: BTreeMap<Kind, u64>,
}

impl Violations {
    pub(super) fn add(&self, kind: Kind, subject: impl Into<String>, text: impl Into<String>) {
        self.keep(Violation { kind, subject: subject.into(), text: text.into(), history: Vec::new() });
    }

    pub(super) fn add_key(&self, kind: Kind, key: &Key, text: impl Into<String>) {
        let text = text.into();
        let named = named_writes(&text);
        let begin = key.writes.len().saturating_sub(HISTORY_MAX);
        let history = key.writes.iter().enumerate().filter_map(|(index, write)| {
            let is_named = named.contains(&index);
            (is_named || index >= begin).then(|| Line { is_named, text: judge::shown(index, write) })
        });
        let history = history.collect();
        self.keep(Violation { kind, subject: key.name(), text, history });
    }

    pub(super) fn counts(&self) -> BTreeMap<Kind, u64> {
        self.lock().counts.clone()
    }

    pub(super) fn total(&self) -> u64 {
        self.lock().counts.values().sum()
    }

    /// Those that were kept, in the order in which they were found.
    pub(super) fn kept(&self) -> Vec<Violation> {
        self.lock().kept.clone()
    }

    fn keep(&self, violation: Violation) {
        let mut found = self.lock();
        let count = found.counts.entry(violation.kind).or_default();
        *count += 1;
        if *count <= KEPT_MAX {
            found.kept.push(violation);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writes that a text names, as `#7`.
fn named_writes(text: &str) -> BTreeSet<usize> {
    let number = |rest: &str| rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok();
    text.split('#').skip(1).filter_map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::class::Class;
    use crate::chaos::history::Action;
    use crate::chaos::judge::scene::{Scene, done};

    #[test]
    fn writes_that_are_named_are_shown_however_old() {
        let mut scene = Scene::of(Class::Counter);
        for _ in 0..3 * HISTORY_MAX {
            scene = scene.write(done(Action::Add));
        }
        let violations = Violations::default();
        violations.add_key(Kind::Read, &scene.key, "has no #0, and #12; has #x");
        let history = violations.kept().remove(0).history;
        assert_eq!(history.len(), HISTORY_MAX + 2);
        assert!(history[0].is_named && history[0].text.starts_with("#0 "));
        assert!(history[1].is_named && history[1].text.starts_with("#12 "));
        assert!(history[2..].iter().all(|line| !line.is_named));
    }

    #[test]
    fn all_are_counted_and_some_are_kept() {
        let violations = Violations::default();
        for _ in 0..2 * KEPT_MAX {
            violations.add(Kind::Late, "node1", "late");
        }
        violations.add(Kind::Ended, "node2", "gone");
        assert_eq!(violations.total(), 2 * KEPT_MAX + 1);
        assert_eq!(violations.kept().len() as u64, KEPT_MAX + 1);
    }
}

//! How many of what was asked, and how it ended.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::class::Class;
use super::history::{Micros, Outcome};

/// Errors of more texts are counted together.
const TEXTS_MAX: usize = 1_000;
const OTHER_TEXTS: &str = "all other errors";

#[derive(Default)]
pub(super) struct Tally {
    counts: Mutex<BTreeMap<Class, Counts>>,
    /// How often each error was answered.
    errors: Mutex<BTreeMap<String, u64>>,
}

/// Of one class of keys.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) write_count: u64,
    pub(super) done_count: u64,
    pub(super) not_run_count: u64,
    pub(super) unknown_count: u64,
    pub(super) other_count: u64,
    pub(super) read_count: u64,
    pub(super) failed_read_count: u64,
    /// The longest time that an answer took, or that one was waited for in vain.
    pub(super) longest: Micros,
}

impl Tally {
    pub(super) fn write(&self, class: Class, outcome: Outcome, took: Micros) {
        self.count(class, took, |counts| {
            counts.write_count += 1;
            match outcome {
                Outcome::Done => counts.done_count += 1,
                Outcome::NotRun => counts.not_run_count += 1,
                Outcome::Unknown | Outcome::Open => counts.unknown_count += 1,
                Outcome::Other => counts.other_count += 1,
            }
        });
    }

    pub(super) fn read(&self, class: Class, has_failed: bool, took: Micros) {
        self.count(class, took, |counts| {
            counts.read_count += 1;
            counts.failed_read_count += u64::from(has_failed);
        });
    }

    pub(super) fn error(&self, text: &str) {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let text = if errors.len() < TEXTS_MAX || errors.contains_key(text) { text } else { OTHER_TEXTS };
        *errors.entry(text.to_owned()).or_default() += 1;
    }

    /// What errors were answered how often, the most frequent first.
    pub(super) fn errors(&self) -> Vec<(String, u64)> {
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut errors: Vec<(String, u64)> = errors.into_iter().collect();
        errors.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        errors
    }

    pub(super) fn by_class(&self) -> BTreeMap<Class, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All classes together.
    pub(super) fn total(&self) -> Counts {
        self.by_class().into_values().fold(Counts::default(), Counts::plus)
    }

    fn count(&self, class: Class, took: Micros, count: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = counts.entry(class).or_default();
        counts.longest = counts.longest.max(took);
        count(counts);
    }
}

impl Counts {
    pub(super) fn request_count(&self) -> u64 {
        self.write_count + self.read_count
    }

    fn plus(self, other: Self) -> Self {
        Self {
            write_count: self.write_count + other.write_count,
            done_count: self.done_count + other.done_count,
            not_run_count: self.not_run_count + other.not_run_count,
            unknown_count: self.unknown_count + other.unknown_count,
            other_count: self.other_count + other.other_count,
            read_count: self.read_count + other.read_count,
            failed_read_count: self.failed_read_count + other.failed_read_count,
            longest: self.longest.max(other.longest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_counted_by_class() {
        let tally = Tally::default();
        for (outcome, took) in
            [(Outcome::Done, 5), (Outcome::Done, 9), (Outcome::NotRun, 2), (Outcome::Unknown, 1)]
        {
            tally.write(Class::List, outcome, took);
        }
        tally.write(Class::Set, Outcome::Other, 7);
        tally.read(Class::List, true, 3);
        let list = tally.by_class()[&Class::List];
        assert_eq!((list.write_count, list.done_count, list.not_run_count, list.unknown_count), (4, 2, 1, 1));
        assert_eq!((list.read_count, list.failed_read_count, list.longest), (1, 1, 9));
        let total = tally.total();
        assert_eq!((total.request_count(), total.write_count, total.other_count), (6, 5, 1));
    }

    #[test]
    fn errors_of_too_many_texts_are_counted_together() {
        let tally = Tally::default();
        for number in 0..2 * TEXTS_MAX {
            tally.error(&format!("error {number}"));
            tally.error("often");
        }
        let errors = tally.errors();
        assert!(errors.len() <= TEXTS_MAX + 1, "{}", errors.len());
        assert_eq!(errors[0], ("often".to_owned(), 2 * TEXTS_MAX as u64));
        assert_eq!(errors.iter().map(|(_, count)| count).sum::<u64>(), 4 * TEXTS_MAX as u64);
    }
}

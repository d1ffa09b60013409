//! How many of what was asked, and how it ended.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::class::Class;
use super::history::{Micros, Outcome};

#[derive(Default)]
pub(super) struct Tally {
    counts: Mutex<BTreeMap<Class, Counts>>,
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

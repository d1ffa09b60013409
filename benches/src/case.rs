//! A thing to measure.

use crate::cases;

/// Something that is done in batches.
pub trait Scenario {
    /// Makes ready for the next batch; called before each one, and not measured.
    fn reset(&mut self);

    /// Does one batch.
    fn run(&mut self);
}

/// A row in the list of what is measured.
#[derive(Debug)]
pub struct Case {
    /// What is measured: a group, and after slashes what of it. Unique.
    pub name: &'static str,
    /// How many elements one batch has.
    pub elements: usize,
    /// Sets the scenario up. May take a second.
    pub prepare: fn() -> Box<dyn Scenario>,
}

/// The cases whose names contain `filter`.
pub fn selected(filter: &str) -> impl Iterator<Item = &'static Case> {
    cases().filter(move |case| case.name.contains(filter))
}

/// A scenario that only needs its state: `reset` makes it ready, `run` does a batch.
pub(crate) fn scenario<S: 'static>(
    state: S,
    reset: impl FnMut(&mut S) + 'static,
    run: impl FnMut(&mut S) + 'static,
) -> Box<dyn Scenario> {
    Box::new(Parts { state, reset, run })
}

/// A scenario whose batches need nothing between them.
pub(crate) fn steady(mut run: impl FnMut() + 'static) -> Box<dyn Scenario> {
    scenario((), |()| {}, move |()| run())
}

struct Parts<S, R, F> {
    state: S,
    reset: R,
    run: F,
}

impl<S, R: FnMut(&mut S), F: FnMut(&mut S)> Scenario for Parts<S, R, F> {
    fn reset(&mut self) {
        (self.reset)(&mut self.state);
    }

    fn run(&mut self) {
        (self.run)(&mut self.state);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own_and_elements() {
        let mut names = HashSet::new();
        for case in cases() {
            assert!(names.insert(case.name), "{} is there twice", case.name);
            assert!(case.elements > 0, "{}", case.name);
        }
        assert!(selected("ring/").count() > 0 && selected("no such thing").count() == 0);
    }

    #[test]
    fn every_case_runs_batch_after_batch() {
        for case in cases() {
            let mut scenario = (case.prepare)();
            for _ in 0..2 {
                scenario.reset();
                scenario.run();
            }
        }
    }
}

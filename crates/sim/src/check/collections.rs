//! Collections and counters: every acknowledged addition is there, once, until something takes it away.

use super::{
    Violation,
    judged::{Judged, State},
};
use crate::{
    command::{Action, Saw},
    history::{Entry, Outcome},
    scenario::Invariant,
};

/// Notes lost, repeated and returned elements.
pub(super) fn check(judged: &Judged, violations: &mut Vec<Violation>) {
    judged.check_finals(violations, |state, violations| check_final(judged, state, violations));
    for (place, entry) in &judged.entries {
        let Some(Saw::Elements(elements)) = entry.saw() else { continue };
        if entry.command.is_at_quorum() {
            let reader = Some((*place, entry));
            check_elements(judged, &elements, reader, "shows", Invariant::ReadsItsQuorum, violations);
        }
    }
}

fn check_final(judged: &Judged, state: &State, violations: &mut Vec<Violation>) {
    let Some(Saw::Elements(elements)) = &state.saw else {
        let text = format!("nodes {:?} hold what no command can have left", state.nodes);
        violations.push(judged.violation(Invariant::NothingLost, text));
        return;
    };
    let who = format!("nodes {:?} hold", state.nodes);
    check_elements(judged, elements, None, &who, Invariant::NothingLost, violations);
}

/// Compares `elements`, found at the end or by a reader, with what was acknowledged.
fn check_elements(
    judged: &Judged,
    elements: &[u32],
    reader: Option<(usize, &Entry)>,
    who: &str,
    invariant: Invariant,
    violations: &mut Vec<Violation>,
) {
    let shown = reader.map(|(place, _)| place);
    for element in elements {
        if elements.iter().filter(|other| *other == element).count() > 1 {
            let text = format!("{who} {element} more than once");
            let writer = judged.writer(*element).map(|(place, _)| *place);
            violations.push(
                judged.violation(Invariant::DecidesOnce, text).shown_by(writer.into_iter().chain(shown)),
            );
            return;
        }
    }
    if !judged.keeps_writes {
        return;
    }
    for (place, add) in judged.entries.iter().filter(|(_, entry)| entry.command.action == Action::Add) {
        let is_there = elements.contains(&add.command.element);
        let problem = if is_there {
            back(judged, add, reader)
                .map(|remover| (format!("{who} {} again", add.command.element), Some(remover)))
        } else {
            lost(judged, add, reader).then(|| (format!("{who} {} no more", add.command.element), None))
        };
        let Some((text, by)) = problem else { continue };
        violations
            .push(judged.violation(invariant, text).shown_by([*place].into_iter().chain(by).chain(shown)));
        return;
    }
    if reader.is_none() {
        check_not_run(judged, elements, who, violations);
    }
}

fn check_not_run(judged: &Judged, elements: &[u32], who: &str, violations: &mut Vec<Violation>) {
    for element in elements {
        let Some((place, add)) = judged.writer(*element) else {
            let text = format!("{who} {element}, which nobody added");
            violations.push(judged.violation(Invariant::NothingLost, text));
            continue;
        };
        if matches!(add.outcome, Outcome::NotRun(_)) {
            let text = format!("{who} {element}, which was said to be not run");
            violations.push(judged.violation(Invariant::NothingLost, text).shown_by([*place]));
        }
    }
}

/// Whether the absence of an addition cannot be explained.
fn lost(judged: &Judged, add: &Entry, reader: Option<(usize, &Entry)>) -> bool {
    let is_owed = match reader {
        Some((_, reader)) => judged.must_see(reader, add),
        None => add.is_acknowledged_at_quorum(),
    };
    is_owed && !judged.entries.iter().any(|(_, entry)| may_remove(judged, entry, add, reader))
}

/// Whether `entry` may have taken the element of `add` away before `reader` looked.
fn may_remove(judged: &Judged, entry: &Entry, add: &Entry, reader: Option<(usize, &Entry)>) -> bool {
    let begins_in_time = reader.is_none_or(|(_, reader)| entry.invoked_at <= reader.ended_at);
    let is_over = judged.is_before(entry, add) && !judged.expiry_survives(entry);
    begins_in_time && entry.may_have_run() && !is_over && takes(entry, add.command.element)
}

/// Whether a command takes an element away, if it runs when it is there.
fn takes(entry: &Entry, element: u32) -> bool {
    match (&entry.command.action, entry.saw()) {
        (Action::Remove { element: removed }, _) => *removed == element,
        (Action::Pop, Some(Saw::Popped(popped))) => popped == Some(element),
        // One that got no answer may have taken any.
        (Action::Pop, _) => true,
        _ => entry.clears(),
    }
}

/// Who took the element of `add` away for good before `reader` looked: it has come back.
fn back(judged: &Judged, add: &Entry, reader: Option<(usize, &Entry)>) -> Option<usize> {
    let remover = judged.entries.iter().find(|(_, entry)| {
        let is_seen = match reader {
            Some((_, reader)) => judged.must_see(reader, entry),
            None => entry.is_acknowledged_at_quorum(),
        };
        is_seen && is_immediate(entry) && takes(entry, add.command.element) && is_after(judged, entry, add)
    });
    remover.map(|(place, _)| *place)
}

/// Whether it takes away at once what it takes away, and not in time.
fn is_immediate(entry: &Entry) -> bool {
    !matches!(entry.command.action, Action::Expire { .. })
}

/// Whether `remover` certainly ran after `add`.
fn is_after(judged: &Judged, remover: &Entry, add: &Entry) -> bool {
    let took_it = remover.saw() == Some(Saw::Popped(Some(add.command.element)));
    took_it || judged.is_before(add, remover)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{Past, add, array, bulk, del, integer, not_run, pop, read, remove, unknown};

    fn found(past: &Past) -> Vec<Invariant> {
        let mut violations = Vec::new();
        check(&past.judged(), &mut violations);
        violations.into_iter().map(|violation| violation.invariant).collect()
    }

    fn two() -> Past {
        Past::list().did(0, 10, add(1), integer(1)).did(20, 30, add(2), integer(2))
    }

    #[test]
    fn every_acknowledged_element_is_there_once() {
        assert_eq!(found(&two().ends_with_elements(&[1, 2])), []);
        assert_eq!(found(&two().ends_with_elements(&[2])), [Invariant::NothingLost]);
        assert_eq!(found(&two().ends_with_elements(&[1, 2, 2])), [Invariant::DecidesOnce]);
        assert_eq!(found(&two().ends_with_elements(&[1, 2, 3])), [Invariant::NothingLost]);
    }

    #[test]
    fn an_unknown_element_may_be_there_and_one_that_was_not_run_may_not() {
        let past = |outcome| two().did(40, 50, add(3), outcome);
        assert_eq!(found(&past(unknown()).ends_with_elements(&[1, 2])), []);
        assert_eq!(found(&past(unknown()).ends_with_elements(&[1, 2, 3])), []);
        assert_eq!(found(&past(not_run()).ends_with_elements(&[1, 2, 3])), [Invariant::NothingLost]);
    }

    #[test]
    fn what_was_taken_away_stays_away() {
        let removed = || two().did(40, 50, remove(1), integer(1));
        assert_eq!(found(&removed().ends_with_elements(&[2])), []);
        assert_eq!(found(&removed().ends_with_elements(&[1, 2])), [Invariant::NothingLost]);
        let popped = || two().did(5, 50, pop(), bulk("l0:1"));
        assert_eq!(found(&popped().ends_with_elements(&[2])), []);
        assert_eq!(found(&popped().ends_with_elements(&[1])), [Invariant::NothingLost]);
        assert_eq!(found(&two().did(5, 50, pop(), unknown()).ends_with_elements(&[1])), []);
    }

    #[test]
    fn a_deletion_takes_what_was_there_and_not_what_came_later() {
        let past = || two().did(40, 50, del(9), integer(1)).did(60, 70, add(3), integer(1));
        assert_eq!(found(&past().ends_with_elements(&[3])), []);
        assert_eq!(found(&past().ends_with_elements(&[])), [Invariant::NothingLost]);
        assert_eq!(found(&past().ends_with_elements(&[1, 3])), [Invariant::NothingLost]);
        let unsure = two().did(40, 50, del(9), unknown());
        assert_eq!(found(&unsure.ends_with_elements(&[])), []);
    }

    #[test]
    fn a_read_shows_what_was_acknowledged_before_it() {
        let past = |elements: &[u32]| two().did(40, 50, read(), array(elements)).ends_with_elements(&[1, 2]);
        assert_eq!(found(&past(&[1, 2])), []);
        assert_eq!(found(&past(&[2])), [Invariant::ReadsItsQuorum]);
        assert_eq!(found(&past(&[1, 2, 1])), [Invariant::DecidesOnce]);
        let early = two().did(25, 50, read(), array(&[1])).ends_with_elements(&[1, 2]);
        assert_eq!(found(&early), []);
    }
}

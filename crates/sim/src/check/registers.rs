//! Registers: no acknowledged write is lost, and quorum reads see what was acknowledged before they began.
//!
//! A value may be seen when its write is not known to be over before an acknowledged write began that the reader must see.
//! Absence is such a value too, written by deletions and by everything that expires.

use super::{
    Violation,
    judged::{Judged, State},
};
use crate::{
    command::{Action, Saw},
    history::Entry,
    scenario::Invariant,
};

/// Notes lost writes and old reads.
pub(super) fn check(judged: &Judged, violations: &mut Vec<Violation>) {
    judged.check_finals(violations, |state, violations| check_final(judged, state, violations));
    for (place, entry) in &judged.entries {
        check_read(judged, *place, entry, violations);
    }
}

fn check_final(judged: &Judged, state: &State, violations: &mut Vec<Violation>) {
    let Some(Saw::Value(value)) = state.saw else {
        let text = format!("nodes {:?} hold what no command can have left", state.nodes);
        violations.push(judged.violation(Invariant::NothingLost, text));
        return;
    };
    if !judged.keeps_writes {
        return;
    }
    if let Some((place, entry)) = value.and_then(|value| judged.writer(value))
        && !entry.may_have_run()
    {
        let text = format!("nodes {:?} hold what was said to be not run", state.nodes);
        violations.push(judged.violation(Invariant::NothingLost, text).shown_by([*place]));
    }
    for (place, write) in acknowledged(judged) {
        if let Some(old) = hides(judged, value, write) {
            let what = shown(value);
            let text = format!("nodes {:?} hold {what}, older than an acknowledged write", state.nodes);
            violations.push(
                judged.violation(Invariant::NothingLost, text).shown_by(old.into_iter().chain([place])),
            );
            return;
        }
    }
}

fn check_read(judged: &Judged, place: usize, read: &Entry, violations: &mut Vec<Violation>) {
    if !judged.keeps_writes || !read.command.is_at_quorum() {
        return;
    }
    let Some(value) = value_read(read) else { return };
    for (write_place, write) in acknowledged(judged).filter(|(_, write)| judged.must_see(read, write)) {
        if let Some(old) = hides(judged, value, write) {
            let text = format!("shows {}, older than a write acknowledged before it began", shown(value));
            let places = old.into_iter().chain([place, write_place]);
            violations.push(judged.violation(Invariant::ReadsItsQuorum, text).shown_by(places));
            return;
        }
    }
}

/// The value that a command found; of a conditional write whether there was one is all that is known.
fn value_read(entry: &Entry) -> Option<Option<u32>> {
    match entry.saw()? {
        Saw::Value(value) => Some(value),
        Saw::Done if entry.command.action == Action::SetIfAbsent => Some(None),
        Saw::Declined if entry.command.action == Action::SetIfPresent => Some(None),
        _ => None,
    }
}

/// Writes that left a known value and were acknowledged by a majority.
fn acknowledged(judged: &Judged) -> impl Iterator<Item = (usize, &Entry)> {
    judged
        .entries
        .iter()
        .filter(|(_, entry)| entry.is_acknowledged_at_quorum() && changes_value(entry))
        .map(|(place, entry)| (*place, entry))
}

fn changes_value(entry: &Entry) -> bool {
    match entry.command.action {
        Action::Read | Action::Persist | Action::Expire { .. } => false,
        // It deleted nothing.
        Action::GetAndDelete => entry.saw() != Some(Saw::Value(None)),
        _ => true,
    }
}

/// Whether finding `value` means that `write` is lost: everybody who can have written `value` was over before `write`
/// began. Gives them.
fn hides(judged: &Judged, value: Option<u32>, write: &Entry) -> Option<Vec<usize>> {
    let mut older = Vec::new();
    for (place, entry) in writers(judged, value) {
        let is_over = judged.is_before(entry, write) && (value.is_some() || !judged.expiry_survives(entry));
        if !is_over {
            return None;
        }
        older.push(*place);
    }
    Some(older)
}

/// The entries that can have left `value`.
fn writers(judged: &Judged, value: Option<u32>) -> Vec<&(usize, Entry)> {
    match value {
        Some(value) => judged.writer(value).into_iter().collect(),
        None => judged.entries.iter().filter(|(_, entry)| entry.clears() && entry.may_have_run()).collect(),
    }
}

fn shown(value: Option<u32>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{
        Past, bulk, del, get_del, integer, nil, not_run, ok, read, set, set_expiring, set_nx, unknown,
    };

    fn found(past: &Past) -> Vec<Invariant> {
        let mut violations = Vec::new();
        check(&past.judged(), &mut violations);
        violations.into_iter().map(|violation| violation.invariant).collect()
    }

    fn lost() -> Vec<Invariant> {
        vec![Invariant::NothingLost]
    }

    #[test]
    fn the_last_acknowledged_write_stays() {
        let past = || Past::register().did(0, 10, set(1), ok()).did(20, 30, set(2), ok());
        assert_eq!(found(&past().ends_with(Some(2))), []);
        assert_eq!(found(&past().ends_with(Some(1))), lost());
        assert_eq!(found(&past().ends_with(None)), lost());
        assert_eq!(found(&Past::register().ends_with(None)), []);
    }

    #[test]
    fn of_concurrent_writes_any_may_stay() {
        let past = || Past::register().did(0, 25, set(1), ok()).did(20, 30, set(2), ok());
        assert_eq!(found(&past().ends_with(Some(1))), []);
        assert_eq!(found(&past().ends_with(Some(2))), []);
    }

    #[test]
    fn an_unknown_write_may_appear_late_and_one_that_was_not_run_never() {
        let past = |outcome| Past::register().did(0, 10, set(1), outcome).did(20, 30, set(2), ok());
        assert_eq!(found(&past(unknown()).ends_with(Some(1))), []);
        assert_eq!(found(&past(not_run()).ends_with(Some(1))), [lost(), lost()].concat()[..1]);
    }

    #[test]
    fn a_deletion_explains_absence_unless_it_is_older() {
        let past = || Past::register().did(0, 10, del(1), integer(1)).did(20, 30, set(2), ok());
        assert_eq!(found(&past().ends_with(None)), lost());
        assert_eq!(found(&past().did(40, 50, del(3), integer(1)).ends_with(None)), []);
        assert_eq!(found(&past().did(40, 50, del(3), integer(1)).ends_with(Some(2))), lost(), "it came back");
        assert_eq!(found(&past().did(40, 50, set_expiring(3), ok()).ends_with(None)), []);
        assert_eq!(
            found(&past().did(40, 50, get_del(3), nil()).ends_with(Some(2))),
            [Invariant::ReadsItsQuorum]
        );
    }

    #[test]
    fn a_quorum_read_sees_what_was_acknowledged_before_it_began() {
        let past = || Past::register().did(0, 10, set(1), ok()).did(20, 30, set(2), ok());
        let old = vec![Invariant::ReadsItsQuorum];
        assert_eq!(found(&past().did(40, 50, read(), bulk("r0:2")).ends_with(Some(2))), []);
        assert_eq!(found(&past().did(40, 50, read(), bulk("r0:1")).ends_with(Some(2))), old);
        assert_eq!(found(&past().did(40, 50, read(), nil()).ends_with(Some(2))), old);
        assert_eq!(found(&past().did(29, 50, read(), bulk("r0:1")).ends_with(Some(2))), []);
        assert_eq!(found(&past().at_one(40, 50, read(), bulk("r0:1")).ends_with(Some(2))), []);
        assert_eq!(
            found(&past().did(40, 50, set_nx(3), ok()).ends_with(Some(3))),
            old,
            "it found nothing there"
        );
    }

    #[test]
    fn another_datacenters_reads_see_only_what_was_acknowledged_everywhere() {
        let past = || Past::register().did(0, 10, set(1), ok()).did(20, 30, set(2), ok());
        let elsewhere = past().did(40, 50, read(), bulk("r0:1")).elsewhere().ends_with(Some(2));
        assert_eq!(found(&elsewhere), []);
        let each = past().at_each(32, 34, set(3), ok()).did(40, 50, read(), bulk("r0:1")).elsewhere();
        assert_eq!(found(&each.ends_with(Some(3))), [Invariant::ReadsItsQuorum]);
    }

    #[test]
    fn without_a_majority_nothing_is_promised() {
        let past = Past::register().did(0, 10, set(1), ok()).did(20, 30, set(2), ok());
        assert_eq!(found(&past.ends_with(Some(1)).without_majority()), []);
    }
}

//! Decide once: one SET NX wins between two deletions, an element is taken away once, and acknowledged counts follow each
//! other.

use super::{Violation, judged::Judged};
use crate::{
    command::{Action, Saw},
    history::Entry,
    scenario::Invariant,
};

/// Notes what was decided twice.
pub(super) fn check(judged: &Judged, violations: &mut Vec<Violation>) {
    for (index, first) in judged.entries.iter().enumerate() {
        for second in &judged.entries[index + 1..] {
            if let Some(text) = contradiction(judged, &first.1, &second.1) {
                violations.push(judged.violation(Invariant::DecidesOnce, text).shown_by([first.0, second.0]));
                return;
            }
        }
    }
}

fn contradiction(judged: &Judged, first: &Entry, second: &Entry) -> Option<String> {
    if first.dc != second.dc {
        return None;
    }
    match (first.saw()?, second.saw()?) {
        (Saw::Popped(Some(one)), Saw::Popped(Some(other)))
            if one == other && is_owed(judged, first, second) =>
        {
            Some(format!("{one} was taken away twice"))
        }
        (Saw::Done, Saw::Done) if both_win(judged, first, second) => {
            Some("SET NX won twice, and nothing deleted the key in between".to_owned())
        }
        (Saw::Elements(one), Saw::Elements(other))
            if is_chain_broken(judged, first, second, &one, &other) =>
        {
            Some("two acknowledged counts do not follow each other".to_owned())
        }
        _ => None,
    }
}

/// Whether both were acknowledged by a majority that kept its data.
fn is_owed(judged: &Judged, first: &Entry, second: &Entry) -> bool {
    judged.keeps_writes && first.is_acknowledged_at_quorum() && second.is_acknowledged_at_quorum()
}

fn both_win(judged: &Judged, first: &Entry, second: &Entry) -> bool {
    let wins = |entry: &Entry| entry.command.action == Action::SetIfAbsent;
    let (from, upto) = (first.invoked_at.min(second.invoked_at), first.ended_at.max(second.ended_at));
    let cleared = || {
        judged.entries.iter().any(|(_, entry)| {
            entry.clears() && entry.may_have_run() && entry.invoked_at <= upto && entry.over_at() >= from
        })
    };
    is_owed(judged, first, second) && wins(first) && wins(second) && !cleared()
}

/// Acknowledged additions to a counter happened in one order: what one found is part of what the other found.
fn is_chain_broken(judged: &Judged, first: &Entry, second: &Entry, one: &[u32], other: &[u32]) -> bool {
    let counts = |entry: &Entry| entry.command.action == Action::Add;
    let is_reset = || judged.entries.iter().any(|(_, entry)| entry.clears() && entry.may_have_run());
    let has_all = |whole: &[u32], part: &[u32]| part.iter().all(|element| whole.contains(element));
    is_owed(judged, first, second)
        && counts(first)
        && counts(second)
        && !has_all(one, other)
        && !has_all(other, one)
        && !is_reset()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{Past, add, bulk, del, integer, nil, ok, pop, set_nx, unknown};

    fn is_good(past: &Past) -> bool {
        let mut violations = Vec::new();
        check(&past.judged(), &mut violations);
        violations.is_empty()
    }

    #[test]
    fn one_winner_between_deletions() {
        let won = || Past::register().did(0, 10, set_nx(1), ok());
        assert!(is_good(&won().did(5, 20, set_nx(2), nil())));
        assert!(!is_good(&won().did(5, 20, set_nx(2), ok())));
        assert!(is_good(&won().did(12, 15, del(3), integer(1)).did(20, 30, set_nx(2), ok())));
        assert!(is_good(&won().did(12, 15, del(3), unknown()).did(20, 30, set_nx(2), ok())));
        assert!(!is_good(&won().did(20, 30, set_nx(2), ok()).did(40, 50, del(3), integer(1))));
    }

    #[test]
    fn nothing_is_taken_twice() {
        let past = Past::list().did(0, 10, pop(), bulk("l0:1"));
        assert!(is_good(&Past::list().did(0, 10, pop(), bulk("l0:1")).did(5, 9, pop(), bulk("l0:2"))));
        assert!(!is_good(&past.did(20, 30, pop(), bulk("l0:1"))));
    }

    #[test]
    fn counts_follow_each_other() {
        let past =
            |second| Past::counter().did(0, 10, add(0), integer(1)).did(5, 15, add(1), integer(second));
        assert!(is_good(&past(5)));
        assert!(!is_good(&past(4)), "each counted without the other");
        assert!(is_good(&past(4).did(6, 7, del(9), integer(1))));
    }
}

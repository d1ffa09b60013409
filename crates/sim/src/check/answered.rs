//! Every command is answered once, by its deadline and a little slack.

use super::Violation;
use crate::{
    history::Entry,
    plan::{MS, Micros},
    scenario::Invariant,
    world::{REQUEST_TIMEOUT, World},
};

/// Deadlines are looked at this often, and timers are this late.
const SLACK: Micros = 25 * MS;

/// Notes commands that were answered late, twice or never.
pub(super) fn check(world: &mut World, violations: &mut Vec<Violation>) {
    for text in world.undecoded() {
        let text = format!("a message could not be read: {text}");
        violations.push(Violation {
            invariant: Invariant::NoCrossTalk,
            key: None,
            text,
            entries: Vec::new(),
        });
    }
    for (place, entry) in world.history().entries.iter().enumerate() {
        if let Some(text) = fault_of(entry, world.absences(entry.node), world.now()) {
            violations.push(Violation::of(Invariant::Answered, entry.command.key, text).shown_by([place]));
        }
    }
}

/// What is wrong with how a command was answered by a node that did not run during `absences`.
fn fault_of(entry: &Entry, absences: &[(Micros, Micros)], now: Micros) -> Option<String> {
    if entry.answered_at.len() > 1 {
        return Some(format!("answered {} times", entry.answered_at.len()));
    }
    let taken_at = entry.taken_at?;
    let due_at = taken_at + REQUEST_TIMEOUT + SLACK;
    let answered_at = entry.answered_at.first().copied();
    if answered_at.unwrap_or(now) <= due_at {
        return None;
    }
    let was_absent = absences.iter().any(|(from, to)| *from <= due_at && *to >= taken_at);
    if was_absent {
        return None;
    }
    Some(match answered_at {
        Some(at) => format!("answered {} ms after it came", (at - taken_at) / MS),
        None => "never answered".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{Past, ok, set};

    fn entry(answered_at: &[Micros]) -> Entry {
        let mut entry = Past::register().did(0, 1, set(1), ok()).entries.remove(0).1;
        entry.taken_at = Some(0);
        entry.answered_at = answered_at.to_vec();
        entry
    }

    #[test]
    fn late_repeated_and_missing_answers_are_found() {
        let late = REQUEST_TIMEOUT + SLACK + 1;
        assert_eq!(fault_of(&entry(&[REQUEST_TIMEOUT]), &[], late), None);
        assert!(fault_of(&entry(&[1, 2]), &[], late).is_some());
        assert!(fault_of(&entry(&[late]), &[], late).is_some());
        assert!(fault_of(&entry(&[]), &[], late).is_some());
        assert_eq!(fault_of(&entry(&[]), &[], late - 1), None, "there is still time");
    }

    #[test]
    fn a_node_that_did_not_run_owes_nothing() {
        let late = REQUEST_TIMEOUT + SLACK + 1;
        assert_eq!(fault_of(&entry(&[]), &[(5, 9)], late), None);
        assert!(fault_of(&entry(&[]), &[(late, late + 5)], late + 9).is_some());
    }
}

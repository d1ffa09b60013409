//! Every reply belongs to its request: it has the right form, and shows only what was written to the key before it came
//! and was not said to be *not run*.

use super::{Violation, judged::Judged};
use crate::{
    command::{Kind, Saw},
    history::{Entry, Outcome},
    scenario::Invariant,
};

/// Notes replies that cannot be.
pub(super) fn check(judged: &Judged, violations: &mut Vec<Violation>) {
    for (place, entry) in &judged.entries {
        match &entry.outcome {
            Outcome::Unclear(_) => {
                let text = "an error does not say what became of the write";
                violations.push(judged.violation(Invariant::NoCrossTalk, text).shown_by([*place]));
            }
            Outcome::Reply(reply) => check_reply(judged, *place, entry, reply, violations),
            Outcome::Open | Outcome::NotRun(_) | Outcome::Unknown(_) => {}
        }
    }
}

fn check_reply(judged: &Judged, place: usize, entry: &Entry, reply: &[u8], violations: &mut Vec<Violation>) {
    if reply.starts_with(b"-") {
        if judged.key.kind != Kind::Mixed {
            let text = "the datastore refused a command that fits its key";
            violations.push(judged.violation(Invariant::NoCrossTalk, text).shown_by([place]));
        }
        return;
    }
    let Some(saw) = entry.saw() else {
        let text = "the reply does not fit the request";
        violations.push(judged.violation(Invariant::NoCrossTalk, text).shown_by([place]));
        return;
    };
    for element in shown(&saw) {
        if let Some((what, of)) = impossible(judged, entry, element) {
            violations
                .push(judged.violation(Invariant::NoCrossTalk, what).shown_by(of.into_iter().chain([place])));
        }
    }
}

fn shown(saw: &Saw) -> Vec<u32> {
    match saw {
        Saw::Value(value) | Saw::Popped(value) => value.iter().copied().collect(),
        Saw::Elements(elements) => elements.clone(),
        Saw::Done | Saw::Declined | Saw::Count(_) => Vec::new(),
    }
}

/// Why a reply to `entry` cannot show `element`, and which entry proves it.
fn impossible(judged: &Judged, entry: &Entry, element: u32) -> Option<(String, Option<usize>)> {
    let Some((place, writer)) = judged.writer(element) else {
        return Some((format!("shows {element}, which nobody wrote"), None));
    };
    if writer.invoked_at > entry.ended_at {
        Some((format!("shows {element} before it was written"), Some(*place)))
    } else if matches!(writer.outcome, Outcome::NotRun(_)) {
        Some((format!("shows {element}, which was said to be not run"), Some(*place)))
    } else if writer.saw() == Some(Saw::Declined) {
        Some((format!("shows {element}, which was declined"), Some(*place)))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{Past, bulk, nil, not_run, ok, read, set, set_nx};

    fn found(past: &Past) -> usize {
        let mut violations = Vec::new();
        check(&past.judged(), &mut violations);
        violations.len()
    }

    #[test]
    fn a_value_from_the_future_or_from_nowhere_is_found() {
        let good = Past::register().did(0, 10, set(1), ok()).did(5, 12, read(), bulk("r0:1"));
        assert_eq!(found(&good), 0);
        assert_eq!(found(&Past::register().did(20, 30, set(1), ok()).did(5, 12, read(), bulk("r0:1"))), 1);
        assert_eq!(found(&Past::register().did(5, 12, read(), bulk("r0:1"))), 1);
        assert_eq!(found(&Past::register().did(5, 12, read(), bulk("r1:1"))), 1);
    }

    #[test]
    fn what_was_not_run_or_declined_is_never_seen() {
        assert_eq!(found(&Past::register().did(0, 1, set(1), not_run()).did(5, 12, read(), bulk("r0:1"))), 1);
        assert_eq!(found(&Past::register().did(0, 1, set_nx(1), nil()).did(5, 12, read(), bulk("r0:1"))), 1);
        assert_eq!(found(&Past::register().did(0, 1, set_nx(1), ok()).did(5, 12, read(), bulk("r0:1"))), 0);
    }

    #[test]
    fn a_reply_of_another_command_is_found() {
        assert_eq!(found(&Past::register().did(0, 1, set(1), bulk("r0:5"))), 1);
        assert_eq!(found(&Past::register().did(0, 1, read(), ok())), 1);
    }
}

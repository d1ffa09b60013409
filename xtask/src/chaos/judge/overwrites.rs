//! Keys that are only overwritten: the value is that of a write which no other one followed for certain.

use crate::chaos::history::{Action, Key, Look, Write};
use crate::chaos::payload::write_of_value;
use crate::chaos::state::State;

use super::{other_type, ran_after_all};

/// How exact expiries are: the first node makes a time absolute when it gets the command.
const EXPIRY_SLACK: i64 = 1_000_000;

pub(super) fn contradiction(key: &Key, look: &Look, state: &State) -> Option<String> {
    if let Some(contradiction) = unknown_value(key, state) {
        return Some(contradiction);
    }
    let State::Text(value) = state else { return unexplained_absence(key, look) };
    let index = write_of_value(key, value)?;
    let later = superseder(key, look, &key.writes[index])?;
    Some(format!("shows #{index}, which the acknowledged #{later} had overwritten"))
}

/// Why nobody wrote this.
pub(super) fn unknown_value(key: &Key, state: &State) -> Option<String> {
    let value = match state {
        State::Absent => return None,
        State::Text(value) => value,
        other => return Some(other_type(other)),
    };
    match write_of_value(key, value) {
        Some(index) if key.writes[index].may_have_run() => None,
        Some(index) => Some(ran_after_all(index)),
        None => Some(format!("shows what nobody wrote: {}", state.shown())),
    }
}

/// Why the key cannot be absent. Long times to live, which are all that overwritten keys have, do not end in a run.
pub(super) fn unexplained_absence(key: &Key, look: &Look) -> Option<String> {
    let (last, _) = key.due(look).filter(|(_, write)| write.action != Action::Delete).last()?;
    let mut deletes = key.possible(look).filter(|(_, write)| write.action == Action::Delete);
    if deletes.any(|(_, delete)| superseder(key, look, delete).is_none()) {
        return None;
    }
    Some(format!("is absent, and #{last} was acknowledged"))
}

/// An acknowledged overwrite that certainly came later, and that the reader must see.
pub(super) fn superseder(key: &Key, look: &Look, write: &Write) -> Option<usize> {
    key.due(look).find(|(_, other)| other.is_overwrite() && write.is_before(other)).map(|(index, _)| index)
}

pub(super) fn contradicting_expiry(key: &Key, state: &State, expires_at: Option<i64>) -> Option<String> {
    let State::Text(value) = state else { return None };
    let index = write_of_value(key, value)?;
    let write = &key.writes[index];
    match (write.action, expires_at) {
        (Action::SetExpiring, None) => Some(format!("does not expire, as #{index} said")),
        (Action::SetExpiring, Some(at)) => {
            let lifetime = i64::from(write.detail) * 1_000;
            let earliest = (write.begun_at as i64).saturating_add(lifetime - EXPIRY_SLACK);
            let latest = i64::try_from(write.settled_at()).unwrap_or(i64::MAX);
            let latest = latest.saturating_add(lifetime + EXPIRY_SLACK);
            let is_right = (earliest..=latest).contains(&at);
            (!is_right).then(|| {
                format!("expires {:.3} s from the time that #{index} said", (at - earliest) as f64 / 1e6)
            })
        }
        (_, Some(_)) => Some(format!("expires, and #{index} did not say so")),
        (_, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::{SECOND, Scene, done, not_run, text, unknown};
    use super::*;
    use crate::chaos::class::Class;
    use crate::chaos::payload::value;

    fn scene() -> Scene {
        Scene::of(Class::Overwrite)
    }

    fn set() -> super::super::scene::Draft {
        done(Action::Set).detail(30)
    }

    fn value_of(scene: &Scene, write: usize) -> State {
        text(value(&scene.key, write))
    }

    #[test]
    fn last_acknowledged_write_stands() {
        let scene = scene().write(set()).write(set());
        assert_eq!(scene.verdict(&value_of(&scene, 1)), None);
        assert!(scene.verdict(&value_of(&scene, 0)).is_some_and(|text| text.contains("acknowledged #1")));
        assert!(scene.verdict(&State::Absent).is_some());
        // Who began to read before it was acknowledged may see either.
        assert_eq!(scene.verdict_at(0, 2 * SECOND, &value_of(&scene, 0)), None);
        assert_eq!(scene.verdict_at(0, 2 * SECOND, &value_of(&scene, 1)), None);
        assert!(scene.verdict_at(0, 3 * SECOND, &value_of(&scene, 0)).is_some());
    }

    #[test]
    fn writes_at_the_same_time_may_come_in_any_order() {
        let scene = scene().write(set().at(10, 30)).write(set().at(20, 25));
        assert_eq!(scene.verdict(&value_of(&scene, 0)), None);
        assert_eq!(scene.verdict(&value_of(&scene, 1)), None);
    }

    #[test]
    fn unknown_write_may_be_there_or_not_however_late() {
        let scene = scene().write(set()).write(unknown(Action::Set).detail(30)).write(set());
        assert_eq!(scene.verdict(&value_of(&scene, 1)), None);
        assert_eq!(scene.verdict(&value_of(&scene, 2)), None);
        assert!(scene.verdict(&value_of(&scene, 0)).is_some());
    }

    #[test]
    fn write_that_was_not_run_may_not_be_there() {
        let scene = scene().write(set()).write(not_run(Action::Set).detail(30));
        assert!(scene.verdict(&value_of(&scene, 1)).is_some_and(|text| text.contains("not run")));
        assert_eq!(scene.verdict(&value_of(&scene, 0)), None);
    }

    #[test]
    fn absence_needs_a_deletion_that_nothing_followed() {
        let deleted = scene().write(set()).write(done(Action::Delete));
        assert_eq!(deleted.verdict(&State::Absent), None);
        assert!(deleted.verdict(&value_of(&deleted, 0)).is_some());
        let again = deleted.write(set());
        assert!(again.verdict(&State::Absent).is_some());
        assert_eq!(again.write(unknown(Action::Delete)).verdict(&State::Absent), None);
        assert_eq!(scene().verdict(&State::Absent), None);
        assert!(scene().write(set()).write(not_run(Action::Delete)).verdict(&State::Absent).is_some());
    }

    #[test]
    fn reader_need_not_see_yet_what_another_datacenter_wrote() {
        let scene = scene().write(set()).write(set().dc(1));
        assert_eq!(scene.verdict_at(0, 3 * SECOND, &value_of(&scene, 0)), None);
        assert!(scene.verdict_at(1, 3 * SECOND, &value_of(&scene, 0)).is_some());
        assert!(scene.verdict(&value_of(&scene, 0)).is_some());
        // Clocks do not order what is a millisecond apart.
        let close = self::scene().write(set().at(1_000, 2_000)).write(set().dc(1).at(3_000, 4_000));
        assert_eq!(close.verdict(&value_of(&close, 0)), None);
    }

    #[test]
    fn what_nobody_wrote_is_told() {
        let scene = scene().write(set());
        assert!(scene.verdict(&text("7.0.xxxxxxx")).is_some_and(|text| text.contains("nobody wrote")));
        assert!(scene.verdict(&State::List(vec![])).is_some_and(|text| text.contains("another type")));
        let weak = Scene::of(Class::Weak).write(set()).write(set()).write(not_run(Action::Set).detail(30));
        assert_eq!(weak.verdict(&value_of(&weak, 0)), None, "at DC_ONE an acknowledged write may be lost");
        assert!(weak.verdict(&value_of(&weak, 2)).is_some());
        assert!(weak.verdict(&text("x")).is_some());
    }

    #[test]
    fn value_keeps_the_expiry_that_came_with_it() {
        let scene = scene().write(set()).write(done(Action::SetExpiring).detail(60_000));
        let expiry =
            |write: usize, at: Option<i64>| contradicting_expiry(&scene.key, &value_of(&scene, write), at);
        assert_eq!(expiry(0, None), None);
        assert!(expiry(0, Some(1)).is_some());
        assert!(expiry(1, None).is_some());
        assert_eq!(expiry(1, Some(62_050_000)), None);
        assert!(expiry(1, Some(60_050_000)).is_some());
        assert!(expiry(1, Some(64_050_000)).is_some());
    }
}

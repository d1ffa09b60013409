//! Keys that expire while the run goes on. How long a write of unknown outcome was on its way is not known, so it may
//! expire late; the end is so late that everything has expired.

use crate::chaos::history::{Action, Key, Look, Micros, Write};
use crate::chaos::payload::write_of_value;
use crate::chaos::state::State;

use super::overwrites::{superseder, unknown_value};

/// How exact expiries are.
pub(in crate::chaos) const SLACK: Micros = 1_000_000;

pub(super) fn contradiction(key: &Key, look: &Look, state: &State) -> Option<String> {
    if let Some(contradiction) = unknown_value(key, state) {
        return Some(contradiction);
    }
    let State::Text(value) = state else { return unexplained_absence(key, look) };
    let index = write_of_value(key, value)?;
    let write = &key.writes[index];
    if let Some(later) = superseder(key, look, write) {
        return Some(format!("shows #{index}, which the acknowledged #{later} had overwritten"));
    }
    // Another expiry that may have replaced an earlier one gives the key at most that much more.
    let expiries =
        || key.possible(look).filter(|(_, expiry)| expiry.action == Action::Expire && expiry.reply != 0);
    let limits = expiries().filter(|(_, expiry)| look.must_show(expiry) && write.is_before(expiry));
    let own = (write.action == Action::SetExpiring).then_some((index, write));
    let first = own.into_iter().chain(limits).min_by_key(|(_, limit)| latest_end(limit))?;
    let latest = expiries().map(|(_, expiry)| latest_end(expiry)).chain([latest_end(first.1)]).max()?;
    (latest.saturating_add(SLACK) < look.begun_at)
        .then(|| format!("shows #{index} long after it expired, as #{} said", first.0))
}

/// An absent key has expired, or was never there.
fn unexplained_absence(key: &Key, look: &Look) -> Option<String> {
    let (last, _) = key.due(look).filter(|(_, write)| write.is_overwrite()).last()?;
    let mut expired = key.possible(look).filter(|(_, write)| {
        let may_expire = matches!(write.action, Action::SetExpiring | Action::Expire);
        may_expire
            && earliest_end(write) < look.answered_at.saturating_add(SLACK)
            && superseder(key, look, write).is_none()
    });
    if expired.next().is_some() {
        return None;
    }
    Some(format!("is absent, and #{last} was acknowledged and cannot have expired"))
}

fn lifetime(write: &Write) -> Micros {
    Micros::from(write.detail) * 1_000
}

fn earliest_end(write: &Write) -> Micros {
    write.begun_at + lifetime(write)
}

/// The end of all times for a write that may have taken effect at any.
fn latest_end(write: &Write) -> Micros {
    write.settled_at().saturating_add(lifetime(write))
}

#[cfg(test)]
mod tests {
    use super::super::scene::{Draft, SECOND, Scene, done, not_run, text, unknown};
    use super::*;
    use crate::chaos::class::Class;
    use crate::chaos::payload::value;

    const LIFETIME_MS: u32 = 10_000;

    fn scene() -> Scene {
        Scene::of(Class::Expiry)
    }

    fn expiring() -> Draft {
        done(Action::SetExpiring).detail(LIFETIME_MS)
    }

    fn value_of(scene: &Scene, write: usize) -> State {
        text(value(&scene.key, write))
    }

    #[test]
    fn key_is_there_until_it_expires() {
        let scene = scene().write(expiring());
        let there = value_of(&scene, 0);
        // Written after one second, it expires after eleven.
        for (second, may_be_there, may_be_absent) in
            [(2, true, false), (8, true, false), (11, true, true), (12, true, true), (14, false, true)]
        {
            assert_eq!(scene.verdict_at(0, second * SECOND, &there).is_none(), may_be_there, "{second} s");
            let absent = scene.verdict_at(0, second * SECOND, &State::Absent);
            assert_eq!(absent.is_none(), may_be_absent, "{second} s: {absent:?}");
        }
        assert!(scene.verdict(&there).is_some());
        assert_eq!(scene.verdict(&State::Absent), None);
    }

    #[test]
    fn key_without_expiry_stays() {
        let scene = scene().write(expiring()).write(done(Action::Set).detail(30));
        assert_eq!(scene.verdict(&value_of(&scene, 1)), None);
        assert!(scene.verdict(&State::Absent).is_some());
        assert!(scene.verdict(&value_of(&scene, 0)).is_some());
    }

    #[test]
    fn later_expiry_replaces_the_earlier_one() {
        let expire = |draft: fn(Action) -> Draft| {
            scene().write(done(Action::Set).detail(30)).write(draft(Action::Expire).detail(LIFETIME_MS))
        };
        let scene = expire(done);
        assert_eq!(scene.verdict_at(0, 5 * SECOND, &value_of(&scene, 0)), None);
        assert!(scene.verdict_at(0, 5 * SECOND, &State::Absent).is_some());
        assert!(scene.verdict(&value_of(&scene, 0)).is_some());
        assert_eq!(scene.verdict(&State::Absent), None);
        let perhaps = expire(unknown);
        assert_eq!(perhaps.verdict(&value_of(&perhaps, 0)), None);
        assert_eq!(perhaps.verdict(&State::Absent), None);
        let refused = expire(not_run);
        assert_eq!(refused.verdict(&value_of(&refused, 0)), None);
        assert!(refused.verdict(&State::Absent).is_some());
    }

    #[test]
    fn longer_life_may_be_given() {
        let scene = scene().write(expiring()).write(done(Action::Expire).detail(2 * LIFETIME_MS));
        assert_eq!(scene.verdict_at(0, 20 * SECOND, &value_of(&scene, 0)), None);
        assert!(scene.verdict_at(0, 25 * SECOND, &value_of(&scene, 0)).is_some());
    }
}

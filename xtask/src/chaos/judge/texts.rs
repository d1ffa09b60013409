//! Texts that are set, deleted and appended to from one datacenter: the value tells which `SET` it began with and every
//! `APPEND` since.

use crate::chaos::history::{Action, Key, Look, Micros};
use crate::chaos::payload::{token, write_of};
use crate::chaos::state::State;

use super::overwrites::superseder;
use super::{other_type, ran_after_all};

const SET: char = '=';
const APPENDED: char = '+';
const END: char = ';';

/// What write `write` sets or appends.
pub(in crate::chaos) fn piece(key: &Key, write: usize) -> String {
    let sign = if key.writes[write].action == Action::Append { APPENDED } else { SET };
    format!("{sign}{}{END}", token(key, write))
}

pub(super) fn contradiction(key: &Key, look: &Look, state: &State) -> Option<String> {
    let pieces = match state {
        State::Absent => Vec::new(),
        State::Text(text) => match pieces(key, text) {
            Some(pieces) => pieces,
            None => return Some(format!("shows what nobody wrote: {}", state.shown())),
        },
        other => return Some(other_type(other)),
    };
    if let Some(index) = pieces.iter().find(|index| !key.writes[**index].may_have_run()) {
        return Some(ran_after_all(*index));
    }
    let is_set = pieces.first().is_some_and(|first| key.writes[*first].action == Action::Set);
    let settled_at = match pieces.first() {
        Some(&set) if is_set => {
            if let Some(later) = superseder(key, look, &key.writes[set]) {
                return Some(format!("begins with #{set}, which the acknowledged #{later} had overwritten"));
            }
            key.writes[set].settled_at()
        }
        _ => match last_deletion(key, look) {
            Some(settled_at) => settled_at,
            None => {
                return Some(
                    "begins with no SET, and none of the deletions can have been the last".to_owned(),
                );
            }
        },
    };
    let appended = if is_set { &pieces[1..] } else { &pieces[..] };
    if is_set
        && let Some(early) =
            appended.iter().find(|index| key.writes[**index].is_before(&key.writes[pieces[0]]))
    {
        return Some(format!("shows #{early}, which #{} had overwritten", pieces[0]));
    }
    if let Some(contradiction) = disorder(key, appended) {
        return Some(contradiction);
    }
    // What was appended after the value had certainly begun, must be there.
    let missing = key.due(look).find(|(index, write)| {
        write.action == Action::Append && settled_at < write.begun_at && !appended.contains(index)
    });
    let (index, _) = missing?;
    Some(format!("has no #{index}, which was acknowledged: {}", state.shown()))
}

/// The writes whose pieces a text consists of.
fn pieces(key: &Key, text: &[u8]) -> Option<Vec<usize>> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix(END)?;
    let mut writes = Vec::new();
    for part in text.split(END) {
        let write = write_of(key, part.get(1..)?.as_bytes())?;
        let is_right = piece(key, write).strip_suffix(END) == Some(part);
        let is_in_place = part.starts_with(APPENDED) || writes.is_empty();
        if !is_right || !is_in_place || writes.contains(&write) {
            return None;
        }
        writes.push(write);
    }
    Some(writes)
}

/// When the last deletion, or the key's birth, had certainly taken effect: the latest moment that fits, so that the
/// fewest appends are due. Nothing when every one was followed by a write that must be seen.
fn last_deletion(key: &Key, look: &Look) -> Option<Micros> {
    let deletions = key
        .possible(look)
        .filter(|(_, write)| write.action == Action::Delete && superseder(key, look, write).is_none())
        .map(|(_, write)| write.settled_at());
    let is_never_set = !key.due(look).any(|(_, write)| write.is_overwrite());
    deletions.chain(is_never_set.then_some(0)).max()
}

fn disorder(key: &Key, appended: &[usize]) -> Option<String> {
    let mut latest = *appended.first()?;
    for &index in &appended[1..] {
        if key.writes[index].is_before(&key.writes[latest]) {
            return Some(format!("shows #{index} behind #{latest}, which began after it was acknowledged"));
        }
        if key.writes[index].begun_at > key.writes[latest].begun_at {
            latest = index;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::scene::{SECOND, Scene, done, not_run, text, unknown};
    use super::*;
    use crate::chaos::class::Class;

    fn scene() -> Scene {
        Scene::of(Class::Text)
    }

    fn value(scene: &Scene, writes: &[usize]) -> State {
        text(writes.iter().map(|write| piece(&scene.key, *write)).collect::<String>())
    }

    #[test]
    fn acknowledged_appends_follow_their_set() {
        let append = || done(Action::Append);
        let scene =
            scene().write(done(Action::Set)).write(append()).write(unknown(Action::Append)).write(append());
        assert_eq!(scene.verdict(&value(&scene, &[0, 1, 2, 3])), None);
        assert_eq!(scene.verdict(&value(&scene, &[0, 1, 3])), None);
        assert_eq!(scene.verdict(&value(&scene, &[0, 1, 3, 2])), None, "an unknown write may come late");
        for wrong in [&[0, 1][..], &[0, 3], &[0, 3, 1], &[1, 3], &[0]] {
            assert!(scene.verdict(&value(&scene, wrong)).is_some(), "{wrong:?}");
        }
        assert!(scene.verdict(&State::Absent).is_some());
    }

    #[test]
    fn overwrite_ends_what_was_appended_before() {
        let scene = scene()
            .write(done(Action::Set))
            .write(done(Action::Append))
            .write(done(Action::Set))
            .write(done(Action::Append));
        assert_eq!(scene.verdict(&value(&scene, &[2, 3])), None);
        assert!(scene.verdict(&value(&scene, &[0, 1, 3])).is_some());
        assert!(scene.verdict(&value(&scene, &[2, 1, 3])).is_some());
        assert!(scene.verdict(&value(&scene, &[2])).is_some());
        // Who read before the last two were begun.
        assert_eq!(scene.verdict_at(0, 2 * SECOND + SECOND / 2, &value(&scene, &[0, 1])), None);
    }

    #[test]
    fn unknown_set_may_have_swallowed_any_append() {
        let scene =
            scene().write(done(Action::Append)).write(unknown(Action::Set)).write(done(Action::Append));
        for right in [&[1, 2][..], &[1], &[0, 2]] {
            assert_eq!(scene.verdict(&value(&scene, right)), None, "{right:?}");
        }
        assert!(scene.verdict(&value(&scene, &[0])).is_some());
    }

    #[test]
    fn appends_after_a_deletion_stand_alone() {
        let scene = scene()
            .write(done(Action::Set))
            .write(done(Action::Append))
            .write(done(Action::Delete))
            .write(done(Action::Append));
        assert_eq!(scene.verdict(&value(&scene, &[3])), None);
        assert!(scene.verdict(&State::Absent).is_some());
        assert!(scene.verdict(&value(&scene, &[0, 1, 3])).is_some());
        let set = scene.write(done(Action::Set));
        assert!(set.verdict(&value(&set, &[3])).is_some_and(|text| text.contains("no SET")));
        let perhaps = set.write(unknown(Action::Delete));
        assert_eq!(perhaps.verdict(&State::Absent), None);
        assert_eq!(perhaps.verdict(&value(&perhaps, &[4])), None);
    }

    #[test]
    fn strange_texts_are_told() {
        let scene = scene().write(done(Action::Set)).write(not_run(Action::Append));
        assert!(scene.verdict(&value(&scene, &[0, 1])).is_some_and(|text| text.contains("not run")));
        for strange in ["=1.0", "+1.0;", "=2.0;", "=1.0;=1.0;", "=1.0;;", "x", "é;"] {
            assert!(scene.verdict(&text(strange)).is_some_and(|text| text.contains("nobody")), "{strange}");
        }
    }
}

//! Hashes and sorted sets: every field is put once, by one write, and perhaps removed once, after its put was
//! acknowledged.

use crate::chaos::class::Class;
use crate::chaos::history::{Action, Key, Look, Write};
use crate::chaos::payload::{score, token, write_of};
use crate::chaos::state::State;

use super::{other_type, ran_after_all};

/// What a write puts into the field of its own.
pub(in crate::chaos) fn value_of(key: &Key, write: usize) -> Vec<u8> {
    match key.class {
        Class::SortedSet => score(write).into_bytes(),
        _ => format!("value of {}", token(key, write)).into_bytes(),
    }
}

pub(super) fn contradiction(key: &Key, look: &Look, state: &State) -> Option<String> {
    let none = std::collections::BTreeMap::new();
    let fields = match state {
        State::Absent => &none,
        State::Fields(fields) => fields,
        other => return Some(other_type(other)),
    };
    for (field, value) in fields {
        let index = write_of(key, field).filter(|index| key.writes[*index].action == Action::Put);
        let Some(index) = index.filter(|index| *value == value_of(key, *index)) else {
            return Some(format!("has what nobody put: {} = {}", field.escape_ascii(), value.escape_ascii()));
        };
        if !key.writes[index].may_have_run() {
            return Some(ran_after_all(index));
        }
        if let Some((removal, write)) = removal(key, index)
            && look.must_show(write)
        {
            return Some(format!("has #{index} still, and its removal #{removal} was acknowledged"));
        }
    }
    for (index, _) in key.due(look).filter(|(_, write)| write.action == Action::Put) {
        let may_be_removed = removal(key, index).is_some_and(|(_, write)| look.may_show(write));
        if !may_be_removed && !fields.contains_key(token(key, index).as_bytes()) {
            return Some(format!("has no #{index}, which was acknowledged ({} fields)", fields.len()));
        }
    }
    None
}

/// Each put found its field new, each removal found it there.
pub(super) fn contradicting_answers(key: &Key) -> Option<String> {
    let (index, write) =
        key.writes.iter().enumerate().find(|(_, write)| write.is_done() && write.reply != 1)?;
    Some(match write.action {
        Action::Put => format!("#{index} found its own field there: it ran twice"),
        _ => format!("#{index} did not find #{}, which was acknowledged", write.detail),
    })
}

/// The removal of what a write put. There is one at most.
fn removal(key: &Key, put: usize) -> Option<(usize, &Write)> {
    let is_removal = |write: &Write| write.action == Action::Remove && write.detail as usize == put;
    key.writes.iter().enumerate().skip(put + 1).find(|(_, write)| is_removal(write))
}

#[cfg(test)]
mod tests {
    use super::super::scene::{Scene, done, not_run, unknown};
    use super::*;

    fn fields(scene: &Scene, writes: &[usize]) -> State {
        let pair = |write: &usize| (token(&scene.key, *write).into_bytes(), value_of(&scene.key, *write));
        State::Fields(writes.iter().map(pair).collect())
    }

    #[test]
    fn acknowledged_fields_are_there_until_removed() {
        for class in [Class::Hash, Class::SortedSet] {
            let scene = Scene::of(class)
                .write(done(Action::Put))
                .write(done(Action::Put))
                .write(unknown(Action::Put));
            assert_eq!(scene.verdict(&fields(&scene, &[0, 1])), None);
            assert_eq!(scene.verdict(&fields(&scene, &[0, 1, 2])), None);
            assert!(scene.verdict(&fields(&scene, &[0])).is_some_and(|text| text.contains("no #1")));
            assert!(scene.verdict(&State::Absent).is_some());
            let removed = scene.write(done(Action::Remove).detail(0));
            assert_eq!(removed.verdict(&fields(&removed, &[1])), None);
            assert!(removed.verdict(&fields(&removed, &[0, 1])).is_some_and(|text| text.contains("still")));
            let perhaps = removed.write(unknown(Action::Remove).detail(1));
            assert_eq!(perhaps.verdict(&fields(&perhaps, &[1])), None);
            assert_eq!(perhaps.verdict(&State::Absent), None);
        }
    }

    #[test]
    fn wrong_values_and_fields_are_told() {
        let scene = Scene::of(Class::Hash).write(done(Action::Put)).write(not_run(Action::Put));
        let one = |field: &str, value: &str| State::Fields([(field.into(), value.into())].into());
        assert!(scene.verdict(&one("1.0", "value of 1.9")).is_some_and(|text| text.contains("nobody")));
        assert!(scene.verdict(&one("2.0", "value of 2.0")).is_some_and(|text| text.contains("nobody")));
        assert!(scene.verdict(&fields(&scene, &[0, 1])).is_some_and(|text| text.contains("not run")));
        assert!(scene.verdict(&State::Text(b"x".to_vec())).is_some());
    }

    #[test]
    fn removal_that_was_not_run_removes_nothing() {
        let scene = Scene::of(Class::Hash).write(done(Action::Put)).write(not_run(Action::Remove).detail(0));
        assert_eq!(scene.verdict(&fields(&scene, &[0])), None);
        assert!(scene.verdict(&State::Absent).is_some());
    }

    #[test]
    fn answers_count_one() {
        let answers = |scene: Scene| contradicting_answers(&scene.key);
        let scene = || Scene::of(Class::Hash).write(done(Action::Put));
        assert_eq!(answers(scene().write(done(Action::Remove).detail(0))), None);
        assert!(answers(scene().write(done(Action::Remove).detail(0).reply(0))).is_some());
        assert!(answers(scene().write(done(Action::Put).reply(0))).is_some());
    }
}

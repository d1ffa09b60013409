//! Lists that only grow at their end: an element stays where its push said that it is.

use std::collections::HashMap;

use crate::chaos::history::{Key, Look};
use crate::chaos::payload::write_of;
use crate::chaos::state::State;

use super::{other_type, ran_after_all};

pub(super) fn contradiction(key: &Key, look: &Look, state: &State) -> Option<String> {
    let items: &[Vec<u8>] = match state {
        State::Absent => &[],
        State::List(items) => items,
        other => return Some(other_type(other)),
    };
    let mut places: HashMap<usize, usize> = HashMap::new();
    for (place, item) in items.iter().enumerate() {
        let Some(index) = write_of(key, item) else {
            return Some(format!("has what nobody pushed: {}", item.escape_ascii()));
        };
        let write = &key.writes[index];
        if !write.may_have_run() {
            return Some(ran_after_all(index));
        }
        if let Some(first) = places.insert(index, place) {
            return Some(format!("has #{index} twice, at {first} and {place}"));
        }
        if write.is_done() && write.reply != place as i64 + 1 {
            return Some(format!("has #{index} at {place}, and its push was answered {}", write.reply));
        }
    }
    let (index, _) = key.due(look).find(|(index, _)| !places.contains_key(index))?;
    Some(format!("has no #{index}, which was acknowledged ({} elements)", items.len()))
}

/// Each push found another length, and later ones found a longer list.
pub(super) fn contradicting_answers(key: &Key) -> Option<String> {
    let mut done: Vec<_> = key.writes.iter().enumerate().filter(|(_, write)| write.is_done()).collect();
    done.sort_by_key(|(_, write)| write.reply);
    let mut latest: Option<(usize, u64)> = None;
    for (position, &(index, write)) in done.iter().enumerate() {
        if position > 0 && done[position - 1].1.reply == write.reply {
            return Some(format!(
                "#{} and #{index} were both answered {}",
                done[position - 1].0,
                write.reply
            ));
        }
        if let Some((other, begun_at)) = latest
            && write.answered_at < begun_at
        {
            return Some(format!("#{other} was pushed before #{index}, which was answered before it began"));
        }
        if latest.is_none_or(|(_, begun_at)| write.begun_at > begun_at) {
            latest = Some((index, write.begun_at));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::scene::{Scene, done, not_run, unknown};
    use super::*;
    use crate::chaos::class::Class;
    use crate::chaos::history::Action;

    fn list(items: &[&str]) -> State {
        State::List(items.iter().map(|item| item.as_bytes().to_vec()).collect())
    }

    #[test]
    fn acknowledged_elements_are_where_their_pushes_said() {
        let push = |reply| done(Action::Push).reply(reply);
        let scene = Scene::of(Class::List).write(push(1)).write(unknown(Action::Push)).write(push(3));
        assert_eq!(scene.verdict(&list(&["1.0", "1.1", "1.2"])), None);
        assert!(scene.verdict(&list(&["1.0", "1.2"])).is_some());
        assert!(scene.verdict(&list(&["1.0", "1.1"])).is_some_and(|text| text.contains("no #2")));
        assert!(
            scene.verdict(&list(&["1.0", "1.1", "1.2", "1.1"])).is_some_and(|text| text.contains("twice"))
        );
        assert!(scene.verdict(&list(&["1.0", "2.1", "1.2"])).is_some_and(|text| text.contains("nobody")));
        assert!(scene.verdict(&State::Absent).is_some());
        let refused = scene.write(not_run(Action::Push));
        assert!(
            refused
                .verdict(&list(&["1.0", "1.1", "1.2", "1.3"]))
                .is_some_and(|text| text.contains("not run"))
        );
    }

    #[test]
    fn two_pushes_do_not_find_the_same_length() {
        let answers = |replies: &[i64]| {
            let mut scene = Scene::of(Class::List);
            for reply in replies {
                scene = scene.write(done(Action::Push).reply(*reply));
            }
            contradicting_answers(&scene.key)
        };
        assert_eq!(answers(&[1, 2, 4]), None);
        assert!(answers(&[1, 2, 2]).is_some());
        assert!(answers(&[2, 1]).is_some());
    }
}

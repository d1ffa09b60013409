//! Sets from which members are popped: each member is put by one write and popped at most once.

use std::collections::{BTreeSet, HashMap};

use crate::chaos::history::{Action, Key, Look, NOTHING};
use crate::chaos::payload::write_of;
use crate::chaos::state::State;

use super::{other_type, ran_after_all};

pub(super) fn contradiction(key: &Key, look: &Look, state: &State) -> Option<String> {
    let none = BTreeSet::new();
    let members = match state {
        State::Absent => &none,
        State::Members(members) => members,
        other => return Some(other_type(other)),
    };
    let mut is_there = vec![false; key.writes.len()];
    for member in members {
        let index = write_of(key, member).filter(|index| key.writes[*index].action == Action::Put);
        let Some(index) = index else {
            return Some(format!("has what nobody put: {}", member.escape_ascii()));
        };
        if !key.writes[index].may_have_run() {
            return Some(ran_after_all(index));
        }
        is_there[index] = true;
    }
    // What pops took, as far as they said; of the others anything may be missing, one each.
    let mut may_be_gone = vec![false; key.writes.len()];
    let mut silent_pops = 0;
    for (index, pop) in key.possible(look).filter(|(_, write)| write.action == Action::Pop) {
        match usize::try_from(pop.reply) {
            Ok(member) if pop.is_done() => {
                if look.must_show(pop) && is_there[member] {
                    return Some(format!("has #{member} still, which #{index} had popped"));
                }
                may_be_gone[member] = true;
            }
            Err(_) if pop.is_done() => {}
            _ => silent_pops += 1,
        }
    }
    let puts = key.due(look).filter(|(_, write)| write.action == Action::Put);
    let missing: Vec<usize> =
        puts.map(|(index, _)| index).filter(|index| !is_there[*index] && !may_be_gone[*index]).collect();
    (missing.len() > silent_pops).then(|| {
        format!(
            "has no #{}, which was acknowledged ({} are missing; pops of unknown outcome: {silent_pops})",
            missing[0],
            missing.len()
        )
    })
}

/// No member is popped twice, and every one that is was put.
pub(super) fn contradicting_answers(key: &Key) -> Option<String> {
    let mut popped: HashMap<i64, usize> = HashMap::new();
    for (index, write) in key.writes.iter().enumerate().filter(|(_, write)| write.is_done()) {
        if write.action == Action::Put {
            if write.reply != 1 {
                return Some(format!("#{index} found its own member there: it ran twice"));
            }
            continue;
        }
        if write.reply == NOTHING {
            continue;
        }
        if let Some(other) = popped.insert(write.reply, index) {
            return Some(format!("#{} was popped by #{other} and by #{index}", write.reply));
        }
        let put = &key.writes[write.reply as usize];
        if !put.may_have_run() {
            return Some(format!("#{index} popped #{}, which was answered \"not run\"", write.reply));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::scene::{SECOND, Scene, done, not_run, unknown};
    use super::*;
    use crate::chaos::class::Class;

    fn members(writes: &[usize]) -> State {
        State::Members(writes.iter().map(|write| format!("1.{write}").into_bytes()).collect())
    }

    fn scene() -> Scene {
        Scene::of(Class::Set).write(done(Action::Put)).write(done(Action::Put))
    }

    #[test]
    fn member_is_there_until_popped() {
        assert_eq!(scene().verdict(&members(&[0, 1])), None);
        assert!(scene().verdict(&members(&[1])).is_some_and(|text| text.contains("no #0")));
        let popped = scene().write(done(Action::Pop).reply(0));
        assert_eq!(popped.verdict(&members(&[1])), None);
        assert!(popped.verdict(&members(&[0, 1])).is_some_and(|text| text.contains("still")));
        assert_eq!(popped.verdict_at(0, 3 * SECOND, &members(&[0, 1])), None, "it was popped meanwhile");
        assert!(popped.verdict(&members(&[0])).is_some());
    }

    #[test]
    fn unknown_pop_takes_one_at_most() {
        let scene = scene().write(unknown(Action::Pop));
        for (left, is_right) in [(&[0, 1][..], true), (&[0], true), (&[1], true), (&[], false)] {
            assert_eq!(scene.verdict(&members(left)).is_none(), is_right, "{left:?}");
        }
        let refused = self::scene().write(not_run(Action::Pop));
        assert!(refused.verdict(&members(&[0])).is_some());
        let empty = self::scene().write(done(Action::Pop).reply(NOTHING));
        assert!(empty.verdict(&members(&[0])).is_some());
    }

    #[test]
    fn nothing_is_popped_twice() {
        let answers = |scene: Scene| contradicting_answers(&scene.key);
        let pop = |reply| done(Action::Pop).reply(reply);
        assert_eq!(answers(scene().write(pop(0)).write(pop(1)).write(pop(NOTHING))), None);
        assert!(answers(scene().write(pop(0)).write(pop(0))).is_some());
        assert!(answers(scene().write(not_run(Action::Put)).write(pop(2))).is_some());
        assert!(answers(scene().write(done(Action::Put).reply(0))).is_some());
    }
}

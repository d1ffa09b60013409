//! Counters: everything acknowledged was counted, once, and of the unknown some.

use crate::chaos::history::{Key, Look};
use crate::chaos::state::State;

use super::other_type;

pub(super) fn contradiction(key: &Key, look: &Look, state: &State) -> Option<String> {
    let count = match state {
        State::Absent => 0,
        State::Text(text) => match std::str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok()) {
            Some(count) => count,
            None => return Some(format!("is no number: {}", state.shown())),
        },
        other => return Some(other_type(other)),
    };
    let due: u64 = key.due(look).map(|(_, write)| u64::from(write.detail)).sum();
    if count < due {
        return Some(format!("is {count}, and {due} were acknowledged"));
    }
    if let Some((index, write)) = key.due(look).find(|(_, write)| write.reply > count as i64) {
        return Some(format!("is {count}, and #{index} was answered {}", write.reply));
    }
    // Of what was due, everything; of the rest, any choice.
    let open = key.possible(look).filter(|(_, write)| !look.must_show(write));
    let open: Vec<u64> = open.map(|(_, write)| u64::from(write.detail)).collect();
    if !is_sum_of_some(&open, count - due) {
        return Some(format!(
            "is {count}: {due} were acknowledged, and no choice of the others makes up the rest"
        ));
    }
    None
}

/// Increments are distinct, and one that began after another was answered counts on.
pub(super) fn contradicting_answers(key: &Key) -> Option<String> {
    let mut done: Vec<_> = key.writes.iter().enumerate().filter(|(_, write)| write.is_done()).collect();
    done.sort_by_key(|(_, write)| write.reply);
    for pair in done.windows(2) {
        let ((first, earlier), (second, later)) = (pair[0], pair[1]);
        if later.reply - i64::from(later.detail) < earlier.reply {
            return Some(format!(
                "#{first} and #{second} counted the same: {} and {}",
                earlier.reply, later.reply
            ));
        }
    }
    // With growing answers, each must have begun before all that follow were answered.
    let mut latest: Option<(usize, u64)> = None;
    for (index, write) in done {
        if let Some((other, begun_at)) = latest
            && write.answered_at < begun_at
        {
            return Some(format!("#{other} counted before #{index}, which was answered before it began"));
        }
        if latest.is_none_or(|(_, begun_at)| write.begun_at > begun_at) {
            latest = Some((index, write.begun_at));
        }
    }
    None
}

/// Whether a choice of the numbers adds up to `sum`.
fn is_sum_of_some(numbers: &[u64], sum: u64) -> bool {
    let total: u64 = numbers.iter().sum();
    if sum > total {
        return false;
    }
    let mut is_reachable = vec![false; sum as usize + 1];
    is_reachable[0] = true;
    for &number in numbers {
        for value in (number..=sum).rev() {
            if is_reachable[(value - number) as usize] {
                is_reachable[value as usize] = true;
            }
        }
    }
    is_reachable[sum as usize]
}

#[cfg(test)]
mod tests {
    use super::super::scene::{Draft, SECOND, Scene, done, not_run, text, unknown};
    use super::*;
    use crate::chaos::class::Class;
    use crate::chaos::history::Action;

    fn scene() -> Scene {
        Scene::of(Class::Counter)
    }

    fn counted(amount: u32, reply: i64) -> Draft {
        done(Action::Add).detail(amount).reply(reply)
    }

    #[test]
    fn acknowledged_and_some_unknown_are_counted() {
        let add = |amount| unknown(Action::Add).detail(amount);
        let scene = scene().write(counted(2, 2)).write(add(5)).write(counted(1, 8)).write(add(20));
        for (count, is_right) in
            [(2, false), (3, false), (8, true), (23, true), (28, true), (29, false), (7, false)]
        {
            assert_eq!(scene.verdict(&text(count.to_string())).is_none(), is_right, "{count}");
        }
        let no_answer = self::scene().write(add(5)).write(add(20)).write(not_run(Action::Add).detail(3));
        for (count, is_right) in [(0, true), (5, true), (20, true), (25, true), (3, false), (28, false)] {
            assert_eq!(no_answer.verdict(&text(count.to_string())).is_none(), is_right, "{count}");
        }
        assert_eq!(no_answer.verdict(&State::Absent), None);
        assert!(no_answer.verdict(&text("x")).is_some());
    }

    #[test]
    fn reader_sees_what_was_acknowledged_before() {
        let scene = scene().write(counted(1, 1)).write(counted(1, 2));
        assert!(scene.verdict_at(0, 2 * SECOND, &State::Absent).is_some());
        assert_eq!(scene.verdict_at(0, 2 * SECOND, &text("1")), None);
        assert_eq!(scene.verdict_at(0, 2 * SECOND, &text("2")), None);
        assert!(scene.verdict_at(0, 2 * SECOND, &text("3")).is_some());
    }

    #[test]
    fn what_was_acknowledged_twice_with_one_answer_counts_twice() {
        let scene = scene().write(counted(1, 1)).write(counted(1, 1));
        assert!(scene.verdict(&text("1")).is_some_and(|text| text.contains("2 were acknowledged")));
        assert_eq!(scene.verdict(&text("2")), None);
    }

    #[test]
    fn answers_are_distinct_and_grow() {
        let answers = |scene: Scene| contradicting_answers(&scene.key);
        assert_eq!(answers(scene().write(counted(1, 1)).write(counted(3, 4)).write(counted(1, 6))), None);
        assert!(answers(scene().write(counted(1, 1)).write(counted(1, 1))).is_some());
        assert!(answers(scene().write(counted(1, 1)).write(counted(3, 3))).is_some());
        assert!(answers(scene().write(counted(1, 2)).write(counted(1, 1))).is_some());
        let together = scene().write(counted(1, 2).at(10, 30)).write(counted(1, 1).at(15, 25));
        assert_eq!(answers(together), None);
    }
}

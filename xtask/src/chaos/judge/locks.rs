//! Locks: of all who claim a key, one wins.

use crate::chaos::history::{Key, Look, NOTHING};
use crate::chaos::payload::write_of;
use crate::chaos::state::State;

use super::{other_type, ran_after_all};

pub(super) fn contradiction(key: &Key, look: &Look, state: &State) -> Option<String> {
    let token = match state {
        State::Absent => {
            let (index, _) = key.due(look).next()?;
            return Some(format!("is free, and #{index} was told that somebody has it"));
        }
        State::Text(token) => token,
        other => return Some(other_type(other)),
    };
    let Some(holder) = write_of(key, token) else {
        return Some(format!("is held by nobody who claimed it: {}", token.escape_ascii()));
    };
    let claim = &key.writes[holder];
    if !claim.may_have_run() {
        return Some(ran_after_all(holder));
    }
    if claim.is_done() && claim.reply == NOTHING {
        return Some(format!("is held by #{holder}, which was told that it lost"));
    }
    let is_won = |reply: i64| reply != NOTHING;
    let (winner, _) = key.due(look).find(|(index, write)| is_won(write.reply) && *index != holder)?;
    Some(format!("is held by #{holder}, and #{winner} was told that it won"))
}

/// One wins; and who loses lost to somebody.
pub(super) fn contradicting_answers(key: &Key) -> Option<String> {
    let done = || key.writes.iter().enumerate().filter(|(_, write)| write.is_done());
    let mut winners = done().filter(|(_, write)| write.reply != NOTHING).map(|(index, _)| index);
    if let (Some(one), Some(other)) = (winners.next(), winners.next()) {
        return Some(format!("#{one} and #{other} were both told that they won"));
    }
    for (loser, lost) in done().filter(|(_, write)| write.reply == NOTHING) {
        let mut others = key.writes.iter().filter(|write| {
            let has_lost = write.is_done() && write.reply == NOTHING;
            write.may_have_run() && !has_lost && write.begun_at < lost.answered_at
        });
        if others.next().is_none() {
            return Some(format!("#{loser} was told that it lost, and nobody can have won before"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::scene::{Draft, SECOND, Scene, done, not_run, text, unknown};
    use super::*;
    use crate::chaos::class::Class;
    use crate::chaos::history::Action;

    fn won() -> Draft {
        done(Action::Claim)
    }

    fn lost() -> Draft {
        done(Action::Claim).reply(NOTHING)
    }

    fn scene() -> Scene {
        Scene::of(Class::Lock)
    }

    #[test]
    fn winner_holds_the_lock() {
        let scene =
            scene().write(won()).write(lost()).write(unknown(Action::Claim)).write(not_run(Action::Claim));
        assert_eq!(scene.verdict(&text("1.0")), None);
        for wrong in ["1.1", "1.2", "1.3", "2.0", "x"] {
            assert!(scene.verdict(&text(wrong)).is_some(), "{wrong}");
        }
        assert!(scene.verdict(&State::Absent).is_some());
        assert_eq!(scene.verdict_at(0, SECOND, &State::Absent), None);
    }

    #[test]
    fn without_a_winner_an_unknown_claim_may_hold_it() {
        let scene = scene().write(unknown(Action::Claim)).write(unknown(Action::Claim));
        for state in [text("1.0"), text("1.1"), State::Absent] {
            assert_eq!(scene.verdict(&state), None);
        }
        let scene = scene.write(lost());
        assert!(scene.verdict(&State::Absent).is_some());
        assert!(scene.verdict(&text("1.2")).is_some_and(|text| text.contains("it lost")));
    }

    #[test]
    fn one_wins() {
        let answers = |scene: Scene| contradicting_answers(&scene.key);
        assert_eq!(answers(scene().write(won()).write(lost())), None);
        assert!(answers(scene().write(won()).write(won())).is_some());
        assert!(answers(scene().write(lost()).write(won())).is_some());
        assert_eq!(answers(scene().write(unknown(Action::Claim)).write(lost())), None);
        assert!(answers(scene().write(not_run(Action::Claim)).write(lost())).is_some());
    }
}

//! What a reader saw, and what is there in the end, held against what clients were told.
//!
//! A *contradiction* is a state that no order of the key's writes gives which fits what every client was told and when.
//! Where the rules below are not exact they err on the side of the accused: what is called a contradiction is one.

use super::class::Class;
use super::history::{Action, Key, Look, NOTHING, Write};
use super::state::State;

mod counters;
mod expiries;
mod fields;
mod lists;
mod locks;
mod overwrites;
mod sets;
mod texts;

#[cfg(test)]
pub(super) mod scene;

pub(super) use expiries::SLACK as EXPIRY_SLACK;
pub(super) use fields::value_of as field_value;
pub(super) use texts::piece as text_piece;

/// Why a reader cannot have seen this; nothing when it can.
pub(super) fn contradiction(key: &Key, look: &Look, state: &State) -> Option<String> {
    match key.class {
        Class::Overwrite => overwrites::contradiction(key, look, state),
        Class::Weak => overwrites::unknown_value(key, state),
        Class::Text => texts::contradiction(key, look, state),
        Class::Counter => counters::contradiction(key, look, state),
        Class::List => lists::contradiction(key, look, state),
        Class::Hash | Class::SortedSet => fields::contradiction(key, look, state),
        Class::Set => sets::contradiction(key, look, state),
        Class::Lock => locks::contradiction(key, look, state),
        Class::Expiry => expiries::contradiction(key, look, state),
    }
}

/// Why the answers to a key's writes do not fit each other; nothing when they do.
pub(super) fn contradicting_answers(key: &Key) -> Option<String> {
    match key.class {
        Class::Counter => counters::contradicting_answers(key),
        Class::List => lists::contradicting_answers(key),
        Class::Hash | Class::SortedSet => fields::contradicting_answers(key),
        Class::Set => sets::contradicting_answers(key),
        Class::Lock => locks::contradicting_answers(key),
        Class::Overwrite | Class::Weak | Class::Text | Class::Expiry => None,
    }
}

/// Why the key cannot expire when it does; `expires_at` is in microseconds of the run, as all moments.
pub(super) fn contradicting_expiry(key: &Key, state: &State, expires_at: Option<i64>) -> Option<String> {
    match key.class {
        Class::Overwrite | Class::Weak => overwrites::contradicting_expiry(key, state, expires_at),
        Class::Expiry => None,
        _ => expires_at.map(|_| "expires, and no write said so".to_owned()),
    }
}

/// A write as a line for people.
pub(super) fn shown(index: usize, write: &Write) -> String {
    let seconds = |micros: u64| format!("{:.6}", micros as f64 / 1e6);
    let outcome = match write.outcome {
        super::history::Outcome::Open => "open".to_owned(),
        super::history::Outcome::Done => format!("done ({})", answer(write)),
        super::history::Outcome::NotRun => "not run".to_owned(),
        super::history::Outcome::Unknown => "unknown".to_owned(),
        super::history::Outcome::Other => "another error".to_owned(),
    };
    let detail = match write.action {
        Action::Add => format!(" {}", write.detail),
        Action::SetExpiring | Action::Expire => format!(" {} ms", write.detail),
        Action::Remove => format!(" #{}", write.detail),
        _ => String::new(),
    };
    format!(
        "#{index} {:?}{detail} by dc{} at {}, answered at {}: {outcome}",
        write.action,
        write.dc + 1,
        seconds(write.begun_at),
        seconds(write.answered_at)
    )
}

fn answer(write: &Write) -> String {
    match write.action {
        Action::Pop if write.reply != NOTHING => format!("#{}", write.reply),
        Action::Pop | Action::Claim if write.reply == NOTHING => "nil".to_owned(),
        Action::Set | Action::SetExpiring | Action::Claim => "OK".to_owned(),
        _ => write.reply.to_string(),
    }
}

/// Said of a write that left a trace although its client was told that it was not run.
fn ran_after_all(index: usize) -> String {
    format!("shows #{index}, which was answered \"not run\"")
}

/// Said of a state of another type than the key's class makes.
fn other_type(state: &State) -> String {
    format!("holds another type: {}", state.shown())
}

//! What clients ask for, and what an answer says.

use crate::chaos::class::Class;
use crate::chaos::history::{Action, Key, Micros, NOTHING, Outcome, Write};
use crate::chaos::judge::{field_value, text_piece};
use crate::chaos::payload::{VALUE_BYTES_MIN, score, token, value, write_of};
use crate::chaos::random::Random;
use crate::chaos::state::Form;

use super::reply::Reply;

/// How many of a hundred overwrites are larger than what a link carries in one piece (64 KiB).
const LARGE_PERCENT: u64 = 1;
const LARGE_BYTES: std::ops::Range<u64> = 70_000..150_000;
const SMALL_BYTES: std::ops::Range<u64> = VALUE_BYTES_MIN as u64..300;
/// Longer than any run.
const LONG_LIFE_MS: std::ops::Range<u64> = 20_000_000..40_000_000;
/// Ends while the run goes on. The longest is also how long to wait in the end until everything has expired.
const SHORT_LIFE_MS: std::ops::Range<u64> = 500..8_000;
pub(in crate::chaos) const SHORT_LIFE_MAX: std::time::Duration =
    std::time::Duration::from_millis(SHORT_LIFE_MS.end);

/// Begins a write of a key: notes it in the key's history and gives its command.
pub(super) fn begin_write(key: &mut Key, dc: u8, now: Micros, random: &mut Random) -> (usize, Vec<Vec<u8>>) {
    let (action, detail) = choose(key, random);
    let write = key.writes.len();
    key.writes.push(Write {
        begun_at: now,
        answered_at: Micros::MAX,
        action,
        outcome: Outcome::Open,
        dc,
        detail,
        reply: NOTHING,
    });
    (write, command(key, write, random))
}

fn choose(key: &mut Key, random: &mut Random) -> (Action, u32) {
    let number = |range: std::ops::Range<u64>, random: &mut Random| random.between(range) as u32;
    let roll = random.between(0..100);
    match key.class {
        Class::Overwrite | Class::Weak => match roll {
            0..70 if random.percent(LARGE_PERCENT) => (Action::Set, number(LARGE_BYTES, random)),
            0..70 => (Action::Set, number(SMALL_BYTES, random)),
            70..85 => (Action::SetExpiring, number(LONG_LIFE_MS, random)),
            _ => (Action::Delete, 0),
        },
        Class::Text => match roll {
            0..8 => (Action::Set, 0),
            8..12 => (Action::Delete, 0),
            _ => (Action::Append, 0),
        },
        Class::Counter => (Action::Add, if roll < 60 { 1 } else { number(2..10, random) }),
        Class::List => (Action::Push, 0),
        Class::Hash | Class::SortedSet if roll < 25 && !key.removable.is_empty() => {
            let at = random.index(key.removable.len());
            (Action::Remove, key.removable.swap_remove(at))
        }
        Class::Set if roll < 30 => (Action::Pop, 0),
        Class::Hash | Class::SortedSet | Class::Set => (Action::Put, 0),
        Class::Lock => (Action::Claim, 0),
        Class::Expiry => match roll {
            0..50 => (Action::SetExpiring, number(SHORT_LIFE_MS, random)),
            50..65 => (Action::Set, number(SMALL_BYTES, random)),
            _ => (Action::Expire, number(SHORT_LIFE_MS, random)),
        },
    }
}

fn command(key: &Key, write: usize, random: &mut Random) -> Vec<Vec<u8>> {
    let Write { action, detail, .. } = key.writes[write];
    let name = key.name();
    let own = || token(key, write);
    let words = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
    match action {
        Action::Set if key.class == Class::Text => words(&["SET", &name, &text_piece(key, write)]),
        Action::Set => vec![b"SET".to_vec(), name.into_bytes(), value(key, write)],
        Action::SetExpiring => {
            let life = detail.to_string();
            let value = String::from_utf8(value(key, write)).expect("values are ASCII");
            if random.percent(50) {
                words(&["PSETEX", &name, &life, &value])
            } else {
                words(&["SET", &name, &value, "PX", &life])
            }
        }
        Action::Delete => words(&[if random.percent(50) { "DEL" } else { "UNLINK" }, &name]),
        Action::Append => words(&["APPEND", &name, &text_piece(key, write)]),
        Action::Add if detail == 1 => words(&["INCR", &name]),
        Action::Add => words(&["INCRBY", &name, &detail.to_string()]),
        Action::Push => words(&["RPUSH", &name, &own()]),
        Action::Put => match key.class {
            Class::Hash => {
                let value = String::from_utf8(field_value(key, write)).expect("values are ASCII");
                words(&["HSET", &name, &own(), &value])
            }
            Class::SortedSet => words(&["ZADD", &name, &score(write), &own()]),
            _ => words(&["SADD", &name, &own()]),
        },
        Action::Remove => {
            let verb = if key.class == Class::Hash { "HDEL" } else { "ZREM" };
            words(&[verb, &name, &token(key, detail as usize)])
        }
        Action::Pop => words(&["SPOP", &name]),
        Action::Claim => words(&["SET", &name, &own(), "NX"]),
        Action::Expire => words(&["PEXPIRE", &name, &detail.to_string()]),
    }
}

/// Notes the answer to a write. Gives back an answer that is none to that command.
pub(super) fn end_write(key: &mut Key, write: usize, reply: &Reply, now: Micros) -> Result<Outcome, String> {
    let outcome = match reply {
        Reply::Error(text) => outcome_of(text),
        _ => Outcome::Done,
    };
    let action = key.writes[write].action;
    if outcome == Outcome::Done {
        let Some(number) = number_of(key, action, reply) else {
            key.writes[write].outcome = Outcome::Unknown;
            key.writes[write].answered_at = now;
            return Err(reply.shown());
        };
        key.writes[write].reply = number;
        if action == Action::Put {
            key.removable.push(write as u32);
        }
    }
    key.writes[write].outcome = outcome;
    key.writes[write].answered_at = now;
    Ok(outcome)
}

/// What an error says of a write.
fn outcome_of(error: &str) -> Outcome {
    if error.contains("not run") {
        Outcome::NotRun
    } else if error.contains("the outcome is unknown") {
        Outcome::Unknown
    } else {
        Outcome::Other
    }
}

/// The number that an answer comes down to; `None` when it has the wrong shape.
fn number_of(key: &Key, action: Action, reply: &Reply) -> Option<i64> {
    let is_ok = *reply == Reply::Simple("OK".to_owned());
    match (action, reply) {
        (Action::Claim | Action::Pop, Reply::Bulk(None)) => Some(NOTHING),
        (Action::Set | Action::SetExpiring | Action::Claim, _) => is_ok.then_some(1),
        (Action::Pop, Reply::Bulk(Some(member))) => {
            let put = write_of(key, member)?;
            (key.writes[put].action == Action::Put).then_some(put as i64)
        }
        (Action::Delete | Action::Put | Action::Remove | Action::Expire, Reply::Integer(number)) => {
            (0..=1).contains(number).then_some(*number)
        }
        (Action::Append | Action::Add | Action::Push, Reply::Integer(number)) => {
            (*number > 0).then_some(*number)
        }
        _ => None,
    }
}

/// How keys of a class are read.
pub(in crate::chaos) fn form(class: Class) -> Form {
    match class {
        Class::List => Form::List,
        Class::Hash => Form::Hash,
        Class::SortedSet => Form::SortedSet,
        Class::Set => Form::Set,
        Class::Overwrite | Class::Text | Class::Counter | Class::Lock | Class::Expiry | Class::Weak => {
            Form::Text
        }
    }
}

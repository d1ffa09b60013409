//! Small histories for the tests of the judges.

use crate::chaos::class::Class;
use crate::chaos::history::{Action, Key, Look, Micros, Outcome, Write};
use crate::chaos::state::State;

/// What lies between two writes that are not told when to happen.
pub(in crate::chaos) const SECOND: Micros = 1_000_000;
const ANSWER_TIME: Micros = 100_000;

/// A key whose writes come one after another, unless they say when.
pub(in crate::chaos) struct Scene {
    pub(in crate::chaos) key: Key,
}

pub(in crate::chaos) struct Draft {
    pub(in crate::chaos) write: Write,
}

pub(in crate::chaos) fn done(action: Action) -> Draft {
    draft(action, Outcome::Done)
}

pub(in crate::chaos) fn unknown(action: Action) -> Draft {
    draft(action, Outcome::Unknown)
}

pub(in crate::chaos) fn not_run(action: Action) -> Draft {
    draft(action, Outcome::NotRun)
}

fn draft(action: Action, outcome: Outcome) -> Draft {
    let write = Write { begun_at: 0, answered_at: 0, action, outcome, dc: 0, detail: 0, reply: 1 };
    Draft { write }
}

impl Draft {
    pub(in crate::chaos) fn at(mut self, begun_at: Micros, answered_at: Micros) -> Self {
        (self.write.begun_at, self.write.answered_at) = (begun_at, answered_at);
        self
    }

    pub(in crate::chaos) fn dc(mut self, dc: u8) -> Self {
        self.write.dc = dc;
        self
    }

    pub(in crate::chaos) fn detail(mut self, detail: u32) -> Self {
        self.write.detail = detail;
        self
    }

    pub(in crate::chaos) fn reply(mut self, reply: i64) -> Self {
        self.write.reply = reply;
        self
    }
}

impl Scene {
    pub(in crate::chaos) fn of(class: Class) -> Self {
        Self { key: Key::new(class, 1, (!class.is_shared()).then_some(0)) }
    }

    pub(in crate::chaos) fn write(mut self, draft: Draft) -> Self {
        let mut write = draft.write;
        if write.begun_at == 0 {
            write.begun_at = SECOND * (self.key.writes.len() as u64 + 1);
            write.answered_at = write.begun_at + ANSWER_TIME;
        }
        self.key.writes.push(write);
        self
    }

    /// What is wrong with a state in the end.
    pub(in crate::chaos) fn verdict(&self, state: &State) -> Option<String> {
        super::contradiction(&self.key, &Look::LAST, state)
    }

    /// What is wrong with a state that a client of datacenter `dc` saw.
    pub(in crate::chaos) fn verdict_at(&self, dc: u8, begun_at: Micros, state: &State) -> Option<String> {
        super::contradiction(
            &self.key,
            &Look { dc: Some(dc), begun_at, answered_at: begun_at + ANSWER_TIME },
            state,
        )
    }
}

pub(in crate::chaos) fn text(text: impl AsRef<[u8]>) -> State {
    State::Text(text.as_ref().to_vec())
}

//! Histories made by hand.

use bytes::Bytes;
use dynomite_replication::Level;

use super::judged::{Judged, State};
use crate::{
    command::{Action, Command, Key, Kind, Saw},
    history::{Entry, Outcome},
    plan::Micros,
};

/// The past of one key.
pub(crate) struct Past {
    key: Key,
    pub(crate) entries: Vec<(usize, Entry)>,
    finals: Vec<State>,
    keeps_writes: bool,
}

/// An action with its element.
type Does = (u32, Action);

impl Past {
    pub(crate) fn register() -> Self {
        Self::of(Kind::Register)
    }

    pub(crate) fn list() -> Self {
        Self::of(Kind::List)
    }

    pub(crate) fn counter() -> Self {
        Self::of(Kind::Counter)
    }

    fn of(kind: Kind) -> Self {
        Self { key: Key { kind, number: 0 }, entries: Vec::new(), finals: Vec::new(), keeps_writes: true }
    }

    /// At `DC_QUORUM`.
    pub(crate) fn did(self, from: Micros, to: Micros, does: Does, outcome: Outcome) -> Self {
        self.at(Level::DcQuorum, from, to, does, outcome)
    }

    pub(crate) fn at_one(self, from: Micros, to: Micros, does: Does, outcome: Outcome) -> Self {
        self.at(Level::DcOne, from, to, does, outcome)
    }

    pub(crate) fn at_each(self, from: Micros, to: Micros, does: Does, outcome: Outcome) -> Self {
        self.at(Level::DcEachSafeQuorum, from, to, does, outcome)
    }

    fn at(
        mut self,
        level: Level,
        from: Micros,
        to: Micros,
        (element, action): Does,
        outcome: Outcome,
    ) -> Self {
        let entry = Entry {
            client: 0,
            node: 0,
            dc: 0,
            command: Command { key: self.key, element, action, level },
            invoked_at: from,
            ended_at: to,
            outcome,
            taken_at: Some(from),
            answered_at: vec![to],
        };
        self.entries.push((self.entries.len(), entry));
        self
    }

    /// What was done last was done in another datacenter.
    pub(crate) fn elsewhere(mut self) -> Self {
        if let Some((_, entry)) = self.entries.last_mut() {
            entry.dc = 1;
        }
        self
    }

    pub(crate) fn ends_with(mut self, value: Option<u32>) -> Self {
        self.finals.push(State { saw: Some(Saw::Value(value)), nodes: vec![0, 1, 2] });
        self
    }

    pub(crate) fn ends_with_elements(mut self, elements: &[u32]) -> Self {
        self.finals.push(State { saw: Some(Saw::Elements(elements.to_vec())), nodes: vec![0, 1, 2] });
        self
    }

    pub(crate) fn without_majority(mut self) -> Self {
        self.keeps_writes = false;
        self
    }

    pub(crate) fn judged(&self) -> Judged {
        Judged {
            key: self.key,
            entries: self.entries.clone(),
            finals: self.finals.clone(),
            keeps_writes: self.keeps_writes,
            slack: 0,
        }
    }
}

pub(crate) fn read() -> Does {
    (0, Action::Read)
}

pub(crate) fn set(element: u32) -> Does {
    (element, Action::Set)
}

pub(crate) fn set_nx(element: u32) -> Does {
    (element, Action::SetIfAbsent)
}

pub(crate) fn set_expiring(element: u32) -> Does {
    (element, Action::SetExpiring { after_ms: 1 })
}

pub(crate) fn del(element: u32) -> Does {
    (element, Action::Delete)
}

pub(crate) fn get_del(element: u32) -> Does {
    (element, Action::GetAndDelete)
}

pub(crate) fn add(element: u32) -> Does {
    (element, Action::Add)
}

pub(crate) fn pop() -> Does {
    (1000, Action::Pop)
}

pub(crate) fn remove(element: u32) -> Does {
    (1001, Action::Remove { element })
}

pub(crate) fn ok() -> Outcome {
    Outcome::Reply(Bytes::from_static(b"+OK\r\n"))
}

pub(crate) fn nil() -> Outcome {
    Outcome::Reply(Bytes::from_static(b"$-1\r\n"))
}

pub(crate) fn integer(value: i64) -> Outcome {
    Outcome::Reply(Bytes::from(format!(":{value}\r\n")))
}

pub(crate) fn bulk(text: &str) -> Outcome {
    Outcome::Reply(Bytes::from(format!("${}\r\n{text}\r\n", text.len())))
}

/// Elements of the list `l0`.
pub(crate) fn array(elements: &[u32]) -> Outcome {
    let mut reply = format!("*{}\r\n", elements.len());
    for element in elements {
        let text = format!("l0:{element}");
        reply.push_str(&format!("${}\r\n{text}\r\n", text.len()));
    }
    Outcome::Reply(Bytes::from(reply))
}

pub(crate) fn unknown() -> Outcome {
    Outcome::Unknown("ERR x; the outcome is unknown".to_owned())
}

pub(crate) fn not_run() -> Outcome {
    Outcome::NotRun("ERR x; not run".to_owned())
}

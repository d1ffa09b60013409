//! What clients did and were told: all that checkers know of a run, beside the state at its end.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;

use crate::{
    command::{Action, Command, Key, Saw, saw},
    plan::{MS, Micros},
};

/// One command and what became of it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Who sent it.
    pub client: usize,
    /// The node that it was sent to.
    pub node: usize,
    /// That node's datacenter.
    pub dc: usize,
    /// The command.
    pub command: Command,
    /// When the client sent it.
    pub invoked_at: Micros,
    /// When the client knew its outcome.
    pub ended_at: Micros,
    /// Its outcome.
    pub outcome: Outcome,
    /// When it reached the node's engine.
    pub taken_at: Option<Micros>,
    /// When the engine answered it, each time.
    pub answered_at: Vec<Micros>,
}

/// What a client was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing yet.
    Open,
    /// The datastore's reply, which may be a refusal of its own.
    Reply(Bytes),
    /// Nothing was changed, or it was a read.
    NotRun(String),
    /// It may have been run, or may yet be.
    Unknown(String),
    /// An error that says not what became of a write.
    Unclear(String),
}

impl Outcome {
    /// Reads a node's reply to `command`.
    pub fn of(command: &Command, reply: &Bytes) -> Self {
        let Some(text) = reply.strip_prefix(b"-") else { return Self::Reply(reply.clone()) };
        let text = String::from_utf8_lossy(text).trim_end().to_owned();
        if text.contains("; not run") {
            Self::NotRun(text)
        } else if text.contains("the outcome is unknown") {
            Self::Unknown(text)
        } else if !["ERR Dynomite:", "ERR Peer:", "ERR Storage:"].iter().any(|start| text.starts_with(start))
        {
            Self::Reply(reply.clone())
        } else if command.is_read() {
            Self::NotRun(text)
        } else {
            Self::Unclear(text)
        }
    }
}

/// All commands of a run, in the order in which they were sent.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The commands.
    pub entries: Vec<Entry>,
}

impl History {
    /// The entries of each key.
    pub fn by_key(&self) -> BTreeMap<Key, Vec<&Entry>> {
        let mut keys: BTreeMap<Key, Vec<&Entry>> = BTreeMap::new();
        for entry in &self.entries {
            keys.entry(entry.command.key).or_default().push(entry);
        }
        keys
    }
}

impl Entry {
    /// What its reply shows; `None` without a reply, or when the reply is an error or does not fit.
    pub(crate) fn saw(&self) -> Option<Saw> {
        match &self.outcome {
            Outcome::Reply(reply) if !reply.starts_with(b"-") => saw(&self.command, reply),
            _ => None,
        }
    }

    /// Whether the client was told that it was done at a quorum.
    pub fn is_acknowledged_at_quorum(&self) -> bool {
        self.command.is_at_quorum() && matches!(self.saw(), Some(saw) if saw != Saw::Declined)
    }

    /// Whether it may have changed its key, or may yet.
    pub fn may_have_run(&self) -> bool {
        match &self.outcome {
            Outcome::Open | Outcome::Unknown(_) | Outcome::Unclear(_) => !self.command.is_read(),
            Outcome::NotRun(_) => false,
            Outcome::Reply(reply) => {
                !self.command.is_read() && !reply.starts_with(b"-") && self.saw() != Some(Saw::Declined)
            }
        }
    }

    /// When it was over for good: nothing that begins later comes before it. Never, for a write that may yet appear, and
    /// for one that a single replica acknowledged.
    pub fn over_at(&self) -> Micros {
        if self.is_acknowledged_at_quorum() { self.ended_at } else { Micros::MAX }
    }

    /// Whether it makes its key absent, at once or in time.
    pub fn clears(&self) -> bool {
        match self.command.action {
            Action::Delete | Action::Unlink | Action::SetExpiring { .. } => true,
            // Not if there was nothing.
            Action::GetAndDelete => self.saw() != Some(Saw::Value(None)),
            Action::Expire { .. } => self.saw() != Some(Saw::Count(0)),
            _ => false,
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |at: Micros| at as f64 / MS as f64;
        write!(f, "{:>10.3} ", ms(self.invoked_at))?;
        match self.outcome {
            Outcome::Open => write!(f, "       ...")?,
            _ => write!(f, "{:>10.3}", ms(self.ended_at))?,
        }
        write!(f, " client {} node {}: {} -> ", self.client, self.node, self.command)?;
        match &self.outcome {
            Outcome::Open => write!(f, "open"),
            Outcome::Reply(reply) => {
                write!(f, "{}", String::from_utf8_lossy(reply).trim_end().replace("\r\n", " "))
            }
            Outcome::NotRun(text) | Outcome::Unknown(text) | Outcome::Unclear(text) => write!(f, "{text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use dynomite_replication::Level;

    use super::*;
    use crate::command::Kind;

    #[test]
    fn an_error_says_what_became_of_a_write() {
        let key = Key { kind: Kind::Plain, number: 0 };
        let write = Command { key, element: 1, action: Action::Set, level: Level::DcQuorum };
        let read = Command { action: Action::Read, ..write.clone() };
        let of = |command: &Command, text: &'static str| {
            Outcome::of(command, &Bytes::from_static(text.as_bytes()))
        };
        assert!(matches!(of(&write, "-ERR Dynomite: too few; not run\r\n"), Outcome::NotRun(_)));
        assert!(matches!(of(&write, "-ERR Dynomite: x; the outcome is unknown\r\n"), Outcome::Unknown(_)));
        assert!(matches!(of(&write, "-ERR Dynomite: x\r\n"), Outcome::Unclear(_)));
        assert!(matches!(of(&read, "-ERR Dynomite: x\r\n"), Outcome::NotRun(_)));
        assert!(matches!(of(&write, "-WRONGTYPE x\r\n"), Outcome::Reply(_)));
    }
}

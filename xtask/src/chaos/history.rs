//! What clients asked for and what they were told: the writes of every key, in the order in which they were begun.
//!
//! A write takes effect at one moment between its beginning and its answer; without an answer, at any moment after its
//! beginning, or never. All judgements follow from that.

use super::class::Class;

/// Microseconds since the run began.
pub(super) type Micros = u64;

/// Two datacenters order their overwrites by clocks, which count milliseconds.
const CLOCK_STEP: Micros = 5_000;

/// One write as its client saw it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Write {
    pub(super) begun_at: Micros,
    /// When the client knew its outcome.
    pub(super) answered_at: Micros,
    pub(super) action: Action,
    pub(super) outcome: Outcome,
    /// The client's datacenter.
    pub(super) dc: u8,
    /// What the action needs: a length, an amount, a time to live in milliseconds, or the write that is undone.
    pub(super) detail: u32,
    /// The number that was answered; for `Pop` the write whose element came, or [`NOTHING`].
    pub(super) reply: i64,
}

/// What `Pop` and `Claim` say when they got nothing.
pub(super) const NOTHING: i64 = -1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// The whole value, of `detail` bytes.
    Set,
    /// The whole value, which expires `detail` milliseconds later.
    SetExpiring,
    Delete,
    /// A piece more of text.
    Append,
    /// `detail` more.
    Add,
    /// One more element at the end.
    Push,
    /// A member or field of its own.
    Put,
    /// The member or field that write `detail` put.
    Remove,
    /// Any member.
    Pop,
    /// The value if there is none.
    Claim,
    /// Expires `detail` milliseconds later.
    Expire,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Not answered yet.
    Open,
    Done,
    NotRun,
    /// Said so, or never answered.
    Unknown,
    /// An error that does not say which.
    Other,
}

/// A key with all its writes.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) class: Class,
    /// Its own in the whole run; it is in everything that is written to the key.
    pub(super) number: u32,
    /// The datacenter whose clients alone write it; `None` when all do.
    pub(super) home: Option<u8>,
    pub(super) writes: Vec<Write>,
    /// Puts that were done and that nobody has tried to undo.
    pub(super) removable: Vec<u32>,
    /// One violation of a key is told while the run goes on, not each that follows from it.
    pub(super) is_reported: bool,
}

/// What somebody who reads may and must see.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// The reader's datacenter; `None` for who reads all copies after the end.
    pub(super) dc: Option<u8>,
    pub(super) begun_at: Micros,
    pub(super) answered_at: Micros,
}

impl Write {
    pub(super) fn is_done(&self) -> bool {
        self.outcome == Outcome::Done
    }

    pub(super) fn may_have_run(&self) -> bool {
        self.outcome != Outcome::NotRun
    }

    /// When it had certainly taken effect, if it ever did.
    pub(super) fn settled_at(&self) -> Micros {
        if self.is_done() { self.answered_at } else { Micros::MAX }
    }

    /// Whether it took effect before `other` did, if both did.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        let step = if self.dc == other.dc { 0 } else { CLOCK_STEP };
        self.settled_at().saturating_add(step) < other.begun_at
    }

    /// Whether it replaces whatever was there.
    pub(super) fn is_overwrite(&self) -> bool {
        matches!(self.action, Action::Set | Action::SetExpiring | Action::Delete)
    }
}

impl Key {
    pub(super) fn new(class: Class, number: u32, home: Option<u8>) -> Self {
        Self { class, number, home, writes: Vec::new(), removable: Vec::new(), is_reported: false }
    }

    pub(super) fn name(&self) -> String {
        format!("{}{}", self.class.prefix(), self.number)
    }

    /// The writes that a reader must see, with their places.
    pub(super) fn due(&self, look: &Look) -> impl Iterator<Item = (usize, &Write)> {
        self.writes.iter().enumerate().filter(|(_, write)| look.must_show(write))
    }

    /// The writes that a reader may see, with their places.
    pub(super) fn possible(&self, look: &Look) -> impl Iterator<Item = (usize, &Write)> {
        self.writes.iter().enumerate().filter(|(_, write)| look.may_show(write))
    }
}

impl Look {
    /// Who reads when all is over: everything has happened.
    pub(super) const LAST: Self = Self { dc: None, begun_at: Micros::MAX, answered_at: Micros::MAX };

    pub(super) fn must_show(&self, write: &Write) -> bool {
        write.is_done() && write.answered_at < self.begun_at && self.dc.is_none_or(|dc| dc == write.dc)
    }

    pub(super) fn may_show(&self, write: &Write) -> bool {
        write.may_have_run() && write.begun_at < self.answered_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::judge::scene::{done, not_run, unknown};

    #[test]
    fn reader_must_see_what_was_answered_and_may_see_what_had_begun() {
        let look = Look { dc: Some(0), begun_at: 100, answered_at: 200 };
        let seen = |write: Write| (look.must_show(&write), look.may_show(&write));
        assert_eq!(seen(done(Action::Set).at(50, 99).write), (true, true));
        assert_eq!(seen(done(Action::Set).at(50, 100).write), (false, true));
        assert_eq!(seen(done(Action::Set).at(199, 300).write), (false, true));
        assert_eq!(seen(done(Action::Set).at(200, 300).write), (false, false));
        assert_eq!(seen(done(Action::Set).at(50, 99).dc(1).write), (false, true));
        assert_eq!(seen(unknown(Action::Set).at(50, 99).write), (false, true));
        assert_eq!(seen(not_run(Action::Set).at(50, 99).write), (false, false));
    }
}

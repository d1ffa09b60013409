//! What a replica knows of one key.

use crate::{Record, Version};

/// What a replica knows of one key. The default is what it knows of a key that was never written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Entry {
    pub(crate) record: Record,
    /// The greatest claim that this replica promised to follow (rules R7 and R9).
    pub(crate) promised: Version,
    /// The right by which this replica itself runs sequenced writes on the key (rules R5 to R7).
    pub(crate) claim: Claim,
    pub(crate) trust: Trust,
    /// Number of the lane operation that brought the record's state; zero when an earlier process did. Not persistent.
    pub(crate) written_at: u64,
    /// From when the key is known or expected to be absent from the datastore, in seconds since the Unix epoch: when it
    /// was deleted, or will expire. `None` when it is expected to be present.
    pub(crate) absent_from: Option<u32>,
}

/// The right to run sequenced writes on a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Claim {
    /// Nothing was ever claimed: on the key's fixed owner as good as a claim of zero, elsewhere none.
    #[default]
    Birth,
    /// There was a claim, or the owner's right from birth, and it is gone.
    Void,
    /// A majority promised this term.
    Term(Version),
}

/// Whether a copy may vote. In the order of how much is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Trust {
    /// The datastore holds the state that the record describes.
    #[default]
    Trusted,
    /// The datastore executed it all, and was started anew since: it may hold the state of any earlier record.
    Restarted,
    /// A sequenced write on the key was in flight when the lane broke or the process died, or it failed: the datastore may
    /// lack it.
    Dirty,
    /// An overwrite or an installed state was in flight: the datastore may hold the state of any earlier record.
    DirtyOverwrite,
    /// The datastore lost this copy.
    Lost,
}

impl Trust {
    /// Whether the copy may vote.
    pub fn is_trusted(self) -> bool {
        self == Self::Trusted
    }

    /// Whether the copy is in doubt: it may be the one that its record describes.
    pub fn is_dirty(self) -> bool {
        matches!(self, Self::Restarted | Self::Dirty | Self::DirtyOverwrite)
    }

    /// The trust in a copy that there are two reasons to doubt. Whose datastore was started anew may lack more than the write that
    /// was in flight.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Restarted, Self::Dirty) | (Self::Dirty, Self::Restarted) => Self::DirtyOverwrite,
            _ => self.max(other),
        }
    }

    /// Its number in logs and messages: three bits.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Trusted => 0,
            Self::Dirty => 1,
            Self::DirtyOverwrite => 2,
            Self::Lost => 3,
            Self::Restarted => 4,
        }
    }

    /// The one with this number.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        let all = [Self::Trusted, Self::Dirty, Self::DirtyOverwrite, Self::Lost, Self::Restarted];
        all.get(usize::from(code)).copied()
    }
}

/// What kind of write may not have been executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// One that builds on the state before it.
    Step,
    /// One that brings a whole state: what is there instead may belong to another `base`.
    Whole,
}

impl Entry {
    /// Trusts the copy no more than `trust` from now on. One that is not trusted holds no claim (rule R13).
    pub(crate) fn distrust(&mut self, trust: Trust) {
        self.trust = self.trust.and(trust);
        self.claim = Claim::Void;
    }

    /// The lane operation `written_at` brings the state of `record`; if it is none that was given to the lane since, the
    /// state is as it was.
    pub(super) fn bring(&mut self, record: Record, written_at: u64) {
        self.record = record;
        if written_at != self.written_at {
            self.written_at = written_at;
            self.absent_from = None;
        }
    }

    /// Whether both say the same of the key, in this process or another one.
    pub(super) fn is_same_state(&self, other: &Self) -> bool {
        Self { written_at: other.written_at, ..*self } == *other
    }

    /// The greatest clock in the entry.
    pub(super) fn greatest_clock(&self) -> u64 {
        let Record { base, term, last, .. } = self.record;
        let claim = match self.claim {
            Claim::Term(version) => version,
            Claim::Birth | Claim::Void => Version::ZERO,
        };
        [base, term, last, self.promised, claim].map(|version| version.clock).into_iter().max().unwrap_or(0)
    }
}

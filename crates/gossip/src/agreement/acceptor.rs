//! The part of a voter: it promises ballots and accepts values, and never goes back on either.

use super::message::{self, Accepted};
use super::{AgreementError, Ballot};

/// One node's vote in one epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Vote {
    pub(super) epoch: u64,
    /// Nothing below it is promised or accepted any more.
    pub(super) promised: Ballot,
    /// What was accepted with the greatest ballot.
    pub(super) accepted: Option<Accepted>,
}

impl Vote {
    fn fresh(epoch: u64) -> Self {
        Self { epoch, promised: Ballot::NONE, accepted: None }
    }
}

#[derive(Debug)]
pub(super) struct Acceptor {
    vote: Vote,
    is_unsaved: bool,
}

impl Acceptor {
    /// The vote that is stored, unless its epoch is decided since. One for a later epoch than `next_epoch` is kept until
    /// that is known.
    pub(super) fn restore(stored: Option<&[u8]>, next_epoch: u64) -> Result<Self, AgreementError> {
        let vote = stored.map_or(Ok(Vote::fresh(next_epoch)), message::decode_vote)?;
        let mut acceptor = Self { vote, is_unsaved: false };
        acceptor.follow(next_epoch);
        Ok(acceptor)
    }

    /// The epoch that it votes on.
    pub(super) fn epoch(&self) -> u64 {
        self.vote.epoch
    }

    pub(super) fn promised(&self) -> Ballot {
        self.vote.promised
    }

    /// All epochs before `next_epoch` are decided.
    pub(super) fn follow(&mut self, next_epoch: u64) {
        if self.vote.epoch < next_epoch {
            *self = Self { vote: Vote::fresh(next_epoch), is_unsaved: false };
        }
    }

    /// Promises a ballot and tells what was accepted, or gives the greater one that is promised already.
    pub(super) fn prepare(&mut self, ballot: Ballot) -> Result<Option<&Accepted>, Ballot> {
        if ballot < self.vote.promised {
            return Err(self.vote.promised);
        }
        self.is_unsaved |= ballot > self.vote.promised;
        self.vote.promised = ballot;
        Ok(self.vote.accepted.as_ref())
    }

    /// Accepts a value, or gives the greater ballot that is promised.
    pub(super) fn accept(&mut self, ballot: Ballot, value: Vec<u8>) -> Result<(), Ballot> {
        if ballot < self.vote.promised {
            return Err(self.vote.promised);
        }
        // A ballot has one value: the same one again is a repeated message.
        if self.vote.accepted.as_ref().is_none_or(|accepted| accepted.ballot < ballot) {
            self.vote.promised = ballot;
            self.vote.accepted = Some(Accepted { ballot, value });
            self.is_unsaved = true;
        }
        Ok(())
    }

    /// The vote in its stored form, if it has changed since this was last asked.
    pub(super) fn take_unsaved(&mut self) -> Option<Vec<u8>> {
        std::mem::take(&mut self.is_unsaved).then(|| message::encode_vote(&self.vote))
    }
}

//! The part of a proposer: one proposal and the ballots by which it is tried.

use std::collections::BTreeSet;
use std::time::Duration;

use super::message::Accepted;
use super::{Ballot, Cause};
use crate::NodeId;

/// What this node wants decided in an epoch.
#[derive(Debug)]
pub(super) struct Proposer {
    pub(super) epoch: u64,
    pub(super) value: Vec<u8>,
    /// The greatest ballot that others named.
    pub(super) outbid_by: Ballot,
    pub(super) attempt_count: u32,
    pub(super) deadline: Duration,
    pub(super) gives_up_at: Duration,
    /// Why the last attempt failed.
    pub(super) cause: Cause,
    ballot: Ballot,
    phase: Phase,
    /// Who has answered this ballot.
    answered: BTreeSet<NodeId>,
}

#[derive(Debug)]
enum Phase {
    /// Phase 1: asking for promises.
    Preparing { promised: BTreeSet<NodeId>, accepted: Option<Accepted> },
    /// Phase 2: asking to accept a value.
    Accepting { accepted: BTreeSet<NodeId>, value: Vec<u8> },
    /// Between two attempts.
    Waiting,
}

/// What came of an answer or a deadline.
#[derive(Debug)]
pub(super) enum Reached {
    Nothing,
    /// A majority has promised: it is to accept this value.
    Promises {
        ballot: Ballot,
        value: Vec<u8>,
    },
    /// A majority has accepted the value.
    Decision {
        value: Vec<u8>,
    },
    /// A voter has promised a greater ballot.
    Outbid,
    /// Too few have answered.
    Timeout,
}

impl Proposer {
    pub(super) fn new(epoch: u64, value: Vec<u8>, gives_up_at: Duration) -> Self {
        Self {
            epoch,
            value,
            outbid_by: Ballot::NONE,
            attempt_count: 0,
            deadline: gives_up_at,
            gives_up_at,
            cause: Cause::NoMajority { silent: Vec::new(), needed: 0, voter_count: 0 },
            ballot: Ballot::NONE,
            phase: Phase::Waiting,
            answered: BTreeSet::new(),
        }
    }

    /// Begins an attempt with a ballot that was never used.
    pub(super) fn begin(&mut self, ballot: Ballot, deadline: Duration) {
        self.ballot = ballot;
        self.attempt_count = self.attempt_count.saturating_add(1);
        self.deadline = deadline;
        self.answered.clear();
        self.phase = Phase::Preparing { promised: BTreeSet::new(), accepted: None };
    }

    pub(super) fn wait_until(&mut self, at: Duration) {
        self.phase = Phase::Waiting;
        self.deadline = at;
    }

    /// A voter promises the ballot. With a majority of promises, the value that was accepted with the greatest ballot is to
    /// be proposed, since it may be decided; the own one only when there is none.
    pub(super) fn handle_promise(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        told: Option<Accepted>,
        voters: &[NodeId],
        majority: usize,
    ) -> Reached {
        if !self.is_answer(from, ballot, voters) {
            return Reached::Nothing;
        }
        let Phase::Preparing { promised, accepted } = &mut self.phase else { return Reached::Nothing };
        promised.insert(from);
        let greatest = accepted.as_ref().map(|accepted| accepted.ballot);
        if told.as_ref().map(|told| told.ballot) > greatest {
            *accepted = told;
        }
        if promised.len() < majority {
            return Reached::Nothing;
        }
        let value = accepted.take().map_or_else(|| self.value.clone(), |accepted| accepted.value);
        self.phase = Phase::Accepting { accepted: BTreeSet::new(), value: value.clone() };
        Reached::Promises { ballot, value }
    }

    /// A voter has accepted the ballot's value.
    pub(super) fn handle_accepted(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        voters: &[NodeId],
        majority: usize,
    ) -> Reached {
        if !self.is_answer(from, ballot, voters) {
            return Reached::Nothing;
        }
        let Phase::Accepting { accepted, value } = &mut self.phase else { return Reached::Nothing };
        accepted.insert(from);
        if accepted.len() < majority {
            return Reached::Nothing;
        }
        Reached::Decision { value: value.clone() }
    }

    /// A voter has promised a greater ballot. The next one will be above that.
    pub(super) fn handle_refused(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        promised: Ballot,
        voters: &[NodeId],
    ) -> Reached {
        if !self.is_answer(from, ballot, voters) || promised <= ballot {
            return Reached::Nothing;
        }
        self.outbid_by = self.outbid_by.max(promised);
        self.cause = Cause::Outbid { by: promised.node };
        Reached::Outbid
    }

    /// The deadline of an attempt, or of the wait between two, has passed.
    pub(super) fn handle_deadline(&mut self, voters: &[NodeId]) -> Reached {
        if matches!(self.phase, Phase::Waiting) {
            return Reached::Nothing;
        }
        let silent = voters.iter().filter(|node| !self.has_answered(**node)).copied().collect();
        let (needed, voter_count) = (voters.len() / 2 + 1, voters.len());
        self.cause = Cause::NoMajority { silent, needed, voter_count };
        Reached::Timeout
    }

    /// Whether a voter answers the ballot under way; notes it.
    fn is_answer(&mut self, from: NodeId, ballot: Ballot, voters: &[NodeId]) -> bool {
        let is_answer = ballot == self.ballot
            && !matches!(self.phase, Phase::Waiting)
            && voters.binary_search(&from).is_ok();
        if is_answer {
            self.answered.insert(from);
        }
        is_answer
    }

    /// Who has not accepted what it is asked to accept is silent too.
    fn has_answered(&self, node: NodeId) -> bool {
        match &self.phase {
            Phase::Accepting { accepted, .. } => accepted.contains(&node),
            _ => self.answered.contains(&node),
        }
    }
}

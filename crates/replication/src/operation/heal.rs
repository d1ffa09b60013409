//! A key's copies, being made equal (rule R15).

use bytes::Bytes;
use dynomite_ring::{NodeId, Token};
use smallvec::SmallVec;

use super::{
    OperationId,
    replicas::{Replicas, State},
};
use crate::{
    Content, Failure, HintTarget, Version,
    heal::{Behind, Copies, CountsLost},
};

/// A heal under way.
#[derive(Debug)]
pub(crate) struct HealOperation {
    pub(crate) key: Bytes,
    pub(crate) token: Token,
    /// All racks of the datacenter, this one's first.
    pub(crate) replicas: Replicas,
    /// Beside `replicas`: what each said of the key.
    pub(crate) copies: Copies,
    pub(crate) phase: Phase,
    /// Whether lost copies are rebuilt without a majority.
    pub(crate) counts_lost: CountsLost,
    /// When replicas that have not told their record are no longer waited for.
    pub(crate) slow_at_ms: u64,
    /// Whether a large state is being installed.
    pub(crate) is_large: bool,
    /// How often it began anew, since something changed meanwhile.
    pub(crate) restarts: u8,
    /// Reads that wait for it.
    pub(crate) waiting: SmallVec<[OperationId; 1]>,
}

/// How far a heal has come.
#[derive(Debug)]
pub(crate) enum Phase {
    /// The copies are being asked for their records.
    Gathering,
    /// The greatest state is being fetched, to be installed at the listed replicas.
    Fetching(Behind),
    /// It is being installed.
    Installing,
}

/// A state with all that is needed to install it.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) record: crate::Record,
    pub(crate) state: Content,
}

impl HealOperation {
    /// The latest version that the greatest trusted copy won over, if it was stamped later than what that copy has.
    pub(crate) fn outdone(&self) -> Option<Version> {
        let records = self.copies.iter().flatten().filter(|copy| copy.trust.is_trusted());
        let records = records.map(|copy| copy.record);
        let greatest = records.clone().max()?;
        records.map(|record| record.last).max().filter(|last| *last > greatest.last)
    }

    /// Whether somebody was asked and has not answered.
    pub(crate) fn is_open(&self) -> bool {
        self.replicas.iter().any(|replica| replica.state == State::Asked)
    }

    /// Whether a replica did what was asked of it; `or_unheard`: or was not heard at all, so that nothing more was asked.
    pub(crate) fn is_in_order(&self, index: usize, or_unheard: bool) -> bool {
        match self.copies[index] {
            Some(_) => !matches!(self.replicas[index].state, State::Failed(_)),
            None => or_unheard,
        }
    }

    /// Whether a state changed while it was fetched in pieces.
    pub(crate) fn has_changed(&self) -> bool {
        self.replicas.iter().any(|replica| replica.state == State::Failed(Failure::Changed))
    }

    /// Whether the heal, which has ended, left `target` with what the key holds.
    pub(crate) fn has_reached(&self, target: HintTarget, is_healed: bool) -> bool {
        let is_target = |node: NodeId| target == HintTarget::Node(node);
        let index = self.replicas.iter().position(|replica| is_target(replica.node));
        let has_installed = matches!(self.phase, Phase::Installing);
        (is_healed || has_installed) && index.is_some_and(|index| self.is_in_order(index, false))
    }
}

//! The state of a key that this datacenter sequenced, on its way to the others (rules R18 and R19).

use bytes::Bytes;
use dynomite_ring::{DcIdx, NodeId, Token};
use smallvec::SmallVec;

use super::{
    OperationId,
    overwrite::RemoteDc,
    replicas::{Replicas, State},
};
use crate::{Content, Level, Record, Version, heal::Copies};

/// A state that was sent to the other datacenters' forwarders.
#[derive(Debug)]
pub(crate) struct ExportOperation {
    pub(crate) key: Bytes,
    pub(crate) record: Record,
    pub(crate) state_bytes: usize,
    pub(crate) dcs: SmallVec<[RemoteDc; 2]>,
}

impl ExportOperation {
    pub(crate) fn is_finished(&self) -> bool {
        self.dcs.iter().all(|dc| !matches!(dc.state, State::Asked | State::Idle))
    }
}

/// How far the exports of one key have come. Only one state of a key is under way at a time; writes that come meanwhile are
/// covered by the next.
#[derive(Debug)]
pub(crate) struct Export {
    pub(crate) token: Token,
    pub(crate) phase: Phase,
    /// The newest record that a majority has.
    pub(crate) settled: Record,
    /// Writes at `DC_EACH_SAFE_QUORUM` that wait for the other datacenters, with the versions they left.
    pub(crate) waiting: Vec<(OperationId, Version)>,
}

#[derive(Debug)]
pub(crate) enum Phase {
    /// Nothing is under way.
    Idle,
    /// The state is being read from the datastore.
    Reading,
    /// The state was read, but no majority has its record yet.
    Holding(Record, Content),
    /// A state was sent, and not every datacenter has answered.
    Shipping,
}

/// A key whose state is sent to another datacenter again, because that may have missed it.
#[derive(Debug)]
pub(crate) struct ExportAgainOperation {
    pub(crate) key: Bytes,
    pub(crate) token: Token,
    pub(crate) dc: DcIdx,
    /// All racks of this datacenter, this one's first.
    pub(crate) replicas: Replicas,
    /// Beside `replicas`: what each holds.
    pub(crate) copies: Copies,
    pub(crate) phase: AgainPhase,
    pub(crate) slow_at_ms: u64,
    /// Whether a large state was sent, to be fetched in pieces.
    pub(crate) is_large: bool,
    /// How often it began anew: the copies had to be healed first, or changed meanwhile.
    pub(crate) restarts: u8,
    /// Who is told when it has ended.
    pub(crate) waiting: Option<OperationId>,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum AgainPhase {
    /// The copies are being asked for their records.
    Gathering,
    /// The copies are being made equal.
    Healing,
    /// The state that a majority holds is being fetched.
    Fetching(Record),
    /// It was sent to this node of the other datacenter.
    Sending(NodeId),
}

impl ExportAgainOperation {
    /// The greatest record and a trusted holder of it, if a majority holds exactly that.
    pub(crate) fn settled(&self) -> Option<(usize, Record)> {
        let holders = || {
            let copies = self.copies.iter().enumerate();
            copies.filter_map(|(index, copy)| Some((index, copy.filter(|copy| copy.trust.is_trusted())?)))
        };
        let greatest = holders().map(|(_, copy)| copy.record).max()?;
        let mut same = holders().filter(|(_, copy)| copy.record == greatest);
        let (first, _) = same.next()?;
        (1 + same.count() >= Level::DcQuorum.needed(self.copies.len())).then_some((first, greatest))
    }
}

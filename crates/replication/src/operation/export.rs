//! The state of a key that this datacenter sequenced, on its way to the others (rules R18 and R19).

use bytes::Bytes;
use dynomite_ring::Token;
use smallvec::SmallVec;

use super::{OperationId, overwrite::RemoteDc, replicas::State};
use crate::{Record, Version};

/// A state that was sent to the other datacenters' forwarders.
#[derive(Debug)]
pub(crate) struct ExportOperation {
    pub(crate) key: Bytes,
    pub(crate) record: Record,
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
    /// The state of this record is being read from the datastore.
    Reading(Record),
    /// The state was read, but no majority has its record yet.
    Holding(Record, Option<dynomite_codec::KeyState>),
    /// A state was sent, and not every datacenter has answered.
    Shipping,
}

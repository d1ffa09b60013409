//! A client's sequenced write that another node runs.

use dynomite_ring::NodeId;

use crate::ClientCommand;

/// A sequenced write that was sent to another replica.
#[derive(Debug)]
pub(crate) struct SequencedElsewhere {
    pub(crate) command: ClientCommand,
    /// How many of the key's replicas were asked or passed over.
    pub(crate) attempt: usize,
    /// Who was asked last; this node itself before anybody was.
    pub(crate) node: NodeId,
    /// Whether somebody refused it for another ring, with which it is to be asked for again.
    pub(crate) waits_for_ring: bool,
}

//! A large state on its way into one of this node's stages, piece by piece.

use bytes::Bytes;
use dynomite_codec::Position;
use dynomite_ring::{NodeId, Token};

use crate::{PieceSource, PushPurpose, Record, Version, engine::Requester};

/// A transfer under way.
#[derive(Debug)]
pub(crate) struct TransferOperation {
    pub(crate) wanted: Wanted,
    /// The stage that takes the pieces.
    pub(crate) stage: u8,
    /// Where the piece begins that is asked for next; `None` after the last.
    pub(crate) next: Option<Position>,
    /// Whether a piece was asked for and has not come.
    pub(crate) is_asked: bool,
    /// Pieces that were given to the stage and are not confirmed.
    pub(crate) staging: usize,
    /// When the key expires: what the last piece said.
    pub(crate) expires_at_ms: Option<u64>,
}

/// A large state that somebody wants this node to take.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) requester: Requester,
    pub(crate) key: Bytes,
    pub(crate) token: Token,
    pub(crate) source: PieceSource,
    pub(crate) errand: Errand,
}

/// What it is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errand {
    Push { record: Record, purpose: PushPurpose },
    Import { version: Version },
}

impl TransferOperation {
    /// Whether `node` was asked for a piece and has not answered.
    pub(crate) fn waits_for(&self, node: NodeId) -> bool {
        self.is_asked && self.wanted.source.node == node
    }

    /// Whether every piece is in the stage.
    pub(crate) fn is_whole(&self) -> bool {
        self.next.is_none() && self.staging == 0
    }
}

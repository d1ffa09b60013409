//! A key's state on its way: whole, or as the place where it can be had in pieces.

use dynomite_codec::{KeyState, Position};
use dynomite_ring::NodeId;

use crate::Record;

/// A key's state in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// All of it; `None` when the key is absent.
    Whole(Option<KeyState>),
    /// It is large: whoever takes it asks for its pieces, one after the other.
    Pieces(PieceSource),
}

/// Where a large state can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PieceSource {
    /// The replica that reads it.
    pub node: NodeId,
    /// The replica's record of it. Under another one it gives no piece.
    pub record: Record,
    /// Where the first piece begins.
    pub start: Position,
}

/// The digest of a key's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueDigest {
    /// Of the value and its type, as the datastore digests it.
    pub hash: u64,
    /// When the key expires, in milliseconds since the Unix epoch.
    pub expires_at_ms: Option<u64>,
}

impl Content {
    /// Bytes of the value that are in the message.
    pub fn len(&self) -> usize {
        match self {
            Self::Whole(Some(state)) => state.payload.len(),
            Self::Whole(None) | Self::Pieces(_) => 0,
        }
    }

    /// Whether no byte of a value is in the message.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it has to be fetched in pieces.
    pub fn is_in_pieces(&self) -> bool {
        matches!(self, Self::Pieces(_))
    }
}

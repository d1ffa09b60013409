//! Something that was asked of one other node about whole buckets: their digests, their keys, or to take note of something.

use dynomite_ring::NodeId;

use crate::{Bucket, Mark, Position};

/// A question that is under way.
#[derive(Debug)]
pub(crate) struct CompareOperation {
    pub(crate) node: NodeId,
    /// The number of the partner.
    pub(crate) partner: usize,
    pub(crate) question: Question,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// The digests of the buckets from `first` on.
    Digests { mark: Mark, first: Bucket },
    /// Which keys of a bucket are different, of those with hashes in a range.
    Differences { mark: Mark, part: Part },
    /// Which keys there are from a place on.
    Keys { from: Position },
    /// To take note of what was settled, of the buckets from `first` on.
    Settle { first: u16 },
    /// To send a key's state.
    Export,
}

/// A part of a bucket that is compared key by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) bucket: Bucket,
    pub(crate) from: u64,
    pub(crate) upto: u64,
    /// Whether a difference was found in the parts before it.
    pub(crate) found: bool,
    /// By how much the partner's digest is greater, without what has been explained: by keys whose records may be forgotten.
    pub(crate) unexplained: u64,
}

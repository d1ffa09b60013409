//! A key that the datastore holds and that no record here knows of, while all its replicas are asked about it.

use bytes::Bytes;
use dynomite_ring::Token;

use super::replicas::{Replicas, State};
use crate::{Mark, heal::Copies};

/// The question under way.
#[derive(Debug)]
pub(crate) struct StrayOperation {
    pub(crate) key: Bytes,
    pub(crate) token: Token,
    /// All that hold the key, in every datacenter; this node too.
    pub(crate) replicas: Replicas,
    /// Beside `replicas`: what each said of the key.
    pub(crate) copies: Copies,
    /// Up to where this node refused overwrites when it asked.
    pub(crate) floor: Mark,
}

impl StrayOperation {
    /// Whether somebody was asked and has not answered.
    pub(crate) fn is_open(&self) -> bool {
        self.replicas.iter().any(|replica| replica.state == State::Asked)
    }

    /// Whether everybody has answered, and nobody's copy is lost or in doubt.
    pub(crate) fn are_all_trusted(&self) -> bool {
        self.copies.iter().all(|copy| copy.is_some_and(|copy| copy.trust.is_trusted()))
    }
}

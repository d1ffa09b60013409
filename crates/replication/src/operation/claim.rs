//! The right to sequence a key, being claimed (rule R7).

use bytes::Bytes;
use dynomite_codec::KeyState;
use dynomite_ring::Token;

use super::replicas::{Replicas, State, Verdict, verdict};
use crate::{
    Failure, Level, Record, Version,
    engine::Sequenced,
    heal::{Copies, Taken},
    planted::{self, Planted},
};

/// A claim under way, and the writes that wait for it.
#[derive(Debug)]
pub(crate) struct ClaimOperation {
    pub(crate) key: Bytes,
    pub(crate) token: Token,
    pub(crate) term: Version,
    /// All racks of the datacenter, this one's first.
    pub(crate) replicas: Replicas,
    /// Beside `replicas`: what those that promised hold.
    pub(crate) copies: Copies,
    /// The state that is being fetched.
    pub(crate) fetching: Option<Taken>,
    /// The record and the state that the others are to take before this replica does.
    pub(crate) offered: Option<Box<(Record, Option<KeyState>)>>,
    /// How often the key was claimed anew, since something changed meanwhile.
    pub(crate) restarts: u8,
    pub(crate) waiting: Vec<Sequenced>,
}

/// What the promises allow.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Standing {
    Wait,
    Granted,
    Denied(Failure),
}

impl ClaimOperation {
    /// Whether a majority, with the own copy in it, has promised.
    pub(crate) fn standing(&self) -> Standing {
        if let State::Failed(failure) = &self.replicas[0].state {
            return Standing::Denied(failure.clone());
        }
        if planted::has(Planted::ClaimWithoutMajority) && self.replicas[0].state == State::Ok {
            return Standing::Granted;
        }
        let is_own_open = self.replicas[0].state == State::Asked;
        match verdict(&self.replicas, Level::DcQuorum.needed(self.replicas.len())) {
            Verdict::Impossible => Standing::Denied(self.reason()),
            Verdict::Reached if !is_own_open => Standing::Granted,
            Verdict::Reached | Verdict::Wait => Standing::Wait,
        }
    }

    /// Whether somebody may still promise.
    pub(crate) fn is_open(&self) -> bool {
        self.replicas.iter().any(|replica| replica.state == State::Asked)
    }

    /// Why there is no majority: that of a greater claim, if there is one.
    pub(crate) fn reason(&self) -> Failure {
        let failures = || {
            self.replicas.iter().filter_map(|replica| match &replica.state {
                State::Failed(failure) => Some(failure),
                _ => None,
            })
        };
        match failures().find(|failure| **failure == Failure::Outbid) {
            Some(outbid) => outbid.clone(),
            None => Failure::TooFewReplicas,
        }
    }
}

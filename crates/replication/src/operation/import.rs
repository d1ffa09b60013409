//! A state that another datacenter sends again, before it is handed to the racks of this one (rules R19 and R20).

use bytes::Bytes;
use dynomite_ring::Token;

use super::replicas::{Replicas, State};
use crate::{Content, Level, Version, engine::Requester, heal::Copies};

/// An import under way: this datacenter is asked what it holds.
#[derive(Debug)]
pub(crate) struct ImportOperation {
    pub(crate) requester: Requester,
    pub(crate) key: Bytes,
    pub(crate) token: Token,
    pub(crate) version: Version,
    pub(crate) state: Content,
    /// All racks of this datacenter.
    pub(crate) replicas: Replicas,
    /// Beside `replicas`: what each holds.
    pub(crate) copies: Copies,
    pub(crate) slow_at_ms: u64,
    pub(crate) timeout_ms: u64,
}

/// What is to be done with the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Wait,
    /// This datacenter has it, or a later one.
    Drop,
    /// All that were heard, a trusted majority among them, hold less.
    Apply,
    /// Too few were heard to say.
    TooFew,
}

impl ImportOperation {
    /// Whether this datacenter still knows anything of the key. Where it was lost everywhere, there is nothing to be kept from
    /// what comes back.
    pub(crate) fn is_known(&self) -> bool {
        self.copies.iter().flatten().any(|copy| copy.trust.is_trusted() && !copy.record.is_blank())
    }

    /// What to do, given who has answered.
    pub(crate) fn next_step(&self) -> Step {
        let heard = || self.copies.iter().flatten();
        if heard().any(|copy| copy.trust.is_trusted() && copy.record.last >= self.version) {
            return Step::Drop;
        }
        if self.replicas.iter().any(|replica| replica.state == State::Asked) {
            return Step::Wait;
        }
        let trusted = heard().filter(|copy| copy.trust.is_trusted()).count();
        // With nothing left here, what others have is the best there is.
        let all_lost = heard().count() == self.copies.len() && trusted == 0;
        if trusted >= Level::DcQuorum.needed(self.copies.len()) || all_lost {
            Step::Apply
        } else {
            Step::TooFew
        }
    }
}

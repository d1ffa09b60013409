//! A sequenced write, by its primary: run once, then forwarded in order to the other racks (rules R8 to R11).

use bytes::Bytes;
use dynomite_ring::Token;
use smallvec::SmallVec;

use super::{
    overwrite::RemoteDc,
    replicas::{Near, Replicas, State, Verdict, verdict},
};
use crate::{KeyRequest, Record, engine::Requester};

/// A sequenced write under way. It stays after the requester was answered until every replica has answered or its
/// deadline has come, so that a replica that is behind is helped.
#[derive(Debug)]
pub(crate) struct RunOperation {
    /// Who waits for the reply; nobody once it was given.
    pub(crate) requester: Requester,
    pub(crate) command: KeyRequest,
    pub(crate) key: Bytes,
    pub(crate) token: Token,
    /// The key's record before and after the write.
    pub(crate) prior: Record,
    pub(crate) record: Record,
    /// Whether the key's expiry is asked for after the write, because both may have met.
    pub(crate) asks_expiry: bool,
    /// The datastore's reply, until the expiry is told too.
    pub(crate) awaits_expiry: Option<Bytes>,
    /// The primary's reply, once its datastore gave it, and told the expiry.
    pub(crate) reply: Option<Bytes>,
    /// Until when the key is there after the write, as the primary's datastore told.
    pub(crate) expires_at_ms: Option<i64>,
    /// The other racks of the datacenter.
    pub(crate) replicas: Replicas,
    /// The replica nearest to the client, while it is waited for.
    pub(crate) near: Option<Near>,
    /// When the nearest replica is no longer waited for.
    pub(crate) slow_at_ms: u64,
    /// How many of `replicas` must accept, for the level and for a majority.
    pub(crate) needed: usize,
    pub(crate) majority: usize,
    /// Whether a majority has it; tells the exporter once.
    pub(crate) is_settled: bool,
    /// The other datacenters, when the level waits for them.
    pub(crate) dcs: SmallVec<[RemoteDc; 2]>,
}

/// What the primary can tell the requester.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Wait,
    Reply(Bytes),
    Fail,
}

impl RunOperation {
    /// When something should have been heard, short of the deadline.
    pub(crate) fn slow_at_ms(&self) -> Option<u64> {
        self.near.map(|_| self.slow_at_ms)
    }

    /// Whether the requester can be answered.
    pub(crate) fn next_step(&self) -> Step {
        let Some(reply) = &self.reply else { return Step::Wait };
        match verdict(&self.replicas, self.needed) {
            Verdict::Impossible => return Step::Fail,
            Verdict::Wait => return Step::Wait,
            Verdict::Reached => {}
        }
        if self.near.is_some_and(|near| near.is_open(&self.replicas)) {
            return Step::Wait;
        }
        if self.dcs.iter().any(|dc| matches!(dc.state, State::Failed(_) | State::Newer)) {
            Step::Fail
        } else if self.dcs.iter().all(|dc| dc.state == State::Ok) {
            Step::Reply(reply.clone())
        } else {
            Step::Wait
        }
    }

    /// Whether a majority of the datacenter's racks has the write.
    pub(crate) fn has_majority(&self) -> bool {
        self.reply.is_some() && verdict(&self.replicas, self.majority) == Verdict::Reached
    }

    /// Whether nothing more can be heard of it.
    pub(crate) fn is_finished(&self) -> bool {
        self.reply.is_some()
            && matches!(self.requester, Requester::Nobody)
            && !self.replicas.iter().any(|replica| replica.state == State::Asked)
    }
}

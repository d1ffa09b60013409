//! An overwrite, by its coordinator: counts who applied it (rule R4).

use bytes::Bytes;
use dynomite_codec::replies_agree;
use dynomite_ring::{DcIdx, Token};
use smallvec::SmallVec;

use super::replicas::{self, Near, Replica, Replicas, State, Verdict, verdict};
use crate::{
    Failure, KeyRequest, Level, Record, ResponseBody, Stamper, Version,
    engine::Requester,
    planted::{self, Planted},
};

/// An overwrite under way. It stays after the requester was answered until all replicas and datacenters have answered, so
/// that whoever missed it is known. Remote datacenters are waited for at `DC_EACH_SAFE_QUORUM` only.
#[derive(Debug)]
pub(crate) struct OverwriteOperation {
    /// Who waits for the reply; nobody once it was given.
    pub(crate) requester: Requester,
    pub(crate) version: Version,
    pub(crate) stamper: Stamper,
    pub(crate) command: KeyRequest,
    pub(crate) token: Token,
    pub(crate) level: Level,
    pub(crate) timeout_ms: u64,
    pub(crate) needed: usize,
    pub(crate) replicas: Replicas,
    /// The replica nearest to the client, while it is waited for.
    pub(crate) near: Option<Near>,
    /// The replica that the requester applies the write to, on top of `needed`, once it is told the version.
    pub(crate) left_to_requester: Option<Replica>,
    /// When neither the nearest replica nor the own datastore is waited for any longer.
    pub(crate) slow_at_ms: u64,
    /// Whether all but the first replica were sent it. Until then it waits for the primary's own datastore.
    pub(crate) is_spread: bool,
    /// What the replicas replied, with the record that each held before.
    pub(crate) replies: SmallVec<[(Record, Bytes); 3]>,
    /// The other datacenters' forwarders; their messages' replica numbers follow those of `replicas`.
    pub(crate) dcs: SmallVec<[RemoteDc; 2]>,
    /// Whether the other datacenters must apply it by a majority. Otherwise it is enough that they got it, and not waited for.
    pub(crate) awaits_dcs: bool,
    /// Whether a replica held a sequenced write that was stamped later. That may be known in other datacenters, which take it
    /// for later than this (rule R17).
    pub(crate) is_stamped_too_early: bool,
    /// The reply if no replica gave one (all had the state by another way).
    pub(crate) reply_otherwise: &'static [u8],
}

/// A remote datacenter and what it has said.
#[derive(Debug, Clone)]
pub(crate) struct RemoteDc {
    pub(crate) dc: DcIdx,
    pub(crate) node: Option<dynomite_ring::NodeId>,
    pub(crate) state: State,
}

impl RemoteDc {
    /// Turns a missing answer into a failure.
    pub(crate) fn time_out(&mut self) {
        if self.state == State::Asked {
            self.state = State::Failed(Failure::Timeout);
        }
    }

    /// Takes in the forwarder's answer.
    pub(crate) fn answered(&mut self, body: ResponseBody) {
        self.state = match body {
            ResponseBody::Relayed { applied, racks }
                if usize::from(applied) >= Level::DcQuorum.needed(usize::from(racks)) =>
            {
                State::Ok
            }
            ResponseBody::Relayed { .. } => State::Newer,
            ResponseBody::Failed(failure) => State::Failed(failure),
            _ => State::Failed(Failure::Datastore("unexpected answer".into())),
        };
    }
}

/// What the coordinator must do next.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    Wait,
    Reply(Bytes),
    /// The requester is to do the rest.
    LeaveToRequester {
        prior: Record,
        reply: Bytes,
    },
    Fail {
        disagree: bool,
    },
}

impl OverwriteOperation {
    /// Takes in an answer of replica or remote datacenter `replica`.
    pub(crate) fn answered(&mut self, replica: usize, body: ResponseBody) {
        if replica >= self.replicas.len() {
            if let Some(dc) = self.dcs.get_mut(replica - self.replicas.len()) {
                match body {
                    ResponseBody::Relayed { .. } if !self.awaits_dcs => dc.state = State::Ok,
                    body => dc.answered(body),
                }
            }
            return;
        }
        if self.replicas[replica].state == State::Ok {
            // An answer that came twice counts once.
            return;
        }
        self.replicas[replica].state = match body {
            ResponseBody::Applied { prior, reply } => {
                self.is_stamped_too_early |= prior.base < self.version && prior.last > self.version;
                if let Some(reply) = reply {
                    self.replies.push((prior, reply));
                }
                State::Ok
            }
            ResponseBody::Refused { .. } if planted::has(Planted::RefusalAcknowledges) => State::Ok,
            ResponseBody::Refused { .. } => State::Newer,
            ResponseBody::Failed(failure) => State::Failed(failure),
            _ => State::Failed(Failure::Datastore("unexpected answer".into())),
        };
    }

    /// The other datacenters, if the level waits for them.
    pub(crate) fn awaited_dcs(&self) -> &[RemoteDc] {
        if self.awaits_dcs { &self.dcs } else { &[] }
    }

    /// The other datacenters, if the level waits for them, with what is to be told of them.
    pub(crate) fn awaited_outcomes(&self) -> SmallVec<[RemoteDc; 2]> {
        let mut dcs: SmallVec<[RemoteDc; 2]> = self.awaited_dcs().into();
        if self.is_stamped_too_early {
            dcs.iter_mut().for_each(|dc| dc.state = State::Newer);
        }
        dcs
    }

    /// Whether its reply depends on what was there before.
    pub(crate) fn tells_what_was_there(&self) -> bool {
        self.reply_otherwise != dynomite_codec::encode::OK
    }

    /// Whether nothing more can be heard of it.
    pub(crate) fn is_finished(&self) -> bool {
        let is_open = |state: &State| matches!(state, State::Asked | State::Idle);
        matches!(self.requester, Requester::Nobody)
            && !self.replicas.iter().any(|replica| is_open(&replica.state))
            && !self.dcs.iter().any(|dc| is_open(&dc.state))
    }

    /// Whether the own datastore has answered and the others are to be sent it.
    pub(crate) fn is_to_be_spread(&self) -> bool {
        !self.is_spread && self.replicas[0].state != State::Asked
    }

    /// When something should have been heard, short of the deadline.
    pub(crate) fn slow_at_ms(&self) -> Option<u64> {
        (self.near.is_some() || !self.is_spread).then_some(self.slow_at_ms)
    }

    /// Turns every missing answer into a failure.
    pub(crate) fn time_out(&mut self) {
        replicas::time_out(&mut self.replicas);
        for dc in &mut self.dcs {
            dc.time_out();
        }
    }

    /// Whether to reply, to fail, or to wait.
    pub(crate) fn next_step(&self) -> Step {
        match verdict(&self.replicas, self.needed) {
            Verdict::Impossible => return Step::Fail { disagree: false },
            Verdict::Wait => return Step::Wait,
            Verdict::Reached => {}
        }
        if self.near.is_some_and(|near| near.is_open(&self.replicas)) {
            return Step::Wait;
        }
        let is_refused = |dc: &RemoteDc| matches!(dc.state, State::Failed(_) | State::Newer);
        if self.awaits_dcs && self.is_stamped_too_early || self.awaited_dcs().iter().any(is_refused) {
            return Step::Fail { disagree: false };
        }
        if self.awaited_dcs().iter().any(|dc| dc.state != State::Ok) {
            return Step::Wait;
        }
        if self.level.is_safe() {
            return self.agreed_reply();
        }
        let (prior, reply) = self.best_reply();
        if self.left_to_requester.is_some() {
            return Step::LeaveToRequester { prior, reply };
        }
        Step::Reply(reply)
    }

    /// The reply of the replica that knew most: a replica that had been behind counts a deleted key as absent.
    fn best_reply(&self) -> (Record, Bytes) {
        let best = self.replies.iter().max_by_key(|(prior, _)| *prior);
        best.map_or((Record::default(), Bytes::from_static(self.reply_otherwise)), Clone::clone)
    }

    fn agreed_reply(&self) -> Step {
        let silent =
            self.replicas.iter().filter(|replica| replica.state == State::Ok).count() - self.replies.len();
        for (_, reply) in &self.replies {
            let agreeing = self
                .replies
                .iter()
                .filter(|(_, other)| replies_agree(&self.command.call(), reply, other))
                .count();
            if agreeing + silent >= self.needed {
                return Step::Reply(reply.clone());
            }
        }
        if self.replies.is_empty() {
            return Step::Reply(self.best_reply().1);
        }
        if self.replicas.iter().any(|replica| replica.state == State::Asked) {
            Step::Wait
        } else {
            Step::Fail { disagree: true }
        }
    }
}

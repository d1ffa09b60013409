//! What is decided, from the node that finds out to all others, and to those that were away.

use std::time::Duration;

use super::chain::{Learned, Taught};
use super::message::Body;
use super::{Agreement, Cause, Outcome, Output, voters};
use crate::NodeId;

impl Agreement {
    /// Another node is known to have decided `epoch`, from gossip for instance. If that is news, it is asked.
    pub fn handle_epoch(&mut self, now: Duration, from: NodeId, epoch: u64, out: &mut Vec<Output>) {
        if epoch >= self.chain.next_epoch()
            && from != self.me
            && self.fetched_until.is_none_or(|until| until <= now)
        {
            self.fetched_until = Some(now + self.config.answer_timeout);
            self.send(from, Body::Fetch, self.chain.last_epoch(), out);
        }
    }

    /// A majority has accepted the value, or an operator forced it: told to all whom it concerns.
    pub(super) fn decide(&mut self, epoch: u64, value: Vec<u8>, out: &mut Vec<Output>) {
        let mut concerned = self.voters.clone();
        self.learn(epoch, value, out);
        concerned.extend(&self.voters);
        concerned.sort_unstable();
        concerned.dedup();
        for node in concerned.into_iter().filter(|node| *node != self.me) {
            self.teach(node, epoch, out);
        }
    }

    /// Another node says what is decided. False when that is not to be believed.
    pub(super) fn hear(&mut self, from: NodeId, taught: Taught, out: &mut Vec<Output>) -> bool {
        if voters(self.voters_of, &taught.value).is_none() {
            self.malformed_count += 1;
            return false;
        }
        match self.chain.compare(&taught) {
            Learned::New => self.learn(taught.epoch, taught.value, out),
            Learned::Conflict { epoch } => {
                out.push(Output::Conflict { epoch, with: from });
                return false;
            }
            Learned::Known | Learned::Gap => {}
        }
        true
    }

    /// Takes a decided value as the last one, whatever was open before it.
    pub(super) fn learn(&mut self, epoch: u64, value: Vec<u8>, out: &mut Vec<Output>) {
        self.voters = voters(self.voters_of, &value).unwrap_or_default();
        self.chain.push(epoch, value.clone());
        self.acceptor.follow(self.chain.next_epoch());
        let oldest = self.chain.oldest_epoch();
        out.push(Output::PersistDecided { epoch, value: value.clone(), oldest });
        out.push(Output::Decided { epoch, value: value.clone() });
        if let Some(proposer) = self.proposer.take() {
            let outcome = if proposer.epoch != epoch {
                Outcome::Unknown(Cause::Passed { epoch })
            } else if proposer.value == value {
                Outcome::Won
            } else {
                Outcome::Other
            };
            out.push(Output::Proposed { epoch: proposer.epoch, outcome });
        }
    }

    /// Tells a node what was decided in an epoch; where that is not kept any longer, the last one.
    pub(super) fn teach(&self, to: NodeId, epoch: u64, out: &mut Vec<Output>) {
        let value = self.chain.value(epoch).map(|value| (epoch, value));
        let last = || self.chain.last().filter(|(last, _)| *last > epoch);
        if let Some((epoch, value)) = value.or_else(last) {
            let (oldest, newest) = (self.chain.oldest_epoch(), self.chain.last_epoch());
            let (follows, value) = (self.chain.sum(epoch - 1), value.to_vec());
            self.send(to, Body::Decided { oldest, newest, follows, value }, epoch, out);
        }
    }
}

//! What a cluster must decide once: a chain of epochs, each decided by single-decree Paxos (Lamport, "Paxos Made Simple",
//! 2001).
//!
//! The value of an epoch names the voters of the next one, and **a majority of all of them decides**, whoever is down.
//! Values are the embedder's: bytes, of which it tells who votes. [`Agreement`] is one node with all three roles: it votes
//! (acceptor), it proposes when asked to (proposer), and it keeps the last epochs and hands them to those behind (learner).
//! Time is an argument, nothing is sent and nothing is stored: what is to be done comes out as [`Output`]s.
//!
//! What holds: no two nodes ever learn different values of one epoch, whatever is lost, repeated, late or reordered, and
//! whoever stops and starts again, as long as each node's [`Output::PersistVote`] and [`Output::PersistDecided`] outlive it
//! and are stored before what comes after them leaves. Nodes that lie are not borne.

mod acceptor;
mod ballot;
mod chain;
mod config;
mod error;
mod learning;
mod message;
mod output;
mod proposer;

use std::cmp::Ordering;
use std::time::Duration;

use crate::NodeId;
use crate::rng::Rng;
use acceptor::Acceptor;
pub use ballot::Ballot;
use chain::{Chain, Taught};
pub use config::Config;
pub use error::{AgreementError, Cause};
use message::{Body, Message};
pub use output::{Outcome, Output};
use proposer::{Proposer, Reached};

/// Epochs that [`Agreement::force`] leaves out, so that it exceeds all that those who were lost may have decided.
const FORCED_GAP: u64 = 1 << 20;

/// Who votes on the epoch that follows this value; `None` or nobody when the bytes are no value, which is then refused.
/// Must give the same on all nodes.
pub type Voters = fn(value: &[u8]) -> Option<Vec<NodeId>>;

/// What a node has stored of what it was told to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// Decided epochs with their values, in any order. The first node of a cluster begins with one epoch, at least 1, and
    /// those that know it from their configuration with the same one; others with none.
    pub decided: Vec<(u64, Vec<u8>)>,
    /// The last [`Output::PersistVote`].
    pub vote: Option<Vec<u8>>,
}

/// One node's part in the decisions. See the [module](self).
#[derive(Debug)]
pub struct Agreement {
    me: NodeId,
    voters_of: Voters,
    config: Config,
    chain: Chain,
    /// Who votes on the epoch after the last one, ascending; nobody as long as none is known.
    voters: Vec<NodeId>,
    acceptor: Acceptor,
    proposer: Option<Proposer>,
    /// When what was asked of another node is not waited for any longer.
    fetched_until: Option<Duration>,
    rng: Rng,
    malformed_count: u64,
    #[cfg(test)]
    planted: Option<tests::Planted>,
}

impl Agreement {
    /// A node as it was when it stored this. `seed` makes its backoffs differ from those of others.
    ///
    /// # Errors
    /// When what is stored cannot be read: see [`AgreementError`].
    pub fn new(
        me: NodeId,
        voters_of: Voters,
        config: Config,
        stored: Stored,
        seed: u64,
    ) -> Result<Self, AgreementError> {
        let chain = Chain::restore(stored.decided, config.chain_len_max)?;
        let voters = match chain.last() {
            Some((epoch, value)) => voters(voters_of, value).ok_or(AgreementError::NoValue { epoch })?,
            None => Vec::new(),
        };
        let acceptor = Acceptor::restore(stored.vote.as_deref(), chain.next_epoch())?;
        Ok(Self {
            me,
            voters_of,
            config,
            chain,
            voters,
            acceptor,
            proposer: None,
            fetched_until: None,
            rng: Rng::new(seed),
            malformed_count: 0,
            #[cfg(test)]
            planted: None,
        })
    }

    /// The last decided epoch that this node knows, and its value; `None` before it has heard of any.
    pub fn last(&self) -> Option<(u64, &[u8])> {
        self.chain.last()
    }

    /// The value of an epoch; `None` when it is not decided, or not kept any longer.
    pub fn decided(&self, epoch: u64) -> Option<&[u8]> {
        self.chain.value(epoch)
    }

    /// Whether a proposal of this node's is under way.
    pub fn is_proposing(&self) -> bool {
        self.proposer.is_some()
    }

    /// Messages that were none, or held no value; dropped.
    pub fn malformed_count(&self) -> u64 {
        self.malformed_count
    }

    /// Proposes `value` for the epoch after the last one, and gives that. [`Output::Proposed`] tells how it came out.
    ///
    /// # Errors
    /// When it is no value, or not the time for one: see [`AgreementError`]. Nothing was changed.
    pub fn propose(
        &mut self,
        now: Duration,
        value: Vec<u8>,
        out: &mut Vec<Output>,
    ) -> Result<u64, AgreementError> {
        let epoch = self.chain.next_epoch();
        self.check(epoch, &value)?;
        if self.acceptor.epoch() != epoch {
            return Err(AgreementError::Behind { voted: self.acceptor.epoch(), known: epoch - 1 });
        }
        if let Some(proposer) = &self.proposer {
            return Err(AgreementError::Busy { epoch: proposer.epoch });
        }
        self.proposer = Some(Proposer::new(epoch, value, now + self.config.give_up_after));
        self.attempt(now, out);
        Ok(epoch)
    }

    /// A message arrived.
    pub fn handle_message(&mut self, now: Duration, from: NodeId, bytes: &[u8], out: &mut Vec<Output>) {
        let Ok(Message { epoch, body }) = message::decode(bytes, self.config.value_bytes_max) else {
            self.malformed_count += 1;
            return;
        };
        match body {
            Body::Prepare { ballot, .. } | Body::Accept { ballot, .. } if ballot.node != from => {
                self.malformed_count += 1;
            }
            Body::Prepare { ballot, follows } => {
                if self.votes_on(now, from, epoch, follows, out) {
                    self.prepare(from, ballot, out);
                }
            }
            Body::Accept { ballot, follows, value } => {
                if self.votes_on(now, from, epoch, follows, out) {
                    self.accept(from, ballot, value, out);
                }
            }
            Body::Promise { ballot, accepted } => {
                self.reach(now, epoch, out, |proposer, voters, majority| {
                    proposer.handle_promise(from, ballot, accepted, voters, majority)
                });
            }
            Body::Accepted { ballot } => {
                self.reach(now, epoch, out, |proposer, voters, majority| {
                    proposer.handle_accepted(from, ballot, voters, majority)
                });
            }
            Body::Refused { ballot, promised } => {
                self.reach(now, epoch, out, |proposer, voters, _| {
                    proposer.handle_refused(from, ballot, promised, voters)
                });
            }
            Body::Decided { oldest, newest, follows, value } => {
                if self.hear(from, Taught { epoch, oldest, follows, value }, out) {
                    self.fetched_until = None;
                    self.handle_epoch(now, from, newest, out);
                }
            }
            Body::Fetch => self.teach(from, epoch + 1, out),
        }
    }

    /// Time passed. Late and repeated calls are harmless.
    pub fn handle_timeout(&mut self, now: Duration, out: &mut Vec<Output>) {
        if self.fetched_until.is_some_and(|until| until <= now) {
            self.fetched_until = None;
        }
        let Some(proposer) = self.proposer.as_mut().filter(|proposer| proposer.deadline <= now) else {
            return;
        };
        match proposer.handle_deadline(&self.voters) {
            Reached::Timeout => self.back_off(now, out),
            _ => self.attempt(now, out),
        }
    }

    /// When to call [`Agreement::handle_timeout`] next.
    pub fn next_deadline(&self) -> Option<Duration> {
        let proposing = self.proposer.as_ref().map(|proposer| proposer.deadline);
        proposing.into_iter().chain(self.fetched_until).min()
    }

    /// The epoch that [`Agreement::force`] would decide now.
    pub fn forced_epoch(&self) -> u64 {
        self.chain.last_epoch() + FORCED_GAP
    }

    /// Decides a value without asking anybody, for the epoch [`Agreement::forced_epoch`], which it gives. All who hear of it
    /// follow, whatever they had decided since. For an operator, when a majority of the voters is gone *for good*: to be
    /// done once and on one node, and only when the others do not run any more. What they had decided is lost.
    ///
    /// # Errors
    /// As [`Agreement::propose`].
    pub fn force(&mut self, value: Vec<u8>, out: &mut Vec<Output>) -> Result<u64, AgreementError> {
        let epoch = self.forced_epoch();
        self.check(epoch, &value)?;
        self.decide(epoch, value, out);
        Ok(epoch)
    }

    fn check(&self, epoch: u64, value: &[u8]) -> Result<(), AgreementError> {
        let (byte_count, max) = (value.len(), self.config.value_bytes_max);
        if self.chain.last().is_none() {
            return Err(AgreementError::NothingDecided);
        }
        if byte_count > max {
            return Err(AgreementError::ValueTooLong { byte_count, max });
        }
        voters(self.voters_of, value).map(|_| ()).ok_or(AgreementError::NoValue { epoch })
    }

    /// Whether this node may vote on an epoch. If one of the two is behind, the other helps it.
    fn votes_on(
        &mut self,
        now: Duration,
        from: NodeId,
        epoch: u64,
        follows: u64,
        out: &mut Vec<Output>,
    ) -> bool {
        match epoch.cmp(&self.chain.next_epoch()) {
            Ordering::Less => self.teach(from, epoch, out),
            Ordering::Greater => self.handle_epoch(now, from, epoch - 1, out),
            Ordering::Equal if self.chain.sum(self.chain.last_epoch()) != follows => {
                out.push(Output::Conflict { epoch: epoch - 1, with: from });
            }
            Ordering::Equal => return self.is_voter(self.me) && self.acceptor.epoch() == epoch,
        }
        false
    }

    /// Phase 1 of another node's ballot.
    fn prepare(&mut self, from: NodeId, ballot: Ballot, out: &mut Vec<Output>) {
        let answer = match self.acceptor.prepare(ballot) {
            Ok(accepted) => Body::Promise { ballot, accepted: accepted.cloned() },
            Err(promised) => Body::Refused { ballot, promised },
        };
        self.answer(from, answer, out);
    }

    /// Phase 2 of another node's ballot.
    fn accept(&mut self, from: NodeId, ballot: Ballot, value: Vec<u8>, out: &mut Vec<Output>) {
        if voters(self.voters_of, &value).is_none() {
            self.malformed_count += 1;
            return;
        }
        let answer = match self.acceptor.accept(ballot, value) {
            Ok(()) => Body::Accepted { ballot },
            Err(promised) => Body::Refused { ballot, promised },
        };
        self.answer(from, answer, out);
    }

    /// What an acceptor says is stored before it leaves.
    fn answer(&mut self, to: NodeId, body: Body, out: &mut Vec<Output>) {
        let at = out.len();
        self.persist(out);
        self.send(to, body, self.acceptor.epoch(), out);
        if self.is_planted_early_answer() {
            out[at..].reverse();
        }
    }

    fn persist(&mut self, out: &mut Vec<Output>) {
        out.extend(self.acceptor.take_unsaved().map(Output::PersistVote));
    }

    /// A new ballot of this node's own proposal: above all that it knows of, and stored before it leaves, so that no
    /// ballot is ever used twice.
    fn attempt(&mut self, now: Duration, out: &mut Vec<Output>) {
        let Some(proposer) = &mut self.proposer else { return };
        let round = self.acceptor.promised().max(proposer.outbid_by).round + 1;
        let ballot = Ballot { round, node: self.me };
        proposer.begin(ballot, now + self.config.answer_timeout);
        let accepted = self.acceptor.prepare(ballot).map(Option::<&_>::cloned);
        let epoch = proposer.epoch;
        self.persist(out);
        self.send_to_others(
            Body::Prepare { ballot, follows: self.chain.sum(self.chain.last_epoch()) },
            epoch,
            out,
        );
        if let Ok(accepted) = accepted {
            let me = self.me;
            self.reach(now, epoch, out, |proposer, voters, majority| {
                proposer.handle_promise(me, ballot, accepted, voters, majority)
            });
        }
    }

    /// Gives the proposer an answer, and does what follows.
    fn reach(
        &mut self,
        now: Duration,
        epoch: u64,
        out: &mut Vec<Output>,
        answer: impl FnOnce(&mut Proposer, &[NodeId], usize) -> Reached,
    ) {
        let majority = self.majority();
        let Some(proposer) = self.proposer.as_mut().filter(|proposer| proposer.epoch == epoch) else {
            return;
        };
        match answer(proposer, &self.voters, majority) {
            Reached::Nothing => {}
            Reached::Promises { ballot, value } => self.ask_to_accept(now, ballot, value, out),
            Reached::Decision { value } => self.decide(epoch, value, out),
            Reached::Outbid | Reached::Timeout => self.back_off(now, out),
        }
    }

    /// Phase 2 of this node's own ballot: a majority has promised.
    fn ask_to_accept(&mut self, now: Duration, ballot: Ballot, value: Vec<u8>, out: &mut Vec<Output>) {
        let (epoch, follows, me) =
            (self.chain.next_epoch(), self.chain.sum(self.chain.last_epoch()), self.me);
        let is_accepted = self.acceptor.accept(ballot, value.clone()).is_ok();
        self.persist(out);
        self.send_to_others(Body::Accept { ballot, follows, value }, epoch, out);
        if is_accepted {
            self.reach(now, epoch, out, |proposer, voters, majority| {
                proposer.handle_accepted(me, ballot, voters, majority)
            });
        }
    }

    /// An attempt failed: another one follows after a while, or none.
    fn back_off(&mut self, now: Duration, out: &mut Vec<Output>) {
        let Some(proposer) = &mut self.proposer else { return };
        let wait = self.config.backoff(proposer.attempt_count);
        let at = now + wait / 2 + self.rng.duration(wait);
        if at < proposer.gives_up_at {
            proposer.wait_until(at);
        } else if let Some(Proposer { epoch, cause, .. }) = self.proposer.take() {
            out.push(Output::Proposed { epoch, outcome: Outcome::Unknown(cause) });
        }
    }

    fn send_to_others(&self, body: Body, epoch: u64, out: &mut Vec<Output>) {
        let bytes = message::encode(&Message { epoch, body });
        let others = self.voters.iter().filter(|node| **node != self.me);
        out.extend(others.map(|node| Output::Send { to: *node, bytes: bytes.clone() }));
    }

    fn send(&self, to: NodeId, body: Body, epoch: u64, out: &mut Vec<Output>) {
        out.push(Output::Send { to, bytes: message::encode(&Message { epoch, body }) });
    }

    fn is_voter(&self, node: NodeId) -> bool {
        self.voters.binary_search(&node).is_ok()
    }

    /// How many voters decide: more than half of all.
    fn majority(&self) -> usize {
        #[cfg(test)]
        if self.planted == Some(tests::Planted::SmallMajority) {
            return (self.voters.len() / 2).max(1);
        }
        self.voters.len() / 2 + 1
    }

    fn is_planted_early_answer(&self) -> bool {
        #[cfg(test)]
        return self.planted == Some(tests::Planted::AnswerBeforePersist);
        #[cfg(not(test))]
        false
    }
}

/// The voters that a value names, ascending.
fn voters(of: Voters, value: &[u8]) -> Option<Vec<NodeId>> {
    let mut voters = of(value)?;
    voters.sort_unstable();
    voters.dedup();
    (!voters.is_empty()).then_some(voters)
}

#[cfg(test)]
mod tests;

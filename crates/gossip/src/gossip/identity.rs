//! This node's own place: what it does when it is called down, when the cluster remembers a later run of it, and when
//! somebody else claims its identity.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Gossip, ME};
use crate::node::{Identity, Life, Verdict};
use crate::wire::{Body, Message, Refusal};
use crate::{Event, Out};

/// A node that is refused asks again every so many intervals.
const RETRY_EVERY: u32 = 5;
/// Between two generations that it gives itself.
const RAISE_EVERY: u32 = 4;
/// Strangers are told of once in so many intervals.
const STRANGER_EVERY: u32 = 10;

/// Another process has this node's identity, and the others hear that one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused {
    by: SocketAddr,
    asked: Option<SocketAddr>,
    retry_at: Duration,
}

impl Gossip {
    /// Whether the message is of another cluster.
    pub(super) fn is_stranger(
        &mut self,
        now: Duration,
        from: SocketAddr,
        message: &Message<'_>,
        out: &mut Out,
    ) -> bool {
        if message.cluster == self.cluster {
            return false;
        }
        self.counts.other_cluster_count += 1;
        let quiet = self.config.interval * STRANGER_EVERY;
        if self.other_cluster_told_at.is_none_or(|at| now.saturating_sub(at) >= quiet) {
            self.other_cluster_told_at = Some(now);
            out.event(Event::OtherCluster { from });
        }
        if !matches!(message.body, Body::Refusal(_)) {
            self.send(now, from, Body::Refusal(Refusal::OtherCluster), out);
        }
        true
    }

    /// Whether the message is only about who this node is, or must not be heard because of that.
    pub(super) fn is_about_my_place(
        &mut self,
        now: Duration,
        from: SocketAddr,
        message: &Message<'_>,
        out: &mut Out,
    ) -> bool {
        let sender = message.sender;
        if let Body::Refusal(refusal) = message.body {
            self.handle_refusal(now, from, refusal, out);
            return true;
        }
        if sender.id == self.me().id {
            if sender.run() != self.me().run() {
                self.meet_twin(now, from, &sender, out);
            }
            return true;
        }
        let Some(refused) = self.refused else { return false };
        let is_answer = matches!(message.body, Body::Answer(_)) && refused.asked == Some(from);
        if is_answer {
            self.take_place(now);
        }
        !is_answer
    }

    /// A node that is refused asks now and then whether it still is, and is silent otherwise: so those who know only it come
    /// to see that it is not there. True when it is refused.
    pub(super) fn retry_when_refused(&mut self, now: Duration, out: &mut Out) -> bool {
        let Some(refused) = self.refused else { return false };
        if now >= refused.retry_at {
            let seed = self.next_seed();
            let to = if refused.asked == Some(refused.by) { seed.unwrap_or(refused.by) } else { refused.by };
            let retry_at = now + self.config.interval * RETRY_EVERY;
            self.refused = Some(Refused { asked: Some(to), retry_at, ..refused });
            self.send_open(now, to, None, out);
        }
        true
    }

    /// Something is told of this node.
    pub(super) fn hear_of_myself(&mut self, now: Duration, life: &Life, out: &mut Out) {
        let mine = *self.me();
        if life.rank() <= mine.rank() {
            return;
        }
        if life.run() == mine.run() {
            let incarnation = life.incarnation.saturating_add(1);
            self.tell_life(now, Life { incarnation, verdict: Verdict::None, ..mine });
            out.event(Event::Refuted { incarnation });
        } else if life.is_live() && life.addr != mine.addr {
            self.tell_conflict(mine.identity(), life.identity(), out);
        } else {
            self.raise_above(now, life, out);
        }
    }

    fn handle_refusal(&mut self, now: Duration, from: SocketAddr, refusal: Refusal, out: &mut Out) {
        let mine = *self.me();
        match refusal {
            Refusal::Stale { known } => {
                if known.id == mine.id && known.run() > mine.run() {
                    self.take_place(now);
                    self.hear_of_myself(now, &known, out);
                }
            }
            Refusal::Conflict { kept, refused } if kept.id == mine.id && kept.run() != refused.run() => {
                if kept.run() == mine.run() {
                    self.tell_conflict(kept.identity(), refused.identity(), out);
                } else if refused.run() == mine.run() {
                    let retry_at = now + self.config.interval * RETRY_EVERY;
                    let asked = self.refused.and_then(|refused| refused.asked);
                    self.refused = Some(Refused { by: from, asked, retry_at });
                    self.probing.clear_all();
                    self.tell_conflict(kept.identity(), refused.identity(), out);
                }
            }
            Refusal::OtherCluster | Refusal::Conflict { .. } => {}
        }
    }

    /// A process with this node's identity sends here. The one with the lower generation was there first.
    fn meet_twin(&mut self, now: Duration, from: SocketAddr, twin: &Life, out: &mut Out) {
        let mine = self.members.life(now, ME);
        if mine.run() < twin.run() && self.refused.is_none() {
            let refusal = Refusal::Conflict { kept: mine, refused: *twin };
            self.send(now, from, Body::Refusal(refusal), out);
            self.tell_conflict(mine.identity(), twin.identity(), out);
        }
    }

    /// Once for each other process.
    fn tell_conflict(&mut self, kept: Identity, refused: Identity, out: &mut Out) {
        let mine = self.me().identity();
        let other = if kept == mine { refused } else { kept };
        let entry = self.members.at_mut(ME);
        if entry.told_contender != Some(other) {
            entry.told_contender = Some(other);
            out.event(Event::IdentityConflict { id: mine.id, kept, refused });
        }
    }

    /// The cluster remembers a run of this node that is not below the present one, and nobody lives in it.
    fn raise_above(&mut self, now: Duration, life: &Life, out: &mut Out) {
        let quiet = self.config.interval * RAISE_EVERY;
        if self.raised_at.is_some_and(|at| now.saturating_sub(at) < quiet) {
            return;
        }
        let mine = self.members.life(now, ME);
        let generation = life.generation.saturating_add(1);
        self.raised_at = Some(now);
        self.members.raise(now, ME, Life { generation, incarnation: 0, ..mine });
        self.rumours.add(ME, Some(0));
        out.event(Event::GenerationRaised { from: mine.generation, to: generation });
    }

    /// This node is heard again.
    fn take_place(&mut self, now: Duration) {
        if self.refused.take().is_some() {
            self.members.excuse_all(now);
        }
    }
}

//! From a silence to a verdict: suspicion, a probe, a probe through others.
//!
//! A silence that is too long by the member's own regularity makes it a suspect. In a great cluster nearly everybody comes
//! to suspect at once; each waits for a random while, so that a few probes begin in an interval. A probe asks
//! directly and through others at the same time, and after a while once more; any sign of life ends it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::{Gossip, ME};
use crate::node::{Life, NodeId, Verdict};
use crate::wire::{Body, Refusal};
use crate::{Event, Out};

/// So many suspects of one member begin to probe it in an interval, of all that suspect it.
const PROBERS: u32 = 32;

#[derive(Debug, Default)]
pub(super) struct Probing {
    /// When to begin with them.
    waiting: BTreeMap<NodeId, Duration>,
    running: BTreeMap<NodeId, Probe>,
    next_seq: u32,
}

#[derive(Debug, Clone, Copy)]
struct Probe {
    /// It was asked twice.
    is_repeated: bool,
    /// When the next step is due.
    at: Duration,
}

impl Probing {
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let running = self.running.values().map(|probe| probe.at);
        self.waiting.values().copied().chain(running).min()
    }

    pub(super) fn is_suspect(&self, id: NodeId) -> bool {
        self.waiting.contains_key(&id) || self.running.contains_key(&id)
    }

    pub(super) fn suspect_count(&self) -> usize {
        self.waiting.len() + self.running.len()
    }

    /// The member is there.
    pub(super) fn clear(&mut self, id: NodeId) {
        if !self.waiting.is_empty() {
            self.waiting.remove(&id);
        }
        if !self.running.is_empty() {
            self.running.remove(&id);
        }
    }

    pub(super) fn clear_all(&mut self) {
        self.waiting.clear();
        self.running.clear();
    }

    fn seq(&mut self) -> u32 {
        self.next_seq = self.next_seq.wrapping_add(1);
        self.next_seq
    }
}

impl Gossip {
    /// Looks for silences that are too long.
    pub(super) fn suspect(&mut self, now: Duration) {
        let quiet = self.config.interval * 3 / 2;
        let silent = |slot: u32| {
            let entry = self.members.at(slot);
            slot != ME && entry.phi.is_suspect(now) && !self.probing.is_suspect(entry.life().id)
        };
        let live = self.members.live().iter();
        let suspects: Vec<u32> = live
            .filter(|live| now.saturating_sub(live.heard_at) > quiet && silent(live.slot))
            .map(|live| live.slot)
            .collect();
        // Those whom this node hears will come to suspect too; it is they who share the work.
        let others = self.members.live().len().saturating_sub(self.probing.suspect_count() + suspects.len());
        let spread = self.config.interval * (others as u32) / PROBERS;
        for slot in suspects {
            let id = self.members.at(slot).life().id;
            self.probing.waiting.insert(id, now + self.rng.duration(spread));
        }
    }

    /// Begins probes that are due, and goes on with those that were not answered.
    pub(super) fn probe_on(&mut self, now: Duration, out: &mut Out) {
        let due = |at: Duration| at <= now;
        let over: Vec<NodeId> =
            self.probing.running.iter().filter(|(_, probe)| due(probe.at)).map(|(id, _)| *id).collect();
        for id in over {
            self.probe_unanswered(now, id, out);
        }
        let room = self.config.probes_max.saturating_sub(self.probing.running.len());
        let waiting = self.probing.waiting.iter();
        let ready: Vec<NodeId> = waiting.filter(|(_, at)| due(**at)).map(|(id, _)| *id).collect();
        for (place, id) in ready.into_iter().enumerate() {
            if place < room
                && let Some(slot) = self.members.slot(id)
            {
                self.probe(now, slot, out);
            } else {
                self.probing.waiting.insert(id, now + self.config.probe_timeout());
            }
        }
    }

    /// Probes a live member now.
    pub(super) fn probe(&mut self, now: Duration, slot: u32, out: &mut Out) {
        let life = *self.members.at(slot).life();
        self.probing.waiting.remove(&life.id);
        if self.probing.running.contains_key(&life.id) || !life.is_live() {
            return;
        }
        self.counts.probe_count += 1;
        out.event(Event::Suspected { id: life.id });
        self.ask(now, &life, false, out);
    }

    fn probe_unanswered(&mut self, now: Duration, id: NodeId, out: &mut Out) {
        let Some(probe) = self.probing.running.remove(&id) else { return };
        let Some(slot) = self.members.slot(id) else { return };
        let life = *self.members.at(slot).life();
        if !life.is_live() {
            return;
        }
        match probe.is_repeated {
            true => self.call_down(now, slot, out),
            false => self.ask(now, &life, true, out),
        }
    }

    /// Pings, and has others ping: one of the ways may be broken, and a verdict waits for the longer one anyway.
    fn ask(&mut self, now: Duration, life: &Life, is_repeated: bool, out: &mut Out) {
        let at = now + self.config.probe_timeout();
        self.probing.running.insert(life.id, Probe { is_repeated, at });
        let seq = self.probing.seq();
        self.send(now, life.addr, Body::Ping { seq, target: life.id, origin: None }, out);
        let suspects: Vec<u32> = self.suspects();
        for relay in self.some_live(self.config.relays, &suspects) {
            let seq = self.probing.seq();
            let to = self.members.at(relay).life().addr;
            self.send(now, to, Body::ProbeFor { seq, target: life.id, addr: life.addr }, out);
        }
    }

    fn suspects(&self) -> Vec<u32> {
        let suspects = self.probing.running.keys().chain(self.probing.waiting.keys());
        suspects.filter_map(|id| self.members.slot(*id)).collect()
    }

    fn call_down(&mut self, now: Duration, slot: u32, out: &mut Out) {
        let life = *self.members.at(slot).life();
        self.members.at_mut(slot).contender = None;
        self.counts.verdict_count += 1;
        self.members.replace(now, slot, Life { verdict: Verdict::Down, pulse: 0, ..life });
        self.announce(now, slot, None);
        out.event(Event::Down { id: life.id });
    }

    pub(super) fn handle_ping(
        &mut self,
        now: Duration,
        from: SocketAddr,
        (seq, target, origin): (u32, NodeId, Option<NodeId>),
        out: &mut Out,
    ) {
        // Another node may be at the address of one that has gone.
        if target == self.me().id {
            self.send(now, from, Body::Pong { seq, origin }, out);
        }
    }

    pub(super) fn handle_pong(
        &mut self,
        now: Duration,
        sender: &Life,
        seq: u32,
        origin: Option<NodeId>,
        out: &mut Out,
    ) {
        if let Some(origin) = origin
            && let Some(slot) = self.members.slot(origin)
            && slot != ME
        {
            let to = self.members.at(slot).life().addr;
            self.send(now, to, Body::Vouch { seq, subject: *sender }, out);
        }
        self.settle_contest(now, sender, out);
    }

    /// The member that was asked whether it lives does: its contender is refused, and both are told.
    fn settle_contest(&mut self, now: Duration, kept: &Life, out: &mut Out) {
        let Some(slot) = self.members.slot(kept.id) else { return };
        let entry = self.members.at_mut(slot);
        if entry.life().run() != kept.run() {
            return;
        }
        let Some(refused) = entry.contender.take() else { return };
        let is_new = entry.told_contender != Some(refused.identity());
        entry.told_contender = Some(refused.identity());
        for to in [kept.addr, refused.addr] {
            let refusal = Refusal::Conflict { kept: *kept, refused };
            self.send(now, to, Body::Refusal(refusal), out);
        }
        if is_new {
            let (kept, refused) = (kept.identity(), refused.identity());
            out.event(Event::IdentityConflict { id: kept.id, kept, refused });
        }
    }
}

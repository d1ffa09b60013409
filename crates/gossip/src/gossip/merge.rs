//! What becomes of what is told of a member.
//!
//! Of two lives the one with the greater (generation, nonce, incarnation, verdict) is the later. Two things are held back for
//! a while although they are later: a verdict over somebody who is heard here, who is told of it instead so that it can
//! refute it; and another run at another address while the known one lives, because two processes may claim one
//! identity.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Gossip, ME};
use crate::items::Applied;
use crate::node::{Life, Verdict};
use crate::wire::{Body, Delta, Refusal};
use crate::{Event, Out};

/// Silence is surprising from here on: one in ten is as long. Who is less silent is not called down on hearsay.
const HEARD_PHI_MAX: f64 = 1.0;

/// Who says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The member itself, from this address.
    Itself(SocketAddr),
    /// One who just had an answer of it.
    Witness,
    /// A fresh change, to be passed on.
    Rumour,
    /// What another node knew and this one did not; most know it already.
    Told,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Merged {
    /// It is what is known now, or it is older.
    Known,
    /// It comes from a run that is not heard.
    Unheard,
}

impl Merged {
    pub(super) fn is_unheard(self) -> bool {
        self == Self::Unheard
    }
}

impl Gossip {
    pub(super) fn merge(&mut self, now: Duration, life: &Life, source: Source, out: &mut Out) -> Merged {
        if matches!(source, Source::Itself(_)) && life.verdict != Verdict::None {
            return Merged::Unheard;
        }
        match self.members.slot(life.id) {
            None => self.welcome(now, life, source, out),
            Some(ME) => {
                self.hear_of_myself(now, life, out);
                Merged::Known
            }
            Some(slot) if self.members.at(slot).life().run() == life.run() => {
                self.merge_same_run(now, slot, life, source, out);
                Merged::Known
            }
            Some(slot) => self.merge_other_run(now, slot, life, source, out),
        }
    }

    /// Takes what is told of a member and its items.
    pub(super) fn take_delta(&mut self, now: Duration, delta: &Delta<'_>, source: Source, out: &mut Out) {
        self.merge(now, &delta.life, source, out);
        let (Some(slot), Some(items)) = (self.members.slot(delta.life.id), &delta.items) else { return };
        let bounds = self.item_bounds();
        let entry = self.members.at_mut(slot);
        if slot == ME || entry.life().run() != delta.life.run() {
            return;
        }
        let id = delta.life.id;
        let before = entry.items.version();
        let mut changed = Vec::new();
        match entry.items.apply(now, items, bounds, &mut changed) {
            Applied::Nothing => return,
            Applied::Refused => {
                self.counts.items_refused_count += 1;
                return;
            }
            Applied::Changed => {}
        }
        for key in changed {
            let is_there = entry.items.value(key).is_some();
            out.event(if is_there { Event::ItemSet { id, key } } else { Event::ItemRemoved { id, key } });
        }
        self.members.sum(slot);
        if source == Source::Rumour {
            self.rumours.add(slot, Some(before));
        }
    }

    /// Somebody new.
    fn welcome(&mut self, now: Duration, life: &Life, source: Source, out: &mut Out) -> Merged {
        let is_long_gone = life.is_gone() && Duration::from_secs(life.pulse) > self.config.departed_grace / 2;
        if is_long_gone {
            return Merged::Unheard;
        }
        if self.members.len() >= self.config.members_max {
            self.counts.members_refused_count += 1;
            if !self.is_full_told {
                self.is_full_told = true;
                out.event(Event::MembersFull { id: life.id });
            }
            return Merged::Unheard;
        }
        let slot = self.members.add(now, *life);
        self.pass_on(slot, source);
        if life.is_live() || life.is_down() {
            out.event(Event::Joined { id: life.id });
        }
        if life.is_down() {
            out.event(Event::Down { id: life.id });
        }
        Merged::Known
    }

    fn merge_same_run(&mut self, now: Duration, slot: u32, life: &Life, source: Source, out: &mut Out) {
        let known = *self.members.at(slot).life();
        if known.is_live() && life.is_live() {
            self.take_sign(now, slot, life, source);
        }
        if life.rank() <= known.rank() {
            return;
        }
        let mut adopted = *life;
        let is_hearsay = !matches!(source, Source::Itself(_));
        if life.verdict != Verdict::None && known.is_live() && is_hearsay && self.is_heard(now, slot) {
            self.warn(now, slot, life, out);
            // That it reached this incarnation it said itself.
            adopted.verdict = Verdict::None;
            if adopted.rank() <= known.rank() {
                return;
            }
        }
        self.adopt(now, slot, adopted, source, out);
    }

    fn merge_other_run(
        &mut self,
        now: Duration,
        slot: u32,
        life: &Life,
        source: Source,
        out: &mut Out,
    ) -> Merged {
        let known = *self.members.at(slot).life();
        let is_displaced = known.is_live() && known.addr != life.addr;
        match source {
            Source::Itself(_) if is_displaced => {
                // Does the known one live? Its answer, or none, decides.
                self.members.at_mut(slot).contender = Some(*life);
                self.probe(now, slot, out);
                Merged::Unheard
            }
            Source::Itself(from) if life.rank() < known.rank() => {
                let known = self.members.life(now, slot);
                self.send(now, from, Body::Refusal(Refusal::Stale { known }), out);
                Merged::Unheard
            }
            _ if is_displaced || life.rank() < known.rank() => Merged::Known,
            _ => {
                self.adopt(now, slot, *life, source, out);
                Merged::Known
            }
        }
    }

    fn adopt(&mut self, now: Duration, slot: u32, life: Life, source: Source, out: &mut Out) {
        let known = *self.members.at(slot).life();
        let id = life.id;
        let is_same_run = known.run() == life.run();
        if !is_same_run {
            self.rumours.remove(slot);
            self.members.at_mut(slot).contender = None;
        }
        self.members.replace(now, slot, life);
        self.pass_on(slot, source);
        if !life.is_live() || !is_same_run {
            self.probing.clear(id);
        }
        if !is_same_run && !life.is_gone() {
            out.event(Event::Restarted { id });
        } else if known.is_down() && life.is_live() {
            out.event(Event::Up { id });
        }
        if life.is_down() && (known.is_live() || !is_same_run) {
            out.event(Event::Down { id });
        }
        if life.is_gone() && !known.is_gone() {
            out.event(Event::StatusChanged { id, status: crate::Status::Left });
        } else if known.status != life.status {
            out.event(Event::StatusChanged { id, status: life.status });
        }
    }

    fn pass_on(&mut self, slot: u32, source: Source) {
        if source != Source::Told {
            self.rumours.add(slot, None);
        }
    }

    /// What is told of a live member may say that it is heard.
    fn take_sign(&mut self, now: Duration, slot: u32, life: &Life, source: Source) {
        match source {
            Source::Itself(_) => self.members.hear_itself(now, slot, life.pulse),
            Source::Witness => self.members.hear(now, slot, Some(life.pulse)),
            Source::Rumour | Source::Told => {
                if self.members.live_of(slot).is_none_or(|live| life.pulse <= live.pulse) {
                    return;
                }
                self.members.hear(now, slot, Some(life.pulse));
            }
        }
        self.probing.clear(life.id);
    }

    fn is_heard(&self, now: Duration, slot: u32) -> bool {
        let entry = self.members.at(slot);
        entry.phi.phi(now) < HEARD_PHI_MAX && !self.probing.is_suspect(entry.life().id)
    }

    /// Somebody who is heard here is called down elsewhere: it is told, once for each incarnation.
    fn warn(&mut self, now: Duration, slot: u32, verdict: &Life, out: &mut Out) {
        self.counts.verdict_held_count += 1;
        let entry = self.members.at_mut(slot);
        if entry.warned != Some(verdict.incarnation) {
            entry.warned = Some(verdict.incarnation);
            let to = entry.life().addr;
            self.send_open(now, to, Some(*verdict), out);
        }
    }
}

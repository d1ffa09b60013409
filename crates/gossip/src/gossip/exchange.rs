//! Exchanges: what two nodes tell each other.
//!
//! One opens with a sum over all it knows, heartbeats and fresh changes; the other answers with the same. Where the sums
//! differ after that, the answer has them by groups of members; the first then sends a digest of the groups that differ, and
//! gets what it lacks and a list of what the other lacks, which it sends. Everything is cut to the message's length: what is
//! left out is still different next time.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use super::{Gossip, ME};
use crate::Out;
use crate::gossip::merge::Source;
use crate::members::key_of;
use crate::node::Life;
use crate::wire::{Body, Delta, Digest, Exchange, GroupDigest, GroupPulses, Known, Pulses};

/// What is in every message, and the counts in an exchange, at most.
const AROUND: usize = 6 + crate::wire::LIFE_BYTES_MAX + 8 + 1 + 1 + 3 + 3;
/// What a group of heartbeats takes besides them.
const AROUND_GROUP: usize = 2 + 4 + 3;

impl Gossip {
    /// Opens this tick's exchanges; `place` counts the ticks of an interval.
    pub(super) fn exchange(&mut self, now: Duration, place: usize, out: &mut Out) {
        if self.retry_when_refused(now, out) {
            return;
        }
        let others = self.members.live().len().saturating_sub(1);
        if place < others
            && let Some(partner) = self.some_live(1, &[]).first()
        {
            let to = self.members.at(*partner).life().addr;
            self.send_open(now, to, None, out);
        }
        if place == 0 {
            self.reach_out(now, others, out);
        }
    }

    /// Once in an interval: somebody who is down, and a seed, so that what was cut apart comes together by itself. Each that
    /// is down is tried about once in an interval by all together.
    fn reach_out(&mut self, now: Duration, others: usize, out: &mut Out) {
        let slots = self.members.slots();
        let down: Vec<u32> = slots.filter(|slot| self.members.at(*slot).life().is_down()).collect();
        if !down.is_empty() && self.rng.index(others + 1) < down.len() {
            let slot = down[self.rng.index(down.len())];
            let life = self.members.life(now, slot);
            self.send_open(now, life.addr, Some(life), out);
        }
        if (others == 0 || self.rng.index(others + 1) == 0)
            && let Some(seed) = self.next_seed()
        {
            let is_known =
                |addr| self.members.live().iter().any(|live| self.members.at(live.slot).life().addr == addr);
            if !is_known(seed) {
                self.send_open(now, seed, None, out);
            }
        }
    }

    /// The seeds in turn, without this node's own address.
    pub(super) fn next_seed(&mut self) -> Option<SocketAddr> {
        let mine = self.me().addr;
        for _ in 0..self.seeds.len() {
            let seed = self.seeds[self.next_seed % self.seeds.len()];
            self.next_seed = (self.next_seed + 1) % self.seeds.len();
            if seed != mine {
                return Some(seed);
            }
        }
        None
    }

    /// Opens an exchange; `about` is what the other side should hear of itself.
    pub(super) fn send_open(&mut self, now: Duration, to: SocketAddr, about: Option<Life>, out: &mut Out) {
        self.send_exchange(now, to, None, about, false, out);
    }

    pub(super) fn handle_open(
        &mut self,
        now: Duration,
        from: SocketAddr,
        sender: &Life,
        exchange: &Exchange<'_>,
        out: &mut Out,
    ) {
        self.take_exchange(now, exchange, out);
        let sums =
            (exchange.root != self.members.root()).then(|| self.members.group_sums(self.members.bits()));
        let slot = self.members.slot(sender.id);
        let known = slot.map(|slot| self.members.life(now, slot));
        self.send_exchange(now, from, sums, known.filter(|life| !life.is_live()), true, out);
    }

    pub(super) fn handle_answer(
        &mut self,
        now: Duration,
        from: SocketAddr,
        exchange: &Exchange<'_>,
        out: &mut Out,
    ) {
        self.take_exchange(now, exchange, out);
        if let Some(theirs) = exchange.sums {
            self.send_digest(now, from, theirs, out);
        }
    }

    pub(super) fn handle_digest(&mut self, now: Duration, from: SocketAddr, digest: &Digest, out: &mut Out) {
        let mut wanted = Vec::new();
        let mut lacking = Vec::new();
        for group in &digest.groups {
            self.collect_with(&group.known);
            self.compare(digest.bits, group, &mut wanted, &mut lacking);
        }
        // What they lack has the greater part of the message; what is not asked for now is asked for next time.
        let room = self.config.message_bytes_max - AROUND;
        let mut wanted_room = room / 3;
        wanted.retain(|known: &Known| take(&mut wanted_room, known.byte_count()));
        let lacking = lacking.iter().map(|(slot, known)| (*slot, known.as_ref()));
        let deltas = self.deltas(now, lacking, room - (room / 3 - wanted_room));
        if !wanted.is_empty() || !deltas.is_empty() {
            self.send_delta(now, from, wanted, deltas, out);
        }
    }

    pub(super) fn handle_delta(
        &mut self,
        now: Duration,
        from: SocketAddr,
        wanted: &[Known],
        deltas: &[Delta<'_>],
        out: &mut Out,
    ) {
        for delta in deltas {
            self.take_delta(now, delta, Source::Told, out);
        }
        self.collect_with(wanted);
        let slots = wanted.iter().filter_map(|known| Some((self.members.slot(known.id)?, Some(known))));
        let deltas = self.deltas(now, slots, self.config.message_bytes_max - AROUND);
        if !deltas.is_empty() {
            self.send_delta(now, from, Vec::new(), deltas, out);
        }
    }

    /// Who is being told afresh goes on only with those who collected as much.
    fn collect_with(&mut self, known: &[Known]) {
        for known in known.iter().filter(|known| known.collected > 0) {
            if let Some(slot) = self.members.slot(known.id)
                && self.members.at(slot).life().run() == (known.generation, known.nonce)
            {
                self.members.at_mut(slot).items.collect_upto(known.collected);
            }
        }
    }

    fn take_exchange(&mut self, now: Duration, exchange: &Exchange<'_>, out: &mut Out) {
        for delta in &exchange.deltas {
            self.take_delta(now, delta, Source::Rumour, out);
        }
        if exchange.pulses.groups.is_empty() {
            return;
        }
        let places = self.members.live_groups(exchange.pulses.bits);
        let interval = self.config.interval;
        for group in &exchange.pulses.groups {
            let range = places[usize::from(group.group)].clone();
            let probing = &mut self.probing;
            self.members.take_pulses(now, interval, range, group, |id| probing.clear(id));
        }
    }

    fn send_exchange(
        &mut self,
        now: Duration,
        to: SocketAddr,
        sums: Option<Vec<u8>>,
        about: Option<Life>,
        is_answer: bool,
        out: &mut Out,
    ) {
        let sums_len = sums.as_ref().map_or(0, Vec::len);
        let mut room = self.config.message_bytes_max.saturating_sub(AROUND + sums_len);
        let bits = self.members.bits();
        let pulses_len = self.members.live().len() + (AROUND_GROUP << bits);
        // Heartbeats leave half of the message to changes, where both do not fit.
        let mut news_room = (room / 2).max(room.saturating_sub(pulses_len));
        let news_room_before = news_room;
        let told = self.pick_rumours(now, about.as_ref(), &mut news_room);
        room -= news_room_before - news_room;
        let (bytes, groups) = self.pick_pulses(bits, room);
        let groups = groups
            .into_iter()
            .map(|(group, list, range)| GroupPulses { group, list, pulses: &bytes[range] })
            .collect();
        let about = about.map(|life| Delta { life, items: None });
        let deltas = about.into_iter().chain(told.iter().map(|(slot, from, room)| {
            let items = from.and_then(|from| self.members.at(*slot).items.delta(from, *room));
            Delta { life: self.members.life(now, *slot), items }
        }));
        let exchange = Exchange {
            root: self.members.root(),
            sums: sums.as_deref(),
            pulses: Pulses { bits, groups },
            deltas: deltas.collect(),
        };
        let body = if is_answer { Body::Answer(exchange) } else { Body::Open(exchange) };
        let message =
            crate::wire::Message { cluster: self.cluster, sender: self.members.life(now, ME), body };
        out.send(to, |bytes| crate::wire::encode(&message, bytes));
    }

    /// Rumours that fit, the least told first: whose, from which version of its items, in how many bytes.
    fn pick_rumours(
        &mut self,
        now: Duration,
        about: Option<&Life>,
        room: &mut usize,
    ) -> Vec<(u32, Option<u64>, usize)> {
        if let Some(life) = about {
            take(room, life.byte_count() + 1);
        }
        if self.rumours.is_empty() {
            return Vec::new();
        }
        let mut told = Vec::new();
        for (slot, items_from) in self.rumours.iter() {
            let life_len = self.members.life(now, slot).byte_count() + 1;
            if !take(room, life_len) {
                break;
            }
            let items = items_from.and_then(|from| self.members.at(slot).items.delta(from, *room));
            let items_room = *room;
            if let Some(items) = &items {
                take(room, items.byte_count());
            }
            told.push((slot, items_from, items_room));
        }
        let told_max = 3 + self.members.live().len().max(1).ilog2();
        for (slot, ..) in &told {
            self.rumours.told(*slot, told_max);
        }
        told
    }

    /// Heartbeats of as many groups as fit, from where the last message ended.
    fn pick_pulses(&mut self, bits: u8, mut room: usize) -> (Vec<u8>, Vec<PickedGroup>) {
        let places = self.members.live_groups(bits);
        let mut bytes = Vec::with_capacity(self.members.live().len().min(room));
        let mut groups = Vec::with_capacity(places.len());
        for _ in 0..places.len() {
            let group = self.next_group % places.len();
            let range = places[group].clone();
            if !range.is_empty() {
                if !take(&mut room, AROUND_GROUP + range.len()) {
                    break;
                }
                let start = bytes.len();
                bytes.extend(self.members.live()[range.clone()].iter().map(|live| live.pulse as u8));
                groups.push((group as u16, self.members.list_sum(range), start..bytes.len()));
            }
            self.next_group = group + 1;
        }
        (bytes, groups)
    }

    /// What this node knows of the groups whose sums differ, from any of them on.
    fn send_digest(&mut self, now: Duration, to: SocketAddr, theirs: &[u8], out: &mut Out) {
        let bits = (theirs.len() / 4).trailing_zeros() as u8;
        let mine = self.members.group_sums(bits);
        let pairs = mine.chunks(4).zip(theirs.chunks(4)).enumerate();
        let mut different: Vec<u16> =
            pairs.filter(|(_, (mine, theirs))| mine != theirs).map(|(group, _)| group as u16).collect();
        if different.is_empty() {
            return;
        }
        let start = self.rng.index(different.len());
        different.rotate_left(start);
        let mut room = self.config.message_bytes_max - AROUND;
        let mut groups = Vec::new();
        for group in different {
            const AROUND_DIGEST: usize = 2 + 1 + 3;
            if !take(&mut room, AROUND_DIGEST) {
                break;
            }
            let mut known = Vec::new();
            let mut is_cut = false;
            for (_, entry) in self.members.of_group(group, bits) {
                let one = entry.known();
                if !take(&mut room, one.byte_count()) {
                    is_cut = true;
                    break;
                }
                known.push(one);
            }
            groups.push(GroupDigest { group, is_cut, known });
            if is_cut {
                break;
            }
        }
        self.send(now, to, Body::Digest(Digest { bits, groups }), out);
    }

    /// Walks through a group on both sides.
    fn compare(
        &self,
        bits: u8,
        group: &GroupDigest,
        wanted: &mut Vec<Known>,
        lacking: &mut Vec<(u32, Option<Known>)>,
    ) {
        let mut theirs = group.known.iter().map(|known| (key_of(known.id), known)).peekable();
        let upto = match group.known.last() {
            Some(last) if group.is_cut => key_of(last.id),
            _ => u64::MAX,
        };
        let unknown = |known: &Known| Known {
            generation: 0,
            nonce: 0,
            incarnation: 0,
            verdict: crate::node::Verdict::None,
            version: 0,
            collected: 0,
            ..*known
        };
        for (key, entry) in self.members.of_group(group.group, bits).take_while(|(key, _)| *key <= upto) {
            while let Some((_, known)) = theirs.next_if(|(their_key, _)| *their_key < key) {
                if self.members.slot(known.id).is_none() {
                    wanted.push(unknown(known));
                }
            }
            let known = theirs.next_if(|(their_key, _)| *their_key == key).map(|(_, known)| *known);
            let mine = entry.known();
            let Some(slot) = self.members.slot(mine.id) else { continue };
            let Some(known) = known else {
                lacking.push((slot, None));
                continue;
            };
            let is_same_run = (known.generation, known.nonce) == entry.life().run();
            if known.rank() > mine.rank() || is_same_run && known.version > mine.version {
                wanted.push(mine);
            }
            if known.rank() < mine.rank() || is_same_run && known.version < mine.version {
                lacking.push((slot, Some(known)));
            }
        }
        for (_, known) in theirs {
            if self.members.slot(known.id).is_none() {
                wanted.push(unknown(known));
            }
        }
    }

    fn deltas<'a>(
        &'a self,
        now: Duration,
        slots: impl Iterator<Item = (u32, Option<&'a Known>)>,
        mut room: usize,
    ) -> Vec<Delta<'a>> {
        let mut deltas = Vec::new();
        for (slot, known) in slots {
            let life = self.members.life(now, slot);
            let Some(delta) = self.members.at(slot).delta_for(life, known, room.saturating_sub(1)) else {
                continue;
            };
            if !take(&mut room, delta.byte_count()) {
                break;
            }
            deltas.push(delta);
        }
        deltas
    }

    fn send_delta(
        &self,
        now: Duration,
        to: SocketAddr,
        wanted: Vec<Known>,
        deltas: Vec<Delta<'_>>,
        out: &mut Out,
    ) {
        let body = Body::Delta { wanted, deltas };
        let message =
            crate::wire::Message { cluster: self.cluster, sender: self.members.life(now, ME), body };
        out.send(to, |bytes| crate::wire::encode(&message, bytes));
    }
}

/// A group's number, the sum over its list, and where its heartbeats lie.
type PickedGroup = (u16, u32, Range<usize>);

/// Takes so much of the room, if it is there.
fn take(room: &mut usize, len: usize) -> bool {
    match room.checked_sub(len) {
        Some(rest) => {
            *room = rest;
            true
        }
        None => false,
    }
}

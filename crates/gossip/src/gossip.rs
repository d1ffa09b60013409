//! The state machine: what a member does when a message comes and when time passes.

mod exchange;
mod identity;
mod merge;
mod probing;
#[cfg(test)]
mod tests;
mod view;

use std::net::SocketAddr;
use std::time::Duration;

use crate::counts::Counts;
use crate::items::ItemBounds;
use crate::members::Members;
use crate::node::{Identity, Life, NodeId, Status, Verdict};
use crate::rng::{Rng, mix};
use crate::rumours::Rumours;
use crate::wire::{self, Body, Message};
use crate::{Config, Event, GossipError, Item, Out};
use identity::Refused;
use merge::Source;
use probing::Probing;

pub use view::{Health, Member};

/// This node's own slot.
const ME: u32 = 0;
/// Departed members are looked over, and tombstones collected, every so many intervals.
const TIDY_EVERY: u64 = 8;
/// Who changes, leaves, or finds that another is down tells so many others at once.
const TOLD_AT_ONCE: usize = 8;

/// One member of a cluster, as a state machine: it is told what happens and says what to do.
///
/// `now` is the time since any fixed moment, the same for all calls; a monotonic clock. After every call `out` holds what is
/// to be sent and what happened, and [`Gossip::next_deadline`] says when to call [`Gossip::handle_timeout`] next; calling
/// it too early or too often is harmless. The same calls with the same seed do the same.
#[derive(Debug)]
pub struct Gossip {
    config: Config,
    cluster: u32,
    members: Members,
    rumours: Rumours,
    probing: Probing,
    seeds: Vec<SocketAddr>,
    next_seed: usize,
    rng: Rng,
    counts: Counts,
    next_tick: Duration,
    ticks: u64,
    /// Since when there is something to tell that does not wait for the next tick.
    news_at: Option<Duration>,
    /// The group at which the next message begins to tell heartbeats.
    next_group: usize,
    refused: Option<Refused>,
    raised_at: Option<Duration>,
    other_cluster_told_at: Option<Duration>,
    is_full_told: bool,
    has_left: bool,
}

impl Gossip {
    /// A member that knows nobody yet. `seed` decides all its random choices; the first call of
    /// [`Gossip::handle_timeout`] is due at `now`.
    ///
    /// # Errors
    /// [`GossipError::Config`] when `config` does not work.
    pub fn new(now: Duration, identity: Identity, config: Config, seed: u64) -> Result<Self, GossipError> {
        config.check()?;
        let life = Life {
            id: identity.id,
            addr: identity.addr,
            generation: identity.generation,
            nonce: identity.nonce,
            incarnation: 0,
            status: config.status,
            verdict: Verdict::None,
            pulse: 0,
        };
        let mut members = Members::new(config.phi);
        members.add(now, life);
        Ok(Self {
            cluster: cluster_sum(&config.cluster),
            members,
            rumours: Rumours::default(),
            probing: Probing::default(),
            seeds: Vec::new(),
            next_seed: 0,
            rng: Rng::new(seed ^ mix(identity.id.0)),
            counts: Counts::default(),
            next_tick: now,
            ticks: 0,
            news_at: None,
            next_group: 0,
            refused: None,
            raised_at: None,
            other_cluster_told_at: None,
            is_full_told: false,
            has_left: false,
            config,
        })
    }

    /// An address at which a member may be found. Unanswered ones are tried again for ever, in turn: one in an interval while
    /// nobody else is known, and now and then otherwise. Known ones and this node's own are harmless.
    ///
    /// # Errors
    /// [`GossipError::TooManySeeds`].
    pub fn add_seed(&mut self, addr: SocketAddr) -> Result<(), GossipError> {
        if self.seeds.contains(&addr) {
            return Ok(());
        }
        if self.seeds.len() >= self.config.seeds_max {
            return Err(GossipError::TooManySeeds { max: self.config.seeds_max });
        }
        self.seeds.push(addr);
        Ok(())
    }

    /// A message came. `from` is where an answer goes.
    pub fn handle_message(&mut self, now: Duration, from: SocketAddr, bytes: &[u8], out: &mut Out) {
        if self.has_left {
            return;
        }
        self.excuse_pause(now, out);
        self.counts.received_count += 1;
        self.counts.received_bytes += bytes.len() as u64;
        let decoded = if bytes.len() > self.config.received_bytes_max {
            Err(GossipError::Malformed)
        } else {
            wire::decode(bytes)
        };
        let Ok(message) = decoded else {
            self.counts.malformed_count += 1;
            return;
        };
        if self.is_stranger(now, from, &message, out) || self.is_about_my_place(now, from, &message, out) {
            return;
        }
        let sender = message.sender;
        if self.merge(now, &sender, Source::Itself(from), out).is_unheard() {
            self.counts.refused_count += 1;
            return;
        }
        match message.body {
            Body::Open(exchange) => self.handle_open(now, from, &sender, &exchange, out),
            Body::Answer(exchange) => self.handle_answer(now, from, &exchange, out),
            Body::Digest(digest) => self.handle_digest(now, from, &digest, out),
            Body::Delta { wanted, deltas } => self.handle_delta(now, from, &wanted, &deltas, out),
            Body::Ping { seq, target, origin } => self.handle_ping(now, from, (seq, target, origin), out),
            Body::Pong { seq, origin } => self.handle_pong(now, &sender, seq, origin, out),
            Body::ProbeFor { seq, target, addr } => {
                let origin = Some(sender.id);
                self.send(now, addr, Body::Ping { seq, target, origin }, out);
            }
            Body::Vouch { seq: _, subject } => {
                self.merge(now, &subject, Source::Witness, out);
            }
            Body::Refusal(_) => {}
        }
    }

    /// Time passed: to be called at [`Gossip::next_deadline`].
    pub fn handle_timeout(&mut self, now: Duration, out: &mut Out) {
        if self.has_left {
            return;
        }
        self.excuse_pause(now, out);
        self.probe_on(now, out);
        if self.news_at.take().is_some() {
            self.tell_some(now, out);
        }
        if now < self.next_tick {
            return;
        }
        // A tenth sooner or later, so that members do not fall into step.
        let tick = self.config.tick();
        self.next_tick = now + tick * 9 / 10 + self.rng.duration(tick / 5);
        let place = self.ticks % self.config.fanout as u64;
        self.ticks += 1;
        if place == 0 {
            self.beat(now, out);
        }
        self.suspect(now);
        self.exchange(now, place as usize, out);
    }

    /// When [`Gossip::handle_timeout`] is due; `None` after this member left.
    pub fn next_deadline(&self) -> Option<Duration> {
        if self.has_left {
            return None;
        }
        let sooner = self.probing.next_deadline().into_iter().chain(self.news_at);
        Some(sooner.fold(self.next_tick, Duration::min))
    }

    /// Tells an item of this node, in the place of the one with the same key.
    ///
    /// # Errors
    /// [`GossipError::ItemTooLong`], [`GossipError::NoRoom`].
    pub fn set(&mut self, now: Duration, item: &impl Item) -> Result<(), GossipError> {
        let mut bytes = Vec::new();
        item.encode(&mut bytes);
        self.set_raw(now, item.key(), &bytes)
    }

    /// Tells an item of this node as bytes.
    ///
    /// # Errors
    /// [`GossipError::ItemTooLong`], [`GossipError::NoRoom`].
    pub fn set_raw(&mut self, now: Duration, key: u16, bytes: &[u8]) -> Result<(), GossipError> {
        let max = self.config.item_bytes_max();
        if bytes.len() > max {
            return Err(GossipError::ItemTooLong { key, byte_count: bytes.len(), max });
        }
        if self.members.at(ME).items.value(key) == Some(bytes) {
            return Ok(());
        }
        self.change_item(now, key, Some(bytes))
    }

    /// Takes an item of this node back; one that is not there is fine.
    ///
    /// # Errors
    /// None at present.
    pub fn remove(&mut self, now: Duration, key: u16) -> Result<(), GossipError> {
        if self.members.at(ME).items.value(key).is_none() {
            return Ok(());
        }
        self.change_item(now, key, None)
    }

    /// Says what this node is now. [`Status::Left`] is said by [`Gossip::leave`] only and changes nothing here.
    pub fn set_status(&mut self, now: Duration, status: Status) {
        let life = *self.me();
        if status != life.status && status != Status::Left && !self.has_left {
            self.tell_life(now, Life { status, incarnation: life.incarnation + 1, ..life });
        }
    }

    /// This node goes for good: it tells some others at once and is silent from then on. The messages in `out` are its last.
    pub fn leave(&mut self, now: Duration, out: &mut Out) {
        if self.has_left {
            return;
        }
        let life = *self.me();
        let status = Status::Left;
        // The pulse of one that left says for how long it has.
        self.tell_life(now, Life { status, incarnation: life.incarnation + 1, pulse: 0, ..life });
        self.tell_some(now, out);
        self.has_left = true;
    }

    /// The embedder heard from a member in another way: as good as a heartbeat.
    pub fn heard_from(&mut self, now: Duration, id: NodeId) {
        if let Some(slot) = self.members.slot(id) {
            self.members.hear(now, slot, None);
            self.probing.clear(id);
        }
    }

    /// The embedder lost its link to a member: it is suspected and probed at once.
    pub fn link_lost(&mut self, now: Duration, id: NodeId, out: &mut Out) {
        let Some(slot) = self.members.slot(id) else { return };
        if slot != ME && self.members.at(slot).life().is_live() {
            self.probe(now, slot, out);
        }
    }

    /// An operator gives up a member that is down: it is treated as if it had left.
    ///
    /// # Errors
    /// [`GossipError::UnknownMember`], [`GossipError::NotDown`].
    pub fn give_up(&mut self, now: Duration, id: NodeId, out: &mut Out) -> Result<(), GossipError> {
        let slot = self.members.slot(id).ok_or(GossipError::UnknownMember { id })?;
        let life = *self.members.at(slot).life();
        if !life.is_down() {
            return Err(GossipError::NotDown { id });
        }
        self.members.replace(now, slot, Life { verdict: Verdict::Removed, pulse: 0, ..life });
        self.rumours.add(slot, None);
        out.event(Event::StatusChanged { id, status: Status::Left });
        Ok(())
    }

    fn me(&self) -> &Life {
        self.members.at(ME).life()
    }

    fn item_bounds(&self) -> ItemBounds {
        ItemBounds { count_max: self.config.items_max, bytes_max: self.config.items_bytes_max }
    }

    fn change_item(&mut self, now: Duration, key: u16, value: Option<&[u8]>) -> Result<(), GossipError> {
        if self.has_left {
            return Err(GossipError::HasLeft);
        }
        let bounds = self.item_bounds();
        let items = &mut self.members.at_mut(ME).items;
        let from = items.version();
        if !items.set(now, key, value, bounds) {
            return Err(GossipError::NoRoom { key });
        }
        self.members.sum(ME);
        self.announce(now, ME, Some(from));
        Ok(())
    }

    /// This node says something new of itself.
    fn tell_life(&mut self, now: Duration, life: Life) {
        self.members.replace(now, ME, life);
        self.announce(now, ME, None);
    }

    /// This node is the first to say something: while there is nothing else to tell, it says it at once. Where much
    /// changes, exchanges carry it soon enough.
    fn announce(&mut self, now: Duration, slot: u32, items_from: Option<u64>) {
        if self.rumours.is_empty() {
            self.news_at = Some(now);
        }
        self.rumours.add(slot, items_from);
    }

    /// What is done once in an interval.
    fn beat(&mut self, now: Duration, out: &mut Out) {
        let pulse = self.members.live_of(ME).map_or(0, |live| live.pulse);
        self.members.hear(now, ME, Some(pulse + 1));
        if (self.ticks / self.config.fanout as u64).is_multiple_of(TIDY_EVERY) {
            self.tidy(now, out);
        }
    }

    /// Collects tombstones, and forgets members that went long ago: first nobody is told of them any more, and when that is
    /// so everywhere, they are forgotten.
    fn tidy(&mut self, now: Duration, out: &mut Out) {
        let grace = self.config.departed_grace;
        let slots: Vec<u32> = self.members.slots().collect();
        for slot in slots {
            let entry = self.members.at_mut(slot);
            entry.items.collect(now, self.config.item_grace);
            let (life, age, is_faded) = (*entry.life(), entry.age(now), entry.is_faded());
            if life.is_down() && self.config.give_up_after.is_some_and(|after| age > after) {
                // Not found out by anybody: a member that is down is known.
                let _ = self.give_up(now, life.id, out);
            } else if life.is_gone() && age > grace {
                self.members.forget(slot);
                self.rumours.remove(slot);
                self.is_full_told = false;
                out.event(Event::Forgotten { id: life.id });
            } else if life.is_gone() && age > grace / 2 && !is_faded {
                self.members.fade(slot);
                self.rumours.remove(slot);
            }
        }
    }

    /// After this process did not run for a while, the silence of the others says nothing.
    fn excuse_pause(&mut self, now: Duration, out: &mut Out) {
        let late = now.saturating_sub(self.next_tick);
        if late > self.config.interval * 2 {
            self.members.excuse_all(now);
            self.probing.clear_all();
            // What comes in before the next timeout is not late once more.
            self.next_tick = now;
            out.event(Event::Paused { late });
        }
    }

    fn send(&self, now: Duration, to: SocketAddr, body: Body<'_>, out: &mut Out) {
        let message = Message { cluster: self.cluster, sender: self.members.life(now, ME), body };
        out.send(to, |bytes| wire::encode(&message, bytes));
    }

    /// Does not wait for the next exchanges to tell what is new.
    fn tell_some(&mut self, now: Duration, out: &mut Out) {
        for slot in self.some_live(TOLD_AT_ONCE, &[]) {
            let addr = self.members.at(slot).life().addr;
            self.send_open(now, addr, None, out);
        }
    }

    /// Up to `count` live others, at random and each once.
    fn some_live(&mut self, count: usize, except: &[u32]) -> Vec<u32> {
        let live = self.members.live();
        let mut chosen: Vec<u32> = Vec::with_capacity(count);
        let is_wanted =
            |slot: u32, chosen: &[u32]| slot != ME && !except.contains(&slot) && !chosen.contains(&slot);
        if live.len() > 4 * (count + except.len() + 1) {
            // Few misses.
            while chosen.len() < count {
                let slot = live[self.rng.index(live.len())].slot;
                if is_wanted(slot, &chosen) {
                    chosen.push(slot);
                }
            }
            return chosen;
        }
        let mut all: Vec<u32> =
            live.iter().map(|live| live.slot).filter(|slot| is_wanted(*slot, &[])).collect();
        while chosen.len() < count && !all.is_empty() {
            chosen.push(all.swap_remove(self.rng.index(all.len())));
        }
        chosen
    }
}

/// FNV-1a, 32 bits.
fn cluster_sum(name: &str) -> u32 {
    name.bytes().fold(0x811C_9DC5, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

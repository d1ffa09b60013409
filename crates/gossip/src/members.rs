//! All known members, in an order that every node shares, with sums over groups of them.
//!
//! A member's key is its id, mixed; members whose keys begin with the same bits are a group. The sums say whether two
//! nodes know the same of a group without telling it; heartbeats are not in them, and neither are members that have
//! gone for so long that they fade.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use crate::items::Items;
use crate::node::Life;
use crate::phi::{PhiAccrual, PhiConfig};
use crate::rng::mix;
use crate::wire::{BITS_MAX, Delta, GroupPulses, Known};
use crate::{Identity, NodeId};

/// A group has at most about so many members, as long as there may be more groups.
const GROUP_MEMBERS: usize = 32;
const SUMS: usize = 1 << BITS_MAX;

/// What is known of one member.
#[derive(Debug)]
pub(crate) struct Entry {
    life: Life,
    pub(crate) items: Items,
    pub(crate) phi: PhiAccrual,
    /// Since when it has been live, down or gone.
    pub(crate) since: Duration,
    /// How long it had gone when this node heard of it.
    aged: Duration,
    /// Of a member that has gone: not told of any more.
    is_faded: bool,
    /// A second process that claims this identity, while it is found out whether this one lives.
    pub(crate) contender: Option<Life>,
    /// The second process of which was told already.
    pub(crate) told_contender: Option<Identity>,
    /// The incarnation for which it was told that somebody calls it down.
    pub(crate) warned: Option<u64>,
    /// Its share of the sums.
    share: u64,
}

/// What is wanted of every live member all the time, close together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Live {
    key: u64,
    pub(crate) slot: u32,
    /// Tells this run of this member from all others.
    run: u32,
    pub(crate) pulse: u64,
    /// When the pulse last rose, or another sign of life came.
    pub(crate) heard_at: Duration,
}

#[derive(Debug)]
pub(crate) struct Members {
    /// Slots of forgotten members are used again.
    slots: Vec<Entry>,
    free: Vec<u32>,
    by_key: BTreeMap<u64, u32>,
    /// In the order of their keys.
    live: Vec<Live>,
    sums: [u64; SUMS],
    phi: PhiConfig,
}

/// The member's place in the shared order.
pub(crate) fn key_of(id: NodeId) -> u64 {
    mix(id.0 ^ 0x9E37_79B9_7F4A_7C15)
}

fn group_of(key: u64, bits: u8) -> u16 {
    ((key >> 32) >> (32 - u32::from(bits))) as u16
}

impl Members {
    pub(crate) fn new(phi: PhiConfig) -> Self {
        let by_key = BTreeMap::new();
        Self { slots: Vec::new(), free: Vec::new(), by_key, live: Vec::new(), sums: [0; SUMS], phi }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(crate) fn live(&self) -> &[Live] {
        &self.live
    }

    pub(crate) fn slot(&self, id: NodeId) -> Option<u32> {
        self.by_key.get(&key_of(id)).copied()
    }

    pub(crate) fn by_id(&self, id: NodeId) -> Option<&Entry> {
        self.slot(id).map(|slot| self.at(slot))
    }

    pub(crate) fn at(&self, slot: u32) -> &Entry {
        &self.slots[slot as usize]
    }

    pub(crate) fn at_mut(&mut self, slot: u32) -> &mut Entry {
        &mut self.slots[slot as usize]
    }

    /// All slots in the shared order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = u32> {
        self.by_key.values().copied()
    }

    pub(crate) fn live_of(&self, slot: u32) -> Option<&Live> {
        let place = self.live_place(slot).ok()?;
        Some(&self.live[place])
    }

    /// The life as it is told to others, with its pulse.
    pub(crate) fn life(&self, now: Duration, slot: u32) -> Life {
        let entry = self.at(slot);
        let pulse = match self.live_of(slot) {
            Some(live) => live.pulse,
            None => entry.age(now).as_secs(),
        };
        Life { pulse, ..entry.life }
    }

    /// Takes one more member.
    pub(crate) fn add(&mut self, now: Duration, life: Life) -> u32 {
        let mut phi = PhiAccrual::new(self.phi);
        phi.excuse(now);
        let entry = Entry {
            life,
            items: Items::default(),
            phi,
            since: now,
            aged: aged(&life),
            is_faded: false,
            contender: None,
            told_contender: None,
            warned: None,
            share: 0,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = entry;
                slot
            }
            None => {
                self.slots.push(entry);
                (self.slots.len() - 1) as u32
            }
        };
        self.by_key.insert(key_of(life.id), slot);
        self.list(now, slot, &life);
        self.sum(slot);
        slot
    }

    /// Puts another life in the place of the one that was known; items are those of one run.
    pub(crate) fn replace(&mut self, now: Duration, slot: u32, life: Life) {
        let entry = &mut self.slots[slot as usize];
        let is_same_run = entry.life.run() == life.run();
        let was_live = entry.life.is_live();
        if !is_same_run {
            entry.items = Items::default();
            entry.phi = PhiAccrual::new(self.phi);
        }
        if !is_same_run || was_live != life.is_live() || life.is_gone() {
            entry.since = now;
            entry.aged = aged(&life);
            entry.phi.excuse(now);
            entry.is_faded = false;
        }
        entry.life = life;
        if was_live && life.is_live() && is_same_run {
            if let Ok(place) = self.live_place(slot) {
                self.live[place].pulse = self.live[place].pulse.max(life.pulse);
            }
        } else {
            if let Ok(place) = self.live_place(slot) {
                self.live.remove(place);
            }
            self.list(now, slot, &life);
        }
        self.sum(slot);
    }

    /// This node's own life in a greater generation; its items stay.
    pub(crate) fn raise(&mut self, now: Duration, slot: u32, life: Life) {
        let items = std::mem::take(&mut self.at_mut(slot).items);
        self.replace(now, slot, life);
        self.at_mut(slot).items = items;
        self.sum(slot);
    }

    /// Has the sums follow a change of the items.
    pub(crate) fn sum(&mut self, slot: u32) {
        let entry = &mut self.slots[slot as usize];
        let key = key_of(entry.life.id);
        let share = if entry.is_faded { 0 } else { entry.state(key) };
        let sum = &mut self.sums[usize::from(group_of(key, BITS_MAX))];
        *sum = sum.wrapping_sub(entry.share).wrapping_add(share);
        entry.share = share;
    }

    /// No longer told of.
    pub(crate) fn fade(&mut self, slot: u32) {
        self.at_mut(slot).is_faded = true;
        self.sum(slot);
    }

    pub(crate) fn forget(&mut self, slot: u32) {
        self.fade(slot);
        if let Ok(place) = self.live_place(slot) {
            self.live.remove(place);
        }
        self.by_key.remove(&key_of(self.at(slot).life.id));
        self.free.push(slot);
    }

    /// The member is heard: its pulse rose, or there was another sign.
    pub(crate) fn hear(&mut self, now: Duration, slot: u32, pulse: Option<u64>) {
        let Ok(place) = self.live_place(slot) else { return };
        self.hear_at(now, place, pulse);
    }

    fn hear_at(&mut self, now: Duration, place: usize, pulse: Option<u64>) {
        let live = &mut self.live[place];
        live.heard_at = now;
        let phi = &mut self.slots[live.slot as usize].phi;
        match pulse {
            Some(pulse) if pulse > live.pulse => {
                live.pulse = pulse;
                phi.heartbeat(now);
            }
            _ => phi.excuse(now),
        }
    }

    /// The member itself says what its pulse is, also that it is much lower than was thought.
    pub(crate) fn hear_itself(&mut self, now: Duration, slot: u32, pulse: u64) {
        const OVERTAKEN_MAX: u64 = 8;
        let Ok(place) = self.live_place(slot) else { return };
        if pulse.saturating_add(OVERTAKEN_MAX) < self.live[place].pulse {
            self.live[place].pulse = pulse;
        }
        self.hear_at(now, place, Some(pulse));
    }

    /// Everybody is taken to have been heard just now.
    pub(crate) fn excuse_all(&mut self, now: Duration) {
        for live in &mut self.live {
            live.heard_at = now;
            self.slots[live.slot as usize].phi.excuse(now);
        }
    }

    /// Into how many groups members are divided: 2 to the power of this.
    pub(crate) fn bits(&self) -> u8 {
        let groups = self.len().div_ceil(GROUP_MEMBERS).next_power_of_two();
        (groups.trailing_zeros() as u8).min(BITS_MAX)
    }

    pub(crate) fn root(&self) -> u64 {
        self.sums.iter().fold(0, |sum, part| sum.wrapping_add(*part))
    }

    /// The sums of all groups, four bytes each.
    pub(crate) fn group_sums(&self, bits: u8) -> Vec<u8> {
        let per_group = SUMS >> bits;
        let sum = |parts: &[u64]| parts.iter().fold(0u64, |sum, part| sum.wrapping_add(*part));
        self.sums.chunks(per_group).flat_map(|parts| (mix(sum(parts)) as u32).to_le_bytes()).collect()
    }

    /// The members of one group that are told of.
    pub(crate) fn of_group(&self, group: u16, bits: u8) -> impl Iterator<Item = (u64, &Entry)> {
        let width = 64 - u32::from(bits);
        let first = u64::from(group).checked_shl(width).unwrap_or(0);
        let last = first | 1u64.checked_shl(width).map_or(u64::MAX, |count| count - 1);
        self.by_key
            .range(first..=last)
            .map(|(key, slot)| (*key, self.at(*slot)))
            .filter(|(_, entry)| !entry.is_faded)
    }

    /// The places in `live` that a group takes, for all groups in order.
    pub(crate) fn live_groups(&self, bits: u8) -> Vec<Range<usize>> {
        let mut start = 0;
        let groups = 0..1u32 << bits;
        let range = |group: u32| {
            let rest = &self.live[start..];
            let end = start + rest.partition_point(|live| u32::from(group_of(live.key, bits)) <= group);
            let range = start..end;
            start = end;
            range
        };
        groups.map(range).collect()
    }

    /// Which runs of which members are at these places.
    pub(crate) fn list_sum(&self, places: Range<usize>) -> u32 {
        self.live[places].iter().fold(0, |sum, live| sum.wrapping_add(live.run))
    }

    /// Takes the heartbeats of a group whose members are at `places`. False when the other side means other members.
    pub(crate) fn take_pulses(
        &mut self,
        now: Duration,
        interval: Duration,
        places: Range<usize>,
        group: &GroupPulses<'_>,
        mut heard: impl FnMut(NodeId),
    ) -> bool {
        if group.pulses.len() != places.len() || self.list_sum(places.clone()) != group.list {
            return false;
        }
        for (place, byte) in places.zip(group.pulses) {
            let live = self.live[place];
            let risen = byte.wrapping_sub(live.pulse as u8) as i8;
            if risen > 0
                && u32::from(risen.unsigned_abs()) <= plausible(now - live.heard_at.min(now), interval)
            {
                self.hear_at(now, place, Some(live.pulse + u64::from(risen.unsigned_abs())));
                heard(self.at(live.slot).life.id);
            }
        }
        true
    }

    fn list(&mut self, now: Duration, slot: u32, life: &Life) {
        if !life.is_live() {
            return;
        }
        let key = key_of(life.id);
        let run = mix(key ^ mix(life.generation ^ u64::from(life.nonce) << 32)) as u32;
        let live = Live { key, slot, run, pulse: life.pulse, heard_at: now };
        let place = self.live.partition_point(|other| other.key < key);
        self.live.insert(place, live);
    }

    fn live_place(&self, slot: u32) -> Result<usize, usize> {
        let key = key_of(self.at(slot).life.id);
        self.live.binary_search_by_key(&key, |live| live.key)
    }
}

impl Entry {
    pub(crate) fn life(&self) -> &Life {
        &self.life
    }

    /// For how long it has been live, down or gone.
    pub(crate) fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.since).saturating_add(self.aged)
    }

    pub(crate) fn is_faded(&self) -> bool {
        self.is_faded
    }

    pub(crate) fn known(&self) -> Known {
        Known {
            id: self.life.id,
            generation: self.life.generation,
            nonce: self.life.nonce,
            incarnation: self.life.incarnation,
            verdict: self.life.verdict,
            version: self.items.version(),
            collected: self.items.collected(),
        }
    }

    /// What somebody who knows `known` must be told, as far as it fits. `None` when it is nothing, or does not fit.
    pub(crate) fn delta_for(&self, life: Life, known: Option<&Known>, room: usize) -> Option<Delta<'_>> {
        let known = known.filter(|known| (known.generation, known.nonce) == self.life.run());
        let is_life_new = known.is_none_or(|known| known.rank() < self.life.rank());
        let (version, collected) = known.map_or((0, 0), |known| (known.version, known.collected));
        let items_room = room.checked_sub(crate::wire::LIFE_BYTES_MAX)?;
        let items =
            self.items.missing_from(version, collected).and_then(|from| self.items.delta(from, items_room));
        (is_life_new || items.is_some()).then_some(Delta { life, items })
    }

    fn state(&self, key: u64) -> u64 {
        let life = &self.life;
        let run = mix(life.generation).wrapping_add(u64::from(life.nonce));
        let version = mix(self.items.version());
        let condition = (life.status as u64) << 2 | life.verdict as u64;
        mix(key ^ mix(run ^ mix(life.incarnation << 4 | condition)) ^ version.rotate_left(17))
    }
}

impl Known {
    pub(crate) fn rank(&self) -> (u64, u32, u64, crate::node::Verdict) {
        (self.generation, self.nonce, self.incarnation, self.verdict)
    }
}

/// By how much a pulse may have risen in a silence. More is a mistake: it would blind this node to the next silence.
fn plausible(silence: Duration, interval: Duration) -> u32 {
    const ALWAYS: u32 = 16;
    let intervals = silence.as_micros() / interval.as_micros().max(1);
    ALWAYS.saturating_add(u32::try_from(intervals).unwrap_or(u32::MAX).saturating_mul(2))
}

/// For how long a member had gone when it was told of.
fn aged(life: &Life) -> Duration {
    if life.is_gone() { Duration::from_secs(life.pulse) } else { Duration::ZERO }
}

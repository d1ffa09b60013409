//! Takes a census of this engine's records at a mark, in slices, and keeps it as long as somebody compares with it.
//!
//! Of the keys that were absent at the mark the pass forgets those whose records are not needed any more (rule R22, see
//! `engine/settle.rs`), has copies in doubt healed, and asks the datastore about keys of which nobody knows whether they are
//! there.
//!
//! From the moment a census at a mark begins, overwrites up to the mark are refused: what was found equal stays equal.

use std::ops::Range;

use bytes::Bytes;
use dynomite_ring::{DcIdx, NodeId, NodeIdx, RackIdx, Ring, Token};
use hashbrown::HashMap;

use super::{Engine, Now, Out, Place, Requester, lane::JobKind};
use crate::{
    Bucket, Mark, Record, Trust,
    census::{Census, hash_key, local_print, remote_print},
    marks::Settled,
    presence,
    records::{Entry, RecordId},
};

/// Records that are looked at in one go: less than a millisecond's work, at every sweep.
const SLICE: usize = 4096;
/// A census that nobody has asked about for so long is dropped.
const IDLE_MS: u64 = 60_000;
/// A census that somebody has asked about within this time is not replaced by one at another mark.
const BUSY_MS: u64 = 5_000;
/// The datastore is asked about so many keys at the same time.
const QUESTIONS_MAX: usize = 128;
/// A mark that another node asks for is at most so much older than now, in seconds.
const OLDEST_S: u32 = 3600;

/// Another node that holds replicas of some of this node's keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Partner {
    pub(super) node: NodeId,
    pub(super) rack: RackIdx,
    pub(super) dc: DcIdx,
    pub(super) is_local: bool,
}

/// All nodes that share keys with this one.
#[derive(Debug, Default)]
pub(super) struct Partners {
    pub(super) all: Vec<Partner>,
    /// Beside the nodes of the ring: the partner's number, plus one.
    numbers: Vec<u16>,
}

impl Partners {
    pub(super) fn of(ring: &Ring, place: Place) -> Self {
        let mut partners = Self { all: Vec::new(), numbers: vec![0; ring.nodes().len()] };
        for (_, replicas) in ring.ranges().filter(|(_, replicas)| replicas.in_rack(place.rack) == place.index)
        {
            for (rack, index) in replicas.by_rack().filter(|(_, index)| *index != place.index) {
                let number = &mut partners.numbers[index.0 as usize];
                if *number == 0 {
                    let dc = ring.rack(rack).dc();
                    let node = ring.node(index).id;
                    partners.all.push(Partner { node, rack, dc, is_local: dc == place.dc });
                    *number = partners.all.len() as u16;
                }
            }
        }
        partners
    }

    pub(super) fn number(&self, index: NodeIdx) -> Option<usize> {
        usize::from(*self.numbers.get(index.0 as usize)?).checked_sub(1)
    }

    /// The number of the partner with this id.
    pub(super) fn number_of(&self, node: NodeId) -> Option<usize> {
        self.all.iter().position(|partner| partner.node == node)
    }
}

/// The census that is there or being taken, one at a time.
#[derive(Debug, Default)]
pub(super) struct Censuses {
    pub(super) current: Option<Box<Census>>,
    /// How many have begun.
    begun: u64,
    /// When somebody last compared with it, and when somebody's lost copies were last listed.
    used_at_ms: u64,
    listed_at_ms: u64,
    /// Since which census all is listed that a node which lost its copies must hear of: by node, the loss and the census.
    listers: HashMap<NodeId, (u64, u64)>,
    /// How far the datastore was asked about keys, and how many answers are to come.
    asked_upto: usize,
    questions: usize,
}

impl Censuses {
    /// The census at `mark`, if it is complete.
    pub(super) fn at(&self, mark: Mark) -> Option<&Census> {
        self.current.as_deref().filter(|census| census.mark == mark && census.is_complete())
    }

    fn is_busy(&self, now: Now) -> bool {
        let is_used = |census: &Census| !census.is_complete() || self.used_at_ms + BUSY_MS > now.ms;
        self.current.as_deref().is_some_and(is_used)
    }

    /// When something is to be done, in `Now::ms`; at once when it is 0.
    pub(super) fn due_ms(&self) -> Option<u64> {
        let census = self.current.as_deref()?;
        let is_at_work = !census.is_complete() || self.asked_upto < census.slot_count() || self.questions > 0;
        Some(if is_at_work { 0 } else { self.used_at_ms.max(self.listed_at_ms) + IDLE_MS })
    }
}

/// The nodes that hold a key, and what follows from it.
pub(super) struct Holders<'a> {
    pub(super) all: &'a [NodeIdx],
    local: &'a [NodeIdx],
    token: Token,
    pub(super) bucket: Bucket,
}

impl Engine {
    /// The first of this engine's buckets, and the one after its last.
    pub(super) fn slice_range(&self) -> Range<u16> {
        let mut slice = self.slice();
        let first = slice.next().map_or(0, |bucket| bucket.0);
        first..slice.last().map_or(first, |bucket| bucket.0) + 1
    }

    /// Begins a census at `mark`, instead of the one that is there. Whether it could: this node's clock must be past it.
    pub(super) fn begin_census(&mut self, now: Now, mark: Mark, out: &mut Out) -> bool {
        let today = Mark::at(now.wall_ms());
        if mark >= today || mark.0.saturating_add(OLDEST_S) < today.0 {
            return false;
        }
        if self.clock.observe(now.wall_us, mark.clock()).is_err() {
            return false;
        }
        self.raise_floor(mark);
        self.stats.censuses += 1;
        let slots = self.records.slot_count();
        let census = Census::new(mark, self.slice_range(), self.partners.all.len(), slots);
        self.census.current = Some(Box::new(census));
        self.census.begun += 1;
        self.census.used_at_ms = now.ms;
        self.census.asked_upto = 0;
        self.continue_census(now, out);
        true
    }

    /// Makes sure that there is a census at `mark`, or one is being taken, unless another is in use.
    pub(super) fn want_census(&mut self, now: Now, mark: Mark, out: &mut Out) -> bool {
        if self.census.current.as_deref().is_some_and(|census| census.mark == mark) {
            self.census.used_at_ms = now.ms;
            return true;
        }
        let is_busy = self.census.is_busy(now) || self.is_comparing();
        !is_busy && self.begin_census(now, mark, out)
    }

    /// As [`Engine::want_census`] at any mark, for a node that lost its copies: one that began after it first asked. It goes
    /// before those that compare, which begin again.
    pub(super) fn want_listing(&mut self, now: Now, node: NodeId, loss: u64, out: &mut Out) -> bool {
        if self.records.len() == 0 {
            // As when a cluster starts for the first time: there is nothing to list.
            return true;
        }
        let begun = self.census.begun;
        let entry = self.census.listers.entry(node).or_insert((loss, begun + 1));
        if entry.0 != loss {
            *entry = (loss, begun + 1);
        }
        let needed = entry.1;
        let is_at_work = self.census.current.as_deref().is_some_and(|census| !census.is_complete());
        if (begun < needed || self.census.current.is_none())
            && (is_at_work || !self.begin_census(now, Self::newest_mark(now), out))
        {
            return false;
        }
        self.census.listed_at_ms = now.ms;
        self.census.current.as_deref().is_some_and(Census::is_complete)
    }

    /// The ring has changed: nothing that was counted by the old one is of use.
    pub(super) fn drop_census(&mut self) {
        self.census.current = None;
        self.census.asked_upto = 0;
        let ring = &self.ring;
        self.census.listers.retain(|node, _| ring.index_of(*node).is_some());
    }

    /// Somebody compares with the census.
    pub(super) fn census_is_used(&mut self, now: Now) {
        self.census.used_at_ms = now.ms;
    }

    /// The mark at which there is a census; zero if there is none.
    pub(super) fn census_mark(&self) -> Mark {
        self.census.current.as_deref().map_or(Mark::NEVER, |census| census.mark)
    }

    /// Goes on with what is to be done about the census.
    pub(super) fn pump_census(&mut self, now: Now, out: &mut Out) {
        self.continue_census(now, out);
        let is_idle = self.census.due_ms().is_some_and(|due_ms| due_ms > 0 && due_ms <= now.ms);
        if is_idle && !self.is_comparing() {
            self.census.current = None;
        }
    }

    /// One slice more.
    fn continue_census(&mut self, now: Now, out: &mut Out) {
        let Some(mut census) = self.census.current.take() else { return };
        if census.is_complete() {
            self.census.current = Some(census);
            return self.ask_about_keys(now, out);
        }
        let mut forgotten: Vec<RecordId> = Vec::new();
        let mut doubtful: Vec<Bytes> = Vec::new();
        for slot in census.take(SLICE) {
            let Some((id, key, entry)) = self.records.slots(slot..slot + 1).next() else { continue };
            let token = self.ring.token(key);
            let holders = self.holders(token);
            if !holders.all.contains(&self.place.index) {
                // The key has moved away, and counts no more.
                continue;
            }
            if self.is_forgettable(&entry, &holders) {
                forgotten.push(id);
                continue;
            }
            let bucket = holders.bucket;
            let is_known_doubt = !entry.trust.is_trusted();
            let entry = self.as_compared(entry);
            census.put(bucket, slot);
            if !entry.trust.is_trusted() {
                census.doubtful.insert(bucket);
                if is_known_doubt && !self.is_bucket_lost(bucket) {
                    doubtful.push(Bytes::copy_from_slice(key));
                }
            }
            self.count_in(&mut census, key, &entry, &holders);
        }
        self.census.current = Some(census);
        self.stats.records_forgotten += forgotten.len() as u64;
        for id in forgotten {
            self.records.forget(id);
        }
        for key in doubtful {
            self.heal_soon(key);
        }
    }

    /// Adds an entry to what is shared with each partner that holds the key too.
    fn count_in(&self, census: &mut Census, key: &[u8], entry: &Entry, holders: &Holders<'_>) {
        let (is_in_local, is_in_remote) = self.is_compared(entry, census.mark, holders);
        if !is_in_local && !is_in_remote {
            return;
        }
        let hash = hash_key(key);
        let local = local_print(hash, entry, census.mark);
        let remote = remote_print(hash, entry, census.mark);
        for node in holders.all {
            let Some(number) = self.partners.number(*node) else { continue };
            match self.partners.all[number].is_local {
                true if is_in_local => census.add(number, holders.bucket, local),
                false if is_in_remote => census.add(number, holders.bucket, remote),
                _ => {}
            }
        }
    }

    /// Whether a key's entry is compared at `mark` with the replicas of this datacenter, and with those of others: it was
    /// written up to then, and is not one that others may have forgotten already.
    pub(super) fn is_compared(&self, entry: &Entry, mark: Mark, holders: &Holders<'_>) -> (bool, bool) {
        let Record { last, .. } = entry.record;
        if entry.record.is_blank() || !mark.covers(last) {
            return (false, false);
        }
        if self.marks.is_empty() {
            return (true, true);
        }
        let is_kept = |told: Mark| !(told.covers(last) && entry.is_absent_at(told));
        (is_kept(self.settled(holders).mark), is_kept(self.settled_anywhere(holders).mark))
    }

    /// What is compared of a key with a partner; `None` when it is not compared.
    pub(super) fn print_for(&self, partner: usize, key: &[u8], entry: &Entry, mark: Mark) -> Option<u64> {
        let is_local = self.partners.all[partner].is_local;
        let holders = self.holders(self.ring.token(key));
        let is_shared = holders.all.iter().any(|node| self.partners.number(*node) == Some(partner));
        let (is_in_local, is_in_remote) = self.is_compared(entry, mark, &holders);
        let is_in = is_shared && if is_local { is_in_local } else { is_in_remote };
        let hash = hash_key(key);
        is_in.then(|| if is_local { local_print(hash, entry, mark) } else { remote_print(hash, entry, mark) })
    }

    pub(super) fn holders(&self, token: Token) -> Holders<'_> {
        let replicas = self.ring.replicas(token);
        let local = replicas.in_dc(self.place.dc);
        Holders { all: replicas.all(), local, token, bucket: Bucket::of(token) }
    }

    /// What the replicas of this datacenter have told of a key's bucket.
    pub(super) fn settled(&self, holders: &Holders<'_>) -> Settled {
        self.marks.latest(holders.local, holders.token, holders.bucket, true)
    }

    /// What the replicas of all datacenters have told of it.
    pub(super) fn settled_anywhere(&self, holders: &Holders<'_>) -> Settled {
        self.marks.latest(holders.all, holders.token, holders.bucket, false)
    }

    pub(super) fn is_forgettable(&self, entry: &Entry, holders: &Holders<'_>) -> bool {
        entry.trust.is_trusted()
            && self.lane.has_executed(entry.written_at)
            && super::settle::is_settled(entry, self.settled(holders))
    }

    /// What an entry counts as where copies are compared: one of before the floor that the datastore has not executed yet is in
    /// doubt, since a crash would leave what was there before.
    pub(super) fn as_compared(&self, entry: Entry) -> Entry {
        let is_under_way = entry.trust.is_trusted()
            && self.floor.covers(entry.record.last)
            && !self.lane.has_executed(entry.written_at);
        if is_under_way { Entry { trust: Trust::Dirty, ..entry } } else { entry }
    }

    /// The keys of a bucket, as they are now. There must be a census.
    pub(super) fn keys_of(&self, bucket: Bucket) -> impl Iterator<Item = (&[u8], Entry)> {
        let slots =
            self.census.current.as_deref().into_iter().flat_map(move |census| census.slots_of(bucket));
        slots
            .filter_map(|slot| self.records.slots(slot..slot + 1).next())
            .map(|(_, key, entry)| (key, self.as_compared(entry)))
            .filter(move |(key, _)| Bucket::of(self.ring.token(key)) == bucket)
    }

    /// Asks the datastore about keys that may be absent.
    fn ask_about_keys(&mut self, now: Now, out: &mut Out) {
        let Some(census) = self.census.current.as_deref() else { return };
        let (mark, slot_count) = (census.mark, census.slot_count());
        if self.lane_refusal(now).is_some() {
            return;
        }
        let upto = slot_count.min(self.census.asked_upto + SLICE);
        while self.census.asked_upto < upto && self.census.questions < QUESTIONS_MAX {
            let slot = self.census.asked_upto;
            self.census.asked_upto += 1;
            let Some((copy, key, entry)) = self.records.slots(slot..slot + 1).next() else { continue };
            let is_open = presence::has_to_be_asked(entry.absent_from) && !entry.record.is_blank();
            let is_own = || self.is_replica(self.ring.token(key));
            if !is_open || !mark.covers(entry.record.last) || entry.trust != Trust::Trusted || !is_own() {
                continue;
            }
            let question = presence::question(key);
            self.lane.push(now, Requester::Nobody, JobKind::AskPresence { copy, record: entry.record });
            out.lane.push(question);
            self.census.questions += 1;
        }
    }

    /// The datastore has told whether a key is there; `None` when it could not.
    pub(super) fn presence_told(&mut self, now: Now, copy: RecordId, record: &Record, reply: Option<&[u8]>) {
        self.census.questions = self.census.questions.saturating_sub(1);
        if let Some(reply) = reply {
            self.note_presence(now, copy, record, reply);
        }
    }

    /// Takes note of what the datastore said of a key, if nothing was written since.
    pub(super) fn note_presence(&mut self, now: Now, copy: RecordId, record: &Record, reply: &[u8]) {
        if let Some(absent_from) = presence::asked(reply, now.wall_ms())
            && self.records.get(copy).record == *record
        {
            self.records.set_absent_from(copy, absent_from);
        }
    }
}

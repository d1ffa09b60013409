//! Rebuilds copies that were lost, bucket by bucket (rule R14).
//!
//! The other nodes list their keys of the lost buckets; every key that one of them knows is healed here, and then the bucket
//! counts again. A rack is *heard* for a bucket when all its nodes that share keys with this one have listed it. It is
//! *trusted* when none of them has lost the bucket too.
//!
//! | heard of a bucket | then its keys are healed |
//! |---|---|
//! | a majority of the datacenter's racks, trusted; this one does not count | with a majority of trusted copies |
//! | all racks, or time is up; some trusted | with the greatest copy of theirs (counted) |
//! | all racks, or time is up; none trusted, or none of those is there any more | after the other datacenters have sent what they have; what they do not have is gone |
//!
//! Copies of ranges that were gained are rebuilt in the same way (`engine/gained.rs`); only those need be heard who share keys of
//! the ranges, and nothing counts before it is known what others may have promised.
//!
//! Keys that are written while this goes on need not be listed: such a write is acknowledged by others, or this node has
//! applied it.

mod serving;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use dynomite_ring::{Rack, RackIdx};
use hashbrown::HashMap;

use super::{Engine, Now, Out, gained::whole};
use crate::{
    Bucket, BucketSet, Level, Mark, Position, Record, RequestBody, ResponseBody, Trust, Version,
    heal::CountsLost,
    listing,
    operation::compare::Question,
    planted::{self, Planted},
    records::Entry,
};

/// After so many rebuilt buckets it is noted which are left; a crash has the others rebuilt again.
const LOST_NOTED_EVERY: usize = 256;

/// So long a node without any data waits for those that cannot be reached, if nobody else has any.
const NEW_CLUSTER_WAIT_MS: u64 = 5000;
/// And so long for other datacenters, whose data it would serve as absent.
const NEW_DATACENTER_WAIT_MS: u64 = 30_000;
/// A node that is not ready, or cannot be reached, is asked again after this.
const AGAIN_MS: u64 = 200;
/// A key that could not be healed is tried again after this.
const RETRY_MS: u64 = 1000;
/// A datacenter that was asked for a key is asked again after this, so often at most.
const IMPORT_MS: u64 = 2000;
const IMPORTS_AGAIN_MAX: u32 = 5;
/// Keys that are healed, or asked for elsewhere, at the same time.
const AT_ONCE_MAX: usize = 256;
/// Keys that are listed and wait; nobody is asked for more beyond that.
const WAITING_MAX: usize = 20_000;
/// Records that are looked at in one go.
const SLICE: usize = 4096;

/// Lost copies on their way back.
#[derive(Debug, Default)]
pub(super) struct Rebuild {
    work: Option<Box<Work>>,
}

#[derive(Debug)]
struct Work {
    /// This node's clock when it noticed the loss.
    loss: u64,
    listers: Vec<Lister>,
    /// The first bucket that is not rebuilt.
    next: u16,
    /// Keys that are to be healed, by bucket.
    waiting: BTreeSet<(u16, Bytes)>,
    later: VecDeque<(u64, u16, Bytes)>,
    healing: HashMap<Bytes, u16>,
    /// Keys that other datacenters know, by bucket, with who listed them last.
    elsewhere: BTreeMap<(u16, Bytes), usize>,
    /// How far those were looked through that it is for this node to ask for.
    imported_upto: (u16, Bytes),
    /// Those that were asked for: how often, and when it is time to look again.
    importing: HashMap<Bytes, Importing>,
    /// Buckets without any trusted rack in this datacenter.
    orphaned: BucketSet,
    /// Whether anybody here has listed a key.
    has_seen_keys: bool,
    /// Whether what was told of a bucket does not count any more.
    has_dropped_marks: bool,
    /// How far the own records were looked through for copies that nobody listed, once all buckets are done.
    looked_upto: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Importing {
    bucket: u16,
    partner: usize,
    tries: u32,
    look_ms: u64,
}

/// How far a node has listed its keys.
#[derive(Debug)]
struct Lister {
    partner: usize,
    upto: Position,
    is_asked: bool,
    /// Whether it has answered, if only that it is not ready.
    is_heard: bool,
    again_ms: u64,
    /// Buckets that it has lost itself.
    lost: BucketSet,
}

/// What was heard of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Wait,
    Majority,
    Counted,
    Orphaned,
}

impl Engine {
    /// Whether all racks have lost a bucket, so that states of other datacenters are taken as they come: also those that another
    /// rack has asked for, before this one has come as far.
    pub(super) fn takes_imports(&self, now: Now, bucket: Bucket) -> bool {
        self.is_bucket_lost(bucket)
            && self
                .rebuild
                .work
                .as_deref()
                .is_some_and(|work| self.standing(now, work, bucket.0) == Standing::Orphaned)
    }

    /// When rebuilding wants to go on, in `Now::ms`; at once when it is 0.
    pub(super) fn rebuild_due_ms(&self) -> Option<u64> {
        let is_at_work = self.has_lost_copies() || self.rebuild.work.is_some();
        (is_at_work && !self.place.is_alone).then_some(0)
    }

    /// Goes on with rebuilding.
    pub(super) fn pump_rebuild(&mut self, now: Now, out: &mut Out) {
        if self.rebuild_due_ms().is_none() || self.lane_refusal(now).is_some() {
            return;
        }
        let mut work = match self.rebuild.work.take() {
            Some(work) => work,
            None => self.begin_rebuild(now),
        };
        self.ask_for_lists(now, &mut work, out);
        let is_over = self.continue_rebuild(now, &mut work, out);
        if is_over {
            self.end_rebuild(&work);
        } else {
            self.rebuild.work = Some(work);
        }
    }

    /// Whether this node's clock is above every version that an earlier process stamped: its records tell, or those that have
    /// them, since every message brings its sender's clock (rule R2). A version that was stamped twice would be taken for known by
    /// whoever has the first write, and the second acknowledged without being executed.
    pub(super) fn knows_clock(&self, now: Now) -> bool {
        if !self.lost.log_too {
            return true;
        }
        let Some(work) = self.rebuild.work.as_deref() else { return false };
        let racks = self.ring.dc(self.place.dc).racks();
        let is_heard = |rack: RackIdx| {
            let mut nodes =
                work.listers.iter().filter(|lister| self.partners.all[lister.partner].rack == rack);
            nodes.all(|lister| lister.is_heard)
        };
        let others = || racks.iter().map(Rack::index).filter(|rack| *rack != self.place.rack);
        let heard = others().filter(|rack| is_heard(*rack)).count();
        heard >= Level::DcQuorum.needed(racks.len()).min(racks.len() - 1) || self.is_time_up(now, work)
    }

    /// Whether a lost copy may become one of `record`. Not while its own record, which the log has kept, is of a later write that
    /// may still be acknowledged: this copy may have counted for that before it was lost, and the others executed it after they were
    /// asked.
    pub(super) fn may_be_rebuilt(&self, now: Now, lost: &Entry, record: &Record) -> bool {
        let since_ms = self.lost.since_ms.max(self.gained.since_ms);
        *record >= lost.record || now.ms > since_ms + self.config.request_timeout_ms
    }

    fn begin_rebuild(&mut self, now: Now) -> Box<Work> {
        let first = self.slice_range().start;
        let is_needed =
            |partner: &usize| !self.lost.buckets.is_empty() || self.gained.is_shared_with(*partner);
        let partners = self.partners.all.iter().enumerate();
        let listers = partners
            .filter(|(partner, _)| is_needed(partner))
            .map(|(partner, _)| Lister {
                partner,
                upto: Position { bucket: first, hash: 0 },
                is_asked: false,
                is_heard: false,
                again_ms: 0,
                lost: BucketSet::default(),
            })
            .collect();
        Box::new(Work {
            loss: self.clock.stamp(now.wall_us).clock,
            listers,
            next: first,
            waiting: BTreeSet::new(),
            later: VecDeque::new(),
            healing: HashMap::new(),
            elsewhere: BTreeMap::new(),
            imported_upto: (0, Bytes::new()),
            importing: HashMap::new(),
            orphaned: BucketSet::default(),
            has_seen_keys: false,
            has_dropped_marks: false,
            looked_upto: None,
        })
    }

    /// Asks everybody for more keys who is not being asked; other datacenters only about buckets that nobody has here.
    fn ask_for_lists(&mut self, now: Now, work: &mut Work, out: &mut Out) {
        let end = self.slice_range().end;
        let has_room = work.waiting.len() + work.elsewhere.len() < WAITING_MAX;
        for number in 0..work.listers.len() {
            let lister = &mut work.listers[number];
            let partner = self.partners.all[lister.partner];
            let is_wanted = partner.is_local || !work.orphaned.is_empty();
            let is_needed = has_room || lister.upto.bucket <= work.next;
            if !is_wanted
                || !is_needed
                || lister.is_asked
                || lister.again_ms > now.ms
                || lister.upto.bucket >= end
            {
                continue;
            }
            if !self.reachable.contains(&partner.node) {
                lister.again_ms = now.ms + AGAIN_MS;
                continue;
            }
            lister.is_asked = true;
            let (partner, from) = (lister.partner, lister.upto);
            let range = if self.lost.buckets.is_empty() { self.gained.span() } else { whole() };
            let body = RequestBody::List { node: self.config.node, loss: work.loss, from, range };
            self.ask_partner(now, partner, Bucket(from.bucket), Question::Keys { from }, body, out);
        }
    }

    /// A node has listed keys, or will not.
    pub(super) fn keys_listed(
        &mut self,
        now: Now,
        partner: usize,
        from: Position,
        body: ResponseBody,
        out: &mut Out,
    ) {
        let Some(mut work) = self.rebuild.work.take() else { return };
        let is_local = self.partners.all[partner].is_local;
        if let Some(lister) = work.listers.iter_mut().find(|lister| lister.partner == partner)
            && lister.upto == from
        {
            lister.is_asked = false;
            lister.is_heard |= !matches!(body, ResponseBody::Failed(_));
            let listed = match body {
                ResponseBody::Listed { upto, is_lost, page, .. } if upto > from => {
                    listing::read(page).map(|keys| (upto, is_lost, keys))
                }
                _ => None,
            };
            match listed {
                None => lister.again_ms = now.ms + AGAIN_MS,
                Some((upto, is_lost, keys)) => {
                    lister.upto = upto;
                    let whole = upto.bucket + u16::from(upto.hash > 0);
                    if is_lost {
                        (from.bucket..whole.min(self.slice_range().end)).for_each(|bucket| {
                            lister.lost.insert(Bucket(bucket));
                        });
                    }
                    work.has_seen_keys |= is_local && !keys.is_empty();
                    for listed in keys {
                        self.take_listed(&mut work, partner, &listed, is_local);
                    }
                }
            }
        }
        self.rebuild.work = Some(work);
        self.pump_rebuild(now, out);
    }

    fn take_listed(&mut self, work: &mut Work, partner: usize, listed: &listing::Listed, is_local: bool) {
        let token = self.ring.token(&listed.key);
        let bucket = Bucket::of(token);
        let entry = self.look_up(&listed.key, token).1;
        if entry.trust.is_trusted() || !self.is_bucket_lost(bucket) {
            return;
        }
        if is_local {
            work.waiting.insert((bucket.0, listed.key.clone()));
        } else if listed.trust == Trust::Trusted {
            work.elsewhere.insert((bucket.0, listed.key.clone()), partner);
        }
    }

    /// Heals what can be healed. Whether all is rebuilt.
    fn continue_rebuild(&mut self, now: Now, work: &mut Work, out: &mut Out) -> bool {
        while let Some((_, bucket, key)) = work.later.pop_front_if(|(at_ms, ..)| *at_ms <= now.ms) {
            work.waiting.insert((bucket, key));
        }
        self.hear_of_promises(now, work);
        let end = self.slice_range().end;
        let mut bucket = work.next;
        while bucket < end && work.healing.len() + work.importing.len() < AT_ONCE_MAX {
            let standing = if self.is_bucket_lost(Bucket(bucket)) {
                self.standing(now, work, bucket)
            } else {
                Standing::Majority
            };
            if standing == Standing::Wait {
                break;
            }
            if !self.rebuild_bucket(now, work, bucket, standing, out) && work.next < bucket {
                // Others may go on meanwhile, but not far.
                if bucket - work.next > AT_ONCE_MAX as u16 {
                    break;
                }
            }
            if work.next == bucket && !self.is_bucket_lost(Bucket(bucket)) {
                work.next = bucket + 1;
            }
            bucket += 1;
        }
        self.import_ahead(now, work, out);
        self.look_after_imports(now, work, out);
        work.next >= end && self.heal_what_is_left(now, work, out)
    }

    /// Takes up to where others may have promised claims in ranges that were gained, as soon as a majority of the other racks has
    /// told its clock by the new ring.
    fn hear_of_promises(&mut self, now: Now, work: &Work) {
        if self.gained.is_over() || self.gained.is_promised {
            return;
        }
        let racks = self.ring.dc(self.place.dc).racks();
        let is_heard = |rack: RackIdx| {
            let of_rack = |lister: &&Lister| self.partners.all[lister.partner].rack == rack;
            work.listers.iter().filter(of_rack).all(|lister| lister.is_heard)
        };
        let others = racks.iter().map(Rack::index).filter(|rack| *rack != self.place.rack);
        let heard = others.filter(|rack| is_heard(*rack)).count();
        let needed = Level::DcQuorum.needed(racks.len()).min(racks.len() - 1);
        if heard >= needed || self.is_time_up(now, work) {
            self.promise_gained();
        }
    }

    /// What was heard of a bucket in this datacenter.
    fn standing(&self, now: Now, work: &Work, bucket: u16) -> Standing {
        if self.gained.buckets.contains(Bucket(bucket)) && !self.gained.is_promised {
            return Standing::Wait;
        }
        let racks = self.ring.dc(self.place.dc).racks();
        let is_time_up = self.is_time_up(now, work);
        let (mut trusted, mut heard) = (0, 0);
        for rack in racks.iter().filter(|rack| rack.index() != self.place.rack) {
            let nodes = || {
                work.listers.iter().filter(|lister| self.partners.all[lister.partner].rack == rack.index())
            };
            if nodes().all(|lister| lister.upto.bucket > bucket) {
                heard += 1;
                // Who has listed its keys and gone is waited for like all others.
                let is_there = |lister: &Lister| {
                    !is_time_up || self.reachable.contains(&self.partners.all[lister.partner].node)
                };
                let is_trusted = |lister: &Lister| !lister.lost.contains(Bucket(bucket)) && is_there(lister);
                trusted += usize::from(nodes().all(is_trusted));
            }
        }
        let is_final = heard + 1 == racks.len() || is_time_up;
        let rebuilds_from_one = trusted > 0 && planted::has(Planted::RebuildsFromOne);
        if trusted >= Level::DcQuorum.needed(racks.len()) || rebuilds_from_one {
            Standing::Majority
        } else if !is_final {
            Standing::Wait
        } else if trusted > 0 {
            Standing::Counted
        } else {
            Standing::Orphaned
        }
    }

    /// Whether nobody is waited for any longer who cannot be heard.
    fn is_time_up(&self, now: Now, work: &Work) -> bool {
        self.has_waited(now, work, NEW_CLUSTER_WAIT_MS)
    }

    /// Whether all was waited for, or `if_new_ms` if it looks as if the cluster were new.
    fn has_waited(&self, now: Now, work: &Work, if_new_ms: u64) -> bool {
        let mut wait_ms = self.config.repair.rebuild_wait_ms;
        if self.lost.log_too && !work.has_seen_keys && work.elsewhere.is_empty() && self.records.len() == 0 {
            // Nobody who answers knows of any key: most likely the cluster is new. If not, what those have who are missing
            // is taken over when they come.
            wait_ms = wait_ms.min(if_new_ms);
        }
        let since_ms = match self.lost.buckets.is_empty() {
            true => self.gained.since_ms,
            false => self.lost.since_ms,
        };
        now.ms >= since_ms + wait_ms
    }

    /// Begins to heal the keys of a bucket. Whether nothing of it is left to do.
    fn rebuild_bucket(
        &mut self,
        now: Now,
        work: &mut Work,
        bucket: u16,
        standing: Standing,
        out: &mut Out,
    ) -> bool {
        if standing == Standing::Orphaned && !self.import_bucket(now, work, bucket, out) {
            return false;
        }
        let counts_lost = match standing {
            Standing::Orphaned => CountsLost::Yes,
            Standing::Counted => CountsLost::WhereOneIsTrusted,
            Standing::Majority | Standing::Wait => CountsLost::No,
        };
        while work.healing.len() < AT_ONCE_MAX {
            let first = work.waiting.range((bucket, Bytes::new())..).next();
            let Some(key) = first.filter(|(of, _)| *of == bucket).map(|(_, key)| key.clone()) else { break };
            work.waiting.remove(&(bucket, key.clone()));
            self.stats.rebuilt_without_majority += u64::from(counts_lost != CountsLost::No);
            work.healing.insert(key.clone(), bucket);
            self.heal_lost(now, key, counts_lost, out);
        }
        let is_done = !work.has_keys_of(bucket);
        let was_gained = is_done && self.end_gained_bucket(Bucket(bucket));
        let was_lost = is_done && self.lost.buckets.remove(Bucket(bucket));
        if was_gained || was_lost {
            if standing != Standing::Majority {
                // Keys may be missing that are not absent, and must not look as if they had been forgotten (rule R22).
                self.marks.drop_bucket(Bucket(bucket));
                work.has_dropped_marks = true;
            }
            if self.lost.log_too || was_gained {
                // What others forgot before they listed their keys must not come back here: their clocks, which this one
                // follows, had passed the mark (rule R22).
                self.raise_floor(Mark::of_clock(self.clock.last()));
            }
            if was_lost && self.lost.buckets.len().is_multiple_of(LOST_NOTED_EVERY) {
                self.note_lost();
            }
            if was_gained && self.gained.buckets.len().is_multiple_of(LOST_NOTED_EVERY) {
                self.note_gained();
            }
            work.orphaned.remove(Bucket(bucket));
            work.elsewhere.retain(|(of, _), _| *of != bucket);
        }
        is_done
    }

    /// Gets from other datacenters what they have of a bucket that nobody has here. Whether nothing more is to be got.
    fn import_bucket(&mut self, now: Now, work: &mut Work, bucket: u16, out: &mut Out) -> bool {
        if self.ring.dcs().len() == 1 {
            return true;
        }
        work.orphaned.insert(Bucket(bucket));
        let is_heard = |dc| {
            let mut racks = BTreeMap::new();
            for lister in &work.listers {
                let partner = self.partners.all[lister.partner];
                if partner.dc == dc {
                    *racks.entry(partner.rack.0).or_insert(true) &= lister.upto.bucket > bucket;
                }
            }
            racks.values().any(|is_heard| *is_heard)
        };
        if !self.has_waited(now, work, NEW_DATACENTER_WAIT_MS)
            && !self.ring.other_dcs(self.place.dc).all(is_heard)
        {
            return false;
        }
        while work.importing.len() < AT_ONCE_MAX {
            let first = work.elsewhere.range((bucket, Bytes::new())..).next();
            let Some((at, partner)) = first.filter(|((of, _), _)| *of == bucket) else { break };
            let (key, partner) = (at.1.clone(), *partner);
            self.begin_import_of(now, work, bucket, key, partner, out);
        }
        self.look_after_imports(now, work, out);
        !work.importing.values().any(|importing| importing.bucket == bucket)
            && work.elsewhere.range((bucket, Bytes::new())..).next().is_none_or(|((of, _), _)| *of != bucket)
    }

    /// Asks for keys that it is for this node to ask for, ahead of the buckets that are being rebuilt: other racks wait for them.
    fn import_ahead(&mut self, now: Now, work: &mut Work, out: &mut Out) {
        while work.importing.len() < AT_ONCE_MAX / 2 {
            let Some((at, partner)) = work.elsewhere.range(work.imported_upto.clone()..).next() else {
                return;
            };
            let ((bucket, key), partner) = (at.clone(), *partner);
            let standing = self.standing(now, work, bucket);
            if standing == Standing::Wait {
                return;
            }
            work.imported_upto = (bucket, successor(&key));
            if standing == Standing::Orphaned && self.asks_for(&key) {
                self.begin_import_of(now, work, bucket, key, partner, out);
            }
        }
    }

    /// Gets a key that other datacenters have: from there, or from another rack whose turn it is to ask, if that has it already.
    fn begin_import_of(
        &mut self,
        now: Now,
        work: &mut Work,
        bucket: u16,
        key: Bytes,
        partner: usize,
        out: &mut Out,
    ) {
        work.elsewhere.remove(&(bucket, key.clone()));
        let token = self.ring.token(&key);
        if self.look_up(&key, token).1.trust.is_trusted() {
            // It has come since it was listed.
            return;
        }
        let asks = self.asks_for(&key);
        let look_ms = now.ms + if asks { 0 } else { IMPORT_MS };
        work.importing.insert(key.clone(), Importing { bucket, partner, tries: 0, look_ms });
        if !asks {
            self.heal_lost(now, key, CountsLost::WhereOneIsTrusted, out);
        }
    }

    /// Whether it is for this node to ask another datacenter for a key: the state reaches all racks of this one.
    fn asks_for(&self, key: &[u8]) -> bool {
        let token = self.ring.token(key);
        let primary = self.ring.node(self.ring.primary(token, self.place.dc)).id;
        primary == self.config.node || !self.reachable.contains(&primary)
    }

    /// Asks for what is to be imported and has not come.
    fn look_after_imports(&mut self, now: Now, work: &mut Work, out: &mut Out) {
        let due: Vec<Bytes> = work
            .importing
            .iter()
            .filter(|(_, importing)| importing.look_ms <= now.ms)
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            let token = self.ring.token(&key);
            let is_here = self.look_up(&key, token).1.trust.is_trusted();
            let Some(importing) = work.importing.get_mut(&key) else { continue };
            importing.tries += 1;
            importing.look_ms = now.ms + IMPORT_MS;
            let Importing { bucket, partner, tries, .. } = *importing;
            if is_here {
                work.importing.remove(&key);
            } else if tries > IMPORTS_AGAIN_MAX && self.is_time_up(now, work) {
                work.importing.remove(&key);
                work.waiting.insert((bucket, key));
            } else {
                if tries > 1 || !self.asks_for(&key) {
                    // Another rack may have got it.
                    self.heal_lost(now, key.clone(), CountsLost::WhereOneIsTrusted, out);
                }
                let body = RequestBody::Export { node: self.config.node, key };
                self.ask_partner(now, partner, Bucket(bucket), Question::Export, body, out);
            }
        }
    }

    /// A state has come for a key, which is looked at by and by: now, if it is waited for.
    pub(super) fn imported(&mut self, key: &[u8]) {
        if let Some(importing) = self.rebuild.work.as_deref_mut().and_then(|work| work.importing.get_mut(key))
        {
            importing.look_ms = 0;
        }
    }

    /// A key was healed, or could not be.
    pub(super) fn rebuilt(&mut self, now: Now, key: &Bytes) {
        let Some(mut work) = self.rebuild.work.take() else { return };
        if let Some(bucket) = work.healing.remove(key) {
            let token = self.ring.token(key);
            if self.look_up(key, token).1.trust == Trust::Lost {
                work.later.push_back((now.ms + RETRY_MS, bucket, key.clone()));
            } else {
                self.stats.copies_rebuilt += 1;
            }
        }
        self.rebuild.work = Some(work);
    }

    /// Copies that are lost, and that nobody has listed, are healed one by one. Whether there are none.
    fn heal_what_is_left(&mut self, now: Now, work: &mut Work, out: &mut Out) -> bool {
        let upto = *work.looked_upto.get_or_insert(0);
        if upto < self.records.slot_count() && work.waiting.is_empty() {
            let end = upto + SLICE;
            let lost = self.records.slots(upto..end).filter(|(.., entry)| entry.trust == Trust::Lost);
            let own = lost.filter(|(_, key, _)| self.is_replica(self.ring.token(key)));
            let lost: Vec<Bytes> = own.map(|(_, key, _)| Bytes::copy_from_slice(key)).collect();
            work.looked_upto = Some(end);
            work.waiting.extend(lost.into_iter().map(|key| (0, key)));
        }
        while work.healing.len() < AT_ONCE_MAX
            && let Some((_, key)) = work.waiting.pop_first()
        {
            work.healing.insert(key.clone(), 0);
            self.heal_lost(now, key, CountsLost::Yes, out);
        }
        work.waiting.is_empty()
            && work.healing.is_empty()
            && work.later.is_empty()
            && work.looked_upto.is_some_and(|upto| upto >= self.records.slot_count())
    }

    fn end_rebuild(&mut self, work: &Work) {
        let everybody_answered = work.listers.iter().all(|lister| {
            !self.partners.all[lister.partner].is_local || lister.upto.bucket >= self.slice_range().end
        });
        if self.lost.log_too && everybody_answered && !work.has_seen_keys && self.records.len() == 0 {
            // Nobody knows of any key, so nobody can have been promised anything: the cluster is new.
            self.records.promise_all(Version::ZERO);
        }
        if std::mem::take(&mut self.lost.log_too) {
            self.look_for_strays();
        }
        if work.has_dropped_marks {
            self.note_marks();
        }
        self.end_gained();
        self.note_lost();
    }
}

impl Work {
    /// Whether there are keys of a bucket that wait or are being healed.
    fn has_keys_of(&self, bucket: u16) -> bool {
        self.waiting.range((bucket, Bytes::new())..).next().is_some_and(|(of, _)| *of == bucket)
            || self.healing.values().any(|of| *of == bucket)
            || self.later.iter().any(|(_, of, _)| *of == bucket)
    }
}

/// The least key above `key`.
fn successor(key: &[u8]) -> Bytes {
    [key, &[0]].concat().into()
}

//! Hints: the keys that a replica, or a datacenter, missed writes on while it could not be reached. It gets their state when
//! it is back (`engine/handoff.rs`).
//!
//! A hint is a target and a key, and nothing of the write: a key is noted once, however many writes on it are missed, and
//! what is handed over is what the key holds by then. What does not fit, or is too old, becomes a mark on the key's bucket:
//! it needs repair, by a comparison of all its keys.
//!
//! Invariants: a hint goes only when it was replayed, when what its replay would bring was taken by the target otherwise, or when its
//! bucket was marked; a mark goes only when a comparison
//! that began after it has ended.

mod log;
mod logged;
mod pace;
mod queue;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use dynomite_ring::{DcIdx, NodeId, Rack, Ring};

use self::{
    log::{Item, Log},
    logged::label,
    pace::Pace,
    queue::{Next, Noted, Queue},
};
use crate::{BUCKETS, Bucket, BucketSet, engine::Now};
pub use log::HintLogError;

/// The longest time between two looks at whether the hints of a target that is away are too old.
const EXPIRY_CHECK_MS: u64 = 10_000;
/// So many hints are dropped at once for their age.
const EXPIRED_MAX: usize = 1000;
const MS_PER_S: u64 = 1000;
/// Large states that are under way to one target and do not keep small ones waiting; more are put off.
const ASIDE_MAX: usize = 64;

/// Who has missed a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HintTarget {
    /// A node of the own datacenter; the own node when its datastore was away.
    Node(NodeId),
    /// Another datacenter as a whole.
    Dc(DcIdx),
}

/// What is kept for one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HintsFor {
    /// Who has missed writes.
    pub target: HintTarget,
    /// Keys that it missed writes on.
    pub hints: u64,
    /// Memory that they take, in bytes.
    pub bytes: u64,
    /// Buckets in which it may have missed more.
    pub buckets_needing_repair: u64,
    /// When the oldest hint that waits was noted, in seconds since the Unix epoch.
    pub oldest_s: Option<u32>,
}

/// How many hints are kept, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Memory for the hints of one target, in bytes.
    pub(crate) bytes_max: usize,
    pub(crate) window_ms: u64,
    /// Replays at the same time, for one target.
    pub(crate) handoff_max: usize,
}

/// The hints of a worker, for all targets. See the module's documentation.
#[derive(Debug)]
pub(crate) struct Hints {
    limits: Limits,
    ring: Arc<Ring>,
    worker: usize,
    workers: usize,
    targets: BTreeMap<HintTarget, Target>,
    /// All hints, and all marks; most of the time there are none.
    len: usize,
    mark_count: usize,
    /// Only while there is somebody who writes its frames.
    log: Option<Log>,
    stored_count: u64,
    dropped_count: u64,
    log_failure_count: u64,
    /// For targets that are none of this engine's.
    no_marks: BucketSet,
}

/// What is known of one target.
#[derive(Debug, Default)]
struct Target {
    queue: Queue,
    pace: Pace,
    /// Those of the replays that move a large state: they take long, whatever the pace.
    aside: BTreeSet<Bytes>,
    needs_repair: BucketSet,
    /// Marked since the comparison of the bucket began, which does not cover that.
    marked_again: BucketSet,
    /// When to look again whether hints are too old, in `Now::ms`.
    expiry_ms: u64,
}

/// How the replay of a hint went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replay {
    /// The target has what the key holds.
    Done,
    /// The target could not be reached: it is paused, and the hint is the next.
    TargetAway,
    /// It has to do with the key: others come first.
    Failed,
    /// Too many large states are under way: others come first.
    Later,
}

impl Hints {
    /// Room for hints to every node of the datacenter `own`, and to every other datacenter.
    pub(crate) fn new(limits: Limits, ring: Arc<Ring>, own: DcIdx, worker: usize, workers: usize) -> Self {
        let nodes = ring.dc(own).racks().iter().flat_map(Rack::nodes);
        let nodes = nodes.map(|node| HintTarget::Node(ring.node(node).id));
        let dcs = ring.other_dcs(own).map(HintTarget::Dc);
        // With one rack in all nobody else has what is missed.
        let is_alone = ring.rack_count() == 1;
        let targets = nodes.chain(dcs).filter(|_| !is_alone).map(|target| (target, Target::default()));
        Self {
            targets: targets.collect(),
            limits,
            ring,
            worker,
            workers,
            len: 0,
            mark_count: 0,
            log: None,
            stored_count: 0,
            dropped_count: 0,
            log_failure_count: 0,
            no_marks: BucketSet::default(),
        }
    }

    /// The ring has changed, of the datacenter `own` too. What is kept for nodes that are gone goes with them: those that have their
    /// keys now get them from the others.
    pub(crate) fn change_ring(&mut self, ring: Arc<Ring>, own: DcIdx) {
        let nodes = ring.dc(own).racks().iter().flat_map(Rack::nodes);
        let nodes: BTreeSet<NodeId> = nodes.map(|node| ring.node(node).id).collect();
        let Self { targets, len, mark_count, .. } = self;
        targets.retain(|target, about| {
            let is_there = !matches!(target, HintTarget::Node(node) if !nodes.contains(node));
            if !is_there {
                *len -= about.queue.len();
                *mark_count -= about.needs_repair.len();
            }
            is_there
        });
        for node in nodes {
            targets.entry(HintTarget::Node(node)).or_default();
        }
        self.ring = ring;
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// All targets, with what is kept for them.
    pub(crate) fn targets(&self) -> impl Iterator<Item = HintsFor> {
        self.targets.iter().map(|(target, about)| HintsFor {
            target: *target,
            hints: about.queue.len() as u64,
            bytes: about.queue.bytes() as u64,
            buckets_needing_repair: about.needs_repair.len() as u64,
            oldest_s: about.queue.oldest_s(),
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Memory that they take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.targets.values().map(|target| target.queue.bytes()).sum()
    }

    /// Buckets that need repair, summed over the targets.
    pub(crate) fn mark_count(&self) -> usize {
        self.mark_count
    }

    /// Hints that were new.
    pub(crate) fn stored_count(&self) -> u64 {
        self.stored_count
    }

    /// Hints that were dropped for a mark.
    pub(crate) fn dropped_count(&self) -> u64 {
        self.dropped_count
    }

    /// Times the log could not be written.
    pub(crate) fn log_failure_count(&self) -> u64 {
        self.log_failure_count
    }

    /// Hints that a crash could lose now, because the log could not be written: at most so many.
    pub(crate) fn at_risk_count(&self) -> usize {
        if self.log.as_ref().is_some_and(Log::is_behind) { self.len } else { 0 }
    }

    /// Hints that are being replayed.
    pub(crate) fn replaying_count(&self) -> usize {
        self.targets.values().map(|target| target.queue.replaying_count()).sum()
    }

    pub(crate) fn contains(&self, target: HintTarget, key: &[u8]) -> bool {
        self.targets.get(&target).is_some_and(|target| target.queue.contains(key))
    }

    /// Notes that `target` missed a write on `key`.
    pub(crate) fn note(&mut self, now: Now, target: HintTarget, key: &[u8]) {
        let Some(about) = self.targets.get_mut(&target) else { return };
        if about.queue.len() == 0 {
            about.expiry_ms = now.ms + self.limits.window_ms;
        }
        let noted_s = seconds(now);
        match about.queue.note(key, noted_s, self.limits.bytes_max) {
            Noted::Known => {}
            Noted::New => {
                self.len += 1;
                self.stored_count += 1;
                self.say(target, &Item::Noted { noted_s, key });
            }
            Noted::NoRoom => {
                self.dropped_count += 1;
                self.mark_for(target, key);
            }
        }
    }

    /// The targets that a hint could be replayed to, if they can be reached.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = HintTarget> {
        self.targets.iter().filter(|(_, about)| about.queue.has_waiting()).map(|(target, _)| *target)
    }

    /// The next hint to be replayed now, if the pace allows it: `handoff_max` is divided by `slowdown`.
    pub(crate) fn begin(&mut self, now: Now, target: HintTarget, slowdown: usize) -> Option<Bytes> {
        let window_max = self.limits.handoff_max / slowdown.max(1);
        for _ in 0..EXPIRED_MAX {
            let too_old_s = self.too_old_s(now);
            let about = self.targets.get_mut(&target)?;
            let is_paused = now.ms < about.pace.paused_until_ms();
            if is_paused || about.under_way() >= about.pace.window(window_max) {
                return None;
            }
            match about.queue.take() {
                Next::Hint { key, noted_s } if noted_s < too_old_s => self.drop_hint(target, &key),
                Next::Hint { key, .. } => return Some(key),
                Next::PassOver => {
                    about.pace.pause(now.ms);
                    return None;
                }
                Next::Nothing => return None,
            }
        }
        None
    }

    /// A replay that began at `began_ms` has ended.
    pub(crate) fn end(&mut self, now: Now, target: HintTarget, key: &[u8], began_ms: u64, replay: Replay) {
        let handoff_max = self.limits.handoff_max;
        let Some(about) = self.targets.get_mut(&target) else { return };
        let is_full = about.under_way() >= about.pace.window(handoff_max);
        let was_aside = about.aside.remove(key);
        match replay {
            Replay::Done => {
                if was_aside {
                    about.pace.resume();
                } else {
                    about.pace.succeeded(now.ms, began_ms, handoff_max, is_full);
                }
                if about.queue.replayed(key) {
                    self.len -= 1;
                    self.say(target, &Item::Done { key });
                }
            }
            Replay::TargetAway => {
                about.pace.failed(now.ms, began_ms, true);
                about.queue.put_back(key);
            }
            Replay::Failed => {
                if !was_aside {
                    about.pace.failed(now.ms, began_ms, false);
                }
                about.queue.postpone(key);
            }
            Replay::Later => about.queue.postpone(key),
        }
    }

    /// The replay of a key moves a large state: it takes long, and does not count among those that the pace allows. Whether
    /// there is room for that.
    pub(crate) fn set_aside(&mut self, target: HintTarget, key: &Bytes) -> bool {
        let Some(about) = self.targets.get_mut(&target) else { return false };
        let has_room = about.aside.len() < ASIDE_MAX || about.aside.contains(key);
        if has_room {
            about.aside.insert(key.clone());
        }
        has_room
    }

    /// `target` has taken exactly what a replay of this key would bring.
    pub(crate) fn covered(&mut self, target: HintTarget, key: &[u8]) {
        let Some(about) = self.targets.get_mut(&target) else { return };
        if about.queue.forget_waiting(key) {
            self.len -= 1;
            self.say(target, &Item::Done { key });
        }
    }

    /// A target can be reached again: it is not paused any more.
    pub(crate) fn resume(&mut self, target: HintTarget) {
        if let Some(about) = self.targets.get_mut(&target) {
            about.pace.resume();
        }
    }

    /// From when on hints may be replayed to a target that can be reached, in `Now::ms`.
    pub(crate) fn replay_ms(&self, target: HintTarget) -> u64 {
        self.targets.get(&target).map_or(u64::MAX, |about| about.pace.paused_until_ms())
    }

    /// When to look whether the hints of a target that cannot be reached are too old, in `Now::ms`.
    pub(crate) fn expiry_ms(&self, target: HintTarget) -> u64 {
        self.targets.get(&target).map_or(u64::MAX, |about| about.expiry_ms)
    }

    /// Drops hints of a target that are too old, if it is time to.
    pub(crate) fn expire(&mut self, now: Now, target: HintTarget) {
        let too_old_s = self.too_old_s(now);
        for _ in 0..EXPIRED_MAX {
            let Some(about) = self.targets.get_mut(&target) else { return };
            if now.ms < about.expiry_ms {
                return;
            }
            let Some(key) = about.queue.expire(too_old_s) else {
                let oldest_ms = about.queue.oldest_s().map_or(0, |oldest_s| u64::from(oldest_s) * MS_PER_S);
                let left_ms = (oldest_ms + self.limits.window_ms).saturating_sub(now.wall_ms());
                about.expiry_ms = now.ms + left_ms.max(EXPIRY_CHECK_MS);
                return;
            };
            self.len -= 1;
            self.dropped_count += 1;
            self.say(target, &Item::Done { key: &key });
            self.mark_for(target, &key);
        }
    }

    /// The buckets in which `target` may have missed writes that there are no hints for.
    pub(crate) fn needs_repair(&self, target: HintTarget) -> &BucketSet {
        self.targets.get(&target).map_or(&self.no_marks, |about| &about.needs_repair)
    }

    /// Notes that a bucket needs repair.
    pub(crate) fn mark(&mut self, target: HintTarget, bucket: Bucket) {
        let Some(about) = self.targets.get_mut(&target) else { return };
        about.marked_again.insert(bucket);
        if about.needs_repair.insert(bucket) {
            self.mark_count += 1;
            self.say(target, &Item::Marked { first: bucket, last: bucket });
        }
    }

    /// A comparison of the bucket begins: what is marked from now on, it does not cover.
    pub(crate) fn repair_begins(&mut self, target: HintTarget, bucket: Bucket) {
        if let Some(about) = self.targets.get_mut(&target) {
            about.marked_again.remove(bucket);
        }
    }

    /// The comparison has ended, and the target holds what it missed.
    pub(crate) fn repaired(&mut self, target: HintTarget, bucket: Bucket) {
        let Some(about) = self.targets.get_mut(&target) else { return };
        if !about.marked_again.contains(bucket) && about.needs_repair.remove(bucket) {
            self.mark_count -= 1;
            self.say(target, &Item::Cleared { first: bucket, last: bucket });
        }
    }

    /// Any key of this worker may have had a hint, for any target.
    pub(crate) fn mark_all(&mut self) {
        let targets: Vec<HintTarget> = self.targets.keys().copied().collect();
        for target in targets {
            for bucket in (0..BUCKETS as u16).map(Bucket) {
                if bucket.worker(self.workers) == self.worker {
                    self.mark(target, bucket);
                }
            }
        }
    }

    /// Hints noted before this many seconds since the Unix epoch are too old.
    fn too_old_s(&self, now: Now) -> u32 {
        seconds(now).saturating_sub(u32::try_from(self.limits.window_ms / MS_PER_S).unwrap_or(u32::MAX))
    }

    /// Drops a hint that was taken to be replayed.
    fn drop_hint(&mut self, target: HintTarget, key: &[u8]) {
        let Some(about) = self.targets.get_mut(&target) else { return };
        if about.queue.forget(key) {
            self.len -= 1;
            self.dropped_count += 1;
            self.say(target, &Item::Done { key });
        }
        self.mark_for(target, key);
    }

    fn mark_for(&mut self, target: HintTarget, key: &[u8]) {
        self.mark(target, Bucket::of(self.ring.token(key)));
    }

    fn say(&mut self, target: HintTarget, item: &Item<'_>) {
        if let Some(log) = &mut self.log {
            log.put(target, &label(&self.ring, target), item);
        }
    }
}

impl Target {
    /// Replays that count for the pace.
    fn under_way(&self) -> usize {
        self.queue.replaying_count().saturating_sub(self.aside.len())
    }
}

fn seconds(now: Now) -> u32 {
    u32::try_from(now.wall_ms() / MS_PER_S).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;

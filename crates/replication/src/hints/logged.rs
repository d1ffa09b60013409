//! What is said of hints in their log, and what an earlier process said.

use std::{collections::BTreeMap, ops::Bound};

use dynomite_ring::Ring;

use super::{
    HintTarget, Hints, Target,
    log::{Cursor, HintLogError, Item, Log, MARKED_BYTES, NOTED_BYTES, items, open},
    queue::Noted,
};
use crate::{Bucket, BucketSet};

impl Hints {
    /// Keeps a log from now on.
    pub(crate) fn keep_log(&mut self) {
        self.log.get_or_insert_default();
    }

    /// Appends what has changed to `into`, as one frame; its number. `None` when nothing has, or no log is kept.
    pub(crate) fn seal(&mut self, into: &mut Vec<u8>) -> Option<u64> {
        let live_bytes = self.live_bytes();
        let log = self.log.as_mut()?;
        if let Some((cursor, budget)) = log.begin_frame(live_bytes) {
            let budget = log.pending_bytes() + budget;
            let cursor = refresh(&self.ring, &self.targets, log, cursor, budget);
            log.refreshed_to(cursor);
        }
        log.end_frame(self.len + self.mark_count == 0, into)
    }

    /// Frames below this number are not needed.
    pub(crate) fn floor(&self) -> u64 {
        self.log.as_ref().map_or(0, Log::floor)
    }

    /// The last frame that was made could not be written.
    pub(crate) fn log_failed(&mut self) {
        self.log_failure_count += 1;
        if let Some(log) = &mut self.log {
            log.fail();
        }
    }

    /// The next frames shall say everything that is live, so that all before them
    /// can go; the number of the first of them.
    pub(crate) fn rewrite_log(&mut self) -> u64 {
        self.log.as_mut().map_or(0, Log::begin_urgent_cycle)
    }

    /// Takes over a frame of an earlier process, as far as it is about buckets of this worker and about targets that there
    /// are.
    ///
    /// # Errors
    /// Any [`HintLogError`]; then nothing was taken over.
    pub(crate) fn recover_frame(&mut self, payload: &[u8]) -> Result<(), HintLogError> {
        let (number, rest) = open(payload)?;
        let mut has_target = false;
        for item in items(rest) {
            match item? {
                Item::Node(_) | Item::Dc(_) => has_target = true,
                _ if !has_target => return Err(HintLogError::NoTarget),
                _ => {}
            }
        }
        self.log.get_or_insert_default().recovered(number, payload.len());
        let mut target = None;
        for item in items(rest).flatten() {
            match item {
                Item::Node(id) => target = Some(HintTarget::Node(id)),
                Item::Dc(name) => {
                    let dc = self.ring.dcs().iter().find(|dc| dc.name().as_bytes() == name);
                    target = dc.map(|dc| HintTarget::Dc(dc.index()));
                }
                item => {
                    if let Some(target) = target {
                        self.recover_item(target, &item);
                    }
                }
            }
        }
        Ok(())
    }

    fn recover_item(&mut self, target: HintTarget, item: &Item<'_>) {
        let bytes_max = self.limits.bytes_max;
        let Some(about) = self.targets.get_mut(&target) else { return };
        match *item {
            Item::Noted { noted_s, key } => {
                let bucket = Bucket::of(self.ring.token(key));
                if bucket.worker(self.workers) != self.worker {
                    return;
                }
                match about.queue.note(key, noted_s, bytes_max) {
                    Noted::New => self.len += 1,
                    Noted::Known => {}
                    Noted::NoRoom => {
                        self.dropped_count += 1;
                        self.mark(target, bucket);
                    }
                }
            }
            Item::Done { key } => self.len -= usize::from(about.queue.forget(key)),
            Item::Marked { first, last } => {
                for bucket in (first.0..=last.0).map(Bucket) {
                    if bucket.worker(self.workers) == self.worker && about.needs_repair.insert(bucket) {
                        self.mark_count += 1;
                    }
                }
            }
            Item::Cleared { first, last } => {
                for bucket in (first.0..=last.0).map(Bucket) {
                    self.mark_count -= usize::from(about.needs_repair.remove(bucket));
                }
            }
            Item::Node(_) | Item::Dc(_) => {}
        }
    }

    /// About how many bytes of items say everything that is live.
    fn live_bytes(&self) -> u64 {
        let of = |about: &Target| {
            let hints = about.queue.key_bytes() + about.queue.len() * NOTED_BYTES;
            (hints + about.needs_repair.len() * MARKED_BYTES) as u64
        };
        self.targets.values().map(of).sum()
    }
}

/// Says again what is live from `cursor` on, until `bytes_max` bytes wait to be written; how far that went.
fn refresh(
    ring: &Ring,
    targets: &BTreeMap<HintTarget, Target>,
    log: &mut Log,
    mut cursor: Cursor,
    bytes_max: usize,
) -> Cursor {
    while log.pending_bytes() < bytes_max {
        cursor = match cursor {
            Cursor::Start => targets.keys().next().map_or(Cursor::End, |first| Cursor::Marks(*first)),
            Cursor::Marks(target) => {
                let Some(about) = targets.get(&target) else { return Cursor::End };
                for (first, last) in ranges(&about.needs_repair) {
                    log.put(target, &label(ring, target), &Item::Marked { first, last });
                }
                Cursor::Hints(target, about.queue.first())
            }
            Cursor::Hints(target, number) => {
                let hints = targets.get(&target).into_iter().flat_map(|about| about.queue.hints_from(number));
                for (number, key, noted_s) in hints {
                    if log.pending_bytes() >= bytes_max {
                        return Cursor::Hints(target, number);
                    }
                    log.put(target, &label(ring, target), &Item::Noted { noted_s, key });
                }
                let next = targets.range((Bound::Excluded(target), Bound::Unbounded)).next();
                next.map_or(Cursor::End, |(next, _)| Cursor::Marks(*next))
            }
            Cursor::End => return Cursor::End,
        };
    }
    cursor
}

/// The item that says whom the following ones are about.
pub(super) fn label(ring: &Ring, target: HintTarget) -> Item<'_> {
    match target {
        HintTarget::Node(node) => Item::Node(node),
        HintTarget::Dc(dc) => Item::Dc(ring.dc(dc).name().as_bytes()),
    }
}

/// First and last bucket of each range without a gap.
fn ranges(buckets: &BucketSet) -> Vec<(Bucket, Bucket)> {
    let mut ranges: Vec<(Bucket, Bucket)> = Vec::new();
    for bucket in buckets.iter() {
        match ranges.last_mut() {
            Some((_, last)) if last.0 + 1 == bucket.0 => *last = bucket,
            _ => ranges.push((bucket, bucket)),
        }
    }
    ranges
}

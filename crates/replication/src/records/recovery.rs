//! The table as an earlier process's log tells it.

use std::{cmp::Reverse, collections::VecDeque};

use super::{
    RecordId, Records,
    entry::{Entry, Trust},
    log::{Change, Head, Item, Log, LogError, entry_len, items},
    losses::MARKER_NOTE,
    table::Place,
};
use crate::{
    Version,
    planted::{self, Planted},
};

/// What a log told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// Keys with a record.
    pub(crate) records: usize,
    /// Those of them that are in doubt because a write on them was in flight when the process died.
    pub(crate) in_doubt: usize,
    /// The greatest clock of all versions in the frames, also of keys that were not kept.
    pub(crate) greatest_clock: u64,
    /// The greatest number of a frame.
    pub(crate) greatest_frame: u64,
    /// Whether every log ended with an orderly stop.
    pub(crate) was_clean: bool,
}

/// Between the first frame and the last.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    /// The head of the last frame of the log that is being read.
    last: Option<Head>,
    /// Of the frames of any log.
    least_number: u64,
    greatest_number: u64,
    greatest_clock: u64,
    log_count: usize,
    was_clean: bool,
    /// In the log that is being read: frames that are not known to have been executed, and what was in flight then.
    in_flight: VecDeque<(u64, RecordId, Change)>,
    /// What was written since the oldest of some markers, with the frames; and those markers' frames.
    recent: VecDeque<(u64, RecordId)>,
    markers: VecDeque<u64>,
    /// Of the logs that were read: what was in flight at their end.
    doubts: Vec<(RecordId, Change)>,
}

impl Records {
    /// Takes over the next frame of an earlier process's log, as far as it is about keys that `keep` wants; to be called
    /// before anything else, with every frame in order. The table keeps a log from then on, whose frames continue the
    /// numbers.
    ///
    /// # Errors
    /// Any [`LogError`]; then nothing was taken over.
    pub(crate) fn recover_frame(
        &mut self,
        payload: &[u8],
        keep: impl Fn(&[u8]) -> bool,
    ) -> Result<(), LogError> {
        let (head, rest) = Head::of(payload)?;
        let last = self.recovery.as_ref().and_then(|recovery| recovery.last);
        if let Some(expected) = last.map(|last| last.number + 1).filter(|expected| *expected != head.number) {
            return Err(LogError::Gap { expected, found: head.number });
        }
        for item in items(rest) {
            item?;
        }
        let mut log = self.log.take().unwrap_or_default();
        let mut recovery = self.recovery.take().unwrap_or_default();
        log.begin_recovered(head.number);
        recovery.begin(head);
        for item in items(rest).flatten() {
            self.recover_item(item, head.number, &keep, &mut log, &mut recovery);
        }
        log.end_recovered(payload.len());
        self.log = Some(log);
        self.recovery = Some(recovery);
        Ok(())
    }

    /// The frames that follow are those of another log: another worker's, when there were more or fewer of them.
    pub(crate) fn recover_next_log(&mut self) {
        if let Some(recovery) = &mut self.recovery {
            recovery.end_log();
        }
    }

    /// All frames were there. What was in flight in the end is in doubt, and without a claim (rule R13).
    pub(crate) fn finish_recovery(&mut self) -> Recovered {
        let mut recovery = self.recovery.take().unwrap_or_default();
        recovery.end_log();
        if let Some(log) = &mut self.log {
            // Frames of several logs come in no order.
            let first = (recovery.log_count > 1).then_some(recovery.least_number);
            log.finish_recovery(first, recovery.greatest_number);
        }
        self.recover_promise();
        self.since_markers = SinceMarkers {
            first_frame: recovery.markers.front().copied(),
            changes: std::mem::take(&mut recovery.recent).into(),
        };
        let mut doubts = recovery.doubts;
        doubts.sort_by_key(|(id, change)| (*id, Reverse(*change)));
        doubts.dedup_by_key(|(id, _)| *id);
        let in_doubt = doubts.iter().filter(|(id, change)| self.doubt_recovered(*id, *change)).count();
        Recovered {
            records: self.len(),
            in_doubt,
            greatest_clock: recovery.greatest_clock,
            greatest_frame: recovery.greatest_number,
            was_clean: recovery.was_clean,
        }
    }

    fn recover_item(
        &mut self,
        item: Item<'_>,
        frame: u64,
        keep: impl Fn(&[u8]) -> bool,
        log: &mut Log,
        recovery: &mut Recovery,
    ) {
        match item {
            Item::Entry { key, entry, change } => {
                recovery.greatest_clock = recovery.greatest_clock.max(entry.greatest_clock());
                let entry = match planted::has(Planted::ForgetsPromises) {
                    true => Entry { promised: Version::ZERO, ..entry },
                    false => entry,
                };
                if keep(key) && !planted::has(Planted::ForgetsAtRestart) {
                    let id = self.recover_entry(key, &entry, log);
                    if change != Change::None {
                        recovery.recent.push_back((frame, id));
                        recovery.in_flight.push_back((frame, id, change));
                    }
                }
            }
            Item::Forgotten { key } => {
                let id = self.find(key);
                if let Some(place) = self.table.at(id.number) {
                    log.discount_entry(place.item_len());
                    self.remove(id);
                }
            }
            Item::Note { number, value } => {
                if number == MARKER_NOTE {
                    recovery.pass_marker(frame);
                }
                let before = self.set_note(number, value);
                log.count_note(number, &before, value, self.notes.len());
            }
        }
    }

    fn recover_entry(&mut self, key: &[u8], entry: &Entry, log: &mut Log) -> RecordId {
        let found = self.find(key);
        let before = self.table.at(found.number);
        let len_before = before.as_ref().map_or(0, Place::item_len);
        let id = if before.is_some() { found } else { self.insert(key) };
        let shape = self.table.set(id.number, entry);
        log.count_entry(id.number, len_before, entry_len(key.len(), shape, entry.record.ops));
        id
    }

    fn doubt_recovered(&mut self, id: RecordId, change: Change) -> bool {
        let trust = if change == Change::Replaced { Trust::DirtyOverwrite } else { Trust::Dirty };
        self.update(id, |entry| entry.distrust(trust))
    }
}

/// What an earlier process wrote since some marker, so that it is known what a datastore has lost that is not older.
#[derive(Debug, Default)]
pub(super) struct SinceMarkers {
    /// The frame from which on all is known; `None` without any marker.
    pub(super) first_frame: Option<u64>,
    pub(super) changes: Vec<(u64, RecordId)>,
}

/// Of so many markers it is known what was written since.
const MARKERS_MAX: usize = 8;

impl Recovery {
    /// Forgets what was written before markers that are too old to be asked about.
    fn pass_marker(&mut self, frame: u64) {
        self.markers.push_back(frame);
        if self.markers.len() > MARKERS_MAX {
            self.markers.pop_front();
        }
        let first = self.markers.front().copied().unwrap_or(0);
        while self.recent.pop_front_if(|(frame, _)| *frame < first).is_some() {}
    }

    fn begin(&mut self, head: Head) {
        if self.last.is_none() {
            let is_first = self.log_count == 0;
            self.was_clean |= is_first;
            self.least_number = if is_first { head.number } else { self.least_number.min(head.number) };
            self.log_count += 1;
        }
        self.last = Some(head);
        self.greatest_number = self.greatest_number.max(head.number);
        while self.in_flight.pop_front_if(|(frame, ..)| *frame <= head.executed).is_some() {}
    }

    fn end_log(&mut self) {
        let Some(last) = self.last.take() else { return };
        self.was_clean &= last.is_clean;
        let in_flight = self.in_flight.drain(..).map(|(_, id, change)| (id, change));
        if last.is_clean {
            drop(in_flight);
        } else {
            self.doubts.extend(in_flight);
        }
    }
}

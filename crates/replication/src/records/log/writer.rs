//! What goes into the next frame, and which frames can go.
//!
//! A cursor goes round the table and says again what is there, so that old frames hold nothing that is not in newer ones
//! too. The larger the log is beside what it describes, the faster the cursor goes.
//!
//! Invariants: the last item on a slot of block `b` is in frame `blocks[b]` or a later one. From the cursor to the end of the
//! table and on from its beginning, these marks never decrease.

use std::collections::VecDeque;

use super::{
    Change, FRAME_HEAD_BYTES, Head, PAYLOAD_HEAD_BYTES,
    item::{entry_len, note_len, put_entry, put_forgotten, put_note},
};
use crate::records::{entry::Entry, shape::Shape, table::Place};

/// Slots that share a mark.
const BLOCK_LEN: usize = 256;
/// Bytes that are said again for each byte that is new, when the log is twice as large as what it describes: in proportion
/// to what the log has too much. It stays at about one and a half times then, with two bytes said again for each new one.
const EAGERNESS_PERCENT: u64 = 400;
/// The most bytes that are said again for each byte that is new.
const EAGERNESS_MAX_PERCENT: u64 = 800;
/// The most bytes that one frame says again, and the most places that are looked at for it.
const REFRESH_BYTES_MAX: i64 = 1 << 20;
const VISITS_MAX: usize = 4096;
/// Items beyond so many bytes go into another frame: a frame's length has 32 bits, and so has one item's key.
const ITEMS_BYTES_MAX: usize = 64 << 20;
/// A buffer that was larger is given back.
const BUFFER_KEPT_MAX: usize = 8 << 20;

/// The log that a table keeps of itself. Its frames go to whoever calls [`Log::seal`].
#[derive(Debug)]
pub(in crate::records) struct Log {
    /// The items of the next frame.
    pending: Vec<u8>,
    /// Where `pending` is to be cut into several frames. Empty unless there are very many items.
    cuts: Vec<usize>,
    /// The last pending item, when it is the entry of a slot.
    latest: Option<Latest>,
    /// Where the next frame begins.
    end: Mark,
    /// Bytes of one item for each entry and note that there is.
    live_bytes: u64,
    /// Up to which frame all lane operations were executed; this is known, and this is written in the log.
    executed: u64,
    told_executed: u64,
    /// Later frames, each with the number of the last lane operation that was submitted up to it. Ascending.
    submitted: VecDeque<(u64, u64)>,
    blocks: Vec<Mark>,
    /// The last items on all notes are here or later; `None` when there are no notes.
    notes: Option<Mark>,
    cursor: Cursor,
    /// Where the log ended when the cursor came to its block, or to the notes.
    entered: Mark,
    /// Bytes that may be said again.
    credit: i64,
}

/// A frame, and how many bytes of frames come before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    frame: u64,
    offset: u64,
}

#[derive(Debug, Clone, Copy)]
struct Latest {
    slot: u32,
    start: usize,
    change: Change,
}

/// What is said again next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::records) enum Cursor {
    Slot(u32),
    /// The notes from this number on.
    Note(u32),
}

impl Default for Log {
    fn default() -> Self {
        let end = Mark { frame: 1, offset: 0 };
        Self {
            pending: Vec::new(),
            cuts: Vec::new(),
            latest: None,
            end,
            live_bytes: 0,
            executed: 0,
            told_executed: 0,
            submitted: VecDeque::new(),
            blocks: Vec::new(),
            notes: None,
            cursor: Cursor::Slot(0),
            entered: end,
            credit: 0,
        }
    }
}

impl Log {
    /// The key in `slot` has this entry now, of this shape; its item before had `len_before` bytes, none if there was none.
    pub(in crate::records) fn entry_changed(
        &mut self,
        slot: u32,
        len_before: usize,
        (key, entry, shape): (&[u8], &Entry, Shape),
        change: Change,
    ) {
        self.count_entry(slot, len_before, entry_len(key.len(), shape, entry.record.ops));
        let mut change = change;
        if let Some(latest) = self.latest.filter(|latest| latest.slot == slot) {
            self.pending.truncate(latest.start);
            change = change.max(latest.change);
        }
        let start = self.begin_item();
        put_entry(key, entry, shape, change, &mut self.pending);
        self.latest = Some(Latest { slot, start, change });
    }

    /// An entry is in the log, or is about to be; its item has `len` bytes.
    pub(in crate::records) fn count_entry(&mut self, slot: u32, len_before: usize, len: usize) {
        self.live_bytes += len as u64;
        self.live_bytes -= len_before as u64;
        while self.blocks.len() * BLOCK_LEN <= slot as usize {
            self.blocks.push(self.end);
        }
    }

    /// The key, whose item had `len_before` bytes, has no entry any more.
    pub(in crate::records) fn forgotten(&mut self, key: &[u8], len_before: usize) {
        self.discount_entry(len_before);
        self.begin_item();
        put_forgotten(key, &mut self.pending);
    }

    pub(in crate::records) fn discount_entry(&mut self, len_before: usize) {
        self.live_bytes -= len_before as u64;
    }

    /// A note's value is another one than `before`, where a note that there is not has an empty one; now there are `count`.
    pub(in crate::records) fn noted(&mut self, number: u32, before: &[u8], value: &[u8], count: usize) {
        self.count_note(number, before, value, count);
        self.begin_item();
        put_note(number, value, &mut self.pending);
    }

    /// Takes note of a note that is in the log already.
    pub(in crate::records) fn count_note(&mut self, number: u32, before: &[u8], value: &[u8], count: usize) {
        let len = |value: &[u8]| if value.is_empty() { 0 } else { note_len(number, value.len()) as u64 };
        self.live_bytes += len(value);
        self.live_bytes -= len(before);
        self.notes = (count > 0).then(|| self.notes.unwrap_or(self.end));
    }

    /// Where the next item begins.
    fn begin_item(&mut self) -> usize {
        self.latest = None;
        let start = self.pending.len();
        if start - self.cuts.last().copied().unwrap_or(0) > ITEMS_BYTES_MAX {
            self.cuts.push(start);
        }
        start
    }

    /// Whether there is something that a frame should say.
    pub(in crate::records) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// What to say again next, if something is.
    pub(in crate::records) fn next_refresh(&self) -> Option<Cursor> {
        (self.credit > 0).then_some(self.cursor)
    }

    /// Reckons how much is to be said again in the next frame. At most so many places are to be looked at for it.
    pub(in crate::records) fn begin_refresh(&mut self) -> usize {
        let new = (self.pending.len() + FRAME_HEAD_BYTES + PAYLOAD_HEAD_BYTES) as u64;
        let size = self.end.offset + new - self.oldest().offset;
        let surplus = size.saturating_sub(self.live_bytes);
        let percent = (EAGERNESS_PERCENT * surplus).checked_div(self.live_bytes).unwrap_or(0);
        let earned = i64::try_from(new * percent.min(EAGERNESS_MAX_PERCENT) / 100).unwrap_or(i64::MAX);
        self.credit = self.credit.saturating_add(earned).min(REFRESH_BYTES_MAX);
        VISITS_MAX
    }

    /// Says again what is in `slot`, where the cursor is; `None` when it is free.
    pub(in crate::records) fn refresh_slot(&mut self, slot: u32, place: Option<Place<'_>>) {
        if slot as usize % BLOCK_LEN == 0 {
            self.entered = self.end;
        }
        if let Some(Place { key, entry, shape, .. }) = place {
            let start = self.begin_item();
            put_entry(key, &entry, shape, Change::None, &mut self.pending);
            self.credit -= (self.pending.len() - start) as i64;
        }
        self.cursor = Cursor::Slot(slot + 1);
        if (slot as usize + 1) % BLOCK_LEN == 0 {
            self.leave_block(slot);
        }
    }

    /// The cursor is behind the last slot.
    pub(in crate::records) fn refreshed_slots(&mut self, slot_count: u32) {
        if slot_count > 0 && slot_count as usize % BLOCK_LEN != 0 {
            self.leave_block(slot_count - 1);
        }
        self.cursor = Cursor::Note(0);
        self.entered = self.end;
    }

    fn leave_block(&mut self, slot: u32) {
        if let Some(mark) = self.blocks.get_mut(slot as usize / BLOCK_LEN) {
            *mark = self.entered;
        }
    }

    /// Says again the first note from the cursor on; `None` when there is none.
    pub(in crate::records) fn refresh_note(&mut self, note: Option<(u32, &[u8])>) {
        if let Some((number, value)) = note {
            let start = self.begin_item();
            put_note(number, value, &mut self.pending);
            self.credit -= (self.pending.len() - start) as i64;
        }
        self.cursor = match note.and_then(|(number, _)| number.checked_add(1)) {
            Some(number) => Cursor::Note(number),
            None => {
                self.notes = self.notes.map(|_| self.entered);
                Cursor::Slot(0)
            }
        };
    }

    /// The last item on anything that there is is here or later.
    fn oldest(&self) -> Mark {
        if self.live_bytes == 0 {
            return self.end;
        }
        let at_cursor = match self.cursor {
            Cursor::Slot(slot) => self.blocks.get(slot as usize / BLOCK_LEN),
            Cursor::Note(_) => None,
        };
        let marks = [at_cursor, self.blocks.first(), self.notes.as_ref()];
        marks.into_iter().flatten().copied().min().unwrap_or(self.end)
    }

    /// The number of the next frame.
    pub(in crate::records) fn next_number(&self) -> u64 {
        self.end.frame + 1
    }

    /// Frames below this number hold nothing that is not in later ones too, nor anything that is in doubt.
    pub(in crate::records) fn floor(&self) -> u64 {
        self.oldest().frame.min(self.executed + 1)
    }

    /// Appends what is pending to `into`, as one frame unless it is very much; the number of the last. Up to it the lane
    /// operations up to `submitted` were submitted, and those up to `executed` were executed.
    pub(in crate::records) fn seal(
        &mut self,
        submitted: u64,
        executed: u64,
        is_clean: bool,
        into: &mut Vec<u8>,
    ) -> u64 {
        while let Some((frame, _)) = self.submitted.pop_front_if(|(_, submitted)| *submitted <= executed) {
            self.executed = frame;
        }
        let pending = std::mem::take(&mut self.pending);
        let mut start = 0;
        for cut in self.cuts.drain(..) {
            // What is pending may revoke what was in doubt, so it is told to have been executed when all of it is there.
            let head = Head { number: self.end.frame, executed: self.told_executed, is_clean: false };
            self.end = self.end.after(head.put_frame(&pending[start..cut], into));
            start = cut;
        }
        let is_clean = is_clean && executed >= submitted;
        let head = Head { number: self.end.frame, executed: self.executed, is_clean };
        self.end = self.end.after(head.put_frame(&pending[start..], into));
        self.told_executed = self.executed;
        match self.submitted.back_mut() {
            Some((frame, known)) if *known == submitted => *frame = head.number,
            _ => self.submitted.push_back((head.number, submitted)),
        }
        self.pending = pending;
        self.pending.clear();
        self.pending.shrink_to(BUFFER_KEPT_MAX);
        self.latest = None;
        head.number
    }

    /// The items of frame `number` of an earlier process's log are about to be counted.
    pub(in crate::records) fn begin_recovered(&mut self, number: u64) {
        self.end.frame = number;
    }

    /// They were; the frame had so many bytes.
    pub(in crate::records) fn end_recovered(&mut self, payload_len: usize) {
        self.end = self.end.after(FRAME_HEAD_BYTES + payload_len);
    }

    /// All frames up to the one numbered `last` were counted, and nothing in them is in doubt but what is pending now.
    pub(in crate::records) fn finish_recovery(&mut self, last: u64, log_count: usize) {
        self.end.frame = last + 1;
        self.executed = last;
        self.entered = self.end;
        if log_count > 1 {
            // Frames of different logs are in no order.
            let oldest = self.blocks.iter().chain(self.notes.as_ref()).copied().min();
            let oldest = oldest.unwrap_or(self.end);
            self.blocks.fill(oldest);
            self.notes = self.notes.map(|_| oldest);
        }
    }
}

impl Mark {
    fn after(self, frame_bytes: usize) -> Self {
        Self { frame: self.frame + 1, offset: self.offset + frame_bytes as u64 }
    }
}

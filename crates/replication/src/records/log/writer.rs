//! What goes into the next frame, and which frames can go.
//!
//! The slots are divided into blocks. The block that was not said again for the longest time is said again, and so on, so
//! that old frames hold nothing that is not in newer ones too: the larger the log is beside what it describes, the faster.
//!
//! Invariants: the last items on all slots of a block are in the frame of its mark or later ones. The blocks are in the order
//! of their marks; the one that is being said again has none that is later.

use std::collections::VecDeque;

use super::{
    Change, FRAME_HEAD_BYTES, Head, PAYLOAD_HEAD_BYTES,
    item::{entry_len, note_len, put_entry, put_forgotten, put_note},
};
use crate::records::{entry::Entry, shape::Shape, table::Place};

/// Slots that share a mark.
const BLOCK_LEN: usize = 256;
/// The block of the notes; no slot has this number.
const NOTES: u32 = u32::MAX;
/// Bytes that are said again for each byte that is new, when the log is twice as large as what it describes: in proportion
/// to what the log has too much. It stays at about one and a half times then, with two bytes said again for each new one.
const EAGERNESS_PERCENT: u64 = 400;
/// The most bytes that are said again for each byte that is new.
const EAGERNESS_MAX_PERCENT: u64 = 800;
/// Bytes that a log may always have too much.
const SURPLUS_KEPT: u64 = 4096;
/// The most bytes that one frame says again.
const REFRESH_BYTES_MAX: i64 = 1 << 20;
/// Items beyond so many bytes go into another frame: a frame's length has 32 bits, and so has one item's key.
/// In tests it is small enough to be met.
const ITEMS_BYTES_MAX: usize = if cfg!(test) { 4 << 10 } else { 64 << 20 };
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
    blocks: VecDeque<Block>,
    /// How many of them, and of the one that is being said again, are of slots.
    block_count: usize,
    /// Whether one is of the notes.
    has_notes: bool,
    current: Option<Current>,
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

/// Things that are said again together.
#[derive(Debug, Clone, Copy)]
struct Block {
    /// The first slot, or [`NOTES`].
    start: u32,
    /// The last items on them are here or later.
    mark: Mark,
}

/// The block that is being said again.
#[derive(Debug, Clone, Copy)]
struct Current {
    block: Block,
    /// What is said again next, and where the log ended when the first was.
    cursor: Cursor,
    began: Mark,
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
            blocks: VecDeque::new(),
            block_count: 0,
            has_notes: false,
            current: None,
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
        while self.block_count * BLOCK_LEN <= slot as usize {
            self.blocks.push_back(Block { start: (self.block_count * BLOCK_LEN) as u32, mark: self.end });
            self.block_count += 1;
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
        if count > 0 && !self.has_notes {
            self.has_notes = true;
            self.blocks.push_back(Block { start: NOTES, mark: self.end });
        }
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

    /// Reckons how much is to be said again in the next frame.
    pub(in crate::records) fn begin_refresh(&mut self) {
        let new = (self.pending.len() + FRAME_HEAD_BYTES + PAYLOAD_HEAD_BYTES) as u64;
        let size = self.end.offset + new - self.oldest().offset;
        let surplus = size.saturating_sub(self.live_bytes + SURPLUS_KEPT);
        let percent = (EAGERNESS_PERCENT * surplus).checked_div(self.live_bytes).unwrap_or(0);
        let earned = i64::try_from(new * percent.min(EAGERNESS_MAX_PERCENT) / 100).unwrap_or(i64::MAX);
        self.credit = self.credit.saturating_add(earned).min(REFRESH_BYTES_MAX);
    }

    /// What to say again next, if something is.
    pub(in crate::records) fn next_refresh(&mut self) -> Option<Cursor> {
        if self.credit <= 0 {
            return None;
        }
        if self.current.is_none() {
            let block = self.blocks.pop_front()?;
            let cursor = if block.start == NOTES { Cursor::Note(0) } else { Cursor::Slot(block.start) };
            self.current = Some(Current { block, cursor, began: self.end });
        }
        self.current.map(|current| current.cursor)
    }

    /// Says again what is in `slot`, where the cursor is; `None` when it is free. There are `slot_count` slots.
    pub(in crate::records) fn refresh_slot(
        &mut self,
        slot: u32,
        place: Option<Place<'_>>,
        slot_count: usize,
    ) {
        if let Some(Place { key, entry, shape, .. }) = place {
            let start = self.begin_item();
            put_entry(key, &entry, shape, Change::None, &mut self.pending);
            self.credit -= (self.pending.len() - start) as i64;
        }
        let next = slot as usize + 1;
        let is_last = next.is_multiple_of(BLOCK_LEN) || next >= slot_count;
        self.go_on((!is_last).then_some(Cursor::Slot(slot + 1)));
    }

    /// Says again the first note from the cursor on; `None` when there is none.
    pub(in crate::records) fn refresh_note(&mut self, note: Option<(u32, &[u8])>) {
        if let Some((number, value)) = note {
            let start = self.begin_item();
            put_note(number, value, &mut self.pending);
            self.credit -= (self.pending.len() - start) as i64;
        }
        self.go_on(note.and_then(|(number, _)| number.checked_add(1)).map(Cursor::Note));
    }

    /// Leaves the block if there is nothing more to say.
    fn go_on(&mut self, next: Option<Cursor>) {
        let Some(mut current) = self.current.take() else { return };
        if let Some(next) = next {
            current.cursor = next;
            self.current = Some(current);
        } else {
            self.insert_block(Block { mark: current.began, ..current.block });
        }
    }

    /// Near the end: few blocks are as new.
    fn insert_block(&mut self, block: Block) {
        let place = self.blocks.partition_point(|other| other.mark <= block.mark);
        self.blocks.insert(place, block);
    }

    /// The last items on anything that there is are here or later.
    fn oldest(&self) -> Mark {
        let current = self.current.map(|current| current.block);
        match current.as_ref().or(self.blocks.front()) {
            Some(block) if self.live_bytes > 0 => block.mark,
            _ => self.end,
        }
    }

    /// The number of the next frame.
    pub(in crate::records) fn next_number(&self) -> u64 {
        self.end.frame
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

    /// All frames up to the one numbered `last` were counted, and nothing in them is in doubt but what is pending now. What
    /// there is may be in any frame from `first` on, if that is given.
    pub(in crate::records) fn finish_recovery(&mut self, first: Option<u64>, last: u64) {
        self.end.frame = last + 1;
        self.executed = last;
        if let Some(frame) = first {
            let first = Mark { frame, offset: 0 };
            self.blocks.iter_mut().for_each(|block| block.mark = first);
        }
    }
}

impl Mark {
    fn after(self, frame_bytes: usize) -> Self {
        Self { frame: self.frame + 1, offset: self.offset + frame_bytes as u64 }
    }
}

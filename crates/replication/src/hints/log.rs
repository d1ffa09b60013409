//! The bytes of a hint log, and which of its frames are still needed.
//!
//! A frame is `[payload length u32][CRC-32 of the payload u32][payload]`, all little-endian; a payload is the frame's number
//! (u64), then items (see `item`). Hints are said when they are noted and when they are done. What is live is said again, in
//! a cycle, whenever the log is more than twice as large: when the cycle is over, nothing is needed that came before it.

mod item;

pub(super) use item::{Item, MARKED_BYTES, NOTED_BYTES, items};

use super::HintTarget;

/// Length and checksum.
const HEAD_BYTES: usize = 8;
const NUMBER_BYTES: usize = 8;
/// A log of less than this on top of twice what is live is not written anew.
const SLACK_BYTES: u64 = 64 << 10;
/// Bytes that are said again for each byte that is new while a cycle is under way.
const EAGERNESS: usize = 4;
/// The most that one frame says again.
const REFRESH_BYTES_MAX: usize = 1 << 20;
/// A buffer that was larger is given back.
const BUFFER_KEPT_MAX: usize = 1 << 20;

/// A payload that no engine wrote. Whose fault: the disk's, or of whoever changed the files. Nothing of it was taken over; see
/// `Engine::handle_hint_log_lost`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HintLogError {
    /// The payload ended before its last field.
    #[error("a frame of the hint log ends too early")]
    Truncated,
    /// An item has no meaning in this version of the format.
    #[error("a frame of the hint log has an item of an unknown kind ({0:#04x})")]
    UnknownItem(u8),
    /// A number is too large.
    #[error("a number in a frame of the hint log is out of range")]
    OutOfRange,
    /// An item comes before the target that it is about.
    #[error("a frame of the hint log does not say which target it is about")]
    NoTarget,
}

/// The log that an engine keeps of its hints. Frames go to whoever calls `Engine::seal_hints`.
#[derive(Debug)]
pub(super) struct Log {
    /// The items of the next frame.
    pending: Vec<u8>,
    /// The target that the last of them is about.
    target: Option<HintTarget>,
    /// Where the next frame begins.
    end: Mark,
    /// Where the frames begin that are needed.
    floor: Mark,
    cycle: Option<Cycle>,
    /// The last frame could not be written: until the next is made, nothing is taken down.
    has_failed: bool,
}

/// A frame, and how many bytes of frames come before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    frame: u64,
    offset: u64,
}

/// Everything that is live, being said again.
#[derive(Debug, Clone, Copy)]
struct Cycle {
    from: Mark,
    cursor: Cursor,
    /// Whether frames before it may be missing: it does not wait for new items.
    is_urgent: bool,
}

/// What is said again next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cursor {
    Start,
    /// The marks of this target; its hints come after them.
    Marks(HintTarget),
    /// The hints of this target, from this number on.
    Hints(HintTarget, u32),
    End,
}

impl Default for Log {
    fn default() -> Self {
        let end = Mark { frame: 1, offset: 0 };
        Self { pending: Vec::new(), target: None, end, floor: end, cycle: None, has_failed: false }
    }
}

impl Log {
    /// Takes down an item about `target`, whose own item is `label`.
    pub(super) fn put(&mut self, target: HintTarget, label: &Item<'_>, item: &Item<'_>) {
        if self.has_failed {
            return;
        }
        if self.target != Some(target) {
            self.target = Some(target);
            label.put(&mut self.pending);
        }
        item.put(&mut self.pending);
    }

    /// Bytes that wait for the next frame.
    pub(super) fn pending_bytes(&self) -> usize {
        self.pending.len()
    }

    /// Frames below this number are not needed.
    pub(super) fn floor(&self) -> u64 {
        self.floor.frame
    }

    /// Whether a crash would lose hints that are in memory.
    pub(super) fn is_behind(&self) -> bool {
        self.has_failed || self.cycle.is_some_and(|cycle| cycle.is_urgent)
    }

    /// A frame that was given out is not in the log. What it said is said again, with all the rest.
    pub(super) fn fail(&mut self) {
        self.has_failed = true;
        self.cycle = None;
        self.clear();
    }

    /// Begins to say everything again with the next frame, whose number this is.
    pub(super) fn begin_urgent_cycle(&mut self) -> u64 {
        self.cycle = Some(Cycle { from: self.end, cursor: Cursor::Start, is_urgent: true });
        self.end.frame
    }

    /// A frame is about to be made, and so many bytes of items would say all that is live. From where on things are to be said
    /// again in it, and how many bytes of them.
    pub(super) fn begin_frame(&mut self, live_bytes: u64) -> Option<(Cursor, usize)> {
        if std::mem::take(&mut self.has_failed) {
            self.begin_urgent_cycle();
        }
        let size = self.end.offset - self.floor.offset + self.pending.len() as u64;
        if self.cycle.is_none() && size > 2 * live_bytes + SLACK_BYTES {
            self.cycle = Some(Cycle { from: self.end, cursor: Cursor::Start, is_urgent: false });
        }
        let cycle = self.cycle?;
        let budget =
            if cycle.is_urgent { REFRESH_BYTES_MAX } else { self.pending.len().saturating_mul(EAGERNESS) };
        Some((cycle.cursor, budget.min(REFRESH_BYTES_MAX)))
    }

    /// So far things were said again.
    pub(super) fn refreshed_to(&mut self, cursor: Cursor) {
        if let Some(cycle) = &mut self.cycle {
            cycle.cursor = cursor;
        }
    }

    /// Appends what is pending to `into` as one frame; its number. `None` when nothing is.
    pub(super) fn end_frame(&mut self, is_empty: bool, into: &mut Vec<u8>) -> Option<u64> {
        let number = self.end.frame;
        let sealed = !self.pending.is_empty();
        if sealed {
            let len = put_frame(number, &self.pending, into);
            self.end = self.end.after(len);
            self.clear();
        }
        if is_empty {
            self.floor = self.end;
            self.cycle = None;
        } else if let Some(cycle) = self.cycle.take_if(|cycle| cycle.cursor == Cursor::End) {
            self.floor = cycle.from;
        }
        sealed.then_some(number)
    }

    /// A frame of an earlier process, with a payload of so many bytes, belongs to the log.
    pub(super) fn recovered(&mut self, number: u64, payload_len: usize) {
        if self.end.offset == self.floor.offset {
            self.floor.frame = number;
        }
        self.floor.frame = self.floor.frame.min(number);
        let end = self.end.after(HEAD_BYTES + payload_len);
        self.end = Mark { frame: self.end.frame.max(number + 1), ..end };
    }

    fn clear(&mut self) {
        self.pending.clear();
        self.pending.shrink_to(BUFFER_KEPT_MAX);
        self.target = None;
    }
}

impl Mark {
    fn after(self, frame_bytes: usize) -> Self {
        Self { frame: self.frame + 1, offset: self.offset + frame_bytes as u64 }
    }
}

/// Appends a whole frame to `into`; its length.
fn put_frame(number: u64, items: &[u8], into: &mut Vec<u8>) -> usize {
    let len = NUMBER_BYTES + items.len();
    into.reserve(HEAD_BYTES + len);
    into.extend_from_slice(&(len as u32).to_le_bytes());
    let crc_at = into.len();
    into.extend_from_slice(&[0; 4]);
    into.extend_from_slice(&number.to_le_bytes());
    into.extend_from_slice(items);
    let crc = crc32fast::hash(&into[crc_at + 4..]);
    into[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
    HEAD_BYTES + len
}

/// The number of the frame with this payload, and its items.
pub(super) fn open(payload: &[u8]) -> Result<(u64, &[u8]), HintLogError> {
    let (number, rest) = payload.split_first_chunk().ok_or(HintLogError::Truncated)?;
    match u64::from_le_bytes(*number) {
        u64::MAX => Err(HintLogError::OutOfRange),
        number => Ok((number, rest)),
    }
}

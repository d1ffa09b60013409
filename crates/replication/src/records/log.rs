//! The bytes of a record log.
//!
//! A log is a sequence of frames, `[payload length u32][CRC-32 of the payload u32][payload]`, all little-endian. A payload
//! begins with the frame's number (u64), which is one more than that of the frame before; the number of the newest frame
//! all of whose lane operations were executed when this one was made (u64); and flags (u8). Items follow (see `item`). The
//! last item on a key or a note says how it is.

mod item;
mod writer;

pub(super) use item::{Change, Item, entry_len, items};
pub(super) use writer::{Cursor, Log};

/// Length and checksum.
const FRAME_HEAD_BYTES: usize = 8;
/// Number, number of the newest executed frame, flags.
const PAYLOAD_HEAD_BYTES: usize = 17;
/// Every lane operation before the frame was executed, and none was given to the lane after it: an orderly stop.
const FLAG_CLEAN: u8 = 1;

/// Bytes of a log that stand where no whole frame is: the trace of a process that died while it wrote, when they are the
/// last of the newest segment; otherwise damage.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no whole frame begins at byte {at}")]
pub(super) struct Torn {
    /// Where the last whole frame ends.
    pub at: usize,
}

/// A payload that no engine wrote, or that does not follow the one before it. Whose fault: the disk's, or of whoever changed
/// the files. Nothing of the payload was taken over; the copies that the log describes are lost (rule R14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The payload ended before its last field.
    #[error("a frame of the record log ends too early")]
    Truncated,
    /// An item or a flag has no meaning in this version of the format.
    #[error("a frame of the record log has an item of an unknown kind ({0:#06x})")]
    UnknownItem(u16),
    /// A number is too large.
    #[error("a number in a frame of the record log is out of range")]
    OutOfRange,
    /// Frames are missing, or in the wrong order.
    #[error("frame {found} of the record log comes where {expected} should be")]
    Gap {
        /// The number after that of the frame before.
        expected: u64,
        /// The number that came.
        found: u64,
    },
}

/// The payloads of the frames in `bytes`, in order; after [`Torn`] nothing comes.
#[cfg(test)]
pub(super) fn frames(bytes: &[u8]) -> Frames<'_> {
    Frames { bytes, at: 0, is_over: false }
}

/// The number of the frame with this payload.
///
/// # Errors
/// [`LogError::Truncated`] when it is too short for a frame's.
#[cfg(test)]
pub(super) fn frame_number(payload: &[u8]) -> Result<u64, LogError> {
    Head::of(payload).map(|(head, _)| head.number)
}

/// See [`frames`].
#[cfg(test)]
#[derive(Debug, Clone)]
pub(super) struct Frames<'a> {
    bytes: &'a [u8],
    at: usize,
    is_over: bool,
}

#[cfg(test)]
impl<'a> Iterator for Frames<'a> {
    type Item = Result<&'a [u8], Torn>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty() && !self.is_over)?;
        match whole_frame(rest) {
            Some(payload) => {
                self.at += FRAME_HEAD_BYTES + payload.len();
                Some(Ok(payload))
            }
            None => {
                self.is_over = true;
                Some(Err(Torn { at: self.at }))
            }
        }
    }
}

/// The payload of the frame that `bytes` begin with.
#[cfg(test)]
fn whole_frame(bytes: &[u8]) -> Option<&[u8]> {
    let (len, rest) = bytes.split_first_chunk()?;
    let (crc, rest) = rest.split_first_chunk()?;
    let payload = rest.get(..u32::from_le_bytes(*len) as usize)?;
    // Zeroes that were never written over would be an empty frame.
    let is_whole =
        payload.len() >= PAYLOAD_HEAD_BYTES && crc32fast::hash(payload) == u32::from_le_bytes(*crc);
    is_whole.then_some(payload)
}

/// What a payload begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) number: u64,
    /// The newest frame all of whose lane operations were executed.
    pub(super) executed: u64,
    pub(super) is_clean: bool,
}

impl Head {
    /// The head of `payload`, and its items.
    pub(super) fn of(payload: &[u8]) -> Result<(Self, &[u8]), LogError> {
        let (number, rest) = payload.split_first_chunk().ok_or(LogError::Truncated)?;
        let (executed, rest) = rest.split_first_chunk().ok_or(LogError::Truncated)?;
        let (flags, rest) = rest.split_first().ok_or(LogError::Truncated)?;
        if flags & !FLAG_CLEAN != 0 {
            return Err(LogError::UnknownItem(u16::from(*flags)));
        }
        let (number, executed) = (u64::from_le_bytes(*number), u64::from_le_bytes(*executed));
        if number == u64::MAX || executed >= number {
            return Err(LogError::OutOfRange);
        }
        Ok((Self { number, executed, is_clean: flags & FLAG_CLEAN != 0 }, rest))
    }

    /// Appends the whole frame of `items` to `into`; its length.
    fn put_frame(self, items: &[u8], into: &mut Vec<u8>) -> usize {
        let len = PAYLOAD_HEAD_BYTES + items.len();
        into.reserve(FRAME_HEAD_BYTES + len);
        let start = into.len() + FRAME_HEAD_BYTES;
        into.extend_from_slice(&(len as u32).to_le_bytes());
        into.extend_from_slice(&[0; 4]);
        into.extend_from_slice(&self.number.to_le_bytes());
        into.extend_from_slice(&self.executed.to_le_bytes());
        into.push(if self.is_clean { FLAG_CLEAN } else { 0 });
        into.extend_from_slice(items);
        let crc = crc32fast::hash(&into[start..]);
        into[start - 4..start].copy_from_slice(&crc.to_le_bytes());
        FRAME_HEAD_BYTES + len
    }
}

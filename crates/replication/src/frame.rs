//! Frames: what a log on disk consists of.
//!
//! A frame is `length: u32`, `crc: u32`, `payload`, little-endian; the length counts the payload, the CRC-32 covers it,
//! and the payload begins with the frame's number, a `u64` that grows from frame to frame. What else is in a payload is
//! its writer's. A log is frames one behind the other, so it can be read up to where a crash cut it off, and no further.
//!
//! Invariants: no bytes make a reader panic, and nothing is allocated.

use std::ops::RangeInclusive;

#[cfg(test)]
mod tests;

/// In front of each payload: its length and its CRC-32.
pub const HEADER_BYTES: usize = 8;
/// The number that each payload begins with.
pub const NUMBER_BYTES: usize = 8;
const LENGTH_BYTES: usize = 4;
/// How far a number may be above the last one to be looked for behind damage.
const NUMBERS_AHEAD: u64 = 1 << 20;
/// [`find_later`] gives up after reading so many times the bytes that it was given.
const REREADS_MAX: usize = 64;

/// One whole frame, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its number, which the payload begins with.
    pub number: u64,
    /// The payload, number and all.
    pub payload: &'a [u8],
}

impl Frame<'_> {
    /// Bytes that the frame takes in its log.
    pub fn size(&self) -> usize {
        HEADER_BYTES + self.payload.len()
    }
}

/// What stands there is no whole frame. Whose fault: a crash that cut the log off, the disk, or whoever wrote to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The bytes end before the frame does.
    #[error("it ends after {0} bytes of a frame")]
    CutOff(usize),
    /// The payload has no room for its number. Zeros look like this.
    #[error("a frame of {0} bytes has no room for its number")]
    TooShort(u32),
    /// The payload is not what was written.
    #[error("a frame's CRC-32 is wrong")]
    WrongCrc,
}

/// A payload of more than 4 GiB cannot be told from a shorter one. Our own fault; nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame's payload of {0} bytes is more than its length can say")]
pub struct FrameTooLong(pub usize);

/// The frame that `bytes` begin with; `None` when there are none. Reads it once, for the CRC.
///
/// # Errors
/// When what stands there is no whole frame.
pub fn first(bytes: &[u8]) -> Result<Option<Frame<'_>>, FrameError> {
    let Some(frame) = peek(bytes)? else { return Ok(None) };
    let stated = bytes.get(LENGTH_BYTES..).and_then(|rest| rest.first_chunk());
    if stated != Some(&crc32fast::hash(frame.payload).to_le_bytes()) {
        return Err(FrameError::WrongCrc);
    }
    Ok(Some(frame))
}

/// As [`first`], but for bytes that are known to be as they were written: the CRC is not looked at.
///
/// # Errors
/// When `bytes` end before the frame does, or it has no room for a number.
pub fn peek(bytes: &[u8]) -> Result<Option<Frame<'_>>, FrameError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let Some((header, rest)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Err(FrameError::CutOff(bytes.len()));
    };
    let length = length_of(header);
    if (length as usize) < NUMBER_BYTES {
        return Err(FrameError::TooShort(length));
    }
    let payload = rest.get(..length as usize).ok_or(FrameError::CutOff(bytes.len()))?;
    let number = number_of(payload).ok_or(FrameError::TooShort(length))?;
    Ok(Some(Frame { number, payload }))
}

/// Where the next whole frame stands whose number is a little above `last`, however garbled the bytes before it are: a log
/// that was cut off by a crash has none, one that was damaged in its middle most often has.
///
/// Costs a look at each byte, and a CRC where length and number could be a frame's. Input made to cost more than
/// reading `bytes` 64 times counts as holding one.
pub fn find_later(bytes: &[u8], last: u64) -> Option<usize> {
    let numbers: RangeInclusive<u64> = last.saturating_add(1)..=last.saturating_add(NUMBERS_AHEAD);
    let mut to_read = bytes.len().saturating_mul(REREADS_MAX);
    for (at, window) in bytes.windows(HEADER_BYTES + NUMBER_BYTES).enumerate() {
        let is_near =
            window.get(HEADER_BYTES..).and_then(number_of).is_some_and(|number| numbers.contains(&number));
        if !is_near {
            continue;
        }
        match first(&bytes[at..]) {
            Ok(_) => return Some(at),
            Err(FrameError::WrongCrc) => match to_read.checked_sub(length_of(window) as usize) {
                Some(rest) => to_read = rest,
                None => return Some(at),
            },
            Err(_) => {}
        }
    }
    None
}

/// Begins a frame at the end of `into`; the payload is appended to it, and [`seal`] is given what this returns.
pub fn begin(into: &mut Vec<u8>, number: u64) -> usize {
    let start = into.len();
    into.extend_from_slice(&[0; HEADER_BYTES]);
    into.extend_from_slice(&number.to_le_bytes());
    start
}

/// Ends the frame that [`begin`] began at `start`: all that was appended since is its payload.
///
/// # Errors
/// When the payload is too long. The frame is taken out of `into` again.
pub fn seal(into: &mut Vec<u8>, start: usize) -> Result<(), FrameTooLong> {
    let payload_start = start.saturating_add(HEADER_BYTES).min(into.len());
    let payload = &into[payload_start..];
    let Ok(length) = u32::try_from(payload.len()) else {
        let length = payload.len();
        into.truncate(start);
        return Err(FrameTooLong(length));
    };
    let crc = crc32fast::hash(payload);
    for (byte, value) in
        into[start..].iter_mut().zip(length.to_le_bytes().into_iter().chain(crc.to_le_bytes()))
    {
        *byte = value;
    }
    Ok(())
}

fn length_of(header: &[u8]) -> u32 {
    header.first_chunk().map_or(0, |length| u32::from_le_bytes(*length))
}

fn number_of(payload: &[u8]) -> Option<u64> {
    payload.first_chunk().map(|number| u64::from_le_bytes(*number))
}

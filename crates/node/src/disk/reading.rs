//! Reading one worker's log, segment by segment, and judging where it ends.
//!
//! A crash cuts a log off: what it leaves behind the last whole frame holds no later one. Anything else that is not as it
//! was written is damage.

use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use dynomite_replication::frame::{self, Frame};

use super::generation::StoredSegment;
use super::header::{HEADER_BYTES, Header, LogId};
use super::{Damage, DamageCause, DiskError, ReadError};

/// Where a log ends, for whoever continues it.
#[derive(Debug, Default)]
pub(super) struct LogEnd {
    /// Oldest first; the last is to be continued.
    pub(super) segments: Vec<WholeSegment>,
    /// Segments that a crash left without a frame.
    pub(super) void: Vec<PathBuf>,
    /// 0 when there is none.
    pub(super) last_frame: u64,
    /// What a crash left behind the last whole frame.
    pub(super) torn_bytes: u64,
    pub(super) frame_count: u64,
    pub(super) byte_count: u64,
}

/// A segment as far as it is whole.
#[derive(Debug)]
pub(super) struct WholeSegment {
    pub(super) sequence: u64,
    pub(super) path: PathBuf,
    /// `None` in a log that was begun and has no frame yet.
    pub(super) first_frame: Option<u64>,
    /// Bytes up to the end of the last whole frame.
    pub(super) length: u64,
}

/// Gives all frames of a log to `each`, in their order. Holds one segment at a time, in `buffer`.
pub(super) fn read_log<E: Display>(
    log: &LogId,
    directory: &Path,
    segments: &[StoredSegment],
    buffer: &mut Vec<u8>,
    each: impl FnMut(Frame<'_>) -> Result<(), E>,
) -> Result<LogEnd, ReadError> {
    let mut reading = Reading { log, each, end: LogEnd::default() };
    // Where it is cut off, if nothing follows.
    let mut cut: Option<Damage> = None;
    for segment in segments {
        read_file(&segment.path, buffer)?;
        cut = match cut {
            None => reading.segment(segment, buffer)?,
            // Nothing follows the end but segments without a frame.
            Some(cut) => Some(reading.cut_off(segment, buffer, 0, cut)?),
        };
    }
    if reading.end.segments.is_empty() {
        return Err(cut
            .unwrap_or_else(|| Damage::new(directory, 0, DamageCause::LogMissing(log.worker)))
            .into());
    }
    Ok(reading.end)
}

struct Reading<'a, F> {
    log: &'a LogId,
    each: F,
    end: LogEnd,
}

impl<E: Display, F: FnMut(Frame<'_>) -> Result<(), E>> Reading<'_, F> {
    /// Reads one segment; gives what is wrong at its end when no later frame stands behind that in this segment.
    fn segment(&mut self, segment: &StoredSegment, bytes: &[u8]) -> Result<Option<Damage>, Damage> {
        let StoredSegment { sequence, path } = segment;
        let damage = |at: usize, cause: DamageCause| Damage::new(path, at, cause);
        if let Some(before) = self.end.segments.last()
            && before.sequence + 1 != *sequence
        {
            return Err(damage(0, DamageCause::SegmentMissing(sequence - 1)));
        }
        let header = match Header::decode(bytes, self.log, *sequence) {
            Ok(header) => header,
            Err(error) => return self.cut_off(segment, bytes, 0, damage(0, error.into())).map(Some),
        };
        if self.end.segments.is_empty() {
            // What came before was deleted because it was no longer needed.
            self.end.last_frame = header.previous_frame;
        } else if header.previous_frame != self.end.last_frame {
            let (found, expected) = (self.end.last_frame, header.previous_frame);
            return Err(damage(0, DamageCause::FramesMissing { found, expected }));
        }
        let mut whole = WholeSegment {
            sequence: *sequence,
            path: path.clone(),
            first_frame: None,
            length: HEADER_BYTES as u64,
        };
        let mut at = HEADER_BYTES;
        let cut = loop {
            match frame::first(&bytes[at..]) {
                Ok(Some(frame)) => {
                    self.take(frame).map_err(|cause| damage(at, cause))?;
                    whole.first_frame.get_or_insert(frame.number);
                    at += frame.size();
                }
                Ok(None) => break None,
                Err(error) => break Some(damage(at, DamageCause::Frame(error))),
            }
        };
        whole.length = at as u64;
        if whole.first_frame.is_none() && header.first_frame != 0 {
            // It was begun by the write that was cut off.
            let cut = cut.unwrap_or_else(|| damage(at, DamageCause::Frame(frame::FrameError::CutOff(0))));
            return self.cut_off(segment, bytes, 0, cut).map(Some);
        }
        if let Some(first) = whole.first_frame
            && ![0, first].contains(&header.first_frame)
        {
            return Err(damage(
                HEADER_BYTES,
                DamageCause::NotNewer { number: first, last: header.first_frame - 1 },
            ));
        }
        self.end.byte_count += whole.length;
        self.end.segments.push(whole);
        cut.map(|cut| self.cut_off(segment, bytes, at, cut)).transpose()
    }

    /// The log seems to end at `at`, for the reason `cut`. It does unless a later frame follows.
    fn cut_off(
        &mut self,
        segment: &StoredSegment,
        bytes: &[u8],
        at: usize,
        cut: Damage,
    ) -> Result<Damage, Damage> {
        let rest = &bytes[at.min(bytes.len())..];
        if frame::find_later(rest, self.end.last_frame).is_some() {
            return Err(cut);
        }
        self.end.torn_bytes += rest.len() as u64;
        if at == 0 {
            self.end.void.push(segment.path.clone());
        }
        Ok(cut)
    }

    fn take(&mut self, frame: Frame<'_>) -> Result<(), DamageCause> {
        let (number, last) = (frame.number, self.end.last_frame);
        if number <= last {
            return Err(DamageCause::NotNewer { number, last });
        }
        (self.each)(frame).map_err(|reason| DamageCause::Refused { number, reason: reason.to_string() })?;
        self.end.last_frame = number;
        self.end.frame_count += 1;
        Ok(())
    }
}

fn read_file(path: &Path, buffer: &mut Vec<u8>) -> Result<(), DiskError> {
    buffer.clear();
    let mut read = || File::open(path)?.read_to_end(buffer);
    read().map(drop).map_err(DiskError::io("read", path))
}

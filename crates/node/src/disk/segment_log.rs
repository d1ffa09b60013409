//! A log that is appended to: segments that follow each other, of which the oldest go when they are no longer needed.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dynomite_replication::frame;

use super::background::{Chore, log_failed_sync};
use super::data_dir::Root;
use super::generation::{FILE_MODE, FIRST_SEQUENCE, segment_name, sync_directory};
use super::header::{HEADER_BYTES, Header, LogId};
use super::reading::{LogEnd, WholeSegment};
use super::segment::SegmentFile;
use super::takeover::Takeover;
use super::{AppendError, DiskError};

/// The log of one kind that one worker appends to.
#[derive(Debug)]
pub struct SegmentLog {
    root: Arc<Root>,
    id: LogId,
    directory: PathBuf,
    /// Full ones, oldest first.
    older: VecDeque<Segment>,
    current: Current,
    /// Number of the newest frame; 0 when there is none.
    last_frame: u64,
    takeover: Arc<Takeover>,
    /// Greatest number of a frame that this worker was given when it started; `None` when logs counted as lost.
    newest_taken: Option<u64>,
    /// First frame of this run; `None` until there is one.
    first_of_run: Option<u64>,
    /// Whether this log has been counted as needing no older generations.
    is_complete: bool,
    /// Whether the last append failed.
    is_failing: bool,
    is_healthy: Arc<AtomicBool>,
    /// A segment whose first write failed, and which could not be removed.
    leftover: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    sequence: u64,
    /// `None` in a log that has no frame yet.
    first_frame: Option<u64>,
    /// Bytes of header and whole frames.
    length: u64,
}

/// The segment that is appended to.
#[derive(Debug)]
struct Current {
    segment: Segment,
    /// Something else may stand behind the whole frames.
    has_torn_tail: bool,
    file: Arc<SegmentFile>,
}

/// Numbers of the first and the last of some frames.
#[derive(Debug, Clone, Copy)]
struct Span {
    first: u64,
    last: u64,
}

impl SegmentLog {
    /// Continues the log that ends at `end`.
    pub(super) fn open(
        root: Arc<Root>,
        id: LogId,
        directory: PathBuf,
        mut end: LogEnd,
        newest_taken: Option<u64>,
        takeover: Arc<Takeover>,
    ) -> Result<Self, DiskError> {
        for path in &end.void {
            std::fs::remove_file(path).map_err(DiskError::io("remove", path))?;
        }
        let last = end.segments.pop().unwrap_or_else(|| WholeSegment::of_new(&id, &directory));
        let open = || {
            let file = open_to_append(&last.path)?;
            if file.metadata()?.len() > last.length {
                file.set_len(last.length)?;
            }
            Ok(file)
        };
        let file = open().map_err(DiskError::io("open", &last.path))?;
        if end.torn_bytes > 0 {
            let (path, byte_count) = (last.path.display(), end.torn_bytes);
            tracing::info!(%path, byte_count, "the end of a log, which a crash had cut off, is taken away");
        }
        let is_healthy = Arc::new(AtomicBool::new(true));
        let file = Arc::new(SegmentFile::new(file, &is_healthy, &root));
        if !root.syncs_appends {
            root.background.watch(Arc::clone(&file));
        }
        Ok(Self {
            older: end.segments.iter().map(Segment::of).collect(),
            current: Current { segment: Segment::of(&last), has_torn_tail: false, file },
            last_frame: end.last_frame,
            root,
            id,
            directory,
            takeover,
            newest_taken,
            first_of_run: None,
            is_complete: false,
            is_failing: false,
            is_healthy,
            leftover: None,
        })
    }

    /// Appends one or more whole frames, whose numbers are above all that this worker has appended or was given. They
    /// survive the end of the process when this returns, and that of the machine within `timeouts.log_sync`, or at
    /// once when that is zero. One call to the system, apart from new segments. Nothing to append is nothing done.
    ///
    /// # Errors
    /// When the disk is full or fails. Nothing of these frames is in the log then, they may be appended later, and
    /// whoever is told that they are in it is told wrong. The first failure and the first success after it are logged.
    pub fn append(&mut self, frames: &[u8]) -> Result<(), AppendError> {
        let Some(span) = self.span_of(frames)? else { return Ok(()) };
        let outcome = self.write(span, frames);
        self.note(&outcome);
        outcome?;
        self.last_frame = span.last;
        self.first_of_run.get_or_insert(span.first);
        Ok(())
    }

    /// Says that everything that counts is in frames from `floor` on. Segments that end below it are deleted, a little
    /// later and not before the newer ones have reached the disk.
    ///
    /// Older generations are deleted first, and as a whole: once each worker has given a `floor` above all frames that
    /// it was given when it started, and above the first that it has appended since; when its logs counted as lost, it has
    /// to have appended one. Until then nothing else is deleted.
    pub fn drop_below(&mut self, floor: u64) {
        if !self.takeover.is_over() {
            if self.says_everything(floor) {
                self.give_up_older();
            }
            return;
        }
        let mut is_changed = false;
        while let Some(oldest) = self.older.front().copied() {
            let next = self.older.get(1).unwrap_or(&self.current.segment);
            if next.first_frame.is_none_or(|first| first > floor) {
                break;
            }
            self.older.pop_front();
            self.root.background.run(Chore::Remove(self.path_of(oldest.sequence)));
            is_changed = true;
        }
        if is_changed {
            self.root.background.run(Chore::SyncDirectory(self.directory.clone()));
        }
    }

    /// Says that this worker needs no older generation, whatever the floor: what they said is known elsewhere.
    pub fn give_up_older(&mut self) {
        if !self.takeover.is_over() && !self.is_complete {
            self.is_complete = true;
            if self.takeover.count_done() {
                self.root.background.run(Chore::Retire(Arc::clone(&self.takeover)));
            }
        }
    }

    /// Bytes of its segments on the disk, without those of older generations.
    pub fn byte_count(&self) -> u64 {
        self.older.iter().map(|segment| segment.length).sum::<u64>() + self.current.segment.length
    }

    /// Number of the newest frame; 0 when there is none.
    pub fn last_frame(&self) -> u64 {
        self.last_frame
    }

    /// Whether it could once not be brought to the disk. What it says then survives the end of the process, and perhaps
    /// not that of the machine; the next start would find the damage.
    pub fn has_failed(&self) -> bool {
        !self.is_healthy.load(Ordering::Acquire)
    }

    /// The numbers of frames that may be appended; `None` when there are none.
    fn span_of(&self, mut frames: &[u8]) -> Result<Option<Span>, AppendError> {
        let mut last = self.last_frame.max(self.newest_taken.unwrap_or(0));
        let mut first = None;
        while let Some(frame) = frame::peek(frames).map_err(AppendError::NoFrame)? {
            if frame.number <= last {
                return Err(AppendError::NotNewer { number: frame.number, last });
            }
            last = frame.number;
            first.get_or_insert(last);
            frames = &frames[frame.size()..];
        }
        Ok(first.map(|first| Span { first, last }))
    }

    fn write(&mut self, span: Span, frames: &[u8]) -> io::Result<()> {
        // Whatever a failed append left behind whole frames must be gone before anything follows it.
        self.remove_leftover()?;
        self.current.cut_torn_tail()?;
        let Segment { first_frame, length, .. } = self.current.segment;
        if first_frame.is_some() && length + frames.len() as u64 > self.root.segment_bytes {
            self.begin_segment(span, frames)
        } else {
            self.current.append(span, frames, &self.root)
        }
    }

    /// Begins the next segment with these frames. After an error the current one is still that.
    fn begin_segment(&mut self, span: Span, frames: &[u8]) -> io::Result<()> {
        let sequence = self.current.segment.sequence + 1;
        let header =
            Header { log: self.id, sequence, first_frame: span.first, previous_frame: self.last_frame };
        let bytes = [&header.encode(), frames].concat();
        let path = self.path_of(sequence);
        let file = match self.write_segment(&path, &bytes) {
            Ok(file) => Arc::new(file),
            Err(error) => {
                self.leftover = Some(path);
                // If this fails too, the next append tries again.
                let _ = self.remove_leftover();
                return Err(error);
            }
        };
        if !self.root.syncs_appends {
            self.root.background.run(Chore::SyncDirectory(self.directory.clone()));
            self.root.background.watch(Arc::clone(&file));
        }
        let segment = Segment { sequence, first_frame: Some(span.first), length: bytes.len() as u64 };
        let full = std::mem::replace(&mut self.current, Current { segment, has_torn_tail: false, file });
        full.file.retire();
        self.older.push_back(full.segment);
        Ok(())
    }

    fn write_segment(&self, path: &Path, bytes: &[u8]) -> io::Result<SegmentFile> {
        let file = open_to_append(path)?;
        file.set_len(0)?;
        let file = SegmentFile::new(file, &self.is_healthy, &self.root);
        file.write(bytes)?;
        if self.root.syncs_appends {
            sync(&file, &self.root)?;
            sync_directory(&self.directory)?;
        }
        Ok(file)
    }

    fn remove_leftover(&mut self) -> io::Result<()> {
        if let Some(path) = &self.leftover {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => self.leftover = None,
            }
        }
        Ok(())
    }

    /// Whether everything that older generations said is said in this log, if it counts at all.
    fn says_everything(&self, floor: u64) -> bool {
        let is_above_read = match self.newest_taken {
            Some(newest) => floor > newest,
            // What was lost with logs that could not be read is in a frame of this run, and said again since.
            None => self.first_of_run.is_some(),
        };
        is_above_read && self.first_of_run.is_none_or(|first| floor > first)
    }

    /// Logs when appends begin to fail, and when they work again.
    fn note(&mut self, outcome: &io::Result<()>) {
        let LogId { kind, worker, .. } = self.id;
        match outcome {
            Err(error) if !self.is_failing => {
                tracing::error!(%kind, worker, %error, "nothing can be appended to the log; it is tried again and again");
            }
            Ok(()) if self.is_failing => tracing::info!(%kind, worker, "the log can be appended to again"),
            _ => {}
        }
        self.is_failing = outcome.is_err();
    }

    fn path_of(&self, sequence: u64) -> PathBuf {
        self.directory.join(segment_name(&self.id, sequence))
    }
}

impl Drop for SegmentLog {
    fn drop(&mut self) {
        // The background syncs it once more, and closes it.
        self.current.file.retire();
    }
}

impl Current {
    fn append(&mut self, span: Span, frames: &[u8], root: &Root) -> io::Result<()> {
        self.has_torn_tail = true;
        let mut outcome = self.file.write(frames);
        if root.syncs_appends {
            outcome = outcome.and_then(|()| sync(&self.file, root));
        }
        if let Err(error) = outcome {
            // If this fails too, the next append tries again.
            let _ = self.cut_torn_tail();
            return Err(error);
        }
        self.has_torn_tail = false;
        self.segment.length += frames.len() as u64;
        self.segment.first_frame.get_or_insert(span.first);
        Ok(())
    }

    fn cut_torn_tail(&mut self) -> io::Result<()> {
        if self.has_torn_tail {
            self.file.truncate(self.segment.length)?;
            self.has_torn_tail = false;
        }
        Ok(())
    }
}

impl Segment {
    fn of(whole: &WholeSegment) -> Self {
        Self { sequence: whole.sequence, first_frame: whole.first_frame, length: whole.length }
    }
}

impl WholeSegment {
    /// The first segment of a log that has just been made.
    fn of_new(id: &LogId, directory: &Path) -> Self {
        let path = directory.join(segment_name(id, FIRST_SEQUENCE));
        Self { sequence: FIRST_SEQUENCE, path, first_frame: None, length: HEADER_BYTES as u64 }
    }
}

fn open_to_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(FILE_MODE).open(path)
}

fn sync(file: &SegmentFile, root: &Root) -> io::Result<()> {
    file.sync().inspect_err(|error| {
        root.background.count_failure();
        log_failed_sync(error);
    })
}

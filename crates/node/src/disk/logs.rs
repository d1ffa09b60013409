//! What earlier runs left of one kind of log: reading it, and continuing it or starting over.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;

use dynomite_replication::frame::Frame;

use super::data_dir::Root;
use super::generation::{self, Generation, StoredSegment};
use super::header::LogId;
use super::reading::{LogEnd, read_log};
use super::segment_log::SegmentLog;
use super::takeover::Takeover;
use super::{Damage, DamageCause, DiskError, LogKind, ReadError};

/// The logs of one kind as earlier runs left them, and the number of workers that this run has.
///
/// First every worker reads, at the same time if need be; then [`Logs::open`] makes the logs to append to.
#[derive(Debug)]
pub struct Logs {
    root: Arc<Root>,
    kind: LogKind,
    worker_count: u16,
    /// Oldest first.
    stored: Vec<Stored>,
}

/// A generation with its workers' segments.
#[derive(Debug)]
struct Stored {
    generation: Generation,
    logs: Vec<Vec<StoredSegment>>,
}

/// The log that a frame comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogSource {
    /// Grows whenever logs are started over.
    pub generation: u32,
    /// How many workers the node had then.
    pub worker_count: u16,
    /// Which of them wrote it.
    pub worker: u16,
}

/// What one worker has read, and where its log is to be continued.
#[derive(Debug)]
pub struct Taken {
    worker: u16,
    is_fresh: bool,
    frame_count: u64,
    byte_count: u64,
    torn_bytes: u64,
    newest_frame: u64,
    end: Option<LogEnd>,
}

impl Taken {
    /// Whether there was nothing to read because nothing was ever written.
    pub fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    /// Frames that were read.
    pub fn frame_count(&self) -> u64 {
        self.frame_count
    }

    /// Bytes of the segments that were read.
    pub fn byte_count(&self) -> u64 {
        self.byte_count
    }

    /// Bytes behind the last whole frame of a log, as a crash leaves them; they hold none.
    pub fn torn_bytes(&self) -> u64 {
        self.torn_bytes
    }

    /// The greatest number of a frame; 0 when there was none. Frames that this worker appends have greater ones.
    pub fn newest_frame(&self) -> u64 {
        self.newest_frame
    }
}

impl Logs {
    pub(super) fn list(root: Arc<Root>, kind: LogKind, worker_count: u16) -> Result<Self, DiskError> {
        let mut stored = Vec::new();
        for generation in generation::list(&root.kind_directory(kind))? {
            stored.push(Stored { logs: generation.segments(kind)?, generation });
        }
        Ok(Self { root, kind, worker_count, stored })
    }

    /// Gives `each_frame` every frame that may say something of this worker's keys, oldest first: of generations with as
    /// many workers as now those of its own log, of others those of all workers, one log after the other. A key was in
    /// one log of a generation. Frames of different logs may have equal numbers.
    ///
    /// Blocks for as long as the disk takes, and holds one segment at a time. Changes nothing.
    ///
    /// # Errors
    /// When a log is not what was written, or `each_frame` refuses a frame: then what the frames said, those that were given
    /// too, has to count as lost. When the system refuses: then not.
    pub fn read<E: Display>(
        &self,
        worker: u16,
        mut each_frame: impl FnMut(LogSource, Frame<'_>) -> Result<(), E>,
    ) -> Result<Taken, ReadError> {
        let is_fresh = self.check_presence()?;
        let mut taken = Taken {
            worker,
            is_fresh,
            frame_count: 0,
            byte_count: 0,
            torn_bytes: 0,
            newest_frame: 0,
            end: None,
        };
        let mut buffer = Vec::new();
        for Stored { generation, logs } in &self.stored {
            taken.end = None;
            for (log, segments) in (0..).zip(logs) {
                let is_own = generation.worker_count == self.worker_count;
                if is_own && log != worker {
                    continue;
                }
                let id = self.log_id(generation.number, generation.worker_count, log);
                let source = LogSource {
                    generation: generation.number,
                    worker_count: generation.worker_count,
                    worker: log,
                };
                let end = read_log(&id, &generation.directory, segments, &mut buffer, |frame| {
                    each_frame(source, frame)
                })?;
                taken.frame_count += end.frame_count;
                taken.byte_count += end.byte_count;
                taken.torn_bytes += end.torn_bytes;
                taken.newest_frame = taken.newest_frame.max(end.last_frame);
                taken.end = is_own.then_some(end);
            }
        }
        Ok(taken)
    }

    /// Makes the logs to append to, one for each worker, in their order. `taken` has what [`Logs::read`] gave each of
    /// them, in any order, and nothing for those whose logs count as lost.
    ///
    /// When all could be read and the number of workers is as before, the logs are continued. Otherwise a new generation is
    /// begun, and the older ones stay until every worker's new log says everything; see [`SegmentLog::drop_below`].
    ///
    /// # Errors
    /// When the system refuses.
    pub fn open(mut self, taken: Vec<Taken>) -> Result<Vec<SegmentLog>, DiskError> {
        let mut slots: Vec<Option<Taken>> = (0..self.worker_count).map(|_| None).collect();
        for taken in taken {
            if let Some(slot) = slots.get_mut(usize::from(taken.worker)) {
                *slot = Some(taken);
            }
        }
        let is_continued = slots.iter().all(|slot| slot.as_ref().is_some_and(|taken| taken.end.is_some()));
        let (generation, directory) = match self.stored.pop_if(|_| is_continued) {
            Some(newest) => (newest.generation.number, newest.generation.directory),
            None => self.start_over()?,
        };
        self.root.note_begun(self.kind)?;
        let older: Vec<PathBuf> =
            self.stored.iter().map(|stored| stored.generation.directory.clone()).collect();
        let takeover = Arc::new(Takeover::new(self.root.kind_directory(self.kind), older, slots.len()));
        let mut logs = Vec::with_capacity(slots.len());
        for (worker, slot) in (0..).zip(slots) {
            let id = self.log_id(generation, self.worker_count, worker);
            let newest_frame = slot.as_ref().map(Taken::newest_frame);
            let end = slot.and_then(|taken| taken.end).filter(|_| is_continued).unwrap_or_default();
            let log = SegmentLog::open(
                Arc::clone(&self.root),
                id,
                directory.clone(),
                end,
                newest_frame,
                Arc::clone(&takeover),
            )?;
            logs.push(log);
        }
        Ok(logs)
    }

    /// Begins a generation.
    fn start_over(&self) -> Result<(u32, PathBuf), DiskError> {
        let newest = self.stored.last().map(|stored| stored.generation.number);
        let number = newest.unwrap_or(0) + 1;
        if newest.is_some() {
            tracing::info!(
                kind = %self.kind, generation = number, workers = self.worker_count,
                "logs are started over; those of earlier runs stay until the new ones say everything"
            );
        }
        let first = self.log_id(number, self.worker_count, 0);
        let directory = generation::create(&self.root.kind_directory(self.kind), first)?;
        Ok((number, directory))
    }

    /// Whether nothing was ever written.
    fn check_presence(&self) -> Result<bool, Damage> {
        let directory = self.root.kind_directory(self.kind);
        let numbers = || self.stored.iter().map(|stored| stored.generation.number);
        if let Some((number, _)) = numbers().zip(numbers().skip(1)).find(|(number, next)| number == next) {
            return Err(Damage::new(&directory, 0, DamageCause::TwoGenerations(number)));
        }
        match (self.stored.is_empty(), self.root.is_begun(self.kind)) {
            (true, true) => Err(Damage::new(&directory, 0, DamageCause::AllMissing)),
            (is_empty, _) => Ok(is_empty),
        }
    }

    fn log_id(&self, generation: u32, worker_count: u16, worker: u16) -> LogId {
        LogId { kind: self.kind, node: self.root.identity.node_id(), generation, worker, worker_count }
    }
}

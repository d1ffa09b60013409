//! Giving up the logs of older generations, once all workers' new logs say everything that those said.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::generation::{discard, sync_directory};

/// Older generations, and how many workers may still need them. Shared by the logs of one kind.
#[derive(Debug)]
pub(super) struct Takeover {
    /// The directory of the kind.
    directory: PathBuf,
    /// Directories of generations, oldest first.
    older: Vec<PathBuf>,
    missing_count: AtomicUsize,
    is_over: AtomicBool,
}

impl Takeover {
    pub(super) fn new(directory: PathBuf, older: Vec<PathBuf>, worker_count: usize) -> Self {
        let is_over = AtomicBool::new(older.is_empty());
        Self { directory, older, missing_count: AtomicUsize::new(worker_count), is_over }
    }

    /// Whether there are no older generations.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// One more worker's log says everything. Whether all do now.
    pub(super) fn count_done(&self) -> bool {
        self.missing_count.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Deletes the older generations, oldest first. May be repeated when it fails.
    pub(super) fn retire(&self) -> io::Result<()> {
        let mut discarded = Vec::new();
        for generation in &self.older {
            discarded.extend(discard(generation)?);
        }
        sync_directory(&self.directory)?;
        self.is_over.store(true, Ordering::Release);
        for directory in discarded {
            fs::remove_dir_all(directory)?;
        }
        tracing::info!(path = %self.directory.display(), "logs of earlier runs are no longer needed, and deleted");
        Ok(())
    }
}

//! The open file of a segment: what the appending worker and the thread that syncs have in common.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::data_dir::Root;

/// An open segment.
#[derive(Debug)]
pub(super) struct SegmentFile {
    file: File,
    /// Something was written since the last sync.
    is_dirty: AtomicBool,
    /// Nothing more will be written.
    is_retired: AtomicBool,
    /// A sync of this log has failed.
    health: Arc<AtomicBool>,
    #[cfg(test)]
    faults: Arc<Faults>,
}

impl SegmentFile {
    /// `health` is the log's: it becomes `false` when a sync fails.
    pub(super) fn new(file: File, health: &Arc<AtomicBool>, root: &Root) -> Self {
        #[cfg(not(test))]
        let _ = root;
        Self {
            file,
            is_dirty: AtomicBool::new(false),
            is_retired: AtomicBool::new(false),
            health: Arc::clone(health),
            #[cfg(test)]
            faults: Arc::clone(&root.faults),
        }
    }

    /// Writes all of `bytes`: one call to the system, unless that takes only a part of them, as a disk does that gets full.
    ///
    /// # Errors
    /// What the system said. A part of `bytes` may have been written.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        self.faults.before_write(&self.file, bytes)?;
        (&self.file).write_all(bytes)?;
        // Release: whoever sees the mark syncs what was written before it.
        self.is_dirty.store(true, Ordering::Release);
        Ok(())
    }

    pub(super) fn truncate(&self, length: u64) -> io::Result<()> {
        #[cfg(test)]
        self.faults.before_truncate()?;
        self.file.set_len(length)
    }

    /// Brings what was written to the disk, if anything was since the last time. Reports a failure for good: after it, the
    /// system may have dropped what it could not write.
    pub(super) fn sync(&self) -> io::Result<()> {
        if !self.is_dirty.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let outcome = self.sync_data();
        if outcome.is_err() {
            self.is_dirty.store(true, Ordering::Release);
            self.health.store(false, Ordering::Release);
        }
        outcome
    }

    fn sync_data(&self) -> io::Result<()> {
        #[cfg(test)]
        self.faults.before_sync()?;
        self.file.sync_data()
    }

    pub(super) fn retire(&self) {
        self.is_retired.store(true, Ordering::Release);
    }

    /// Whether nothing is left to sync, now or later.
    pub(super) fn is_done(&self) -> bool {
        self.is_retired.load(Ordering::Acquire) && !self.is_dirty.load(Ordering::Acquire)
    }
}

/// Disks that are full or broken, for tests.
#[cfg(test)]
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Bytes that may still be written; `None`: any number.
    pub(super) room: std::sync::Mutex<Option<u64>>,
    pub(super) truncate_fails: AtomicBool,
    pub(super) sync_fails: AtomicBool,
}

#[cfg(test)]
impl Faults {
    /// Writes what there is room for, and fails when that is not all.
    fn before_write(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        let mut room = self.room.lock().unwrap();
        let Some(left) = *room else { return Ok(()) };
        if left >= bytes.len() as u64 {
            *room = Some(left - bytes.len() as u64);
            return Ok(());
        }
        *room = Some(0);
        file.write_all(&bytes[..left as usize])?;
        Err(io::ErrorKind::StorageFull.into())
    }

    fn before_truncate(&self) -> io::Result<()> {
        Self::fail_if(&self.truncate_fails)
    }

    fn before_sync(&self) -> io::Result<()> {
        Self::fail_if(&self.sync_fails)
    }

    fn fail_if(fault: &AtomicBool) -> io::Result<()> {
        if fault.load(Ordering::SeqCst) { Err(io::Error::other("a broken disk")) } else { Ok(()) }
    }
}

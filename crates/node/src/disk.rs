//! The node's disk: a directory that belongs to one node for good, and append-only logs in it.
//!
//! [`DataDir::open`] locks the directory and checks whose it is. [`DataDir::logs`] finds what earlier runs left of one
//! kind of log, [`Logs::read`] gives it back frame by frame, and [`Logs::open`] makes each worker a [`SegmentLog`] to
//! append to. A log survives the end of the process as soon as an append has returned, and the end of the machine once
//! it was brought to the disk, which a thread in the background does every `timeouts.log_sync`.
//!
//! Everything here blocks: appends for a write to the system's memory, opening and reading for the disk. What the frames
//! say, and whether the last run ended in an orderly way, is not known here. `docs/data-directory.md` describes the files.

mod background;
mod data_dir;
mod decisions;
mod error;
mod generation;
mod header;
mod identity;
mod logs;
mod reading;
mod run;
mod segment;
mod segment_log;
mod settings;
mod takeover;

#[cfg(test)]
mod tests;

use std::fmt;

pub use data_dir::DataDir;
pub(crate) use decisions::Store;
pub use error::{AppendError, Damage, DamageCause, DiskError, ReadError};
pub use header::HeaderError;
pub use identity::Identity;
pub use logs::{LogSource, Logs, Taken};
pub use segment_log::SegmentLog;
pub use settings::DiskSettings;

/// What a log is about. Each kind has a directory of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogKind {
    /// What is known of each key's versions.
    Records,
    /// Which keys other nodes have missed a write of.
    Hints,
}

impl LogKind {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::Records, Self::Hints];

    /// As directories and files are called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Hints => "hints",
        }
    }

    /// As headers have it.
    const fn code(self) -> u8 {
        match self {
            Self::Records => 1,
            Self::Hints => 2,
        }
    }
}

impl fmt::Display for LogKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

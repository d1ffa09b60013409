//! What of the configuration is about the disk.

use std::path::PathBuf;
use std::time::Duration;

use super::Identity;
use crate::config::Config;

/// Where a node's directory is, whose it is, and how its logs are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskSettings {
    /// The directory; made if need be.
    pub path: PathBuf,
    /// The node that it belongs to.
    pub identity: Identity,
    /// A segment that has reached this many bytes is followed by another; one frame may go over it.
    pub segment_bytes: u64,
    /// How often appended frames are brought to the disk; zero: by each append.
    pub sync_interval: Duration,
}

impl DiskSettings {
    /// Those of a configuration; `None` when it has no `data_dir`.
    pub fn of(config: &Config) -> Option<Self> {
        Some(Self {
            path: config.data_dir.clone()?,
            identity: Identity::of(config),
            segment_bytes: config.limits.log_segment.as_u64(),
            sync_interval: config.timeouts.log_sync,
        })
    }
}

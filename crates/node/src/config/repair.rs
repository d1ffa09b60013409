//! How copies are compared and rebuilt.

use std::time::Duration;

use super::ByteSize;

/// The comparison of replicas, and the rebuilding of copies that were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repair {
    /// Time from one comparison of all copies to the next, which varies by a quarter of it; zero: only when an operator asks.
    pub interval: Duration,
    /// Keys that comparisons of this node heal in each second.
    pub keys_per_s: u32,
    /// Bytes of values that comparisons of this node install in each second.
    pub bytes_per_s: ByteSize,
    /// How long lost copies wait for racks or datacenters that cannot be reached before they are rebuilt from what there is.
    pub rebuild_wait: Duration,
}

impl Default for Repair {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10 * 60),
            keys_per_s: 2_000,
            bytes_per_s: ByteSize::mib(16),
            rebuild_wait: Duration::from_secs(10 * 60),
        }
    }
}

//! How long things may take.

use std::time::Duration;

/// Deadlines and intervals of a node, in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// A client's request is answered by then, with an error if need be.
    pub request: Duration,
    /// After this a read is also sent to the next replica.
    pub failover: Duration,
    /// How long a stopping node lets requests finish.
    pub drain: Duration,
    /// A client that takes none of its waiting replies for this long is closed.
    pub client_stall: Duration,
    /// One attempt to connect to a peer or the datastore.
    pub connect: Duration,
    /// Interval of heartbeats on a peer link.
    pub heartbeat: Duration,
    /// Hints older than this are given up; the comparison of replicas finds what they stood for.
    pub hint_window: Duration,
    /// How often what was appended to the logs of the data directory is brought from the system's memory to the disk;
    /// zero: after each append, before anything is answered.
    pub log_sync: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            request: Duration::from_secs(2),
            failover: Duration::from_millis(200),
            drain: Duration::from_secs(10),
            client_stall: Duration::from_secs(60),
            connect: Duration::from_secs(1),
            heartbeat: Duration::from_millis(200),
            hint_window: Duration::from_secs(3 * 3_600),
            log_sync: Duration::from_secs(1),
        }
    }
}

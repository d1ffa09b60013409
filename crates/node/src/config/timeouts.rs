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
        }
    }
}

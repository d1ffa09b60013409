//! How large things may become.

use std::time::Duration;

use super::ByteSize;

/// Bounds of a node's queues, buffers and tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Client connections at one time; one more is answered with an error and closed.
    pub clients_max: u32,
    /// Requests in flight of one client connection; over it no more is read from that client.
    pub client_inflight_max: u32,
    /// Replies waiting for one client, and its requests in flight; over it no more is read from that client.
    pub client_output_max: ByteSize,
    /// Buffers of all clients together; over it nothing is read from those with large ones.
    pub buffers_max: ByteSize,
    /// The longest argument of a command.
    pub bulk_max: ByteSize,
    /// The most arguments of a command.
    pub args_max: u32,
    /// The largest command, all arguments together.
    pub request_max: ByteSize,
    /// The longest inline command.
    pub inline_max: ByteSize,
    /// Operations in progress of one worker.
    pub operations_max: u32,
    /// Requests in flight on one peer link.
    pub link_window: u32,
    /// Bytes queued for one peer link.
    pub link_bytes_max: ByteSize,
    /// Operations in flight on one datastore lane.
    pub lane_window: u32,
    /// How far ahead another node's clock may be.
    pub clock_skew_max: Duration,
    /// Hints that one worker keeps for one other node; over it the comparison of replicas has to find what was missed.
    pub hints_max: ByteSize,
    /// Size at which a log of the data directory goes on in a new file.
    pub log_segment: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients_max: 10_000,
            client_inflight_max: 4_096,
            client_output_max: ByteSize::mib(32),
            buffers_max: ByteSize::gib(1),
            bulk_max: ByteSize::mib(64),
            args_max: 1_048_576,
            request_max: ByteSize::mib(256),
            inline_max: ByteSize::kib(64),
            operations_max: 65_536,
            link_window: 65_536,
            link_bytes_max: ByteSize::mib(256),
            lane_window: 65_536,
            clock_skew_max: Duration::from_secs(60),
            hints_max: ByteSize::mib(16),
            log_segment: ByteSize::mib(32),
        }
    }
}

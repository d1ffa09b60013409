//! What was counted since the start.

/// Counts since the start, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Messages taken.
    pub received_count: u64,
    /// Bytes in them.
    pub received_bytes: u64,
    /// Messages that are not of this protocol or are torn; dropped.
    pub malformed_count: u64,
    /// Messages of another cluster; answered with a refusal and dropped.
    pub other_cluster_count: u64,
    /// Messages of a run that is over or of a second claimant; not heard.
    pub refused_count: u64,
    /// Members that were not taken because `members_max` was reached.
    pub members_refused_count: u64,
    /// Items of others that were not taken because `items_max` or `items_bytes_max` was reached.
    pub items_refused_count: u64,
    /// Probes begun.
    pub probe_count: u64,
    /// Verdicts of this node's own.
    pub verdict_count: u64,
    /// Verdicts of others that were not followed, because the member is heard here.
    pub verdict_held_count: u64,
}

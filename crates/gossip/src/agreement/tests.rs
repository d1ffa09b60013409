mod basics;
mod cluster;
mod schedules;
mod wire;

use super::*;

/// Faults that the schedules must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Planted {
    /// An acceptor answers before its vote is stored.
    AnswerBeforePersist,
    /// One voter less than a majority decides.
    SmallMajority,
}

/// A value of the tests: what tells it from others, and who votes on the next one.
fn value(label: u32, voters: &[u64]) -> Vec<u8> {
    label.to_le_bytes().into_iter().chain(voters.iter().map(|node| *node as u8)).collect()
}

fn voters_of(value: &[u8]) -> Option<Vec<NodeId>> {
    Some(value.get(4..)?.iter().map(|node| NodeId(u64::from(*node))).collect())
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

//! A key whose replicas compare their values, though their records are equal.

use bytes::Bytes;
use dynomite_ring::Token;
use smallvec::SmallVec;

use super::replicas::{Replicas, State};
use crate::{Failure, Record, Trust, ValueDigest};

/// A comparison of a key's values under way.
#[derive(Debug)]
pub(crate) struct CheckOperation {
    pub(crate) key: Bytes,
    pub(crate) token: Token,
    /// All racks of the datacenter.
    pub(crate) replicas: Replicas,
    /// Beside `replicas`: what each holds.
    pub(crate) values: SmallVec<[Option<Value>; 3]>,
    pub(crate) phase: Phase,
    pub(crate) attempt: Attempt,
}

/// What came of the attempts before this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Attempt {
    /// Whether the values differed.
    pub(crate) is_second: bool,
    /// How often a write came in between.
    pub(crate) change_count: u8,
}

/// What one replica holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) record: Record,
    pub(crate) trust: Trust,
    /// `None` when the key is absent.
    pub(crate) digest: Option<ValueDigest>,
}

/// How far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The replicas are being asked.
    Asking,
    /// The value that wins is being fetched, for the replicas listed.
    Fetching { record: Record, others: SmallVec<[usize; 3]> },
    /// It is being installed there.
    Replacing,
}

/// What is to be done about what the replicas said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// All values are equal.
    Equal,
    /// The records differ or are not trusted: that is for a heal.
    Records,
    /// Too few were heard to compare anything.
    TooFew,
    /// The value of replica `winner` is to be brought to `others`.
    Differs { winner: usize, others: SmallVec<[usize; 3]> },
}

/// Compares values. The most frequent one wins if a majority of all racks holds it; otherwise that of the first rack in
/// `order`, which begins with the key's primary.
pub(crate) fn compare(values: &[Option<Value>], mut order: impl Iterator<Item = usize>) -> Finding {
    let heard = || values.iter().enumerate().filter_map(|(index, value)| Some((index, (*value)?)));
    let Some((_, first)) = heard().next().filter(|_| heard().count() > 1) else { return Finding::TooFew };
    if heard().any(|(_, value)| !value.trust.is_trusted() || value.record != first.record) {
        return Finding::Records;
    }
    if heard().all(|(_, value)| value.digest == first.digest) {
        return Finding::Equal;
    }
    let count_of = |digest| heard().filter(|(_, value)| value.digest == digest).count();
    let by_majority = heard().find(|(_, value)| 2 * count_of(value.digest) > values.len());
    let by_order = || order.find_map(|index| heard().find(|(heard, _)| *heard == index));
    let Some((winner, value)) = by_majority.or_else(by_order) else { return Finding::TooFew };
    let others = heard().filter(|(_, other)| other.digest != value.digest).map(|(index, _)| index).collect();
    Finding::Differs { winner, others }
}

impl CheckOperation {
    /// Whether somebody was asked and has not answered.
    pub(crate) fn is_open(&self) -> bool {
        self.replicas.iter().any(|replica| replica.state == State::Asked)
    }

    /// Whether every replica did what was asked of it.
    pub(crate) fn is_done(&self) -> bool {
        self.replicas.iter().all(|replica| replica.state == State::Ok)
    }

    /// Whether a write came in between.
    pub(crate) fn has_changed(&self) -> bool {
        let is_changed = |state: &State| matches!(state, State::Failed(Failure::Changed) | State::Newer);
        self.replicas.iter().any(|replica| is_changed(&replica.state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(digests: &[Option<u64>]) -> Finding {
        let value = |hash: &u64| Value {
            record: Record::default(),
            trust: Trust::Trusted,
            digest: (*hash > 0).then_some(ValueDigest { hash: *hash, expires_at_ms: None }),
        };
        let values: Vec<Option<Value>> = digests.iter().map(|hash| hash.as_ref().map(value)).collect();
        // The primary is the second rack.
        compare(&values, [1, 2, 0].into_iter())
    }

    fn differs(winner: usize, others: &[usize]) -> Finding {
        Finding::Differs { winner, others: others.into() }
    }

    #[test]
    fn the_majoritys_value_wins_and_without_one_the_primarys() {
        assert_eq!(finding(&[Some(5), Some(5), Some(5)]), Finding::Equal);
        assert_eq!(finding(&[Some(5), Some(6), Some(5)]), differs(0, &[1]));
        assert_eq!(finding(&[Some(5), Some(0), Some(0)]), differs(1, &[0]));
        assert_eq!(finding(&[Some(5), Some(6), Some(7)]), differs(1, &[0, 2]));
        assert_eq!(finding(&[Some(5), None, Some(7)]), differs(2, &[0]), "no majority of three was heard");
        assert_eq!(finding(&[Some(5), None, None]), Finding::TooFew);
    }
}

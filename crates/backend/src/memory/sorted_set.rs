//! A sorted set: members with scores, in the order of (score, member).
//!
//! Invariants: `members` and `order` hold the same members with the same scores; no score is NaN or negative zero.

use std::cmp::Ordering;

use super::blob::Blob;
use super::dense_map::DenseMap;
use order::Order;

mod order;

/// Beyond these Redis keeps a sorted set in a skip list, and says so.
const LISTPACK_ENTRIES_MAX: usize = 128;
const LISTPACK_VALUE_MAX: usize = 64;

#[derive(Clone)]
pub(crate) struct SortedSet {
    members: DenseMap<f64>,
    order: Order,
    /// Whether the set was ever large; Redis doesn't convert back.
    large: bool,
}

impl SortedSet {
    pub(crate) fn new() -> Self {
        Self { members: DenseMap::new(), order: Order::new(), large: false }
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.members.bytes() + self.order.bytes()
    }

    pub(crate) fn score(&self, member: &[u8]) -> Option<f64> {
        self.members.get(member).copied()
    }

    /// Member and score at a position below `len`, in no order.
    pub(crate) fn at(&self, at: usize) -> (&Blob, f64) {
        let (member, score) = self.members.at(at);
        (member, *score)
    }

    /// Gives a member a score (not NaN), adding it if it is absent.
    pub(crate) fn set(&mut self, member: &[u8], score: f64) {
        // Redis keeps no negative zero in small sets; here nowhere.
        let score = if score == 0.0 { 0.0 } else { score };
        let at = match self.members.find(member) {
            Some(at) if *self.members.at(at).1 == score => return,
            Some(at) => {
                self.order.remove(self.rank_at(at));
                *self.members.value_mut(at) = score;
                at
            }
            None => {
                self.large |= member.len() > LISTPACK_VALUE_MAX;
                self.members.push(Blob::new(member), score)
            }
        };
        self.large |= self.members.len() > LISTPACK_ENTRIES_MAX;
        let members = &self.members;
        self.order.insert(at as u32, score, |other, other_score| {
            compare((score, member), (other_score, members.at(other as usize).0))
        });
    }

    /// Removes a member; false when it was absent.
    pub(crate) fn remove(&mut self, member: &[u8]) -> bool {
        let Some(at) = self.members.find(member) else { return false };
        self.order.remove(self.rank_at(at));
        self.forget(at);
        true
    }

    /// Takes out the member of rank `rank`, which is below `len`.
    pub(crate) fn take(&mut self, rank: usize) -> (Blob, f64) {
        let at = self.order.remove(rank);
        self.forget(at as usize)
    }

    /// The rank of a member, from the lowest score.
    pub(crate) fn rank(&self, member: &[u8]) -> Option<usize> {
        self.members.find(member).map(|at| self.rank_at(at))
    }

    /// How many members are in front of the first for which `is_past` holds, which must hold for all that follow.
    pub(crate) fn count_until(&self, is_past: impl Fn(f64, &[u8]) -> bool) -> usize {
        self.order.count_until(|at, score| is_past(score, self.members.at(at as usize).0))
    }

    /// Members and scores with ranks in `range`, ascending.
    pub(crate) fn range(
        &self,
        range: std::ops::Range<usize>,
    ) -> impl DoubleEndedIterator<Item = (&Blob, f64)> {
        self.order.range(range).map(|(at, score)| (self.members.at(at as usize).0, score))
    }

    /// Whether Redis would keep the set in its compact encoding.
    pub(crate) fn is_small(&self) -> bool {
        !self.large
    }

    pub(crate) fn encoding(&self) -> &'static str {
        if self.large { "skiplist" } else { "listpack" }
    }

    fn rank_at(&self, at: usize) -> usize {
        let (member, &score) = self.members.at(at);
        self.order.count_until(|other, other_score| {
            compare((score, member), (other_score, self.members.at(other as usize).0)).is_le()
        })
    }

    /// Drops the member at a position that `order` holds no longer, and tells `order` who moved there.
    fn forget(&mut self, at: usize) -> (Blob, f64) {
        let last = self.members.len() - 1;
        if at != last {
            self.order.replace(self.rank_at(last), at as u32);
        }
        self.members.remove(at)
    }
}

fn compare((a_score, a): (f64, &[u8]), (b_score, b): (f64, &[u8])) -> Ordering {
    a_score.partial_cmp(&b_score).unwrap_or(Ordering::Equal).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests;

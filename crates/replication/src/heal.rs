//! What is to be done about a key, given what its copies say. Pure decisions; `engine/heal.rs` and `engine/claims.rs` carry
//! them out.
//!
//! Invariants: a copy in doubt or lost never wins over a trusted one (rule R13, R14); the result depends on nothing but
//! the copies, so whoever heals does the same.

use dynomite_ring::NodeId;
use smallvec::SmallVec;

use crate::{
    PushPurpose, Record, Trust, Version,
    planted::{self, Planted},
};

/// What one rack's replica said of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Copy {
    pub(crate) record: Record,
    pub(crate) trust: Trust,
}

impl Copy {
    /// A lost copy of which nothing is known any more: anything may have been written to it.
    pub(crate) const FORGOTTEN: Self = Self {
        record: Record {
            base: Version { clock: u64::MAX, node: NodeId(u32::MAX) },
            term: Version::ZERO,
            ops: 0,
            last: Version { clock: u64::MAX, node: NodeId(u32::MAX) },
            digest: 0,
        },
        trust: Trust::Lost,
    };
}

/// What each rack's replica said; `None` where nothing was heard.
pub(crate) type Copies = SmallVec<[Option<Copy>; 3]>;

/// Replicas that are behind, and what a state is pushed to them for.
pub(crate) type Behind = SmallVec<[(usize, PushPurpose); 3]>;

/// How to make a key's copies equal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// All that were heard are equal and trusted.
    Equal,
    /// Install the state that `from` holds under `record`, or its absence when nobody has it, at each of `behind`.
    Install { from: Option<usize>, record: Record, behind: Behind },
    /// No trusted copy is at or above what was in flight at a copy in doubt: somebody has to claim the key.
    Claim,
    /// Too few were heard to decide about those that are not equal.
    TooFew,
}

/// Whether lost copies are rebuilt although no majority is trusted, since more will not be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CountsLost {
    No,
    /// Yes, if there is anything that is trusted.
    WhereOneIsTrusted,
    /// Yes; what nobody trusts any more is gone.
    Yes,
}

/// Decides what makes `copies` equal.
pub(crate) fn plan(copies: &[Option<Copy>], counts_lost: CountsLost) -> Plan {
    let majority = copies.len() / 2 + 1;
    let trusted = || heard(copies).filter(|(_, copy)| copy.trust.is_trusted());
    let winner = trusted().map(|(_, copy)| copy.record).max();
    let from = trusted().find(|(_, copy)| Some(copy.record) == winner).map(|(index, _)| index);
    let is_dirty_above =
        |copy: &Copy| copy.trust.is_dirty() && winner.is_none_or(|winner| copy.record > winner);
    if heard(copies).any(|(_, copy)| is_dirty_above(&copy)) {
        let lost: Behind = heard(copies)
            .filter(|(_, copy)| copy.trust == Trust::Lost)
            .map(|(index, _)| (index, PushPurpose::Rebuild))
            .collect();
        // Lost copies promise nothing. Where too many of them are in the way of every claim, they take what is trusted, or
        // nothing.
        let are_all_heard = heard(copies).count() == copies.len();
        let are_too_few = heard(copies).count() - lost.len() < majority
            && match counts_lost {
                CountsLost::No => false,
                CountsLost::WhereOneIsTrusted => are_all_heard,
                CountsLost::Yes => true,
            };
        return match are_too_few && !lost.is_empty() {
            true => Plan::Install { from, record: winner.unwrap_or_default(), behind: lost },
            false => Plan::Claim,
        };
    }
    let is_final = counts_lost != CountsLost::No || heard(copies).count() == copies.len();
    let rebuilds = planted::has(Planted::RebuildsFromOne)
        || trusted().count() >= majority
        || is_final && winner.is_some()
        || counts_lost == CountsLost::Yes;
    // Without any trusted copy all that were heard are lost, and nothing is left of the key. Nobody holds a state under their
    // records, and who still does, or has a write on its way, must not be taken for equal.
    let record = winner.unwrap_or_default();
    let mut has_lost = false;
    let mut behind = SmallVec::new();
    for (index, copy) in heard(copies) {
        match copy.trust {
            Trust::Trusted if copy.record == record => {}
            Trust::Trusted | Trust::Restarted | Trust::Dirty | Trust::DirtyOverwrite => {
                behind.push((index, PushPurpose::Heal));
            }
            Trust::Lost if rebuilds => behind.push((index, PushPurpose::Rebuild)),
            Trust::Lost => has_lost = true,
        }
    }
    match behind.is_empty() {
        true if has_lost => Plan::TooFew,
        true => Plan::Equal,
        false => Plan::Install { from, record, behind },
    }
}

/// What a claimant does with what a majority promised (rules R7 and R13). Its own copy is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Adoption {
    /// It goes on with the state of this rack.
    Take(Taken),
    /// The whole datacenter must have been heard: an overwrite was in flight, or several copies in doubt may differ.
    NeedsAll,
}

/// A state to go on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Whose it is.
    pub(crate) from: usize,
    /// The record it has there.
    pub(crate) record: Record,
    /// Whether that is in doubt, and the state taken as it is.
    pub(crate) as_it_is: bool,
    /// A greater record, of an overwrite that is taken back: it can have reached no majority.
    pub(crate) above: Option<Record>,
}

/// Decides which copy a claimant adopts, of those that promised. Lost copies, which did not, are no choice; they tell what
/// they had.
///
/// A copy with a sequenced write in flight holds that or the state before it. One alone can be taken as it is: what a majority
/// executed it has executed too. Of several one may have executed it with those that were not heard, and another not.
///
/// A copy with an overwrite in flight, or whose datastore was started anew, holds what its record says or any state before it,
/// perhaps one that was superseded by acknowledged writes long ago. Of several with one record, who has executed it is the better
/// choice: it may be acknowledged, and is lost only where a datastore lost it. So it is taken back to the next record that is held, where
/// fewer than a majority can have executed anything above that: nobody was told that it succeeded. Where nobody knows of a write
/// before it there is nothing to go back to: other copies may have been lost. A lost copy holds nothing that could be adopted, and
/// counts as one that may have executed what its record tells: a write below the one in flight, too.
pub(crate) fn adoption(copies: &[Option<Copy>]) -> Adoption {
    let majority = copies.len() / 2 + 1;
    let kept = || heard(copies).filter(|(_, copy)| copy.trust != Trust::Lost);
    let greatest = kept().map(|(_, copy)| copy.record).max().unwrap_or_default();
    let mut record = greatest;
    loop {
        let holders = || kept().filter(|(_, copy)| copy.record == record);
        let take = |from: usize, as_it_is: bool| {
            let above = (record < greatest).then_some(greatest);
            Adoption::Take(Taken { from, record, as_it_is, above })
        };
        let Some((best, copy)) = holders().min_by_key(|(_, copy)| copy.trust) else {
            return take(0, true);
        };
        if copy.trust.is_trusted() {
            return take(best, false);
        }
        let unheard = copies.len() - heard(copies).count();
        let may_have = heard(copies).filter(|(_, copy)| copy.record >= record).count();
        let is_sequenced = holders().all(|(_, copy)| copy.trust == Trust::Dirty);
        let is_sure = is_sequenced && may_have + unheard <= majority;
        if unheard > 0 && !is_sure && !planted::has(Planted::AdoptsWithoutAll) {
            return Adoption::NeedsAll;
        }
        if is_sequenced || unheard > 0 {
            return take(best, true);
        }
        let before =
            kept().map(|(_, copy)| copy.record).filter(|other| *other < record && !other.is_blank()).max();
        let may_have_more = |before: &Record| match planted::has(Planted::TakesBackTooMuch) {
            true => may_have >= majority,
            false => heard(copies).filter(|(_, copy)| copy.record > *before).count() >= majority,
        };
        match before {
            Some(before) if !may_have_more(&before) => record = before,
            _ => return take(best, true),
        }
    }
}

fn heard(copies: &[Option<Copy>]) -> impl Iterator<Item = (usize, Copy)> {
    copies.iter().enumerate().filter_map(|(index, copy)| copy.map(|copy| (index, copy)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(clock: u64, trust: Trust) -> Option<Copy> {
        let record = Record::overwritten(Version { clock, node: NodeId(1) });
        Some(Copy { record, trust })
    }

    fn installed(plan: Plan) -> (Option<usize>, u64, Vec<(usize, PushPurpose)>) {
        let Plan::Install { from, record, behind } = plan else { panic!("{plan:?}") };
        (from, record.base.clock, behind.into_vec())
    }

    use PushPurpose::{Heal, Rebuild};
    use Trust::{Dirty, DirtyOverwrite, Lost, Restarted, Trusted};

    #[test]
    fn the_greatest_trusted_copy_goes_where_less_is() {
        let copies = [copy(1, Trusted), copy(2, Trusted), None];
        assert_eq!(installed(plan(&copies, CountsLost::No)), (Some(1), 2, vec![(0, Heal)]));
        assert_eq!(plan(&[copy(2, Trusted), copy(2, Trusted), None], CountsLost::No), Plan::Equal);
    }

    #[test]
    fn a_copy_in_doubt_is_resolved_by_a_trusted_one_at_or_above_it_or_else_by_a_claim() {
        let copies = [copy(2, DirtyOverwrite), copy(2, Trusted), copy(1, Trusted)];
        assert_eq!(installed(plan(&copies, CountsLost::No)), (Some(1), 2, vec![(0, Heal), (2, Heal)]));
        assert_eq!(plan(&[copy(3, Dirty), copy(2, Trusted), copy(2, Trusted)], CountsLost::No), Plan::Claim);
        assert_eq!(plan(&[copy(3, Dirty), None, None], CountsLost::No), Plan::Claim);
    }

    #[test]
    fn a_lost_copy_waits_for_a_majority_that_is_trusted() {
        let copies = [copy(9, Lost), copy(2, Trusted), copy(1, Trusted)];
        assert_eq!(installed(plan(&copies, CountsLost::No)), (Some(1), 2, vec![(0, Rebuild), (2, Heal)]));
        assert_eq!(plan(&[copy(9, Lost), copy(2, Trusted), None], CountsLost::No), Plan::TooFew);
        let counted = plan(&[copy(9, Lost), copy(2, Trusted), None], CountsLost::Yes);
        assert_eq!(installed(counted), (Some(1), 2, vec![(0, Rebuild)]));
    }

    #[test]
    fn when_all_copies_are_lost_nothing_is_left_of_the_key_nor_of_its_record() {
        let copies = [copy(9, Lost), copy(2, Lost), copy(1, Lost)];
        let all = vec![(0, Rebuild), (1, Rebuild), (2, Rebuild)];
        assert_eq!(installed(plan(&copies, CountsLost::Yes)), (None, 0, all));
        assert_eq!(plan(&copies, CountsLost::No), Plan::TooFew, "another datacenter may have it");
        assert_eq!(plan(&copies, CountsLost::WhereOneIsTrusted), Plan::TooFew);
    }

    fn taken(copies: &[Option<Copy>]) -> Option<(usize, bool, bool)> {
        match adoption(copies) {
            Adoption::Take(taken) => Some((taken.from, taken.as_it_is, taken.above.is_some())),
            Adoption::NeedsAll => None,
        }
    }

    #[test]
    fn where_too_many_are_lost_to_claim_what_is_in_doubt_they_begin_again() {
        let copies = [copy(9, Lost), copy(8, Lost), copy(5, Dirty)];
        let lost = vec![(0, Rebuild), (1, Rebuild)];
        assert_eq!(plan(&copies, CountsLost::No), Plan::Claim);
        assert_eq!(installed(plan(&copies, CountsLost::Yes)), (None, 0, lost));
        let copies = [copy(9, Lost), copy(3, Trusted), copy(5, Dirty)];
        assert_eq!(plan(&copies, CountsLost::Yes), Plan::Claim, "two of three can promise");
    }

    #[test]
    fn an_overwrite_in_flight_on_nothing_is_not_taken_back() {
        let blank = Some(Copy { record: Record::default(), trust: Trusted });
        assert_eq!(taken(&[copy(3, DirtyOverwrite), blank, blank]), Some((0, true, false)));
    }

    #[test]
    fn a_claimant_adopts_the_greatest_trusted_or_not() {
        assert_eq!(taken(&[copy(2, Trusted), copy(1, Trusted), None]), Some((0, false, false)));
        assert_eq!(taken(&[copy(2, Dirty), copy(2, Trusted), None]), Some((1, false, false)));
        assert_eq!(taken(&[copy(1, Trusted), copy(2, Dirty), None]), Some((1, true, false)));
        assert_eq!(taken(&[copy(2, DirtyOverwrite), copy(1, Trusted), None]), None);
    }

    #[test]
    fn of_several_copies_in_doubt_none_is_taken_before_all_are_heard() {
        assert_eq!(taken(&[copy(2, Dirty), copy(2, Dirty), None]), None);
        assert_eq!(taken(&[copy(2, Dirty), copy(2, Dirty), copy(1, Trusted)]), Some((0, true, false)));
        assert_eq!(taken(&[copy(2, Dirty), copy(2, Dirty), copy(2, Trusted)]), Some((2, false, false)));
        assert_eq!(taken(&[copy(2, Dirty), copy(2, Lost), None]), None);
    }

    #[test]
    fn an_overwrite_in_flight_that_no_majority_can_have_is_taken_back() {
        let alone = [copy(3, DirtyOverwrite), copy(2, Trusted), copy(1, Trusted)];
        assert_eq!(taken(&alone), Some((1, false, true)));
        let in_doubt_below = [copy(3, DirtyOverwrite), copy(2, Dirty), copy(1, Trusted)];
        assert_eq!(taken(&in_doubt_below), Some((1, true, true)));
        let by_two = [copy(3, DirtyOverwrite), copy(3, DirtyOverwrite), copy(1, Trusted)];
        assert_eq!(taken(&by_two), Some((0, true, false)));
    }

    #[test]
    fn a_lost_copy_tells_what_it_may_have_executed_and_is_not_waited_for() {
        let in_flight = copy(3, DirtyOverwrite);
        assert_eq!(taken(&[in_flight, copy(1, Trusted), copy(3, Lost)]), Some((0, true, false)));
        assert_eq!(taken(&[in_flight, copy(1, Trusted), copy(1, Lost)]), Some((1, false, true)));
        assert_eq!(taken(&[in_flight, copy(1, Trusted), Some(Copy::FORGOTTEN)]), Some((0, true, false)));
        assert_eq!(taken(&[copy(2, Trusted), copy(1, Trusted), copy(3, Lost)]), Some((0, false, false)));
    }

    #[test]
    fn what_a_lost_copy_has_acknowledged_below_the_write_in_flight_is_not_taken_back() {
        // The second write was acknowledged by the two that are not trusted now.
        let copies = [copy(3, DirtyOverwrite), copy(1, Trusted), copy(2, Lost)];
        assert_eq!(taken(&copies), Some((0, true, false)));
        let of_five =
            [copy(3, DirtyOverwrite), copy(1, Trusted), copy(1, Trusted), copy(2, Lost), copy(2, Lost)];
        assert_eq!(taken(&of_five), Some((0, true, false)));
        let by_two_of_five =
            [copy(3, DirtyOverwrite), copy(1, Trusted), copy(1, Trusted), copy(1, Trusted), copy(2, Lost)];
        assert_eq!(taken(&by_two_of_five), Some((1, false, true)));
    }

    #[test]
    fn a_sequenced_write_on_a_copy_that_was_set_back_is_taken_back() {
        let before = Record::overwritten(Version { clock: 1, node: NodeId(1) });
        let after = before.sequenced(Version::ZERO, Version { clock: 3, node: NodeId(1) }, 7);
        let set_back = Some(Copy { record: after, trust: DirtyOverwrite });
        assert_eq!(taken(&[set_back, copy(1, Trusted), copy(1, Trusted)]), Some((1, false, true)));
        assert_eq!(taken(&[set_back, set_back, copy(1, Trusted)]), Some((0, true, false)));
    }

    #[test]
    fn of_equal_copies_in_doubt_one_that_was_executed_is_taken() {
        for in_flight in [Dirty, DirtyOverwrite] {
            let copies = [copy(2, in_flight), copy(2, Restarted), copy(2, Restarted)];
            assert_eq!(taken(&copies), Some((1, true, false)));
            assert_eq!(taken(&[copies[0], copies[1], None]), None, "the third may have it too, or more");
        }
        assert_eq!(Restarted.and(Dirty), DirtyOverwrite, "it may lack more than what was in flight");
    }
}

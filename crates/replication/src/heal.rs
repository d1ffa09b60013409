//! What is to be done about a key, given what its copies say. Pure decisions; `engine/heal.rs` and `engine/claims.rs` carry
//! them out.
//!
//! Invariants: a copy in doubt or lost never wins over a trusted one (rule R13, R14); the result depends on nothing but
//! the copies, so whoever heals does the same.

use smallvec::SmallVec;

use crate::{
    PushPurpose, Record, Trust,
    planted::{self, Planted},
};

/// What one rack's replica said of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Copy {
    pub(crate) record: Record,
    pub(crate) trust: Trust,
}

/// What each rack's replica said; `None` where nothing was heard.
pub(crate) type Copies = SmallVec<[Option<Copy>; 3]>;

/// How to make a key's copies equal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// All that were heard are equal and trusted.
    Equal,
    /// Install the state that `from` holds under `record`, or its absence when nobody has it, at each of `behind`.
    Install { from: Option<usize>, record: Record, behind: SmallVec<[(usize, PushPurpose); 3]> },
    /// No trusted copy is at or above what was in flight at a copy in doubt: somebody has to claim the key.
    Claim,
    /// Too few were heard to decide about those that are not equal.
    TooFew,
}

/// Whether lost copies are rebuilt although no majority is trusted, since more will not be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
        return Plan::Claim;
    }
    let is_final = counts_lost != CountsLost::No || heard(copies).count() == copies.len();
    let rebuilds = planted::has(Planted::RebuildsFromOne)
        || trusted().count() >= majority
        || is_final && winner.is_some()
        || counts_lost == CountsLost::Yes;
    // Without any trusted copy all are lost: what is left of the key is its greatest record.
    let record = winner.or_else(|| heard(copies).map(|(_, copy)| copy.record).max()).unwrap_or_default();
    let mut has_lost = false;
    let mut behind = SmallVec::new();
    for (index, copy) in heard(copies) {
        match copy.trust {
            Trust::Trusted if copy.record == record => {}
            Trust::Trusted | Trust::Dirty | Trust::DirtyOverwrite => behind.push((index, PushPurpose::Heal)),
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
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Adoption {
    /// The own copy is trusted and the greatest.
    Hold,
    /// The copy of this rack is trusted and the greatest.
    Fetch(usize),
    /// Nobody trusts the greatest record: what this rack's datastore holds becomes it, as it is.
    AsItIs(usize),
    /// As `AsItIs`, but with an overwrite in flight the whole datacenter must have been heard.
    NeedsAll,
}

/// Decides which copy a claimant adopts, of those that promised.
pub(crate) fn adoption(copies: &[Option<Copy>]) -> Adoption {
    let greatest = heard(copies).map(|(_, copy)| copy.record).max().unwrap_or_default();
    let holds = |copy: &Copy| copy.record == greatest;
    if let Some((index, _)) = heard(copies).find(|(_, copy)| holds(&copy) && copy.trust.is_trusted()) {
        return if index == 0 { Adoption::Hold } else { Adoption::Fetch(index) };
    }
    let is_whole_in_flight =
        heard(copies).any(|(_, copy)| holds(&copy) && copy.trust == Trust::DirtyOverwrite);
    if is_whole_in_flight && !planted::has(Planted::AdoptsWithoutAll) && heard(copies).count() < copies.len()
    {
        return Adoption::NeedsAll;
    }
    let holder = heard(copies).find(|(_, copy)| holds(&copy)).map_or(0, |(index, _)| index);
    Adoption::AsItIs(holder)
}

fn heard(copies: &[Option<Copy>]) -> impl Iterator<Item = (usize, Copy)> {
    copies.iter().enumerate().filter_map(|(index, copy)| copy.map(|copy| (index, copy)))
}

#[cfg(test)]
mod tests {
    use dynomite_ring::NodeId;

    use super::*;
    use crate::Version;

    fn copy(clock: u64, trust: Trust) -> Option<Copy> {
        let record = Record::overwritten(Version { clock, node: NodeId(1) });
        Some(Copy { record, trust })
    }

    fn installed(plan: Plan) -> (Option<usize>, u64, Vec<(usize, PushPurpose)>) {
        let Plan::Install { from, record, behind } = plan else { panic!("{plan:?}") };
        (from, record.base.clock, behind.into_vec())
    }

    use PushPurpose::{Heal, Rebuild};
    use Trust::{Dirty, DirtyOverwrite, Lost, Trusted};

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
    fn when_all_copies_are_lost_the_key_is_absent_under_its_greatest_record() {
        let copies = [copy(9, Lost), copy(2, Lost), copy(1, Lost)];
        let all = vec![(0, Rebuild), (1, Rebuild), (2, Rebuild)];
        assert_eq!(installed(plan(&copies, CountsLost::Yes)), (None, 9, all));
        assert_eq!(plan(&copies, CountsLost::No), Plan::TooFew, "another datacenter may have it");
        assert_eq!(plan(&copies, CountsLost::WhereOneIsTrusted), Plan::TooFew);
    }

    #[test]
    fn a_claimant_adopts_the_greatest_trusted_or_not() {
        assert_eq!(adoption(&[copy(2, Trusted), copy(1, Trusted), None]), Adoption::Hold);
        assert_eq!(adoption(&[copy(2, Dirty), copy(2, Trusted), None]), Adoption::Fetch(1));
        assert_eq!(adoption(&[copy(1, Trusted), copy(2, Dirty), None]), Adoption::AsItIs(1));
        assert_eq!(adoption(&[copy(2, DirtyOverwrite), copy(1, Trusted), None]), Adoption::NeedsAll);
        let all = [copy(2, DirtyOverwrite), copy(1, Trusted), copy(1, Trusted)];
        assert_eq!(adoption(&all), Adoption::AsItIs(0));
    }
}

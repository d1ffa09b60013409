//! Which faults come when: everything follows from the seed.

use std::time::Duration;

use crate::chaos::cluster::{DC_COUNT, RACKS_PER_DC};
use crate::chaos::random::Random;

use super::{Fault, Kind, Scope, Target};

/// Nothing happens before that, so that clients have written something.
const QUIET_START: Duration = Duration::from_secs(3);
/// From the beginning of one fault to that of the next, in milliseconds.
const GAP_MS: std::ops::Range<u64> = 200..4_500;
/// Now and then nothing begins for a while, so that everything can get well.
const REST_PERCENT: u64 = 6;
const REST: Duration = Duration::from_secs(8);
/// How long a fault lasts, in milliseconds. Shorter and longer than it takes to notice (1.2 s) and than requests live.
const LASTS_MS: std::ops::Range<u64> = 200..7_000;

/// The faults of a run of this length.
pub(in crate::chaos) fn plan(seed: u64, length: Duration, kinds: &[Kind]) -> Vec<Fault> {
    let mut random = Random::new(seed);
    let mut faults = Vec::new();
    let mut deck = Vec::new();
    let mut at = QUIET_START;
    while at < length && !kinds.is_empty() {
        if deck.is_empty() {
            deck = cards(kinds);
            random.shuffle(&mut deck);
        }
        if let Some(kind) = deck.pop() {
            let lasts = Duration::from_millis(random.between(LASTS_MS));
            faults.push(Fault { begins_at: at, lasts, kind, target: target(kind, &mut random) });
        }
        at += Duration::from_millis(random.between(GAP_MS));
        if random.percent(REST_PERCENT) {
            at += REST;
        }
    }
    faults
}

/// Each kind as often as it is worth. Dealt out before they are shuffled again, so that all of them come early.
fn cards(kinds: &[Kind]) -> Vec<Kind> {
    let count = |kind: Kind| match kind {
        Kind::NodeKilled | Kind::NodeFrozen | Kind::LinkCut | Kind::LinkHeld => 3,
        Kind::NodeStopped | Kind::StoreFrozen | Kind::StoreRestarted | Kind::StoreEmptied => 2,
        Kind::StoreSetBack | Kind::DiskFull | Kind::LinkDelayed | Kind::LinkThrottled => 1,
    };
    kinds.iter().flat_map(|kind| vec![*kind; count(*kind)]).collect()
}

fn target(kind: Kind, random: &mut Random) -> Target {
    let host_count = DC_COUNT * RACKS_PER_DC;
    let host = random.index(host_count);
    match kind {
        Kind::LinkCut | Kind::LinkHeld | Kind::LinkDelayed | Kind::LinkThrottled => links(host, random),
        // Only a datastore without a log goes back to what it saved: see `Host::store_has_log`.
        Kind::StoreSetBack => Target::Host(host / 2 * 2),
        _ => Target::Host(host),
    }
}

fn links(host: usize, random: &mut Random) -> Target {
    let host_count = DC_COUNT * RACKS_PER_DC;
    let others = |host: usize| (0..host_count).filter(move |other| *other != host);
    let (scope, mut ends): (Scope, Vec<(usize, usize)>) = match random.between(0..100) {
        0..50 => {
            let step = 1 + random.index(host_count - 1);
            (Scope::Pair, vec![(host, (host + step) % host_count)])
        }
        50..80 => (Scope::Node, others(host).map(|other| (host, other)).collect()),
        _ => {
            let is_near = |host: &usize| *host < RACKS_PER_DC;
            let pairs = (0..host_count).filter(is_near);
            let far = || (0..host_count).filter(|host| !is_near(host));
            (Scope::Datacenter, pairs.flat_map(|near| far().map(move |far| (near, far))).collect())
        }
    };
    let is_one_way = random.percent(40);
    if random.percent(50) {
        for pair in &mut ends {
            *pair = (pair.1, pair.0);
        }
    }
    Target::Links { scope, ends, is_one_way }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn seed_decides_everything() {
        assert_eq!(plan(1, MINUTE, &Kind::ALL), plan(1, MINUTE, &Kind::ALL));
        assert_ne!(plan(1, MINUTE, &Kind::ALL), plan(2, MINUTE, &Kind::ALL));
        assert_eq!(plan(1, MINUTE, &[]), []);
    }

    #[test]
    fn all_kinds_come_within_two_minutes_and_none_lasts() {
        for seed in 0..50 {
            let faults = plan(seed, 2 * MINUTE, &Kind::ALL);
            let kinds: BTreeSet<Kind> = faults.iter().map(|fault| fault.kind).collect();
            assert_eq!(kinds.len(), Kind::ALL.len(), "seed {seed}: {kinds:?}");
            for fault in &faults {
                assert!(fault.lasts < Duration::from_secs(7) && fault.begins_at < 2 * MINUTE);
            }
        }
    }

    #[test]
    fn links_of_every_scope_and_way_come() {
        let mut seen = BTreeSet::new();
        for fault in plan(3, 60 * MINUTE, &[Kind::LinkHeld]) {
            let Target::Links { scope, ends, is_one_way } = fault.target else { panic!("{fault:?}") };
            let count = [1, 5, 9][scope as usize];
            assert_eq!(ends.iter().collect::<BTreeSet<_>>().len(), count);
            assert!(ends.iter().all(|(from, to)| from != to && *from < 6 && *to < 6));
            seen.insert((scope as usize, is_one_way, ends[0].0 < ends[0].1));
        }
        assert_eq!(seen.len(), 12, "{seen:?}");
    }
}

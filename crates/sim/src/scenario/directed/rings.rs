//! Stories of rings that change. Nodes 0, 2 and 4 are there from the beginning, in a rack each; node 1 may join the rack of
//! node 0, and takes a key from it.

use super::script::Script;
use crate::{
    command::{Action, Kind},
    plan::{Change, Fault, MS, Plan},
};

/// Node 4 misses a write, and goes on hearing of the newcomer alone, which has never had the key.
pub(super) fn gained_copy_is_no_copy(seed: u64) -> Plan {
    let script = Script::three_racks_with_spares(seed);
    let key = script.key_that_moves(Kind::Plain, 1, 2);
    script
        .sends(1, 2, key, Action::Set)
        .cuts(500, 15_000, 4, 0)
        .cuts(500, 15_000, 4, 2)
        .sends(3000, 2, key, Action::Set)
        .changes(4000, Change::Join { node: 1 })
        .sends(8000, 4, key, Action::Read)
        .sends(9000, 4, key, Action::Read)
        .plan()
}

/// The key comes back to node 0, which has an old copy of it; so has node 4, which hears of nobody else.
pub(super) fn range_comes_back(seed: u64) -> Plan {
    let script = Script::three_racks_with_spares(seed);
    let key = script.key_that_moves(Kind::Plain, 1, 2);
    script
        .sends(1, 2, key, Action::Set)
        .changes(1000, Change::Join { node: 1 })
        .cuts(4500, 15_000, 4, 1)
        .cuts(4500, 15_000, 4, 2)
        .sends(8000, 2, key, Action::Set)
        .changes(9000, Change::Leave { node: 1 })
        .sends(13_000, 4, key, Action::Read)
        .sends(14_000, 4, key, Action::Read)
        .plan()
}

/// Node 4 writes all the time, by whatever ring it has. It does not hear of node 2, which reads all the time.
pub(super) fn written_through_an_old_ring(seed: u64) -> Plan {
    let mut script = Script::three_racks_with_spares(seed);
    let key = script.key_that_moves(Kind::Plain, 1, 4);
    script = script.sends(1, 4, key, Action::Set).cuts(1000, 8000, 2, 4);
    script = script.changes(4000, Change::Join { node: 1 });
    for at in (4000..6500).step_by(20) {
        script = script.sends(at, 4, key, Action::Set).sends(at + 10, 2, key, Action::Read);
    }
    script.sends(12_000, 0, key, Action::Read).plan()
}

/// Everybody adds to a list that goes to node 1 and back, whatever ring each has.
pub(super) fn added_while_a_range_moves(seed: u64) -> Plan {
    let mut script = Script::three_racks_with_spares(seed);
    let key = script.key_that_moves(Kind::List, 1, 2);
    script = script.changes(1000, Change::Join { node: 1 }).changes(5000, Change::Leave { node: 1 });
    for at in (1000..8000).step_by(40) {
        script = script.sends(at, at as usize / 40 % 3 * 2, key, Action::Add);
    }
    script.sends(12_000, 0, key, Action::Read).plan()
}

/// Node 0 promises node 4's claim, and node 4's datastore hangs before anything runs under it. Then node 1 takes the key over from
/// node 0. Node 2, the key's primary, has heard of nothing.
pub(super) fn promised_before_it_moved(seed: u64) -> Plan {
    let script = Script::three_racks_with_spares(seed);
    let (key, other) = (script.key_that_moves(Kind::List, 1, 2), script.key_that_moves(Kind::Plain, 1, 4));
    script
        .cuts(100, 25_000, 2, 0)
        .cuts(100, 25_000, 2, 4)
        .breaks(1900, 2000, Fault::SlowLink { from: 0, to: 4, by_us: 1200 * MS })
        .breaks(2990, 900, Fault::StoreFreeze { node: 4 })
        .breaks(1990, 2000, Fault::StoreSlow { node: 4, by_us: 1500 * MS })
        .sends(2000, 4, other, Action::Read)
        .sends(2020, 4, key, Action::Add)
        .changes(6000, Change::Join { node: 1 })
        .sends(12_000, 2, key, Action::Add)
        .sends(14_000, 4, key, Action::Add)
        .sends(30_000, 0, key, Action::Read)
        .plan()
}

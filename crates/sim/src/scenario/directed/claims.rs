//! Stories of claims: what was promised binds, and a claimant goes on with the greatest that it was told.

use super::script::Script;
use crate::{
    command::{Action, Kind},
    plan::{Fault, Group, Loss, Plan},
};

const fn cut_off(node: usize) -> Fault {
    Fault::Partition { side: Group::Node(node), outbound: true, inbound: true }
}

/// Node 2, which does not hear of the primary, claims with node 0's promise and runs for long; meanwhile the primary, which
/// knows nothing of that, runs a write with node 0 as its only witness.
pub(super) fn promise_binds_followers(seed: u64) -> Plan {
    claimed_behind_the_primary(seed).plan()
}

/// As before, and node 0 restarts in between.
pub(super) fn promise_survives_restart(seed: u64) -> Plan {
    let killed = Fault::Crash { node: 0, loss: Loss::Nothing };
    claimed_behind_the_primary(seed).breaks(3050, 50, killed).plan()
}

fn claimed_behind_the_primary(seed: u64) -> Script {
    let script = Script::three_racks(seed);
    let key = script.key_of(Kind::Counter, 1);
    let mut script = script
        .sends(1, 1, key, Action::Add)
        .cuts(100, 8000, 1, 2)
        .breaks(2900, 1400, Fault::StoreSlow { node: 2, by_us: 450_000 })
        .sends(3000, 2, key, Action::Add);
    // Links to a node that restarted come up at moments that the seed decides.
    for at in (3100..3700).step_by(100) {
        script = script.sends(at, 1, key, Action::Add);
    }
    script.sends(12_000, 0, key, Action::Read)
}

/// The primary's datastore is away for a moment, so that node 2 claims the key, with the primary's own promise; it runs for
/// long, and the primary is asked again meanwhile.
pub(super) fn promise_binds_primary(seed: u64) -> Plan {
    let script = Script::three_racks(seed);
    let key = script.key_of(Kind::Counter, 1);
    script
        .sends(1, 1, key, Action::Add)
        .cuts(100, 8000, 0, 2)
        .breaks(2900, 2000, Fault::SlowLink { from: 2, to: 1, by_us: 200_000 })
        .breaks(3000, 2000, Fault::StoreSlow { node: 2, by_us: 450_000 })
        .sends(3000, 2, key, Action::Add)
        .breaks(3150, 100, Fault::LaneBreak { node: 1, run_percent: 0 })
        .sends(3600, 1, key, Action::Add)
        .sends(12_000, 0, key, Action::Read)
        .plan()
}

/// Node 2 misses a write, and is the one that sequences when the primary is gone: its claim must bring it what it missed.
pub(super) fn claimant_missed_a_write(seed: u64) -> Plan {
    let script = Script::three_racks(seed);
    let key = script.key_of(Kind::Counter, 1);
    let mut script = script
        .sends(1, 1, key, Action::Add)
        .breaks(100, 2200, cut_off(2))
        .sends(1900, 1, key, Action::Add)
        .breaks(2200, 7000, cut_off(1));
    // Links come up one after the other, at moments that the seed decides.
    for at in (3500..6500).step_by(250) {
        script = script.sends(at, 2, key, Action::Add);
    }
    script.sends(12_000, 0, key, Action::Read).plan()
}

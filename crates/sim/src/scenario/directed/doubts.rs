//! Stories of copies in doubt: what may be made of a state when nobody knows which one it is.

use super::script::Script;
use crate::{
    command::{Action, Kind},
    plan::{Fault, MS, Plan},
};

/// Node 0 stands still while a write is acknowledged without it. Then it stamps an overwrite that had waited for it, its
/// connections are gone, and its datastore loses that overwrite: what it holds is older than what was acknowledged.
pub(super) fn frozen_overwrite_is_taken_back(seed: u64) -> Plan {
    let script = Script::three_racks(seed);
    let key = script.key_of(Kind::Plain, 0);
    script
        .sends(1, 0, key, Action::Set)
        .breaks(100, 3000, Fault::Freeze { node: 0 })
        .sends(300, 0, key, Action::Set)
        .sends(2500, 1, key, Action::Set)
        .breaks(3000, 300, Fault::StoreSlow { node: 0, by_us: 100_000 })
        .breaks(3110, 50, Fault::LaneBreak { node: 0, run_percent: 0 })
        .sends(9000, 0, key, Action::Read)
        .sends(9100, 2, key, Action::Read)
        .plan()
}

/// The primary's copy is in doubt, and it claims the key; the promise that it waits for is under way for long. Meanwhile a
/// node that it does not hear of overwrites the key, at a moment that the seed decides.
pub(super) fn overwritten_while_claimed(seed: u64) -> Plan {
    /// From one seed's moment to the next.
    const STEP_MS: u64 = 100;
    let script = Script::three_racks(seed);
    let key = script.key_of(Kind::Register, 1);
    let at = 2000 + seed % 20 * STEP_MS;
    script
        .sends(1, 1, key, Action::Set)
        .cuts(100, 6000, 1, 2)
        .breaks(1900, 4000, Fault::SlowLink { from: 0, to: 1, by_us: 300 * MS })
        .breaks(1900, 100, Fault::StoreSlow { node: 1, by_us: 100 * MS })
        .sends(1950, 1, key, Action::SetAndGet)
        .breaks(1970, 30, Fault::LaneBreak { node: 1, run_percent: 0 })
        .sends(at, 2, key, Action::Set)
        .sends(9000, 0, key, Action::Read)
        .plan()
}

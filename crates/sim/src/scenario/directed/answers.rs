//! Stories of answers that never come, and of stamps that could be equal.

use dynomite_replication::Level;

use super::script::Script;
use crate::{
    command::{Action, Key, Kind},
    plan::{Fault, Plan},
};

/// All that node 0 sends is done, and it hears nothing of it.
pub(super) fn answers_get_lost(seed: u64) -> Plan {
    let script = Script::three_racks(seed);
    let (plain, counter) = (script.key_of(Kind::Plain, 0), script.key_of(Kind::Counter, 0));
    script
        .sends(1, 0, plain, Action::Set)
        .breaks(100, 6000, Fault::Cut { from: 1, to: 0 })
        .breaks(100, 6000, Fault::Cut { from: 2, to: 0 })
        .sends(200, 0, plain, Action::Set)
        .sends(210, 0, counter, Action::Add)
        .sends(9000, 1, plain, Action::Read)
        .sends(9000, 1, counter, Action::Read)
        .plan()
}

/// Three clients overwrite the same key through three nodes in the same moment, again and again.
pub(super) fn stamped_at_once(seed: u64) -> Plan {
    /// So often, each time another key.
    const TIMES: u32 = 60;
    let mut script = Script::three_racks(seed);
    for number in 0..TIMES {
        let key = Key { kind: Kind::Plain, number };
        for node in 0..3 {
            script = script.sends_at(Level::DcOne, 1 + 20 * u64::from(number), node, key, Action::Set);
        }
    }
    script.plan()
}

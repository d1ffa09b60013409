//! Stories of nodes that restart, and of what they must not forget.

use super::script::Script;
use crate::{
    command::{Action, Kind},
    plan::{Fault, Group, Loss, Plan},
};

const fn killed(node: usize) -> Fault {
    Fault::Crash { node, loss: Loss::Nothing }
}

const fn cut_off(node: usize) -> Fault {
    Fault::Partition { side: Group::Node(node), outbound: true, inbound: true }
}

/// Nodes 1 and 2 acknowledge a write that node 0 misses, and restart.
pub(super) fn records_forgotten_at_restart(seed: u64) -> Plan {
    let script = Script::three_racks(seed);
    let key = script.key_of(Kind::Plain, 1);
    script
        .sends(1, 1, key, Action::Set)
        .breaks(100, 5000, cut_off(0))
        .sends(3000, 1, key, Action::Set)
        .breaks(3500, 200, killed(1))
        .breaks(3600, 200, killed(2))
        .sends(9000, 0, key, Action::Read)
        .sends(9100, 1, key, Action::Read)
        .plan()
}

/// SET NX is won with node 1 as the witness, which restarts; then node 2, which missed it, is asked for another.
pub(super) fn set_nx_won_twice(seed: u64) -> Plan {
    let script = Script::three_racks(seed);
    let key = script.key_of(Kind::Register, 0);
    script
        .breaks(100, 3000, cut_off(2))
        .sends(2000, 0, key, Action::SetIfAbsent)
        .breaks(2500, 100, killed(1))
        .breaks(2900, 6000, cut_off(0))
        .sends(5500, 2, key, Action::SetIfAbsent)
        .sends(6000, 1, key, Action::SetIfAbsent)
        .sends(12_000, 2, key, Action::SetIfAbsent)
        .plan()
}

/// Node 2 sleeps through a deletion, for much longer than the others look back. What it wrote last is in doubt when it comes
/// back; the key that was deleted is not.
pub(super) fn eviction_resurrects(seed: u64) -> Plan {
    let script = Script::three_racks(seed);
    let (key, other) = (script.key_of(Kind::Plain, 0), script.key_of(Kind::Plain, 1));
    script
        .sends(1, 0, key, Action::Set)
        .sends(500, 0, other, Action::Set)
        .breaks(1000, 200_000, killed(2))
        .sends(3000, 0, key, Action::Delete)
        .sends(210_000, 1, key, Action::Read)
        .plan()
}

//! Stories of records that are not kept for ever.

use super::script::Script;
use crate::{
    command::{Action, Kind},
    plan::{Fault, Group, Plan},
};

/// Node 0 misses a write while it is cut off, and goes on comparing, alone. What it says of a key that it never had must
/// not come after what it missed.
pub(super) fn missed_behind_a_mark(seed: u64) -> Plan {
    let script = Script::three_racks(seed);
    let (key, other) = (script.key_of(Kind::Plain, 1), script.key_of(Kind::Plain, 0));
    let alone = Fault::Partition { side: Group::Node(0), outbound: true, inbound: true };
    script
        .sends(1, 0, other, Action::Set)
        .breaks(15_000, 35_000, alone)
        .sends(18_000, 1, key, Action::Set)
        .sends(60_000, 0, key, Action::Read)
        .plan()
}

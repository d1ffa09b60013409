//! Stories of order: who sequences, whose stamp is greater, and what an acknowledgement proves.

use super::script::Script;
use crate::{
    command::{Action, Kind},
    plan::{Fault, Group, Plan},
};

/// Node 0 counts, with node 2 as its witness; then node 1 counts without having heard of it.
pub(super) fn greatest_wins_without_terms(seed: u64) -> Plan {
    let script = Script::three_racks(seed);
    let key = script.key_of(Kind::Counter, 0);
    script
        .cuts(1, 9000, 0, 1)
        .sends(2000, 0, key, Action::Add)
        .cuts(2100, 6000, 0, 2)
        .sends(5000, 1, key, Action::Add)
        .sends(5500, 2, key, Action::Read)
        .sends(13_000, 1, key, Action::Read)
        .plan()
}

/// Node 2 is ahead and deletes, with node 0 as its witness; then node 1 stamps a later write without having heard of it.
pub(super) fn refusal_is_no_acknowledgement(seed: u64) -> Plan {
    let script = Script::three_racks(seed).clock_ahead(2, 5000);
    let key = script.key_of(Kind::Plain, 2);
    script
        .sends(1, 0, key, Action::Set)
        .cuts(10, 6000, 1, 2)
        .sends(2000, 2, key, Action::Delete)
        .sends(2100, 1, key, Action::Set)
        .sends(2200, 0, key, Action::Read)
        .sends(8000, 1, key, Action::Read)
        .plan()
}

/// A deletion passes node 0 by; it adds an element to its old copy as soon as it is back.
pub(super) fn greater_record_is_no_acknowledgement(seed: u64) -> Plan {
    let script = Script::three_racks(seed);
    let key = script.key_of(Kind::List, 0);
    let cut_off = Fault::Partition { side: Group::Node(0), outbound: true, inbound: true };
    let mut script =
        script.sends(1, 1, key, Action::Add).breaks(100, 4000, cut_off).sends(3000, 1, key, Action::Delete);
    // Links come up one after the other, at moments that the seed decides.
    for at in (4100..4700).step_by(50) {
        script = script.sends(at, 0, key, Action::Add);
    }
    script.sends(9000, 2, key, Action::Read).plan()
}

/// A write passes node 0's datastore by; its next conditional write finds what was there before. One overwrite follows, so
/// that the others are pushed node 0's state, and another, which is there before the state is.
pub(super) fn superseded_write_tells_what_it_saw(seed: u64) -> Plan {
    let script = Script::three_racks(seed);
    let key = script.key_of(Kind::Register, 0);
    script
        .sends(1, 0, key, Action::Set)
        .breaks(100, 1000, Fault::LaneBreak { node: 0, run_percent: 0 })
        .sends(500, 0, key, Action::Set)
        .breaks(1450, 200, Fault::StoreSlow { node: 0, by_us: 1800 })
        .sends(1500, 0, key, Action::SetAndGet)
        .sends(1504, 0, key, Action::Set)
        .sends(1508, 0, key, Action::Set)
        .plan()
}

/// An element is added in the last moment before a set expires; the replicas run the addition after it.
pub(super) fn expired_here_and_not_there(seed: u64) -> Plan {
    let script = Script::three_racks(seed);
    let key = script.key_of(Kind::Set, 0);
    script
        .sends(1, 0, key, Action::Add)
        .sends(100, 0, key, Action::Expire { after_ms: 100 })
        .breaks(150, 100, Fault::SlowLink { from: 0, to: 1, by_us: 20_000 })
        .sends(195, 0, key, Action::Add)
        .sends(1000, 1, key, Action::Read)
        .plan()
}

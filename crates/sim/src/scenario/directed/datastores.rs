//! Stories of datastores that are not what the records say.

use super::script::Script;
use crate::{
    command::{Action, Key, Kind},
    plan::{Fault, Group, Loss, Plan},
};

/// A write waits in node 0's lane when the connection breaks; it never runs.
pub(super) fn record_runs_ahead(seed: u64) -> Plan {
    broken_with_a_write_in_flight(seed, 0)
}

/// As before, and it ran.
pub(super) fn overwrite_in_flight(seed: u64) -> Plan {
    broken_with_a_write_in_flight(seed, 100)
}

fn broken_with_a_write_in_flight(seed: u64, run_percent: u64) -> Plan {
    let script = Script::three_racks(seed);
    let key = script.key_of(Kind::Register, 0);
    script
        .sends(1, 0, key, Action::Set)
        .breaks(100, 400, Fault::StoreSlow { node: 0, by_us: 100_000 })
        .sends(200, 1, key, Action::Set)
        .breaks(250, 50, Fault::LaneBreak { node: 0, run_percent })
        .sends(1000, 0, key, Action::Read)
        .sends(1100, 0, key, Action::SetAndGet)
        .sends(2000, 2, key, Action::Read)
        .plan()
}

/// Node 1 misses a write; of the two that have it, node 2 loses its data, and node 0 another write that was in flight.
pub(super) fn acknowledged_below_what_is_in_flight(seed: u64) -> Plan {
    let script = Script::three_racks(seed);
    let key = script.key_of(Kind::Plain, 0);
    let alone = Fault::Partition { side: Group::Node(1), outbound: true, inbound: true };
    let deaf = Fault::Partition { side: Group::Node(2), outbound: false, inbound: true };
    script
        .sends(1, 0, key, Action::Set)
        .breaks(100, 4000, alone)
        .sends(2000, 0, key, Action::Set)
        .breaks(3000, 3000, deaf)
        .breaks(3000, 200, Fault::StoreSlow { node: 0, by_us: 300_000 })
        .sends(3010, 0, key, Action::Set)
        .breaks(3060, 50, Fault::LaneBreak { node: 0, run_percent: 0 })
        .breaks(3100, 100, Fault::StoreLoss { node: 2 })
        .sends(9000, 1, key, Action::Read)
        .sends(9100, 0, key, Action::Read)
        .plan()
}

/// Node 1 misses a write; node 2, one of its two witnesses, loses its data while the other is down.
pub(super) fn rebuilt_from_one_rack(seed: u64) -> Plan {
    let script = Script::three_racks(seed);
    let key = script.key_of(Kind::Plain, 0);
    let alone = Fault::Partition { side: Group::Node(1), outbound: true, inbound: true };
    let down = Fault::Partition { side: Group::Node(0), outbound: true, inbound: true };
    script
        .sends(1, 0, key, Action::Set)
        .breaks(100, 3000, alone)
        .sends(2000, 0, key, Action::Set)
        .breaks(3000, 8000, down)
        .breaks(3050, 100, Fault::StoreLoss { node: 2 })
        .sends(7000, 1, key, Action::Read)
        .sends(7100, 2, key, Action::Read)
        .sends(15_000, 1, key, Action::Read)
        .plan()
}

/// Two nodes have a write in their records and in their lanes, which break before it ran. Without the third, which is away,
/// nobody has it.
pub(super) fn answers_wait_for_execution(seed: u64) -> Plan {
    let script = Script::three_racks(seed);
    let key = script.key_of(Kind::Plain, 0);
    let alone = Fault::Partition { side: Group::Node(1), outbound: true, inbound: true };
    script
        .sends(1, 0, key, Action::Set)
        .breaks(100, 4000, alone)
        .breaks(1900, 200, Fault::StoreSlow { node: 0, by_us: 300_000 })
        .breaks(1900, 200, Fault::StoreSlow { node: 2, by_us: 300_000 })
        .sends(2000, 0, key, Action::Set)
        .breaks(2100, 50, Fault::LaneBreak { node: 0, run_percent: 0 })
        .breaks(2100, 50, Fault::LaneBreak { node: 2, run_percent: 0 })
        .sends(9000, 1, key, Action::Read)
        .plan()
}

/// Node 2 misses a write. Of the two that have it, one's datastore is set back to before it, and the other's is started anew and
/// has it: which of them, the seed decides, and whether the node of the first ends and starts over that.
pub(super) fn set_back_while_another_starts_anew(seed: u64) -> Plan {
    let script = Script::three_racks(seed);
    let keys = [script.key_of(Kind::Plain, 0), script.key_of(Kind::Plain, 1), script.key_of(Kind::Plain, 2)];
    let to_all = |script: Script, at_ms: u64, action: &Action| {
        (at_ms..).zip(keys).fold(script, |script, (at_ms, key)| script.sends(at_ms, 0, key, action.clone()))
    };
    let alone = Fault::Partition { side: Group::Node(2), outbound: true, inbound: true };
    let (set_back, anew) = if seed % 4 < 2 { (0, 1) } else { (1, 0) };
    let script = to_all(script, 1, &Action::Set)
        .breaks(2000, 3600, Fault::StoreSetBack { node: set_back })
        .breaks(2500, 6000, alone)
        .breaks(5500, 80, Fault::StoreRestart { node: anew, run_percent: 0 });
    // A marker covers the first of these, and none the last.
    let script = to_all(to_all(script, 4900, &Action::Set), 5200, &Action::Set);
    let script = to_all(script, 15_000, &Action::Read);
    if seed.is_multiple_of(2) {
        return script.plan();
    }
    script.breaks(5550, 200, Fault::Crash { node: set_back, loss: Loss::Nothing }).plan()
}

/// Node 2 has missed many elements and fetches them in pieces. Meanwhile node 0, which has them, adds one more that nobody
/// else gets before it loses its data.
pub(super) fn pieces_of_two_states(seed: u64) -> Plan {
    let script = Script::three_racks(seed);
    let key = script.key_of(Kind::List, 0);
    misses_many(script, key)
        .cuts(2150, 3000, 0, 1)
        .sends(2550, 0, key, Action::Add)
        .breaks(3000, 100, Fault::StoreLoss { node: 0 })
        .sends(9000, 2, key, Action::Read)
        .plan()
}

/// Node 2 has missed many elements and fetches them in pieces, of which its datastore forgets the first ones.
pub(super) fn stage_is_lost(seed: u64) -> Plan {
    let script = Script::three_racks(seed);
    let key = script.key_of(Kind::List, 0);
    misses_many(script, key)
        .breaks(2550, 5, Fault::LaneBreak { node: 2, run_percent: 100 })
        .breaks(3000, 1500, Fault::Partition { side: Group::Node(0), outbound: true, inbound: true })
        .sends(4000, 2, key, Action::Read)
        .plan()
}

/// Node 2 is away until 2100 and misses elements, which node 0 is slow to read.
fn misses_many(script: Script, key: Key) -> Script {
    let away = Fault::Partition { side: Group::Node(2), outbound: true, inbound: true };
    let adds = |script: Script, number: u64| script.sends(200 + 10 * number, 0, key, Action::Add);
    (0..12).fold(script.piecewise(), adds).breaks(100, 2000, away).breaks(
        1500,
        3000,
        Fault::StoreSlow { node: 0, by_us: 20_000 },
    )
}

//! What breaks.

use super::{
    Fault, Group, Loss, MS, Micros, PlannedFault,
    workload::{Workload, draw_burst},
};
use crate::{random::Random, topology::Topology};

/// The faults of a scenario.
#[derive(Debug, Clone, Copy)]
pub struct FaultMix {
    /// At most so many.
    pub count_max: u64,
    /// How long one lasts at most.
    pub lasts_max: Micros,
    /// Which ones, by weight.
    pub kinds: &'static [(u64, FaultKind)],
    /// In how many racks of each datacenter data may be lost.
    pub lossy_rack_count: usize,
}

/// Kinds of faults; what is left open is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Packets between groups of nodes are swallowed, in one or both directions.
    Partition,
    /// Packets from one node to another are swallowed.
    Cut,
    /// Connections break.
    Reset,
    /// A link is slow, or takes nothing.
    Slow,
    /// Answers come twice.
    Echo,
    /// A node dies and keeps what it has written.
    Crash,
    /// A node dies with its machine: what was not synced is gone.
    PowerLoss,
    /// A node stands still, or is slow.
    Freeze,
    /// The connection to a datastore breaks.
    LaneBreak,
    /// A datastore stands still, or is slow.
    StoreFreeze,
    /// A datastore loses its data.
    StoreLoss,
    /// A datastore is started anew, with its data.
    StoreRestart,
    /// A datastore is started anew, with what it had some time ago.
    StoreSetBack,
    /// A node loses log, data or both.
    DataLoss,
    /// A wall clock is set.
    ClockStep,
}

/// Clocks are set by at most so much.
const STEP_MAX_US: u64 = 500 * MS;
/// Slow nodes, links and datastores are slowed by at most so much.
const SLOW_MAX_US: Micros = 150 * MS;
/// A datastore is set back by this much at least: its node marks once a second how far it has come.
const SET_BACK_MIN: Micros = 1000 * MS;
/// Some faults last as short as this.
const LASTS_MIN: Micros = 5 * MS;
/// So many of a hundred faults that cut something off are announced by its being slow.
const PRELUDE_PERCENT: u64 = 40;
/// For at most so long.
const PRELUDE_LASTS_MAX: Micros = 300 * MS;
/// By at most so much.
const PRELUDE_SLOW_MAX: Micros = 60 * MS;
/// A fault that meets a burst comes at most this long after its beginning.
const BEHIND_BURST: Micros = 20 * MS;

/// Draws the faults of a run.
pub(super) fn draw(
    topology: &Topology,
    mix: &FaultMix,
    workload: &Workload,
    random: &mut Random,
) -> Vec<PlannedFault> {
    let mut faults = Vec::new();
    if mix.count_max == 0 {
        return faults;
    }
    let lossy = lossy_nodes(topology, mix, random);
    for _ in 0..random.between(1, mix.count_max) {
        let Some(fault) =
            random.weighted(mix.kinds).and_then(|kind| draw_fault(topology, kind, &lossy, random))
        else {
            continue;
        };
        let at = draw_time(workload, random);
        // Short ones as often as long ones.
        let longest = mix.lasts_max >> random.below(6);
        let lasts = match fault {
            Fault::StoreSetBack { .. } => random.between(SET_BACK_MIN, mix.lasts_max),
            _ => random.between(LASTS_MIN, longest),
        };
        faults.push(PlannedFault { at, lasts, fault });
        if random.chance(PRELUDE_PERCENT) {
            faults.extend(prelude(&fault, at, random));
        }
    }
    faults.sort_by_key(|fault| fault.at);
    faults
}

/// Any time, or close behind the beginning of a burst, when much is under way.
fn draw_time(workload: &Workload, random: &mut Random) -> Micros {
    if random.chance(50) {
        return random.below(workload.lasts);
    }
    draw_burst(workload, random) + random.below(BEHIND_BURST)
}

/// What is slow before it breaks has much under way when it does.
fn prelude(fault: &Fault, at: Micros, random: &mut Random) -> Option<PlannedFault> {
    let by_us = random.between(MS, PRELUDE_SLOW_MAX);
    let slow = match *fault {
        Fault::Crash { node, .. }
        | Fault::LaneBreak { node, .. }
        | Fault::StoreRestart { node, .. }
        | Fault::StoreLoss { node } => {
            if random.chance(50) {
                Fault::StoreSlow { node, by_us }
            } else {
                Fault::StoreFreeze { node }
            }
        }
        Fault::Cut { from, to } | Fault::Reset { from, to } => Fault::SlowLink { from, to, by_us },
        Fault::Partition { side: Group::Node(node), .. } => Fault::SlowNode { node, by_us },
        _ => return None,
    };
    let lasts = random.between(MS, PRELUDE_LASTS_MAX).min(at);
    Some(PlannedFault { at: at - lasts, lasts: lasts + MS, fault: slow })
}

/// Nodes of so few racks that a majority of every key's replicas keeps its data.
fn lossy_nodes(topology: &Topology, mix: &FaultMix, random: &mut Random) -> Vec<usize> {
    let mut lossy = Vec::new();
    for dc in 0..topology.dc_count {
        let mut racks: Vec<usize> =
            (0..topology.rack_count).map(|rack| dc * topology.rack_count + rack).collect();
        for _ in 0..mix.lossy_rack_count.min(racks.len()) {
            let rack = racks.swap_remove(random.index(racks.len()));
            lossy.extend((0..topology.len()).filter(|node| topology.rack_of(*node) == rack));
        }
    }
    lossy
}

fn draw_fault(topology: &Topology, kind: FaultKind, lossy: &[usize], random: &mut Random) -> Option<Fault> {
    let node = random.index(topology.len());
    let other = (node + 1 + random.index(topology.len().saturating_sub(1))) % topology.len();
    let by_us = random.between(MS, SLOW_MAX_US);
    let lossy = (!lossy.is_empty()).then(|| *random.pick(lossy));
    Some(match kind {
        FaultKind::Partition => draw_partition(topology, node, random),
        FaultKind::Cut => Fault::Cut { from: node, to: other },
        FaultKind::Reset => Fault::Reset { from: node, to: other },
        FaultKind::Slow if random.chance(25) => Fault::FullLink { from: node, to: other },
        FaultKind::Slow => Fault::SlowLink { from: node, to: other, by_us },
        FaultKind::Echo => Fault::Echo { from: node, to: other },
        FaultKind::Crash => Fault::Crash { node, loss: Loss::Nothing },
        FaultKind::PowerLoss => Fault::Crash { node, loss: Loss::Power },
        FaultKind::Freeze if random.chance(25) => Fault::SlowNode { node, by_us },
        FaultKind::Freeze => Fault::Freeze { node },
        FaultKind::LaneBreak => Fault::LaneBreak { node, run_percent: random.between(0, 100) },
        FaultKind::StoreRestart => Fault::StoreRestart { node, run_percent: random.between(0, 100) },
        FaultKind::StoreSetBack => Fault::StoreSetBack { node: lossy? },
        FaultKind::StoreFreeze if random.chance(25) => Fault::StoreSlow { node, by_us },
        FaultKind::StoreFreeze => Fault::StoreFreeze { node },
        FaultKind::StoreLoss => Fault::StoreLoss { node: lossy? },
        FaultKind::DataLoss => {
            let loss = *random.pick(&[Loss::Log, Loss::Store, Loss::LogAndStore]);
            Fault::Crash { node: lossy?, loss }
        }
        FaultKind::ClockStep => {
            Fault::ClockStep { node, by_us: random.below(2 * STEP_MAX_US) as i64 - STEP_MAX_US as i64 }
        }
    })
}

fn draw_partition(topology: &Topology, node: usize, random: &mut Random) -> Fault {
    let mut sides = vec![Group::Node(node), Group::Rack(topology.rack_of(node))];
    if topology.dc_count > 1 {
        sides.push(Group::Dc(topology.dc_of(node)));
    }
    let side = *random.pick(&sides);
    let (outbound, inbound) = *random.pick(&[(true, true), (true, true), (true, false), (false, true)]);
    Fault::Partition { side, outbound, inbound }
}

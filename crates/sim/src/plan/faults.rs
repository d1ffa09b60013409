//! What breaks.

use super::{Fault, Group, Loss, MS, Micros, PlannedFault};
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
    /// A node loses log, data or both.
    DataLoss,
    /// A wall clock is set.
    ClockStep,
}

/// Clocks are set by at most so much.
const STEP_MAX_US: u64 = 500 * MS;
/// Slow nodes, links and datastores are slowed by at most so much.
const SLOW_MAX_US: Micros = 150 * MS;
/// Some faults last as short as this.
const LASTS_MIN: Micros = 5 * MS;

/// Draws the faults of a run whose last command is sent at `ends_at`.
pub(super) fn draw(
    topology: &Topology,
    mix: &FaultMix,
    ends_at: Micros,
    random: &mut Random,
) -> Vec<PlannedFault> {
    if mix.count_max == 0 {
        return Vec::new();
    }
    let lossy = lossy_nodes(topology, mix, random);
    let count = random.between(1, mix.count_max);
    let mut faults: Vec<PlannedFault> = (0..count)
        .filter_map(|_| {
            let kind = random.weighted(mix.kinds)?;
            let fault = draw_fault(topology, kind, &lossy, random)?;
            // Short ones as often as long ones.
            let longest = mix.lasts_max >> random.below(6);
            Some(PlannedFault { at: random.below(ends_at), lasts: random.between(LASTS_MIN, longest), fault })
        })
        .collect();
    faults.sort_by_key(|fault| fault.at);
    faults
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
        FaultKind::PowerLoss => Fault::Crash { node, loss: Loss::UnsyncedLog },
        FaultKind::Freeze if random.chance(25) => Fault::SlowNode { node, by_us },
        FaultKind::Freeze => Fault::Freeze { node },
        FaultKind::LaneBreak => Fault::LaneBreak { node, run_percent: random.between(0, 100) },
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

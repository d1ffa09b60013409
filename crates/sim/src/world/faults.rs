//! Faults begin and end.

use super::{World, events::Event};
use crate::plan::{Fault, Group};

impl World {
    /// A fault of the plan begins.
    pub(super) fn fault_begins(&mut self, index: usize) {
        let planned = self.plan.faults[index];
        self.trace.line(|| format!("    {planned}"));
        match planned.fault {
            Fault::Partition { side, outbound, inbound } => {
                for (from, to) in self.paths_across(side, outbound, inbound) {
                    self.cut_path(from, to);
                }
            }
            Fault::Cut { from, to } => self.cut_path(from, to),
            Fault::Reset { from, to } => self.reset_links(from, to),
            Fault::SlowLink { from, to, by_us } => self.network.slow_down(from, to, by_us),
            Fault::FullLink { from, to } => self.network.fill(from, to, true),
            Fault::Echo { from, to } => self.network.echo(from, to, true),
            Fault::Crash { node, loss } => self.crash(node, loss),
            Fault::Freeze { node } => self.freeze(node),
            Fault::SlowNode { node, by_us } => self.nodes[node].slow_us += by_us,
            Fault::LaneBreak { node, run_percent } => self.break_lanes(node, run_percent),
            Fault::StoreRestart { node, run_percent } => self.end_store(node, run_percent),
            Fault::StoreSetBack { node } => self.nodes[node].save_store(index),
            Fault::StoreLoss { node } => self.lose_store(node),
            Fault::StoreFreeze { node } => self.freeze_store(node),
            Fault::StoreSlow { node, by_us } => self.nodes[node].store_slow_us += by_us,
            Fault::ClockStep { node, by_us } => self.nodes[node].step_clock(by_us),
        }
        self.events.push(planned.at + planned.lasts, Event::FaultEnds { fault: index });
    }

    /// It ends.
    pub(super) fn fault_ends(&mut self, index: usize) {
        match self.plan.faults[index].fault {
            Fault::Partition { side, outbound, inbound } => {
                for (from, to) in self.paths_across(side, outbound, inbound) {
                    self.mend_path(from, to);
                }
            }
            Fault::Cut { from, to } => self.mend_path(from, to),
            Fault::SlowLink { from, to, by_us } => self.network.speed_up(from, to, by_us),
            Fault::FullLink { from, to } => self.network.fill(from, to, false),
            Fault::Echo { from, to } => self.network.echo(from, to, false),
            Fault::Crash { node, .. } => self.events.push(self.now, Event::Restart { node }),
            Fault::Freeze { node } => self.thaw(node),
            Fault::SlowNode { node, by_us } => self.nodes[node].slow_us -= by_us,
            Fault::LaneBreak { node, .. } | Fault::StoreRestart { node, .. } | Fault::StoreLoss { node } => {
                self.restart_store(node);
            }
            Fault::StoreSetBack { node } => self.set_store_back(node, index),
            Fault::StoreFreeze { node } => self.thaw_store(node),
            Fault::StoreSlow { node, by_us } => self.nodes[node].store_slow_us -= by_us,
            // These are over in a moment, or for good.
            Fault::Reset { .. } | Fault::ClockStep { .. } => {}
        }
    }

    /// The ways between a group of nodes and the others.
    fn paths_across(&self, side: Group, outbound: bool, inbound: bool) -> Vec<(usize, usize)> {
        let topology = self.plan.topology;
        let (inside, outside): (Vec<usize>, Vec<usize>) =
            (0..self.nodes.len()).partition(|node| side.has(&topology, *node));
        let mut paths = Vec::new();
        for one in &inside {
            for other in &outside {
                paths.extend(outbound.then_some((*one, *other)));
                paths.extend(inbound.then_some((*other, *one)));
            }
        }
        paths
    }
}

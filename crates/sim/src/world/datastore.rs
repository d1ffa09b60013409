//! Datastores at work: they run what lanes bring, slowly or not at all, and lose connections and data.

use dynomite_codec::{Operation, Output};

use super::{World, events::Event};
use crate::plan::{MS, Micros};

/// A datastore runs one operation in so long, and its answer is under way for as long: usually, and now and then.
const USUAL: (Micros, Micros) = (10, 80);
const RARE: (Micros, Micros) = (100, 5 * MS);
const RARE_PERCENT: u64 = 2;
/// How long a lane takes to be opened again, at least and at most.
const REOPENS_AFTER: (Micros, Micros) = (5 * MS, 60 * MS);

/// What dice are asked about.
mod question {
    pub(super) const RUN: u64 = 40;
    pub(super) const ANSWER: u64 = 41;
    pub(super) const CUT: u64 = 42;
    pub(super) const OPEN: u64 = 43;
}

impl World {
    /// A worker gives an operation to its lane.
    pub(super) fn submit(&mut self, node: usize, worker: usize, operation: Operation) {
        if self.nodes[node].lane(worker).submit(operation) {
            self.wake_datastore(node, worker);
        }
    }

    fn wake_datastore(&mut self, node: usize, worker: usize) {
        let at = self.now + self.datastore_takes(node, worker, question::RUN);
        let generation = self.nodes[node].lane(worker).generation;
        self.events.push(at, Event::LaneRuns { node, worker, generation });
    }

    fn datastore_takes(&self, node: usize, worker: usize, question: u64) -> Micros {
        let state = &self.nodes[node];
        if !self.plan.surroundings.varies {
            return USUAL.0 + state.store_slow_us;
        }
        let mut random = self.dice.of([question, (node << 8 | worker) as u64, self.now]);
        let (least, most) = if random.chance(RARE_PERCENT) { RARE } else { USUAL };
        random.between(least, most) + state.store_slow_us + state.slow_us
    }

    /// The datastore runs the oldest operation of a lane.
    pub(super) fn lane_runs(&mut self, node: usize, worker: usize, generation: u32) {
        let is_frozen = self.nodes[node].store_frozen_by > 0;
        if self.nodes[node].lane(worker).generation != generation || is_frozen {
            return;
        }
        let Some(operation) = self.nodes[node].lane(worker).next() else { return };
        let output = self.nodes[node].run(worker, &operation, self.now);
        self.trace.line(|| format!("    n{node}.{worker} runs {operation:?} -> {output:?}"));
        let at = self.now + self.datastore_takes(node, worker, question::ANSWER);
        let lane = self.nodes[node].lane(worker);
        let at = lane.answers_at(at);
        let goes_on = lane.goes_on();
        self.events.push(at, Event::LaneAnswers { node, worker, generation, output });
        if goes_on {
            self.wake_datastore(node, worker);
        }
    }

    /// A result arrives.
    pub(super) fn lane_answers(&mut self, node: usize, worker: usize, generation: u32, output: Output) {
        if self.nodes[node].lane(worker).generation == generation {
            self.nodes[node].lane(worker).answered();
            self.feed(node, worker, |engine, now, out| engine.handle_output(now, output, out));
        }
    }

    /// All lanes of a node break. Of the operations under way, a part from the oldest on runs.
    pub(super) fn cut_lanes(&mut self, node: usize, run_percent: u64) {
        let incarnation = self.nodes[node].incarnation;
        for worker in 0..self.nodes[node].worker_count() {
            let was_connected = self.nodes[node].lane(worker).is_connected;
            let under_way = self.nodes[node].lane(worker).cut();
            let mut random = self.dice.of([question::CUT, (node << 8 | worker) as u64, self.now]);
            let run_count = if self.nodes[node].store_down_by > 0 {
                0
            } else {
                (under_way.len() as u64 * run_percent + random.below(100)) / 100
            };
            for operation in under_way.iter().take(run_count as usize) {
                let output = self.nodes[node].run(worker, operation, self.now);
                self.trace.line(|| format!("    n{node}.{worker} runs {operation:?} -> {output:?}, unheard"));
            }
            if was_connected {
                self.events.push(self.now, Event::LaneDown { node, worker, incarnation });
            }
        }
    }

    /// A worker notices that its lane is gone, and has it opened again.
    pub(super) fn lane_down(&mut self, node: usize, worker: usize, incarnation: u32) {
        if self.nodes[node].incarnation != incarnation {
            return;
        }
        self.feed(node, worker, |engine, now, out| engine.handle_lane_down(now, "connection reset", out));
        self.open_lane_later(node, worker);
    }

    fn open_lane_later(&mut self, node: usize, worker: usize) {
        let incarnation = self.nodes[node].incarnation;
        let (least, most) = REOPENS_AFTER;
        let mut random = self.dice.of([question::OPEN, (node << 8 | worker) as u64, self.now]);
        self.events
            .push(self.now + random.between(least, most), Event::LaneOpens { node, worker, incarnation });
    }

    /// A worker's lane is opened, if the datastore answers.
    pub(super) fn lane_opens(&mut self, node: usize, worker: usize, incarnation: u32) {
        let state = &mut self.nodes[node];
        if state.incarnation != incarnation || state.is_down() || state.lane(worker).is_connected {
            return;
        }
        if state.store_down_by > 0 || state.store_frozen_by > 0 {
            self.open_lane_later(node, worker);
            return;
        }
        state.lane(worker).open();
        self.tell_lane_up(node, worker);
    }

    /// The datastore stands still.
    pub(super) fn freeze_store(&mut self, node: usize) {
        self.nodes[node].store_frozen_by += 1;
    }

    /// It goes on.
    pub(super) fn thaw_store(&mut self, node: usize) {
        self.nodes[node].store_frozen_by -= 1;
        if self.nodes[node].store_frozen_by > 0 {
            return;
        }
        for worker in 0..self.nodes[node].worker_count() {
            if self.nodes[node].lane(worker).goes_on() {
                self.wake_datastore(node, worker);
            }
        }
    }

    /// The datastore dies; its data goes with it.
    pub(super) fn lose_store(&mut self, node: usize) {
        self.cut_lanes(node, 0);
        self.nodes[node].store_down_by += 1;
        self.nodes[node].empty_store();
    }

    /// The datastore dies; its data stays.
    pub(super) fn end_store(&mut self, node: usize, run_percent: u64) {
        self.break_lanes(node, run_percent);
        self.nodes[node].begin_store_life();
    }

    /// The datastore dies and begins anew, with what was saved when fault `saved_by` began.
    pub(super) fn set_store_back(&mut self, node: usize, saved_by: usize) {
        self.cut_lanes(node, 0);
        let is_set_back = self.nodes[node].load_store(saved_by, self.now);
        self.trace.line(|| format!("    n{node}'s datastore begins anew, set back: {is_set_back}"));
    }

    /// It is started again.
    pub(super) fn restart_store(&mut self, node: usize) {
        self.nodes[node].store_down_by -= 1;
    }

    /// The connections to the datastore break, and cannot be opened again for a while.
    pub(super) fn break_lanes(&mut self, node: usize, run_percent: u64) {
        self.cut_lanes(node, run_percent);
        self.nodes[node].store_down_by += 1;
    }
}

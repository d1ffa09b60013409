//! A worker's lane: takes what the engine wants from the datastore there and back.

use std::task::Context;

use dynomite_backend::{Lane, LaneEvent};
use dynomite_replication::StoreSeen;

use crate::worker::core::Core;

/// The lane, and what it said last.
pub(crate) struct LanePort {
    lane: Box<dyn Lane>,
    events: Vec<LaneEvent>,
}

impl LanePort {
    pub(crate) fn new(lane: Box<dyn Lane>) -> Self {
        Self { lane, events: Vec::new() }
    }

    /// Submits what the engine gave out and tells it what happened. Whether anything was done.
    pub(crate) fn turn(&mut self, core: &mut Core, cx: &mut Context<'_>) -> bool {
        let now = core.now();
        let submitted = !core.out.lane.is_empty();
        for operation in core.out.lane.drain(..) {
            self.lane.submit(now.wall_ms(), operation);
        }
        let happened = self.lane.poll(cx, &mut self.events).is_ready();
        for event in self.events.drain(..) {
            match event {
                LaneEvent::Done(output) => core.engine.handle_output(now, output, &mut core.out),
                LaneEvent::Up(identity) => {
                    tracing::info!(worker = core.index, datastore = %core.shared.datastore, kind = %identity.kind, run_id = %identity.run_id, "datastore is up");
                    core.counters.lane_is_up = 1;
                    let seen = StoreSeen { run_id: &identity.run_id, marker: identity.marker };
                    core.engine.handle_lane_up(now, seen, &mut core.out);
                }
                LaneEvent::Down { reason } => {
                    tracing::warn!(worker = core.index, datastore = %core.shared.datastore, %reason, "datastore is down");
                    core.counters.lane_is_up = 0;
                    core.engine.handle_lane_down(now, &reason, &mut core.out);
                }
            }
        }
        submitted || happened
    }
}

//! What a worker does now and then: heartbeats, stalled clients, published numbers, and the steps of stopping.

use std::hint::black_box;
use std::time::Duration;

use super::{Event, SharedWorker, Stage, Worker};

/// How long other nodes get to take their last answers after a goodbye.
const LEAVING: Duration = Duration::from_secs(1);

/// How often the allocator is reminded of what it could give back.
const REMINDER: Duration = Duration::from_secs(1);
/// So much is allocated and freed for it; smaller pieces are kept without looking further.
const REMINDER_BYTES: usize = 1 << 20;

/// Looks after the worker until the task ends with it.
pub(super) async fn look_after(worker: SharedWorker, heartbeat: Duration) {
    let period = (heartbeat / 3).clamp(Duration::from_millis(10), Duration::from_millis(100));
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut next_reminder = tokio::time::Instant::now() + REMINDER;
    loop {
        let now = ticks.tick().await;
        worker.borrow_mut().tick();
        if now >= next_reminder {
            next_reminder = now + REMINDER;
            remind_allocator();
        }
    }
}

/// mimalloc, which `dynomited` uses, gives memory back to the system when some of it is freed, a while after it could have. A
/// worker that has nothing more to do frees nothing, and would keep for good what a burst of large values took.
fn remind_allocator() {
    drop(black_box(Vec::<u8>::with_capacity(REMINDER_BYTES)));
}

impl Worker {
    fn tick(&mut self) {
        let now = self.core.now();
        let now_ms = now.ms;
        let core = &mut self.core;
        core.shared.flows.exchange(core.index, &mut core.engine, now);
        if let Some(journal) = &mut core.journal {
            journal.tidy(&core.engine);
        }
        let stall_ms = self.core.shared.config.timeouts.client_stall.as_millis() as u64;
        self.links.tick(&mut self.core);
        self.clients.cut_stalled(now_ms.saturating_sub(stall_ms), &mut self.core);
        self.core.tell_repair();
        self.core.publish();
        self.core.wake_turn();
    }

    /// Takes no more from clients; answers what is in flight.
    pub(super) fn drain(&mut self) {
        if self.stage == Stage::Serving {
            let until_ms = self.core.now().ms + self.core.shared.config.timeouts.drain.as_millis() as u64;
            self.stage = Stage::Draining { until_ms };
            self.entrances.drain(..).for_each(|task| task.abort());
            self.clients.drain();
        }
    }

    /// Asks the other nodes to send no more.
    pub(super) fn leave(&mut self) {
        if self.stage != Stage::Over {
            self.stage = Stage::Leaving { until_ms: self.core.now().ms + LEAVING.as_millis() as u64 };
            self.links.say_goodbye();
        }
    }

    /// Tells the node when a step of stopping is done.
    pub(super) fn report(&mut self) {
        let now_ms = self.core.now().ms;
        let (is_done, next, event) = match self.stage {
            Stage::Draining { until_ms } => {
                let is_idle = self.clients.is_empty() && self.core.forwarded == 0 && self.held.is_empty();
                (is_idle || now_ms >= until_ms, Stage::Drained, Event::Drained)
            }
            Stage::Leaving { until_ms } => {
                let is_idle = self.links.are_idle() && self.core.is_idle();
                (is_idle || now_ms >= until_ms, Stage::Left, Event::Left)
            }
            Stage::Serving | Stage::Drained | Stage::Left | Stage::Over => return,
        };
        if is_done {
            self.stage = next;
            // The node may have been dropped meanwhile, and then all ends anyway.
            let _ = self.events.send(event);
        }
    }
}

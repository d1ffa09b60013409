//! A worker takes the next ring.

use std::sync::Arc;

use dynomite_replication::RingRefused;
use dynomite_ring::Ring;
use tokio::task::AbortHandle;

use super::{Event, Worker};

impl Worker {
    /// The next ring was decided. One that the worker began with is nothing new.
    pub(super) fn take_ring(&mut self, ring: Arc<Ring>) {
        let core = &mut self.core;
        if ring.epoch() <= core.engine.ring_epoch() {
            return;
        }
        core.run_inputs();
        let (epoch, now) = (ring.epoch(), core.now());
        match core.engine.handle_ring(now, ring, &mut core.out) {
            Ok(()) => {
                self.has_new_peers = true;
                if core.engine.has_left() && core.index == 0 {
                    let _ = self.events.send(Event::OutOfRing);
                }
            }
            Err(RingRefused::HasLeft) => {}
            Err(error) => tracing::error!(
                worker = core.index,
                epoch,
                "the ring that was decided cannot be taken: {error}; restart this node"
            ),
        }
        self.core.wake_turn();
    }

    /// Begins to remove what is other nodes' by now; one that is under way goes on.
    pub(super) fn clean_up(&mut self) {
        if self.core.engine.start_cleanup().is_ok() {
            self.core.wake_turn();
        }
    }

    /// `dialler` keeps the link to a peer from now on, in place of one that dialled another address.
    pub(super) fn dial(&mut self, peer: u32, address: &str, dialler: AbortHandle) {
        let Self { core, links, .. } = self;
        links.end_link(peer, core);
        links.dialled_by(peer, address, dialler);
    }
}

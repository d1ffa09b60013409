//! The conversation of one worker with its datastore: operations run in order, their results come back in order, and
//! when it breaks some of those under way have run.

use std::collections::VecDeque;

use dynomite_codec::Operation;

use crate::plan::Micros;

/// One lane.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// Whether what is submitted reaches the datastore.
    pub(crate) is_connected: bool,
    /// Counts connections.
    pub(crate) generation: u32,
    queue: VecDeque<Operation>,
    /// Whether the datastore is at work on the oldest.
    is_busy: bool,
    answers_at: Micros,
    /// Operations submitted and not answered, and the most of them there ever were.
    owed: usize,
    owed_peak: usize,
}

impl Lane {
    /// Appends an operation; one for a broken lane is gone. Whether the datastore has to be woken.
    pub(crate) fn submit(&mut self, operation: Operation) -> bool {
        if !self.is_connected {
            return false;
        }
        self.queue.push_back(operation);
        self.owed += 1;
        self.owed_peak = self.owed_peak.max(self.owed);
        !std::mem::replace(&mut self.is_busy, true)
    }

    /// The oldest operation, which the datastore runs now.
    pub(crate) fn next(&mut self) -> Option<Operation> {
        let next = self.queue.pop_front();
        self.is_busy = next.is_some();
        next
    }

    /// Whether the datastore goes on with another operation.
    pub(crate) fn goes_on(&mut self) -> bool {
        self.is_busy = !self.queue.is_empty();
        self.is_busy
    }

    /// When a result arrives that would take until `at`: not before earlier ones.
    pub(crate) fn answers_at(&mut self, at: Micros) -> Micros {
        self.answers_at = self.answers_at.max(at);
        self.answers_at
    }

    /// The connection breaks; gives the operations that were under way, oldest first.
    pub(crate) fn cut(&mut self) -> VecDeque<Operation> {
        self.is_connected = false;
        self.is_busy = false;
        self.generation += 1;
        self.owed = 0;
        std::mem::take(&mut self.queue)
    }

    /// A result has arrived.
    pub(crate) fn answered(&mut self) {
        self.owed -= 1;
    }

    /// The most operations that were ever submitted and not answered.
    pub(crate) fn owed_peak(&self) -> usize {
        self.owed_peak
    }

    /// A new connection.
    pub(crate) fn open(&mut self) {
        self.generation += 1;
        self.is_connected = true;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn dump(key: &'static str) -> Operation {
        Operation::Dump { key: Bytes::from_static(key.as_bytes()) }
    }

    #[test]
    fn operations_run_in_order_and_the_datastore_is_woken_once() {
        let mut lane = Lane::default();
        assert!(!lane.submit(dump("lost")), "it is not connected");
        lane.open();
        assert!(lane.submit(dump("a")) && !lane.submit(dump("b")));
        assert!(matches!(lane.next(), Some(Operation::Dump { key }) if key == "a"));
        assert!(lane.goes_on());
        assert!(matches!(lane.next(), Some(Operation::Dump { key }) if key == "b"));
        assert!(!lane.goes_on() && lane.submit(dump("c")));
        assert_eq!((lane.answers_at(7), lane.answers_at(5)), (7, 7));
    }

    #[test]
    fn a_broken_lane_gives_back_what_was_under_way() {
        let mut lane = Lane::default();
        lane.open();
        lane.submit(dump("a"));
        lane.submit(dump("b"));
        let generation = lane.generation;
        assert_eq!(lane.cut().len(), 2);
        assert!(lane.generation > generation && lane.next().is_none() && !lane.is_connected);
    }
}

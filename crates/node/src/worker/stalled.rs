//! What a record log that cannot be written holds up.
//!
//! A write is in the log before it is in the datastore and before anybody hears of it. When the disk is full, the operations, requests and
//! answers that came with the records that could not be written wait, and the engine takes no more writes. Everything
//! else goes on: what changes no records depends on none. Nobody is kept waiting beyond the deadline.

use bytes::Bytes;
use dynomite_replication::{Now, Out, ResponseBody};

const LOG_FAILED: &[u8] =
    b"-ERR Dynomite: this node cannot write its record log (is the disk full?); the outcome is unknown\r\n";

/// Output of the engine, in its order.
#[derive(Debug, Default)]
pub(crate) struct Stalled {
    out: Out,
    /// Since when the oldest reply waits, in `Now::ms`.
    since_ms: Option<u64>,
}

impl Stalled {
    /// Takes all that may depend on records that are in no log. Failures promise nothing, and stay.
    pub(crate) fn put_aside(&mut self, now: Now, out: &mut Out) {
        self.since_ms.get_or_insert(now.ms);
        self.out.lane.append(&mut out.lane);
        self.out.requests.append(&mut out.requests);
        let replies = out.replies.extract_if(.., |(_, reply)| !reply.starts_with(b"-"));
        self.out.replies.extend(replies);
        let is_success = |body: &ResponseBody| !matches!(body, ResponseBody::Failed(_));
        let responses = out.responses.extract_if(.., |(_, response)| is_success(&response.body));
        self.out.responses.extend(responses);
    }

    /// Answers whoever has waited for `patience_ms`.
    pub(crate) fn give_up(&mut self, now: Now, patience_ms: u64, out: &mut Out) {
        if self.since_ms.is_some_and(|since_ms| now.ms >= since_ms + patience_ms) {
            self.since_ms = None;
            // Other nodes have their own deadlines.
            self.out.responses.clear();
            let waiting = self.out.replies.drain(..);
            out.replies.extend(waiting.map(|(ticket, _)| (ticket, Bytes::from_static(LOG_FAILED))));
        }
    }

    /// Gives back all that was put aside, before what has come since.
    pub(crate) fn come_back(&mut self, out: &mut Out) {
        if self.since_ms.take().is_none() && self.out.is_empty() {
            return;
        }
        let mut all = std::mem::take(&mut self.out);
        all.lane.append(&mut out.lane);
        all.requests.append(&mut out.requests);
        all.replies.append(&mut out.replies);
        all.responses.append(&mut out.responses);
        *out = all;
    }
}

#[cfg(test)]
mod tests {
    use dynomite_replication::Ticket;

    use super::*;

    fn now(ms: u64) -> Now {
        Now { ms, wall_us: 0 }
    }

    fn reply(ticket: u64, reply: &'static [u8]) -> (Ticket, Bytes) {
        (Ticket(ticket), Bytes::from_static(reply))
    }

    #[test]
    fn errors_are_given_at_once_and_the_rest_when_the_log_is_written() {
        let mut stalled = Stalled::default();
        let replies = vec![reply(1, b"+OK\r\n"), reply(2, b"-ERR down\r\n"), reply(3, b":1\r\n")];
        let mut out = Out { replies, ..Out::default() };
        stalled.put_aside(now(10), &mut out);
        assert_eq!(out.replies, [reply(2, b"-ERR down\r\n")]);
        out.replies = vec![reply(4, b"+OK\r\n")];
        stalled.come_back(&mut out);
        let tickets: Vec<u64> = out.replies.iter().map(|(ticket, _)| ticket.0).collect();
        assert_eq!(tickets, [1, 3, 4]);
        stalled.give_up(now(100_000), 2000, &mut out);
        assert_eq!(out.replies.len(), 3, "nobody waits any more");
    }

    #[test]
    fn nobody_waits_beyond_the_deadline() {
        let mut stalled = Stalled::default();
        let mut out = Out { replies: vec![reply(1, b"+OK\r\n")], ..Out::default() };
        stalled.put_aside(now(10), &mut out);
        stalled.give_up(now(2009), 2000, &mut out);
        assert!(out.replies.is_empty());
        stalled.give_up(now(2010), 2000, &mut out);
        assert_eq!(out.replies, [reply(1, LOG_FAILED)]);
    }
}

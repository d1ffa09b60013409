//! One turn of a worker: carry out what the engine wants until nothing more comes of it, then write.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use dynomite_replication::Input;
use tokio::time::{Instant, Sleep};

use super::{Clients, Core, Links, Mail, PeerNews, Stage, Worker};
use crate::journal::Journal;

/// Rounds of one turn; what is left is for the next, so that sockets are read in between.
const ROUNDS_MAX: usize = 16;
/// A log that could not be written is tried again after this, in milliseconds.
const RETRY_MS: u64 = 100;

impl Worker {
    /// Runs one turn; `Ready` when the worker is over. `timer` fires when the engine's next deadline may have passed.
    pub(crate) fn turn(&mut self, timer: &mut Timer, cx: &mut Context<'_>) -> Poll<()> {
        self.core.begin_turn(cx.waker());
        while let Some(batch) = self.core.mail.poll_batch(cx) {
            self.take_mail(batch);
        }
        self.core.run_inputs();
        if timer.poll(cx) {
            let now = self.core.now();
            self.core.engine.handle_timeout(now, &mut self.core.out);
            self.core.end_repair();
        }
        for round in 1.. {
            if self.round(cx) {
                // Sockets are read again before much more is done.
                if round >= ROUNDS_MAX {
                    cx.waker().wake_by_ref();
                    break;
                }
            } else {
                // What was written has made room, and a client may have been waiting for it.
                self.clients.flush(&mut self.core);
                if !self.clients.resume(&mut self.core) {
                    break;
                }
            }
        }
        self.report();
        self.clients.flush(&mut self.core);
        self.links.flush(&mut self.core);
        self.core.mail.send(cx);
        let is_failing = self.core.journal.as_ref().is_some_and(Journal::is_failing);
        let retry_ms = is_failing.then(|| self.core.now().ms + RETRY_MS);
        if let Some(at_ms) = retry_ms.into_iter().chain(self.core.engine.next_deadline()).min() {
            timer.arm(self.core.shared.instant_of(at_ms), cx);
        }
        self.core.end_turn();
        if self.stage == Stage::Over { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Lets the lane say what it can say at once. The first turn follows.
    pub(crate) fn open_lane(&mut self, cx: &mut Context<'_>) {
        self.lane.turn(&mut self.core, cx);
    }

    /// Whether anything was done, so that another round may find more to do.
    fn round(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = self.core.run_inputs();
        self.run_held();
        self.core.keep();
        moved |= self.lane.turn(&mut self.core, cx);
        self.core.keep();
        moved |= self.deliver();
        moved | self.clients.resume(&mut self.core)
    }

    fn take_mail(&mut self, mut batch: Vec<Mail>) {
        self.core.time_has_passed();
        for mail in batch.drain(..) {
            match mail {
                Mail::Command(command) => self.held.push_back(command),
                Mail::Reply(ticket, reply) => {
                    self.core.forwarded = self.core.forwarded.saturating_sub(1);
                    self.clients.take_reply(ticket, reply);
                }
                Mail::Request(origin, request) => {
                    self.core.put(Input::Request(origin, request));
                }
                Mail::Response(origin, response) => self.links.send_response(origin, &response),
                Mail::Spare(batch) => self.core.mail.take_back(batch),
                Mail::Link(stream, hello) => self.handed.push((stream, hello)),
                Mail::Peer(news) => self.hear_of(news),
                Mail::Repair(order) => self.core.follow(&order),
                Mail::Ring(ring) => self.take_ring(ring),
                Mail::Cleanup => self.clean_up(),
                Mail::Drain => self.drain(),
                Mail::Leave => self.leave(),
                Mail::Abort => self.end(),
            }
        }
        self.core.mail.take_back(batch);
    }

    /// The membership says something about another node.
    fn hear_of(&mut self, news: PeerNews) {
        let Self { core, links, .. } = self;
        match news {
            PeerNews::Up(node) => links.dial_now(node),
            PeerNews::Down(node) => links.doubt(node),
            PeerNews::DatastoreUp(node) => core.engine.handle_datastore_up(node),
            PeerNews::DatastoreDown(node) => core.engine.handle_datastore_down(node),
        }
    }

    /// The thread is about to end.
    fn end(&mut self) {
        let now = self.core.now();
        let Core { engine, journal, .. } = &mut self.core;
        if self.stage == Stage::Left
            && let Some(journal) = journal
        {
            journal.close(engine, now);
        }
        self.stage = Stage::Over;
    }

    /// Runs commands of other workers' clients, in their order, as far as the engine has room.
    fn run_held(&mut self) {
        let now = self.core.now();
        let room = self.core.shared.config.limits.operations_max as usize;
        while self.core.engine.in_flight() < room
            && let Some(command) = self.held.pop_front()
        {
            self.core.engine.handle_command(now, command, &mut self.core.out);
        }
    }

    /// Takes replies, requests and responses where they belong. Whether there were any.
    fn deliver(&mut self) -> bool {
        let Self { core, clients, links, .. } = self;
        let mut delivered = !core.out.replies.is_empty() || !core.out.responses.is_empty();
        for (ticket, reply) in core.out.replies.drain(..) {
            let worker = Clients::worker_of(ticket);
            if worker == core.index {
                clients.take_reply(ticket, reply);
            } else {
                core.mail.put(worker, Mail::Reply(ticket, reply));
            }
        }
        for (origin, response) in core.out.responses.drain(..) {
            let worker = Links::worker_of(origin);
            if worker == core.index {
                links.send_response(origin, &response);
            } else {
                core.mail.put(worker, Mail::Response(origin, response));
            }
        }
        delivered |= links.send_requests(core);
        delivered
    }
}

/// Fires once, some time after it was armed.
pub(crate) struct Timer {
    sleep: Pin<Box<Sleep>>,
    /// When it fires.
    at: Option<Instant>,
}

impl Timer {
    pub(crate) fn new() -> Self {
        Self { sleep: Box::pin(tokio::time::sleep(Duration::ZERO)), at: None }
    }

    /// Whether it fires now.
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let fired = self.at.is_some() && self.sleep.as_mut().poll_elapsed(cx);
        if fired {
            self.at = None;
        }
        fired
    }

    fn arm(&mut self, at: Instant, cx: &mut Context<'_>) {
        if self.at.is_none_or(|armed| at < armed) {
            self.at = Some(at);
            self.sleep.as_mut().reset(at);
            // Registers the waker; it cannot have fired yet, and if it has, the waker is called.
            if self.sleep.as_mut().poll_elapsed(cx) {
                cx.waker().wake_by_ref();
            }
        }
    }
}

trait PollElapsed {
    fn poll_elapsed(self, cx: &mut Context<'_>) -> bool;
}

impl PollElapsed for Pin<&mut Sleep> {
    fn poll_elapsed(self, cx: &mut Context<'_>) -> bool {
        Future::poll(self, cx).is_ready()
    }
}

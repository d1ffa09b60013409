//! The replies of one connection, in the order of its commands.
//!
//! Invariants: every command has one slot from the moment it is taken until its reply is in the output; a slot is
//! filled once, and a reply that fits no waiting slot changes nothing; slots leave from the front only.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use bytes::Bytes;
use dynomite_codec::{Call, Request, WriteQueue};
use dynomite_ring::Token;

use super::key_order::Way;

/// Replies that are awaited, and those that are there but must wait for earlier ones.
#[derive(Debug)]
pub(crate) struct Replies {
    slots: VecDeque<Slot>,
    /// Sequence number of the slot at the front.
    first: u32,
    waiting: usize,
    /// Bytes of the commands whose replies are awaited.
    asked_bytes: usize,
    ready_bytes: usize,
    /// Sequence number of the gather that was begun last.
    gather: u32,
}

/// What is needed to turn a reply into RESP3.
#[derive(Debug, Clone)]
pub(crate) struct Resp3 {
    pub(crate) call: Call,
    pub(crate) request: Request,
}

impl Resp3 {
    fn convert(&self, reply: Bytes) -> Bytes {
        dynomite_codec::to_resp3(&self.call, &self.request, reply)
    }
}

#[derive(Debug)]
enum Slot {
    Waiting(Waiting),
    Ready(Bytes),
    /// The head of a command that was split; its parts are the slots that follow.
    Gather(Box<Gather>),
}

#[derive(Debug)]
struct Waiting {
    /// Bytes of the command.
    asked_bytes: usize,
    /// Set when later commands on the key may have to wait for this one.
    awaited: Option<(Token, Way)>,
    /// How many slots before this one its [`Gather`] is; 0 when it is no part.
    gather_distance: u32,
    resp3: Option<Box<Resp3>>,
}

#[derive(Debug)]
struct Gather {
    call: Call,
    resp3: Option<Box<Resp3>>,
    parts: u32,
    missing: u32,
    /// Whether all parts have been added.
    is_whole: bool,
    error: Option<Bytes>,
}

/// A slot was filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Filled {
    /// What [`Replies::wait`] was given.
    pub(crate) awaited: Option<(Token, Way)>,
}

impl Replies {
    /// No replies; the first command's sequence number will be `first`.
    pub(crate) fn new(first: u32) -> Self {
        Self { slots: VecDeque::new(), first, waiting: 0, asked_bytes: 0, ready_bytes: 0, gather: first }
    }

    /// How many replies are awaited.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Bytes of the commands whose replies are awaited: the datastore or a link may still hold them.
    pub(crate) fn asked_bytes(&self) -> usize {
        self.asked_bytes
    }

    /// Bytes of replies that wait for earlier ones.
    pub(crate) fn ready_bytes(&self) -> usize {
        self.ready_bytes
    }

    /// Whether every command's reply is in the output.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The sequence number that the next command would get.
    pub(crate) fn next_sequence(&self) -> u32 {
        self.first.wrapping_add(self.slots.len() as u32)
    }

    /// A command whose reply is known at once.
    pub(crate) fn answer(&mut self, reply: Bytes, output: &mut WriteQueue) {
        if self.slots.is_empty() {
            self.first = self.first.wrapping_add(1);
            output.append_bytes(reply);
        } else {
            self.ready_bytes += reply.len();
            self.slots.push_back(Slot::Ready(reply));
        }
    }

    /// A command of `asked_bytes` whose reply will come; gives the sequence number to fill it with.
    pub(crate) fn wait(
        &mut self,
        asked_bytes: usize,
        awaited: Option<(Token, Way)>,
        resp3: Option<Box<Resp3>>,
    ) -> u32 {
        self.push_waiting(Waiting { asked_bytes, awaited, gather_distance: 0, resp3 })
    }

    /// A command that is split; its parts are added with [`Replies::wait_for_part`] until [`Replies::end_gather`].
    pub(crate) fn begin_gather(&mut self, call: Call, resp3: Option<Box<Resp3>>) {
        let gather = Gather { call, resp3, parts: 0, missing: 0, is_whole: false, error: None };
        self.gather = self.next_sequence();
        self.slots.push_back(Slot::Gather(Box::new(gather)));
    }

    /// The next part, of `asked_bytes`, of the command that was begun last.
    pub(crate) fn wait_for_part(&mut self, asked_bytes: usize, awaited: Option<(Token, Way)>) -> u32 {
        let gather = self.last_gather();
        gather.parts += 1;
        gather.missing += 1;
        let gather_distance = gather.parts;
        self.push_waiting(Waiting { asked_bytes, awaited, gather_distance, resp3: None })
    }

    /// All parts have been added.
    pub(crate) fn end_gather(&mut self, output: &mut WriteQueue) {
        self.last_gather().is_whole = true;
        self.advance(output);
    }

    /// Ends the command that was begun last before all its parts were added; its reply will be `error`.
    pub(crate) fn fail_gather(&mut self, error: Bytes, output: &mut WriteQueue) {
        self.last_gather().error = Some(error);
        self.end_gather(output);
    }

    /// The reply to the command of that sequence number is here. `None` when nobody waits for it.
    pub(crate) fn fill(&mut self, sequence: u32, reply: Bytes, output: &mut WriteQueue) -> Option<Filled> {
        let index = sequence.wrapping_sub(self.first) as usize;
        let slot = self.slots.get_mut(index)?;
        let Slot::Waiting(waiting) = slot else { return None };
        let (awaited, distance, resp3) =
            (waiting.awaited, waiting.gather_distance as usize, waiting.resp3.take());
        self.waiting -= 1;
        self.asked_bytes -= waiting.asked_bytes;
        let reply = match resp3 {
            Some(resp3) => resp3.convert(reply),
            None => reply,
        };
        if index == 0 {
            self.slots.pop_front();
            self.first = self.first.wrapping_add(1);
            output.append_bytes(reply);
        } else {
            self.ready_bytes += reply.len();
            *slot = Slot::Ready(reply);
            if distance > 0
                && let Some(Slot::Gather(gather)) = self.slots.get_mut(index - distance)
            {
                gather.missing -= 1;
            }
        }
        self.advance(output);
        Some(Filled { awaited })
    }

    fn push_waiting(&mut self, waiting: Waiting) -> u32 {
        let sequence = self.next_sequence();
        self.asked_bytes += waiting.asked_bytes;
        self.slots.push_back(Slot::Waiting(waiting));
        self.waiting += 1;
        sequence
    }

    fn last_gather(&mut self) -> &mut Gather {
        let index = self.gather.wrapping_sub(self.first) as usize;
        let Some(Slot::Gather(gather)) = self.slots.get_mut(index) else {
            unreachable!("a gather was begun")
        };
        gather
    }

    /// Moves what is complete at the front into the output.
    fn advance(&mut self, output: &mut WriteQueue) {
        loop {
            match self.slots.front_mut() {
                Some(Slot::Ready(reply)) => {
                    let reply = std::mem::take(reply);
                    self.ready_bytes -= reply.len();
                    output.append_bytes(reply);
                    self.slots.pop_front();
                    self.first = self.first.wrapping_add(1);
                }
                Some(Slot::Gather(gather)) if gather.is_whole && gather.missing == 0 => {
                    let (count, call) = (gather.parts as usize + 1, gather.call);
                    let (resp3, error) = (gather.resp3.take(), gather.error.take());
                    let parts: Vec<Bytes> = self.slots.drain(..count).filter_map(Slot::into_ready).collect();
                    self.first = self.first.wrapping_add(count as u32);
                    self.ready_bytes -= parts.iter().map(Bytes::len).sum::<usize>();
                    let reply = error.unwrap_or_else(|| call.merge(&parts));
                    output.append_bytes(match resp3 {
                        Some(resp3) => resp3.convert(reply),
                        None => reply,
                    });
                }
                _ => return,
            }
        }
    }
}

impl Slot {
    fn into_ready(self) -> Option<Bytes> {
        match self {
            Self::Ready(reply) => Some(reply),
            Self::Waiting(_) | Self::Gather(_) => None,
        }
    }
}

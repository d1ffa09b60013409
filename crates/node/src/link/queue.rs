//! What a link has still to send.
//!
//! Large messages go in chunks, of which only a few are in front of the socket at a time, so that small messages pass
//! them. Invariant: messages with the same token leave in the order in which they came, whatever their sizes.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use dynomite_codec::WriteQueue;
use dynomite_ring::Token;

use super::frame::{BODY_MAX, FrameWriter, Kind};

/// With this much in front of the socket no further chunk is put there: what a small message has to wait for at most.
const WIRE_BYTES_MIN: usize = 2 * BODY_MAX;

/// The output of one link.
#[derive(Debug, Default)]
pub(crate) struct LinkQueue {
    frames: FrameWriter,
    wire: WriteQueue,
    /// Large messages, and small ones that must not pass them.
    behind: VecDeque<Waiting>,
    /// How many of them each token has.
    tokens: HashMap<Token, usize>,
    behind_bytes: usize,
}

#[derive(Debug)]
struct Waiting {
    kind: Kind,
    token: Option<Token>,
    head: Bytes,
    tail: Bytes,
    /// Whether it goes in chunks.
    is_large: bool,
}

impl LinkQueue {
    /// Compresses what is sent from now on.
    pub(crate) fn compress(&mut self) {
        self.frames.compress();
    }

    /// Bytes not yet written.
    pub(crate) fn len(&self) -> usize {
        self.frames.len() + self.wire.len() + self.behind_bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends a message whose body is `head` followed by `tail`. With a token, it stays behind earlier ones with it.
    pub(crate) fn push(&mut self, kind: Kind, token: Option<Token>, head: &[u8], tail: Bytes) {
        let size = head.len() + tail.len();
        let must_wait =
            !self.behind.is_empty() && token.is_some_and(|token| self.tokens.contains_key(&token));
        if size <= BODY_MAX && !must_wait {
            return self.frames.put(&mut self.wire, kind, head, tail);
        }
        if let Some(token) = token {
            *self.tokens.entry(token).or_default() += 1;
        }
        self.behind_bytes += size;
        let head = Bytes::copy_from_slice(head);
        self.behind.push_back(Waiting { kind, token, head, tail, is_large: size > BODY_MAX });
        self.fill();
    }

    /// What can be written now; refilled by [`LinkQueue::advance`]. Closes the frame that small messages share.
    pub(crate) fn wire(&mut self) -> &WriteQueue {
        self.frames.close(&mut self.wire);
        &self.wire
    }

    /// The first `count` bytes of [`LinkQueue::wire`] are written.
    pub(crate) fn advance(&mut self, count: usize) {
        self.wire.advance(count);
        self.fill();
    }

    /// Puts chunks in front of the socket.
    fn fill(&mut self) {
        while self.frames.len() + self.wire.len() < WIRE_BYTES_MIN
            && let Some(waiting) = self.behind.front_mut()
        {
            let size = waiting.head.len() + waiting.tail.len();
            if !waiting.is_large {
                self.behind_bytes -= size;
                self.frames.put(
                    &mut self.wire,
                    waiting.kind,
                    &waiting.head,
                    std::mem::take(&mut waiting.tail),
                );
            } else if size < BODY_MAX {
                // One byte for the kind, so the last chunk is always shorter than the others may be.
                self.behind_bytes -= size;
                let mut head = Vec::with_capacity(1 + waiting.head.len());
                head.push(waiting.kind as u8);
                head.extend_from_slice(&waiting.head);
                self.frames.put(&mut self.wire, Kind::LastChunk, &head, std::mem::take(&mut waiting.tail));
            } else {
                let head = waiting.head.split_to(waiting.head.len().min(BODY_MAX));
                let tail = waiting.tail.split_to(waiting.tail.len().min(BODY_MAX - head.len()));
                self.behind_bytes -= head.len() + tail.len();
                self.frames.put(&mut self.wire, Kind::Chunk, &head, tail);
                continue;
            }
            let token = waiting.token;
            self.behind.pop_front();
            if let Some(token) = token {
                self.forget(token);
            }
        }
    }

    fn forget(&mut self, token: Token) {
        if let Some(count) = self.tokens.get_mut(&token) {
            *count -= 1;
            if *count == 0 {
                self.tokens.remove(&token);
            }
        }
    }
}

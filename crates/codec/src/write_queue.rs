//! What is still to be written to a socket.
//!
//! Invariants: bytes leave in the order they came; small pieces lie together in few segments, so that one vectored
//! write carries very many replies; large pieces are never copied; after a burst the memory is given back.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// From this size on a piece is kept by reference instead of being copied.
const BY_REFERENCE_MIN: usize = 16 << 10;
/// A copied segment is closed at this size, so that growing it never moves much, and a queue that is never quite empty
/// does not drag along what is long written.
const SEGMENT_MAX: usize = 256 << 10;
/// An empty queue keeps no more than this.
const IDLE_CAPACITY_MAX: usize = 64 << 10;
/// What lies before a large piece is copied into exactly as much memory as it needs up to this size.
const EXACT_COPY_MAX: usize = 4 << 10;

/// An output buffer: small slices are gathered, large [`Bytes`] stay where they are.
///
/// The queue itself has no limit; whoever appends looks at [`WriteQueue::len`].
#[derive(Debug, Default)]
pub struct WriteQueue {
    segments: VecDeque<Bytes>,
    /// Gathered bytes after all segments; those before `tail_start` are written.
    tail: Vec<u8>,
    tail_start: usize,
    segments_len: usize,
}

impl WriteQueue {
    /// An empty queue; allocates nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes not yet written.
    pub fn len(&self) -> usize {
        self.segments_len + self.tail.len() - self.tail_start
    }

    /// Whether everything is written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends a copy of `piece`.
    pub fn append(&mut self, piece: &[u8]) {
        self.append_with(|out| out.extend_from_slice(piece));
    }

    /// Appends what `write` puts behind the bytes that it is given, which it leaves alone.
    pub fn append_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.tail);
        if self.tail.len() >= SEGMENT_MAX {
            self.close_tail();
        }
    }

    /// Appends `piece`: by reference from 16 KiB on, by copying below.
    pub fn append_bytes(&mut self, piece: Bytes) {
        if piece.len() < BY_REFERENCE_MIN {
            self.append(&piece);
        } else {
            self.close_tail();
            self.segments_len += piece.len();
            self.segments.push_back(piece);
        }
    }

    /// Fills `slices` from the front of the queue for one vectored write; gives how many it filled.
    pub fn fill_io_slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let unwritten = &self.tail[self.tail_start..];
        let pieces = self
            .segments
            .iter()
            .map(|segment| &segment[..])
            .chain((!unwritten.is_empty()).then_some(unwritten));
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(pieces) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        count
    }

    /// Forgets the first `count` bytes, which are written.
    ///
    /// # Panics
    /// When `count > len()`.
    pub fn advance(&mut self, mut count: usize) {
        assert!(count <= self.len(), "no more is written than there was");
        while count > 0 {
            let Some(front) = self.segments.front_mut() else {
                self.tail_start += count;
                break;
            };
            let taken = count.min(front.len());
            front.advance(taken);
            if front.is_empty() {
                self.segments.pop_front();
            }
            self.segments_len -= taken;
            count -= taken;
        }
        if self.is_empty() {
            self.give_memory_back();
        }
    }

    /// Drops everything, as after a connection broke.
    pub fn clear(&mut self) {
        self.segments.clear();
        self.segments_len = 0;
        self.give_memory_back();
    }

    fn close_tail(&mut self) {
        let unwritten = &self.tail[self.tail_start..];
        let len = unwritten.len();
        if len == 0 {
            return;
        }
        if len <= EXACT_COPY_MAX {
            self.segments.push_back(Bytes::copy_from_slice(unwritten));
            self.tail.clear();
        } else {
            let whole = Bytes::from(std::mem::take(&mut self.tail));
            self.segments.push_back(whole.slice(self.tail_start..));
        }
        self.tail_start = 0;
        self.segments_len += len;
    }

    fn give_memory_back(&mut self) {
        self.tail.clear();
        self.tail_start = 0;
        if self.tail.capacity() > IDLE_CAPACITY_MAX {
            self.tail = Vec::new();
        }
        if self.segments.capacity() > 64 {
            self.segments = VecDeque::new();
        }
    }
}

impl Buf for WriteQueue {
    fn remaining(&self) -> usize {
        self.len()
    }

    fn chunk(&self) -> &[u8] {
        match self.segments.front() {
            Some(front) => front,
            None => &self.tail[self.tail_start..],
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.fill_io_slices(slices)
    }

    fn advance(&mut self, count: usize) {
        Self::advance(self, count);
    }
}

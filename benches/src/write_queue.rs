//! Gathering what is to be written to a socket.

use std::io::IoSlice;

use bytes::Bytes;
use dynomite_codec::WriteQueue;

use crate::case::{Case, Scenario, scenario};

/// Replies that one turn of a worker has for a busy client.
const PIPELINE: usize = 128;
/// A reply with a short value.
const SHORT_BYTES: usize = 40;
/// A reply that is kept by reference.
const LARGE_BYTES: usize = 64 << 10;
/// As many slices as one vectored write takes.
const SLICES: usize = 64;

/// The write queue.
pub const CASES: &[Case] = &[
    Case { name: "write_queue/append_40", elements: PIPELINE, prepare: || through_queue(SHORT_BYTES) },
    Case { name: "write_queue/append_64k", elements: PIPELINE, prepare: || through_queue(LARGE_BYTES) },
];

/// A piece's way through the queue: appended, given out for a vectored write, and forgotten.
fn through_queue(piece_bytes: usize) -> Box<dyn Scenario> {
    let piece = Bytes::from(vec![b'v'; piece_bytes]);
    scenario(
        (WriteQueue::new(), Vec::with_capacity(PIPELINE)),
        move |(_, pieces)| pieces.resize(PIPELINE, piece.clone()),
        |(queue, pieces)| {
            for piece in pieces.drain(..) {
                queue.append_bytes(piece);
            }
            while !queue.is_empty() {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let count = queue.fill_io_slices(&mut slices);
                let len = slices[..count].iter().map(|slice| slice.len()).sum();
                queue.advance(len);
            }
        },
    )
}

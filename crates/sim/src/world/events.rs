//! What can happen, and the queue of what will.

use std::{cmp::Ordering, collections::BinaryHeap};

use bytes::Bytes;
use dynomite_codec::Output;

use crate::plan::Micros;

/// The connection that a worker of one node dialled to another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkId {
    pub(crate) from: usize,
    pub(crate) worker: usize,
    pub(crate) to: usize,
}

/// Something that happens at one moment.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A client's command is due.
    Send { command: usize },
    /// A command arrives at a node.
    Command { entry: usize, node: usize, incarnation: u32 },
    /// A reply arrives at its client.
    Reply { entry: usize, reply: Bytes },
    /// A client notices that its connection is gone, or is tired of waiting.
    ClientLost { entry: usize, why: &'static str },
    /// A request arrives.
    Request { link: LinkId, generation: u32, number: u64, bytes: Bytes },
    /// An answer arrives at the node that dialled.
    Response { link: LinkId, generation: u32, number: u64, bytes: Bytes },
    /// The node that dialled notices that a connection is gone.
    LinkDown { link: LinkId, generation: u32 },
    /// It dials again.
    Redial { link: LinkId, attempt: u32, incarnation: u32 },
    /// Two nodes have not heard of each other for long, if packets are still swallowed.
    Silence { from: usize, to: usize, epoch: u32 },
    /// Others have not heard of a node for long, if it still stands still.
    FrozenSilence { node: usize, epoch: u32 },
    /// An engine's deadline.
    Timer { node: usize, worker: usize, incarnation: u32 },
    /// A datastore runs the next operation of a lane.
    LaneRuns { node: usize, worker: usize, generation: u32 },
    /// The result arrives.
    LaneAnswers { node: usize, worker: usize, generation: u32, output: Output },
    /// A worker notices that its lane is gone.
    LaneDown { node: usize, worker: usize, incarnation: u32 },
    /// A worker's lane is opened.
    LaneOpens { node: usize, worker: usize, incarnation: u32 },
    /// A node's process starts again.
    Restart { node: usize },
    /// A fault of the plan begins.
    FaultBegins { fault: usize },
    /// It ends.
    FaultEnds { fault: usize },
    /// It is looked whether the next ring can be made.
    RingStep,
    /// A ring comes to a node.
    RingComes { node: usize, epoch: u64 },
    /// A node that has left ends.
    Leaves { node: usize },
}

impl Event {
    /// The node whose process must run for this to happen.
    pub(crate) fn process(&self) -> Option<usize> {
        match self {
            Self::Command { node, .. }
            | Self::Timer { node, .. }
            | Self::LaneAnswers { node, .. }
            | Self::LaneDown { node, .. }
            | Self::LaneOpens { node, .. }
            | Self::RingComes { node, .. } => Some(*node),
            Self::Request { link, .. } => Some(link.to),
            Self::Response { link, .. } | Self::LinkDown { link, .. } | Self::Redial { link, .. } => {
                Some(link.from)
            }
            Self::Send { .. }
            | Self::Reply { .. }
            | Self::ClientLost { .. }
            | Self::Silence { .. }
            | Self::FrozenSilence { .. }
            | Self::LaneRuns { .. }
            | Self::Restart { .. }
            | Self::FaultBegins { .. }
            | Self::FaultEnds { .. }
            | Self::RingStep
            | Self::Leaves { .. } => None,
        }
    }
}

impl Event {
    /// A digest that also has all of this event.
    pub(crate) fn mixed_into(&self, digest: u64) -> u64 {
        let link = |link: &LinkId| (link.from << 40 | link.worker << 32 | link.to) as u64;
        let (kind, who, what, bytes): (u64, u64, u64, &[u8]) = match self {
            Self::Send { command } => (1, *command as u64, 0, &[]),
            Self::Command { entry, node, incarnation } => {
                (2, *entry as u64, (*node as u64) << 32 | u64::from(*incarnation), &[])
            }
            Self::Reply { entry, reply } => (3, *entry as u64, 0, reply),
            Self::ClientLost { entry, why } => (4, *entry as u64, 0, why.as_bytes()),
            Self::Request { link: on, generation, number, bytes } => {
                (5, link(on), u64::from(*generation) << 48 ^ number, bytes)
            }
            Self::Response { link: on, generation, number, bytes } => {
                (6, link(on), u64::from(*generation) << 48 ^ number, bytes)
            }
            Self::LinkDown { link: on, generation } => (7, link(on), u64::from(*generation), &[]),
            Self::Redial { link: on, attempt, .. } => (8, link(on), u64::from(*attempt), &[]),
            Self::Silence { from, to, epoch } => (9, (from << 32 | to) as u64, u64::from(*epoch), &[]),
            Self::FrozenSilence { node, epoch } => (10, *node as u64, u64::from(*epoch), &[]),
            Self::Timer { node, worker, .. } => (11, *node as u64, *worker as u64, &[]),
            Self::LaneRuns { node, worker, generation } => {
                (12, (node << 32 | worker) as u64, u64::from(*generation), &[])
            }
            Self::LaneAnswers { node, worker, output, .. } => {
                let bytes: &[u8] = match output {
                    Output::Reply(reply) => reply,
                    Output::State(Some(state)) => &state.payload,
                    Output::Failed(text) => text.as_bytes(),
                    Output::Piece(Some(piece)) => &piece.payload,
                    Output::State(None)
                    | Output::Installed
                    | Output::Scanned { .. }
                    | Output::Measured(_)
                    | Output::Piece(None)
                    | Output::Digest(_)
                    | Output::Staged => &[],
                };
                (13, *node as u64, *worker as u64, bytes)
            }
            Self::LaneDown { node, worker, .. } => (14, *node as u64, *worker as u64, &[]),
            Self::LaneOpens { node, worker, .. } => (15, *node as u64, *worker as u64, &[]),
            Self::Restart { node } => (16, *node as u64, 0, &[]),
            Self::FaultBegins { fault } => (17, *fault as u64, 0, &[]),
            Self::FaultEnds { fault } => (18, *fault as u64, 0, &[]),
            Self::RingStep => (19, 0, 0, &[]),
            Self::RingComes { node, epoch } => (20, *node as u64, *epoch, &[]),
            Self::Leaves { node } => (21, *node as u64, 0, &[]),
        };
        let digest = [kind, who, what].into_iter().fold(digest, fold);
        bytes.chunks(8).fold(digest, |digest, chunk| {
            fold(digest, chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)))
        })
    }
}

fn fold(digest: u64, word: u64) -> u64 {
    (digest.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Events in the order of their time; those of one moment in the order in which they were pushed.
#[derive(Debug, Default)]
pub(crate) struct EventQueue {
    heap: BinaryHeap<Scheduled>,
    pushed: u64,
}

#[derive(Debug)]
struct Scheduled {
    at: Micros,
    number: u64,
    event: Event,
}

impl EventQueue {
    pub(crate) fn push(&mut self, at: Micros, event: Event) {
        self.pushed += 1;
        self.heap.push(Scheduled { at, number: self.pushed, event });
    }

    /// The next event, if it happens at `until` or before.
    pub(crate) fn pop_before(&mut self, until: Micros) -> Option<(Micros, Event)> {
        if self.heap.peek()?.at > until {
            return None;
        }
        self.heap.pop().map(|scheduled| (scheduled.at, scheduled.event))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

impl Ord for Scheduled {
    /// The earliest is the greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for Scheduled {}

//! The owner of every token in every rack, worked out in advance.
//!
//! The tokens of all racks together cut the ring into segments; within one, no owner changes. A lookup goes from the
//! top bits of the token to the few segments that end in that part of the ring, and from the segment to its set of
//! replicas. Sets are kept once, however many segments share them.

use std::collections::HashMap;

use super::digest::mix;
use crate::{Node, NodeIdx, Rack, Token, TokenRange};

/// More buckets than this would fall out of the processor's cache.
const BUCKET_BITS_MAX: u32 = 16;

#[derive(Debug)]
pub(super) struct Placement {
    /// Ascending by end. A token belongs to the first segment that ends at or after it, or else to segment 0.
    segments: Vec<Segment>,
    /// For each value of a token's top bits, the first segment that does not end before it; one more at the end.
    buckets: Vec<u32>,
    bucket_shift: u32,
    /// Sets of `set_len` nodes, one for each rack.
    sets: Vec<NodeIdx>,
    set_len: usize,
    /// A digest of each set, by the ids of its nodes.
    digests: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    end: Token,
    set: u32,
}

impl Placement {
    pub(super) fn new<'a>(
        racks: impl Iterator<Item = &'a Rack> + Clone,
        rack_count: usize,
        nodes: &[Node],
    ) -> Self {
        let mut sets = ReplicaSets::new(rack_count);
        let mut segments: Vec<Segment> = Vec::new();
        // Below every rack's first token, that token's node owns.
        let mut owners: Vec<NodeIdx> = racks.clone().map(|rack| rack.tokens[0].1).collect();
        let changes = ownership_changes(racks);
        for changes in changes.chunk_by(|a, b| a.at == b.at) {
            let segment = Segment { end: changes[0].at, set: sets.intern(&owners) };
            match segments.last_mut() {
                Some(last) if last.set == segment.set => *last = segment,
                _ => segments.push(segment),
            }
            for change in changes {
                owners[change.rack] = change.next_owner;
            }
        }
        let (buckets, bucket_shift) = buckets(&segments);
        let digest = |set: &[NodeIdx]| {
            let ids = set.iter().map(|index| nodes[index.0 as usize].id);
            ids.fold(0, |digest, id| mix(digest ^ u64::from(id.0)).wrapping_add(1)) as u32
        };
        let digests = sets.nodes.chunks(rack_count).map(digest).collect();
        Self { segments, buckets, bucket_shift, sets: sets.nodes, set_len: rack_count, digests }
    }

    /// The set of a token, and its digest.
    pub(super) fn find(&self, token: Token) -> (&[NodeIdx], u32) {
        let bucket = (token.0 >> self.bucket_shift) as usize;
        let (from, to) = (self.buckets[bucket] as usize, self.buckets[bucket + 1] as usize);
        let found = from + self.segments[from..to].partition_point(|segment| segment.end < token);
        self.set(self.segments.get(found).unwrap_or(&self.segments[0]))
    }

    /// All ranges, with the set and its digest.
    pub(super) fn ranges(&self) -> impl ExactSizeIterator<Item = (TokenRange, (&[NodeIdx], u32))> {
        self.segments.iter().enumerate().map(|(index, segment)| {
            let before = index.checked_sub(1).unwrap_or(self.segments.len() - 1);
            (TokenRange::new(self.segments[before].end, segment.end), self.set(segment))
        })
    }

    fn set(&self, segment: &Segment) -> (&[NodeIdx], u32) {
        let number = segment.set as usize;
        let start = number * self.set_len;
        (&self.sets[start..start + self.set_len], self.digests[number])
    }
}

/// Past token `at`, `next_owner` owns in rack number `rack`.
struct Change {
    at: Token,
    rack: usize,
    next_owner: NodeIdx,
}

/// The changes of owner in all racks, ascending.
fn ownership_changes<'a>(racks: impl Iterator<Item = &'a Rack>) -> Vec<Change> {
    let mut changes: Vec<Change> = racks
        .enumerate()
        .flat_map(|(rack, Rack { tokens, .. })| {
            let next_owners = tokens.iter().cycle().skip(1);
            tokens.iter().zip(next_owners).map(move |(own, next)| Change {
                at: own.0,
                rack,
                next_owner: next.1,
            })
        })
        .collect();
    changes.sort_unstable_by_key(|change| (change.at, change.rack));
    changes
}

/// About one bucket for each segment: then a lookup compares with one or two ends.
fn buckets(segments: &[Segment]) -> (Vec<u32>, u32) {
    let bits = segments.len().next_power_of_two().trailing_zeros().clamp(1, BUCKET_BITS_MAX);
    let shift = 32 - bits;
    let mut starts = Vec::with_capacity((1 << bits) + 1);
    let mut before = 0;
    for bucket in 0..1_u32 << bits {
        while segments.get(before).is_some_and(|segment| segment.end.0 < bucket << shift) {
            before += 1;
        }
        starts.push(before as u32);
    }
    starts.push(segments.len() as u32);
    (starts, shift)
}

/// Gives each different set of replicas one number.
struct ReplicaSets {
    nodes: Vec<NodeIdx>,
    set_len: usize,
    numbers: HashMap<u64, u32>,
}

impl ReplicaSets {
    fn new(set_len: usize) -> Self {
        Self { nodes: Vec::new(), set_len, numbers: HashMap::new() }
    }

    fn intern(&mut self, owners: &[NodeIdx]) -> u32 {
        let key = owners.iter().fold(0, |key, owner| mix(key ^ u64::from(owner.0)).wrapping_add(1));
        if let Some(number) = self.numbers.get(&key) {
            let start = *number as usize * self.set_len;
            if self.nodes[start..start + self.set_len] == *owners {
                return *number;
            }
        }
        // A set whose key is taken by another one is merely kept more than once.
        let number = (self.nodes.len() / self.set_len) as u32;
        self.nodes.extend_from_slice(owners);
        self.numbers.entry(key).or_insert(number);
        number
    }
}

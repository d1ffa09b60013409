//! Marks: moments up to which the copies of keys were compared, and what is known of the keys that were absent then.
//!
//! When all copies of a bucket's keys were found equal up to a mark, the node that found it tells the others. From then on
//! the record of a key that was absent at the mark and was not written since need not be kept: [`Mark::record`] stands
//! for it (rule R22; why that is right is told in `engine/settle.rs`).

use dynomite_ring::{NodeId, NodeIdx, Ring};

use crate::{Bucket, Record, Version};

/// A moment, in whole seconds since the Unix epoch; 0 is before everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mark(pub u32);

impl Mark {
    pub(crate) const NEVER: Self = Self(0);

    /// The last one at or before `wall_ms`.
    pub(crate) fn at(wall_ms: u64) -> Self {
        Self((wall_ms / 1000).min(u64::from(u32::MAX)) as u32)
    }

    /// The last one whose versions are all at or before `clock`.
    pub(crate) fn of_clock(clock: u64) -> Self {
        Self::at(clock >> 16)
    }

    /// The greatest clock of a version that it covers.
    pub(crate) fn clock(self) -> u64 {
        (u64::from(self.0) * 1000) << 16
    }

    /// Whether a write of this version happened up to the mark.
    pub(crate) fn covers(self, version: Version) -> bool {
        version.clock <= self.clock()
    }

    /// The record of a key that was absent at the mark, and was not written since.
    pub(crate) fn record(self) -> Record {
        Record::overwritten(Version { clock: self.clock(), node: NodeId(0) })
    }
}

/// What a node has told of a bucket, for the keys that it holds a replica of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Settled {
    /// All copies were equal up to this.
    pub(crate) mark: Mark,
    /// An earlier mark, which all replicas had been told before `mark`.
    pub(crate) before: Mark,
}

/// Consecutive buckets of which the same is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) first: u16,
    pub(crate) count: u16,
    pub(crate) settled: Settled,
}

const RUN_BYTES: usize = 12;

impl Run {
    /// Joins the buckets, in ascending order, of which the same is said.
    pub(crate) fn join(buckets: impl Iterator<Item = (u16, Settled)>) -> Vec<Self> {
        let mut runs: Vec<Self> = Vec::new();
        for (bucket, settled) in buckets {
            match runs.last_mut() {
                Some(run) if run.first + run.count == bucket && run.settled == settled => run.count += 1,
                _ => runs.push(Self { first: bucket, count: 1, settled }),
            }
        }
        runs
    }

    /// The part of it from `bucket` on, if there is any.
    pub(crate) fn from(self, bucket: u16) -> Option<Self> {
        let (first, end) = (self.first.max(bucket), self.first + self.count);
        (first < end).then(|| Self { first, count: end - first, settled: self.settled })
    }

    /// The bytes of `runs`, as they are kept and sent.
    pub(crate) fn encode(runs: &[Self], into: &mut Vec<u8>) {
        for Self { first, count, settled } in runs {
            into.extend_from_slice(&first.to_le_bytes());
            into.extend_from_slice(&count.to_le_bytes());
            into.extend_from_slice(&settled.mark.0.to_le_bytes());
            into.extend_from_slice(&settled.before.0.to_le_bytes());
        }
    }

    /// Reads what [`Run::encode`] wrote; `None` when it is something else.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Vec<Self>> {
        let (runs, rest) = bytes.as_chunks::<RUN_BYTES>();
        rest.is_empty().then(|| runs.iter().map(Self::read).collect())
    }

    fn read(bytes: &[u8; RUN_BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *bytes;
        Self {
            first: u16::from_le_bytes([a, b]),
            count: u16::from_le_bytes([c, d]),
            settled: Settled {
                mark: Mark(u32::from_le_bytes([e, f, g, h])),
                before: Mark(u32::from_le_bytes([i, j, k, l])),
            },
        }
    }
}

/// What was told of the buckets of this engine, by each node that has told anything, and by this one.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    tellers: Vec<Teller>,
    /// Beside the nodes of the ring: the teller's place, plus one.
    places: Vec<u16>,
}

#[derive(Debug)]
struct Teller {
    node: NodeIdx,
    id: NodeId,
    first: u16,
    settled: Box<[Settled]>,
}

impl Marks {
    /// Whether nobody has told anything: then no record was forgotten.
    pub(crate) fn is_empty(&self) -> bool {
        self.tellers.is_empty()
    }

    /// What `node` has told of a bucket.
    pub(crate) fn of(&self, node: NodeIdx, bucket: Bucket) -> Settled {
        self.teller(node).and_then(|teller| teller.at(bucket)).unwrap_or_default()
    }

    /// The latest that any of `nodes` has told of a bucket.
    pub(crate) fn latest(&self, nodes: &[NodeIdx], bucket: Bucket) -> Settled {
        nodes.iter().map(|node| self.of(*node, bucket)).max().unwrap_or_default()
    }

    /// Takes note of what `node` tells of buckets; those outside `slice` are left out, and a mark never goes back.
    pub(crate) fn tell(
        &mut self,
        ring: &Ring,
        node: NodeIdx,
        slice: std::ops::Range<u16>,
        runs: impl IntoIterator<Item = Run>,
    ) {
        let teller = self.teller_mut(ring, node, slice);
        for run in runs {
            for bucket in run.first..run.first.saturating_add(run.count) {
                let at = bucket.checked_sub(teller.first).map(usize::from);
                if let Some(settled) = at.and_then(|at| teller.settled.get_mut(at)) {
                    *settled = (*settled).max(run.settled);
                }
            }
        }
    }

    /// Drops what was told of a bucket.
    pub(crate) fn drop_bucket(&mut self, bucket: Bucket) {
        for teller in &mut self.tellers {
            let at = bucket.0.checked_sub(teller.first).map(usize::from);
            if let Some(settled) = at.and_then(|at| teller.settled.get_mut(at)) {
                *settled = Settled::default();
            }
        }
    }

    /// What `node` has told of all buckets, as bytes that begin with its id.
    pub(crate) fn encode(&self, node: NodeIdx) -> Vec<u8> {
        let Some(teller) = self.teller(node) else { return Vec::new() };
        let told =
            teller.settled.iter().zip(teller.first..).filter(|(settled, _)| settled.mark != Mark::NEVER);
        let mut bytes = teller.id.0.to_le_bytes().to_vec();
        Run::encode(&Run::join(told.map(|(settled, bucket)| (bucket, *settled))), &mut bytes);
        bytes
    }

    fn teller(&self, node: NodeIdx) -> Option<&Teller> {
        let place = usize::from(*self.places.get(node.0 as usize)?);
        self.tellers.get(place.checked_sub(1)?)
    }

    fn teller_mut(&mut self, ring: &Ring, node: NodeIdx, slice: std::ops::Range<u16>) -> &mut Teller {
        if self.places.is_empty() {
            self.places = vec![0; ring.nodes().len()];
        }
        let place = &mut self.places[node.0 as usize];
        if *place == 0 {
            let settled = vec![Settled::default(); slice.len()].into();
            self.tellers.push(Teller { node, id: ring.node(node).id, first: slice.start, settled });
            *place = self.tellers.len() as u16;
        }
        let place = usize::from(*place) - 1;
        debug_assert_eq!(self.tellers[place].node, node);
        &mut self.tellers[place]
    }
}

impl Teller {
    fn at(&self, bucket: Bucket) -> Option<Settled> {
        self.settled.get(usize::from(bucket.0.checked_sub(self.first)?)).copied()
    }
}

/// Splits what [`Marks::encode`] gave.
pub(crate) fn decode_teller(bytes: &[u8]) -> Option<(NodeId, Vec<Run>)> {
    let (id, runs) = bytes.split_first_chunk()?;
    Some((NodeId(u32::from_le_bytes(*id)), Run::decode(runs)?))
}

#[cfg(test)]
mod tests {
    use dynomite_ring::{HashKind, KeyHasher, Node, Token};

    use super::*;

    fn ring() -> Ring {
        let nodes = ["a", "b"].map(|name| Node::new(name, "dc", name, vec![Token(0)]));
        Ring::build(KeyHasher::new(HashKind::RedisSlot, None), 1, nodes.into()).unwrap()
    }

    fn settled(mark: u32, before: u32) -> Settled {
        Settled { mark: Mark(mark), before: Mark(before) }
    }

    #[test]
    fn a_mark_covers_its_second_and_what_was_before() {
        let mark = Mark::at(5_999);
        let version = |ms: u64| Version { clock: ms << 16, node: NodeId(1) };
        assert!(mark.covers(version(5_000)) && !mark.covers(version(5_001)));
        assert!(Mark::NEVER.covers(Version::ZERO) && mark.record().is_blank());
        assert_eq!(Mark::NEVER.record(), Record::default());
    }

    #[test]
    fn what_was_told_is_kept_by_bucket_and_never_goes_back() {
        let (ring, mut marks) = (ring(), Marks::default());
        assert!(marks.is_empty());
        let run = |first, count, settled| Run { first, count, settled };
        marks.tell(&ring, NodeIdx(1), 10..20, [run(5, 10, settled(7, 3)), run(18, 500, settled(8, 3))]);
        marks.tell(&ring, NodeIdx(1), 10..20, [run(10, 1, settled(6, 0))]);
        let of = |bucket| marks.of(NodeIdx(1), Bucket(bucket));
        assert_eq!([9, 10, 14, 15, 19].map(of), [0, 7, 7, 0, 8].map(|mark| settled(mark, mark.min(3))));
        assert_eq!(marks.of(NodeIdx(0), Bucket(10)), Settled::default());
        assert_eq!(marks.latest(&[NodeIdx(0), NodeIdx(1)], Bucket(19)), settled(8, 3));
    }

    #[test]
    fn what_is_written_down_is_read_again() {
        let (ring, mut marks) = (ring(), Marks::default());
        let runs = [(3, settled(7, 3)), (4, settled(7, 3)), (6, settled(7, 3)), (7, settled(9, 7))];
        let runs = Run::join(runs.into_iter());
        assert_eq!(
            runs.iter().map(|run| (run.first, run.count)).collect::<Vec<_>>(),
            [(3, 2), (6, 1), (7, 1)]
        );
        marks.tell(&ring, NodeIdx(0), 0..10, runs.clone());
        let bytes = marks.encode(NodeIdx(0));
        assert_eq!(decode_teller(&bytes), Some((NodeId::from_name("a"), runs)));
        assert_eq!(decode_teller(&bytes[1..]), None);
        assert!(marks.encode(NodeIdx(1)).is_empty());
    }
}

//! Marks: moments up to which the copies of keys were compared, and what is known of the keys that were absent then.
//!
//! When all copies of a bucket's keys were found equal up to a mark, the node that found it tells the others. From then on
//! the record of a key that was absent at the mark and was not written since need not be kept: [`Mark::record`] stands
//! for it (rule R22; why that is right is told in `engine/settle.rs`).

use dynomite_ring::{DcIdx, NodeId, NodeIdx, Ring, Token, TokenRange};

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

pub(crate) const RUN_BYTES: usize = 12;

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
    /// What was told of ranges that had other holders then.
    earlier: Vec<Earlier>,
}

/// What a node has told by an earlier ring of keys that it held by that. It stands, for it was true of all copies then; but it says
/// nothing of keys that the node holds since, and the node may tell nothing more of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Earlier {
    pub(crate) ranges: Vec<TokenRange>,
    pub(crate) runs: Vec<Run>,
    /// Whether the node is of this datacenter.
    pub(crate) is_local: bool,
}

/// A range that goes from one node to another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Move {
    pub(crate) range: TokenRange,
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    /// Whether they are of this datacenter.
    pub(crate) is_local: bool,
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
        self.tellers.is_empty() && self.earlier.is_empty()
    }

    /// What `node` has told of a bucket.
    pub(crate) fn of(&self, node: NodeIdx, bucket: Bucket) -> Settled {
        self.teller(node).and_then(|teller| teller.at(bucket)).unwrap_or_default()
    }

    /// The latest that was told of a token, which is in `bucket`, by any of its holders `nodes`, or by an earlier one: of this
    /// datacenter, if only those count.
    pub(crate) fn latest(
        &self,
        nodes: &[NodeIdx],
        token: Token,
        bucket: Bucket,
        is_local_only: bool,
    ) -> Settled {
        let told = nodes.iter().map(|node| self.of(*node, bucket)).max().unwrap_or_default();
        let counts = |earlier: &&Earlier| {
            (earlier.is_local || !is_local_only) && earlier.ranges.iter().any(|range| range.contains(token))
        };
        let earlier = self.earlier.iter().filter(counts).map(|earlier| earlier.of(bucket)).max();
        told.max(earlier.unwrap_or_default())
    }

    /// The ring changes from `old` to `new`, in which `moved` goes from one node to another.
    pub(crate) fn change(&mut self, old: &Ring, new: &Ring, moved: Option<Move>) {
        if let Some(Move { range, from, to, is_local }) = moved {
            let told_by = |marks: &Self, id| old.index_of(id).map(|node| marks.runs_of(node));
            let runs = told_by(self, from).unwrap_or_default();
            self.keep(vec![range], runs, is_local);
            if let Some(node) = old.index_of(to) {
                self.keep(old.ranges_of(node), self.runs_of(node), is_local);
                self.tellers.retain(|teller| teller.id != to);
            }
        }
        self.tellers.retain(|teller| new.index_of(teller.id).is_some());
        self.places = vec![0; new.nodes().len()];
        for (place, teller) in self.tellers.iter_mut().enumerate() {
            if let Some(node) = new.index_of(teller.id) {
                teller.node = node;
                self.places[node.0 as usize] = place as u16 + 1;
            }
        }
    }

    fn keep(&mut self, ranges: Vec<TokenRange>, runs: Vec<Run>, is_local: bool) {
        if runs.is_empty() {
            return;
        }
        let same = |known: &&mut Earlier| known.runs == runs && known.is_local == is_local;
        match self.earlier.iter_mut().find(same) {
            Some(known) => known.ranges.extend(ranges),
            None => self.earlier.push(Earlier { ranges, runs, is_local }),
        }
    }

    /// What was told of ranges that had other holders then.
    pub(crate) fn earlier(&self) -> &[Earlier] {
        &self.earlier
    }

    /// Takes over what an earlier process kept of that.
    pub(crate) fn set_earlier(&mut self, earlier: Vec<Earlier>) {
        self.earlier = earlier;
    }

    /// Drops what was told earlier where the present holders have told as much since. Whether anything was dropped.
    pub(crate) fn drop_superseded(&mut self, ring: &Ring, own: DcIdx) -> bool {
        let least: Vec<Mark> = ring
            .nodes()
            .iter()
            .enumerate()
            .map(|(index, _)| {
                let teller = self.teller(NodeIdx(index as u32));
                let marks = teller.into_iter().flat_map(|teller| teller.settled.iter());
                marks.map(|settled| settled.before.min(settled.mark)).min().unwrap_or_default()
            })
            .collect();
        let is_superseded = |earlier: &Earlier| {
            let greatest = earlier.runs.iter().map(|run| run.settled.mark).max().unwrap_or_default();
            let concerned = |range: &TokenRange| earlier.ranges.iter().any(|known| overlap(known, range));
            let mut ranges = ring.ranges().filter(|(range, _)| concerned(range));
            let has_told = |node: &NodeIdx| least[node.0 as usize] >= greatest;
            ranges.all(|(_, replicas)| replicas.in_dc(own).iter().any(has_told))
        };
        let count = self.earlier.len();
        self.earlier.retain(|earlier| !is_superseded(earlier));
        self.earlier.len() < count
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
        for earlier in &mut self.earlier {
            let buckets = earlier.runs.iter().flat_map(|run| {
                (run.first..run.first.saturating_add(run.count)).map(|bucket| (bucket, run.settled))
            });
            earlier.runs = Run::join(buckets.filter(|(other, _)| *other != bucket.0));
        }
    }

    /// What `node` has told of all buckets, as bytes that begin with its id.
    pub(crate) fn encode(&self, node: NodeIdx) -> Vec<u8> {
        let Some(teller) = self.teller(node) else { return Vec::new() };
        let mut bytes = teller.id.0.to_le_bytes().to_vec();
        Run::encode(&self.runs_of(node), &mut bytes);
        bytes
    }

    fn runs_of(&self, node: NodeIdx) -> Vec<Run> {
        let Some(teller) = self.teller(node) else { return Vec::new() };
        let told =
            teller.settled.iter().zip(teller.first..).filter(|(settled, _)| settled.mark != Mark::NEVER);
        Run::join(told.map(|(settled, bucket)| (bucket, *settled)))
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

impl Earlier {
    fn of(&self, bucket: Bucket) -> Settled {
        let has = |run: &&Run| (run.first..run.first.saturating_add(run.count)).contains(&bucket.0);
        self.runs.iter().find(has).map(|run| run.settled).unwrap_or_default()
    }
}

/// Whether two ranges have a token in common.
pub(crate) fn overlap(one: &TokenRange, other: &TokenRange) -> bool {
    one.contains(other.upto) || other.contains(one.upto)
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
        assert_eq!(marks.latest(&[NodeIdx(0), NodeIdx(1)], Token(0), Bucket(19), true), settled(8, 3));
    }

    #[test]
    fn what_a_node_told_stands_for_what_it_held_then_and_for_nothing_else() {
        let hasher = KeyHasher::new(HashKind::RedisSlot, None);
        let built = |epoch, tokens: [&[u32]; 3]| {
            let node = |name: &str, rack, tokens: &[u32]| {
                Node::new(name, "dc", rack, tokens.iter().copied().map(Token).collect())
            };
            let [a, b, c] = tokens;
            let nodes = vec![node("a", "r", a), node("b", "r", b), node("c", "s", c)];
            Ring::build(hasher, epoch, nodes).unwrap()
        };
        let (old, new) = (built(1, [&[100, 200], &[300], &[50]]), built(2, [&[100], &[200, 300], &[50]]));
        let mut marks = Marks::default();
        let run = |mark| Run { first: 0, count: 10, settled: settled(mark, 0) };
        marks.tell(&old, NodeIdx(0), 0..10, [run(7)]);
        marks.tell(&old, NodeIdx(1), 0..10, [run(9)]);
        let (from, to) = (old.node(NodeIdx(0)).id, old.node(NodeIdx(1)).id);
        let range = TokenRange::new(Token(100), Token(200));
        marks.change(&old, &new, Some(Move { range, from, to, is_local: true }));
        let told = |marks: &Marks, token: u32| {
            marks.latest(new.replicas(Token(token)).all(), Token(token), Bucket(3), true).mark.0
        };
        assert_eq!([50, 150, 250].map(|token| told(&marks, token)), [7, 7, 9]);
        marks.tell(&new, NodeIdx(1), 0..10, [run(11)]);
        assert_eq!([50, 150, 250].map(|token| told(&marks, token)), [7, 11, 11]);
        let kept = marks.earlier().to_vec();
        assert_eq!(
            (kept.len(), marks.drop_superseded(&new, DcIdx(0))),
            (2, false),
            "what was before is not told"
        );
        marks.tell(&new, NodeIdx(1), 0..10, [Run { settled: settled(12, 11), ..run(0) }]);
        assert!(marks.drop_superseded(&new, DcIdx(0)) && marks.earlier().is_empty());
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

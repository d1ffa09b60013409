//! Copies of ranges that a change of the ring gave to this node (rule R23).
//!
//! Such a copy is lost until it is rebuilt: another node had it, and this one does not know what that acknowledged and
//! promised. So it takes nothing before the rebuilt state, does not vote, and promises nothing. It is rebuilt like one that was
//! lost with its data (`engine/rebuild.rs`), bucket by bucket, but only of the ranges: the others of a bucket stay as they are.
//!
//! What the node before may have promised there was promised by others too, if it ever mattered: a claim takes a
//! majority. From when on they have the new ring these make no promise by the old one, and every message tells its sender's
//! clock. So every claim up to the clocks of a majority of the other racks counts as promised.

use dynomite_ring::{NodeId, Token, TokenRange};

use super::{Engine, Now, rebuild::Rebuild};
use crate::{
    Bucket, BucketSet, Version,
    marks::overlap,
    planted::{self, Planted},
};

/// The note that keeps the epoch of the ring, whether there may be copies of ranges that other nodes have by now, and the
/// ranges that this node has.
const RING_NOTE: u32 = 0x4000_0008;
/// The note that keeps what was gained and is not rebuilt.
const GAINED_NOTE: u32 = 0x4000_0009;
/// The note that keeps what counts as promised in ranges that were gained.
const PROMISED_NOTE: u32 = 0x4000_000a;
/// Promises of so many ranges are kept one by one; of more, the greatest counts everywhere.
const PROMISES_MAX: usize = 64;

pub(super) const RANGE_BYTES: usize = 8;
const PROMISE_BYTES: usize = RANGE_BYTES + 12;

/// Copies that were gained and are not rebuilt yet, and what counts as promised for those that were gained at any time.
#[derive(Debug, Default)]
pub(super) struct Gained {
    /// Empty once all is rebuilt.
    ranges: Vec<TokenRange>,
    /// In these buckets the copies of the ranges are lost, but for keys that have an entry.
    pub(super) buckets: BucketSet,
    /// Beside the partners: whether a partner shares keys of the ranges.
    sharers: Vec<bool>,
    /// When they were gained, in `Now::ms`.
    pub(super) since_ms: u64,
    /// Whether it is known how far claims may have been promised in the ranges.
    pub(super) is_promised: bool,
    promised: Vec<(TokenRange, Version)>,
    /// Claims up to these are not used any more.
    ended: Vec<(TokenRange, Version)>,
}

impl Gained {
    /// Whether everything that was gained is rebuilt.
    pub(super) fn is_over(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether the copy of a key with this token, which has no entry, is lost.
    pub(super) fn has_lost(&self, token: Token) -> bool {
        !self.buckets.is_empty() && self.buckets.contains(Bucket::of(token)) && self.covers(token)
    }

    /// Whether a token is in a range that is not wholly rebuilt.
    pub(super) fn covers(&self, token: Token) -> bool {
        self.ranges.iter().any(|range| range.contains(token))
    }

    /// Whether a partner, by its number, shares keys of the ranges.
    pub(super) fn is_shared_with(&self, partner: usize) -> bool {
        self.sharers.get(partner).copied().unwrap_or(false)
    }

    /// One range that has all of them.
    pub(super) fn span(&self) -> TokenRange {
        match *self.ranges.as_slice() {
            [range] => range,
            _ => whole(),
        }
    }

    /// Up to where claims count as promised for a token.
    pub(super) fn promised(&self, token: Token) -> Version {
        greatest(&self.promised, token)
    }

    /// Up to where this node's own claims have ended for a token.
    pub(super) fn ended(&self, token: Token) -> Version {
        greatest(&self.ended, token)
    }

    /// A range is not this node's any more. Whether anything is left of what was gained.
    pub(super) fn give_up(&mut self, range: TokenRange) -> bool {
        self.ranges = without(&self.ranges, &[range]);
        !self.is_over()
    }

    fn promise(&mut self, promised: Version) {
        self.is_promised = true;
        for range in self.ranges.clone() {
            self.promise_in(range, promised);
        }
    }

    /// Claims up to `promised` count as promised in a range.
    fn promise_in(&mut self, range: TokenRange, promised: Version) {
        self.promised.retain(|(known, _)| *known != range);
        self.promised.push((range, promised));
        if self.promised.len() > PROMISES_MAX {
            let greatest = self.promised.iter().map(|(_, promised)| *promised).max().unwrap_or(promised);
            self.promised = vec![(whole(), greatest)];
        }
    }
}

impl Engine {
    /// Whether the copy of a key without an entry is lost.
    pub(super) fn is_place_lost(&self, token: Token) -> bool {
        let is_in_bucket = || !self.lost.buckets.is_empty() && self.lost.buckets.contains(Bucket::of(token));
        self.gained.has_lost(token) || is_in_bucket()
    }

    /// Whether copies of a bucket are lost and not rebuilt yet.
    pub(super) fn is_bucket_lost(&self, bucket: Bucket) -> bool {
        self.lost.buckets.contains(bucket) || self.gained.buckets.contains(bucket)
    }

    /// Whether any are.
    pub(super) fn has_lost_copies(&self) -> bool {
        !self.lost.buckets.is_empty() || !self.gained.is_over()
    }

    /// How many buckets have copies that are lost.
    pub(super) fn lost_bucket_count(&self) -> usize {
        match self.gained.buckets.is_empty() {
            true => self.lost.buckets.len(),
            false => self.slice().filter(|bucket| self.is_bucket_lost(*bucket)).count(),
        }
    }

    /// These ranges are this node's from now on: their copies are lost, whatever it has kept of an earlier time.
    pub(super) fn gain(&mut self, now: Now, ranges: Vec<TokenRange>) {
        if ranges.is_empty() || self.place.is_alone || planted::has(Planted::GainedIsTrusted) {
            return;
        }
        let is_gained = |token: Token| ranges.iter().any(|range| range.contains(token));
        if self.has_leftovers && !planted::has(Planted::ReturnsWithOldCopies) {
            let Self { records, ring, .. } = self;
            records.lose_where(|key| is_gained(ring.token(key)));
        }
        self.gained.ranges.retain(|known| !ranges.contains(known));
        self.gained.ranges.extend(ranges);
        for bucket in self.slice() {
            self.gained.buckets.insert(bucket);
        }
        self.gained.is_promised = planted::has(Planted::GainedPromisesNothing);
        self.gained.since_ms = now.ms;
        self.rebuild = Rebuild::default();
        self.find_sharers();
        self.note_gained();
    }

    /// Works out who shares keys of what was gained.
    pub(super) fn find_sharers(&mut self) {
        let mut sharers = vec![false; self.partners.all.len()];
        for (range, replicas) in self.ring.ranges() {
            if !self.gained.ranges.iter().any(|gained| overlap(gained, &range)) {
                continue;
            }
            for index in replicas.all() {
                if let Some(number) = self.partners.number(*index) {
                    sharers[number] = true;
                }
            }
        }
        self.gained.sharers = sharers;
    }

    /// Enough others have told their clocks: what they promised by the old ring counts as promised here.
    pub(super) fn promise_gained(&mut self) {
        self.gained.promise(Version { clock: self.clock.last(), node: NodeId(u32::MAX) });
        self.note_gained();
    }

    /// A range of this datacenter moves. Who takes it over will follow no claim from before: so this node claims a key there before
    /// it writes, and not after it was refused. A process that starts anew may forget that: it is told.
    pub(super) fn end_claims_in(&mut self, range: TokenRange) {
        let is_shared = self.own_ranges().iter().any(|own| overlap(own, &range));
        if is_shared && !planted::has(Planted::GainedPromisesNothing) {
            let promised = Version { clock: self.clock.last(), node: NodeId(u32::MAX) };
            self.gained.ended.retain(|(known, _)| *known != range);
            self.gained.ended.push((range, promised));
            if self.gained.ended.len() > PROMISES_MAX {
                self.gained.ended.remove(0);
            }
        }
    }

    /// A bucket is rebuilt. Whether its copies had been gained.
    pub(super) fn end_gained_bucket(&mut self, bucket: Bucket) -> bool {
        self.gained.buckets.remove(bucket)
    }

    /// All is rebuilt.
    pub(super) fn end_gained(&mut self) {
        self.gained.ranges.clear();
        self.gained.buckets = BucketSet::default();
        self.gained.sharers.clear();
        self.note_gained();
    }

    /// Drops promises that every replica has confirmed to be over (rule R22).
    pub(super) fn forget_gained_promises(&mut self) {
        let slice = self.slice_range();
        let Self { marks, place, gained, .. } = self;
        let is_over = |promised: Version| {
            slice.clone().all(|bucket| marks.of(place.index, Bucket(bucket)).before.covers(promised))
        };
        let count = gained.promised.len();
        gained.promised.retain(|(_, promised)| !is_over(*promised));
        if gained.promised.len() < count {
            self.note_gained();
        }
    }

    /// Keeps what was gained for the next process.
    pub(super) fn note_gained(&mut self) {
        let Gained { ranges, buckets, is_promised, promised, .. } = &self.gained;
        let mut value = Vec::new();
        if !ranges.is_empty() {
            value.push(u8::from(*is_promised));
            value.extend(buckets.words().iter().flat_map(|word| word.to_le_bytes()));
            put_ranges(&mut value, ranges);
        }
        let mut promises = Vec::new();
        for (range, version) in promised {
            put_ranges(&mut promises, &[*range]);
            promises.extend_from_slice(&version.clock.to_le_bytes());
            promises.extend_from_slice(&version.node.0.to_le_bytes());
        }
        self.records.note(GAINED_NOTE, &value);
        self.records.note(PROMISED_NOTE, &promises);
    }

    /// Keeps which ring this process has, for the next one.
    pub(super) fn note_ring(&mut self) {
        let mut value = self.ring.epoch().to_le_bytes().to_vec();
        value.push(u8::from(self.has_leftovers));
        put_ranges(&mut value, &self.own_ranges());
        self.records.note(RING_NOTE, &value);
    }

    /// Takes over what an earlier process noted. What this node has by the present ring and had not by that one's, it has
    /// gained; if there were rings in between, everything.
    pub(super) fn recover_ring(&mut self, now: Now) {
        self.recover_gained(now);
        let own = self.own_ranges();
        let noted = self.records.note_value(RING_NOTE).and_then(<[u8]>::split_first_chunk);
        let Some((epoch, Some((leftovers, ranges)))) =
            noted.map(|(epoch, rest)| (u64::from_le_bytes(*epoch), rest.split_first()))
        else {
            return self.note_ring();
        };
        self.has_leftovers = *leftovers != 0;
        let known = read_ranges(ranges);
        let is_next = epoch == self.ring.epoch() || epoch + 1 == self.ring.epoch();
        let gained = if is_next { without(&own, &known) } else { own.clone() };
        if !gained.is_empty() || !without(&known, &own).is_empty() {
            self.has_leftovers = true;
        }
        self.gain(now, gained);
        self.note_ring();
    }

    fn recover_gained(&mut self, now: Now) {
        let words_len = size_of_val(self.gained.buckets.words());
        let promises = self.records.note_value(PROMISED_NOTE).unwrap_or_default();
        let (promises, _) = promises.as_chunks::<PROMISE_BYTES>();
        self.gained.promised = promises.iter().filter_map(read_promise).collect();
        let Some((is_promised, rest)) = self.records.note_value(GAINED_NOTE).and_then(<[u8]>::split_first)
        else {
            return;
        };
        let Some((words, ranges)) = rest.split_at_checked(words_len) else { return };
        let words: Vec<u64> = words.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        self.gained.is_promised = *is_promised != 0;
        self.gained.ranges = read_ranges(ranges);
        let mut buckets = BucketSet::default();
        buckets.set_words(&words);
        for bucket in self.slice().filter(|bucket| buckets.contains(*bucket)) {
            self.gained.buckets.insert(bucket);
        }
        self.gained.since_ms = now.ms;
        self.find_sharers();
    }
}

/// The greatest version that is kept for a token.
fn greatest(kept: &[(TokenRange, Version)], token: Token) -> Version {
    let fitting = kept.iter().filter(|(range, _)| range.contains(token));
    fitting.map(|(_, version)| *version).max().unwrap_or(Version::ZERO)
}

/// All tokens.
pub(super) fn whole() -> TokenRange {
    TokenRange::new(Token(0), Token(0))
}

pub(super) fn put_ranges(into: &mut Vec<u8>, ranges: &[TokenRange]) {
    for TokenRange { after, upto } in ranges {
        into.extend_from_slice(&after.0.to_le_bytes());
        into.extend_from_slice(&upto.0.to_le_bytes());
    }
}

pub(super) fn read_ranges(bytes: &[u8]) -> Vec<TokenRange> {
    bytes.as_chunks::<RANGE_BYTES>().0.iter().map(read_range).collect()
}

fn read_range(bytes: &[u8; RANGE_BYTES]) -> TokenRange {
    let [a, b, c, d, e, f, g, h] = *bytes;
    TokenRange::new(Token(u32::from_le_bytes([a, b, c, d])), Token(u32::from_le_bytes([e, f, g, h])))
}

fn read_promise(bytes: &[u8; PROMISE_BYTES]) -> Option<(TokenRange, Version)> {
    let (range, rest) = bytes.split_first_chunk()?;
    let (clock, rest) = rest.split_first_chunk()?;
    let node = NodeId(u32::from_le_bytes(*rest.first_chunk()?));
    Some((read_range(range), Version { clock: u64::from_le_bytes(*clock), node }))
}

/// What is in `ranges` and not in `others`.
fn without(ranges: &[TokenRange], others: &[TokenRange]) -> Vec<TokenRange> {
    let mut ends: Vec<Token> =
        ranges.iter().chain(others).flat_map(|range| [range.after, range.upto]).collect();
    ends.sort_unstable();
    ends.dedup();
    let has = |ranges: &[TokenRange], token| ranges.iter().any(|range| range.contains(token));
    let Some(mut after) = ends.last().copied() else { return Vec::new() };
    let mut left: Vec<TokenRange> = Vec::new();
    // Between two neighbouring ends nothing changes.
    for end in ends {
        if has(ranges, end) && !has(others, end) {
            match left.last_mut() {
                Some(last) if last.upto == after => last.upto = end,
                _ => left.push(TokenRange::new(after, end)),
            }
        }
        after = end;
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(after: u32, upto: u32) -> TokenRange {
        TokenRange::new(Token(after), Token(upto))
    }

    #[test]
    fn what_is_left_of_ranges_is_what_the_others_have_not() {
        let left = without(&[range(90, 20), range(30, 40)], &[range(10, 35)]);
        assert_eq!(left, [range(90, 10), range(35, 40)]);
        assert_eq!(without(&[range(10, 20)], &[range(0, 0)]), []);
        assert_eq!(without(&[range(7, 7)], &[]), [range(7, 7)]);
        assert_eq!(without(&[range(7, 7)], &[range(10, 20)]), [range(20, 10)]);
    }

    #[test]
    fn promises_of_many_ranges_become_one_for_all() {
        let mut gained = Gained::default();
        let version = |clock| Version { clock, node: NodeId(1) };
        for number in 0..=PROMISES_MAX as u32 {
            gained.ranges = vec![range(number, number + 1)];
            gained.promise(version(u64::from(number)));
            assert_eq!(gained.promised(Token(number + 1)), version(u64::from(number)));
        }
        assert_eq!(gained.promised(Token(u32::MAX)), version(PROMISES_MAX as u64));
    }
}

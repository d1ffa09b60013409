//! The order of a sorted set's members, as positions in its member map.
//!
//! A sorted vector in chunks. With n members: finding costs O(log n); a change moves at most one chunk (4 KiB); turning a
//! place into a rank or back adds up the lengths of the chunks in front, n/340 additions over one small array, which stays
//! below a microsecond up to a million members.

use std::cmp::Ordering;

/// Members in a chunk at most.
const CHUNK_MAX: usize = 256;
/// Neighbours that hold fewer together are merged.
const CHUNK_MIN: usize = 64;

#[derive(Clone, Copy)]
struct Item {
    score: f64,
    at: u32,
}

/// See the module. Chunks are never empty.
#[derive(Clone)]
pub(crate) struct Order {
    chunks: Vec<Vec<Item>>,
    lens: Vec<u16>,
    len: usize,
}

impl Order {
    pub(crate) fn new() -> Self {
        Self { chunks: Vec::new(), lens: Vec::new(), len: 0 }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.len * size_of::<Item>() + self.chunks.len() * (size_of::<Vec<Item>>() + size_of::<u16>())
    }

    /// Inserts a member whose place `compare` finds: it compares the new member with one that is in the order.
    pub(crate) fn insert(&mut self, at: u32, score: f64, compare: impl Fn(u32, f64) -> Ordering) {
        let is_past = |item: &Item| compare(item.at, item.score).is_lt();
        self.len += 1;
        let item = Item { score, at };
        // The chunk that holds the greatest item in front of the new one takes it.
        let chunk = self.chunks.partition_point(|chunk| !is_past(&chunk[0])).saturating_sub(1);
        let Some(items) = self.chunks.get_mut(chunk) else {
            self.chunks.push(vec![item]);
            self.lens.push(1);
            return;
        };
        items.insert(items.partition_point(|item| !is_past(item)), item);
        if items.len() > CHUNK_MAX {
            let tail = items.split_off(CHUNK_MAX / 2);
            self.chunks.insert(chunk + 1, tail);
            self.lens.insert(chunk + 1, 0);
            self.note_len(chunk + 1);
        }
        self.note_len(chunk);
    }

    /// Takes out the member of rank `rank`, which is below the length.
    pub(crate) fn remove(&mut self, rank: usize) -> u32 {
        let (chunk, offset) = self.place(rank);
        let item = self.chunks[chunk].remove(offset);
        self.len -= 1;
        if self.chunks[chunk].is_empty() {
            self.chunks.remove(chunk);
            self.lens.remove(chunk);
            return item.at;
        }
        self.note_len(chunk);
        if chunk + 1 < self.chunks.len() && self.lens[chunk] + self.lens[chunk + 1] < CHUNK_MIN as u16 {
            let tail = self.chunks.remove(chunk + 1);
            self.lens.remove(chunk + 1);
            self.chunks[chunk].extend(tail);
            self.note_len(chunk);
        }
        item.at
    }

    /// Says that the member of rank `rank` now lies at position `at` of the member map.
    pub(crate) fn replace(&mut self, rank: usize, at: u32) {
        let (chunk, offset) = self.place(rank);
        self.chunks[chunk][offset].at = at;
    }

    /// How many members are in front of the first for which `is_past` holds, which must hold for all that follow.
    pub(crate) fn count_until(&self, is_past: impl Fn(u32, f64) -> bool) -> usize {
        let chunk =
            self.chunks.partition_point(|chunk| !is_past(chunk[0].at, chunk[0].score)).saturating_sub(1);
        let Some(items) = self.chunks.get(chunk) else { return 0 };
        let before: usize = self.lens[..chunk].iter().map(|len| usize::from(*len)).sum();
        before + items.partition_point(|item| !is_past(item.at, item.score))
    }

    /// Positions and scores of the ranks in `range`, which lies inside the length.
    pub(crate) fn range(&self, range: std::ops::Range<usize>) -> impl DoubleEndedIterator<Item = (u32, f64)> {
        let (first, start) = if range.is_empty() { (0, 0) } else { self.place(range.start) };
        let (last, end) = if range.is_empty() { (0, 0) } else { self.place(range.end - 1) };
        let chunks = if range.is_empty() { &[][..] } else { &self.chunks[first..=last] };
        let final_chunk = chunks.len().saturating_sub(1);
        chunks.iter().enumerate().flat_map(move |(number, items)| {
            let from = if number == 0 { start } else { 0 };
            let to = if number == final_chunk { end + 1 } else { items.len() };
            items[from..to].iter().map(|item| (item.at, item.score))
        })
    }

    /// The chunk of a rank below the length, and the offset in it.
    fn place(&self, rank: usize) -> (usize, usize) {
        let mut left = rank;
        for (chunk, len) in self.lens.iter().enumerate() {
            match left.checked_sub(usize::from(*len)) {
                Some(rest) => left = rest,
                None => return (chunk, left),
            }
        }
        unreachable!("rank {rank} of {}", self.len)
    }

    fn note_len(&mut self, chunk: usize) {
        self.lens[chunk] = self.chunks[chunk].len() as u16;
    }
}

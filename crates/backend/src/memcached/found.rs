//! The keys that a scan keeps of those that the server lists: the ones with the least hashes, as many as there is room
//! for. So a later reading of the list can go on where this one's keys end, in whatever order the server lists them.

use std::collections::{BinaryHeap, VecDeque};

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

/// What a key takes beside its bytes: its hash, its handle, and what the allocator adds.
const KEY_OVERHEAD_BYTES: usize = 64;
/// With less room than this a scan would hardly go on.
const BYTES_MIN: usize = 64 << 10;

/// Keys from a hash on, while the list is being read.
#[derive(Debug)]
pub(super) struct Collection {
    from: u64,
    /// Keys with this hash or a greater one had no room.
    until: Option<u64>,
    keys: BinaryHeap<(u64, Bytes)>,
    bytes: usize,
    bytes_max: usize,
}

/// All keys that the server listed from one hash to another.
#[derive(Debug)]
pub(super) struct Found {
    from: u64,
    /// `None`: there are none with a greater hash.
    until: Option<u64>,
    keys: VecDeque<(u64, Bytes)>,
}

impl Collection {
    pub(super) fn new(from: u64, bytes_max: usize) -> Self {
        Self { from, until: None, keys: BinaryHeap::new(), bytes: 0, bytes_max: bytes_max.max(BYTES_MIN) }
    }

    /// The hash from which on keys are collected.
    pub(super) fn from(&self) -> u64 {
        self.from
    }

    /// Keeps `key` if it belongs to those with the least hashes.
    pub(super) fn add(&mut self, key: &[u8]) {
        let hash = hash(key);
        if hash < self.from || self.until.is_some_and(|until| hash >= until) {
            return;
        }
        self.bytes += key.len() + KEY_OVERHEAD_BYTES;
        self.keys.push((hash, Bytes::copy_from_slice(key)));
        while self.bytes > self.bytes_max
            && let Some((hash, key)) = self.keys.pop()
        {
            self.bytes -= key.len() + KEY_OVERHEAD_BYTES;
            self.until = Some(hash);
            // Of keys with the same hash either all are kept or none.
            while let Some(greatest) = self.keys.peek_mut().filter(|greatest| greatest.0 == hash) {
                let (_, key) = std::collections::binary_heap::PeekMut::pop(greatest);
                self.bytes -= key.len() + KEY_OVERHEAD_BYTES;
            }
        }
    }

    /// The list has ended.
    pub(super) fn finish(self) -> Found {
        let mut keys = self.keys.into_sorted_vec();
        keys.dedup();
        Found { from: self.from, until: self.until, keys: keys.into() }
    }
}

impl Found {
    /// Whether the keys from `cursor` on are among these.
    pub(super) fn covers(&self, cursor: u64) -> bool {
        self.from <= cursor && self.until.is_none_or(|until| cursor < until)
    }

    /// Whether there are no keys after these.
    pub(super) fn is_last(&self) -> bool {
        self.until.is_none()
    }

    /// Takes about `count` keys from `cursor` on, which is covered, and drops those before; gives the next page's cursor, 0
    /// at the end.
    pub(super) fn take(&mut self, cursor: u64, count: usize) -> (Vec<Bytes>, u64) {
        while self.keys.pop_front_if(|(hash, _)| *hash < cursor).is_some() {}
        let mut page = Vec::with_capacity(count.min(self.keys.len()));
        let mut last = None;
        while let Some((hash, key)) =
            self.keys.pop_front_if(|(hash, _)| page.len() < count || last == Some(*hash))
        {
            last = Some(hash);
            page.push(key);
        }
        let next = self.keys.front().map(|(hash, _)| *hash).or(self.until).unwrap_or(0);
        self.from = if next == 0 { u64::MAX } else { next };
        (page, next)
    }
}

/// A key's place in the order of a scan; not 0, which as a cursor means the beginning and the end.
fn hash(key: &[u8]) -> u64 {
    xxh3_64(key).max(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const READINGS_MAX: usize = 12;

    #[test]
    fn any_number_of_keys_comes_exactly_once_in_any_order_with_room_for_few() {
        let keys: Vec<String> = (0..5000).map(|number| format!("key-{number}")).collect();
        let mut seen: BTreeMap<Bytes, usize> = BTreeMap::new();
        let (mut cursor, mut reading_count) = (1, 0);
        while cursor != 0 {
            let mut collection = Collection::new(cursor, 0);
            // Another order each time; and each key twice, as a list may have it.
            let shift = reading_count * 1237;
            for index in (0..keys.len()).chain(0..100) {
                collection.add(keys[(index + shift) % keys.len()].as_bytes());
                assert!(collection.bytes <= BYTES_MIN);
            }
            reading_count += 1;
            assert!(reading_count <= READINGS_MAX, "it goes on");
            let mut found = collection.finish();
            while cursor != 0 && found.covers(cursor) {
                let (page, next) = found.take(cursor, 100);
                assert!(page.len() <= 100 && (next == 0 || next > cursor));
                page.into_iter().for_each(|key| *seen.entry(key).or_default() += 1);
                cursor = next;
            }
        }
        assert_eq!(seen.len(), keys.len());
        assert!(seen.values().all(|count| *count == 1));
        assert!(reading_count >= 5, "{reading_count}");
    }

    #[test]
    fn no_keys_are_one_empty_page() {
        let mut found = Collection::new(1, 0).finish();
        assert!(found.covers(1));
        assert_eq!(found.take(1, 10), (Vec::new(), 0));
    }
}

//! A hash map from bytes whose entries lie densely in one vector.
//!
//! Invariants: the order of entries depends on the order of insertions and removals alone, never on the (randomly
//! seeded) hash, so everything observable is reproducible; an entry only ever moves to a *smaller* position, when it
//! fills the hole of a removed one, so walking positions downwards meets every entry that stays. Picking an entry at
//! random costs O(1).

use std::hash::{BuildHasher, Hasher};

use hashbrown::{DefaultHashBuilder, HashTable};

use super::blob::Blob;

/// Up to this many entries are searched one by one, without an index.
const LINEAR_MAX: usize = 8;

/// See the module. At most 2³² - 1 entries.
#[derive(Clone)]
pub(crate) struct DenseMap<V> {
    entries: Vec<(Blob, V)>,
    /// Empty while the map has never outgrown [`LINEAR_MAX`].
    index: HashTable<Position>,
    hasher: DefaultHashBuilder,
    key_heap_bytes: usize,
}

/// Where an entry lies, with enough of its key's hash to grow the index without looking at keys.
#[derive(Clone, Copy)]
struct Position {
    at: u32,
    hash: u32,
}

impl<V> DenseMap<V> {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            key_heap_bytes: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The position of `key`, valid until the next removal.
    pub(crate) fn find(&self, key: &[u8]) -> Option<usize> {
        if self.index.is_empty() {
            return self.entries.iter().position(|(other, _)| **other == *key);
        }
        let hash = self.hash(key);
        let same =
            |position: &Position| position.hash == hash && *self.entries[position.at as usize].0 == *key;
        self.index.find(spread(hash), same).map(|position| position.at as usize)
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&V> {
        self.find(key).map(|at| &self.entries[at].1)
    }

    /// The entry at a position below `len`.
    pub(crate) fn at(&self, at: usize) -> (&Blob, &V) {
        let (key, value) = &self.entries[at];
        (key, value)
    }

    pub(crate) fn value_mut(&mut self, at: usize) -> &mut V {
        &mut self.entries[at].1
    }

    /// Adds an entry whose key is absent, and gives its position.
    pub(crate) fn push(&mut self, key: Blob, value: V) -> usize {
        let at = self.entries.len();
        assert!(at < u32::MAX as usize, "fewer than 2^32 entries");
        self.key_heap_bytes += key.heap_bytes();
        if !self.index.is_empty() {
            self.insert_index(at, self.hash(&key));
        }
        self.entries.push((key, value));
        if self.index.is_empty() && self.entries.len() > LINEAR_MAX {
            self.index.reserve(self.entries.len() * 2, |position| spread(position.hash));
            for at in 0..self.entries.len() {
                self.insert_index(at, self.hash(&self.entries[at].0));
            }
        }
        at
    }

    /// Takes out the entry at `at`; the last entry takes its place.
    pub(crate) fn remove(&mut self, at: usize) -> (Blob, V) {
        let last = self.entries.len() - 1;
        if !self.index.is_empty() {
            let hash = self.hash(&self.entries[at].0);
            if let Ok(found) = self.index.find_entry(spread(hash), |position| position.at as usize == at) {
                found.remove();
            }
            if at != last {
                let hash = self.hash(&self.entries[last].0);
                let moved = self.index.find_mut(spread(hash), |position| position.at as usize == last);
                moved.expect("every entry is indexed").at = at as u32;
            }
        }
        let (key, value) = self.entries.swap_remove(at);
        self.key_heap_bytes -= key.heap_bytes();
        self.shrink();
        (key, value)
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&Blob, &V)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// About how many bytes the map takes, without what its values own elsewhere.
    pub(crate) fn bytes(&self) -> usize {
        let entry =
            size_of::<(Blob, V)>() + if self.index.is_empty() { 0 } else { size_of::<Position>() + 1 };
        self.entries.len() * entry + self.key_heap_bytes
    }

    fn hash(&self, key: &[u8]) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key);
        let hash = hasher.finish();
        (hash ^ (hash >> 32)) as u32
    }

    fn insert_index(&mut self, at: usize, hash: u32) {
        let position = Position { at: at as u32, hash };
        self.index.insert_unique(spread(hash), position, |position| spread(position.hash));
    }

    /// Gives memory back once three quarters of it are unused.
    fn shrink(&mut self) {
        let len = self.entries.len();
        if self.entries.capacity() > 64 && len < self.entries.capacity() / 4 {
            self.entries.shrink_to(len * 2);
            self.index.shrink_to(len * 2, |position| spread(position.hash));
        }
    }
}

/// The table takes its bucket from the low bits of a hash and its tag from the high ones.
fn spread(hash: u32) -> u64 {
    (u64::from(hash) << 32) | u64::from(hash)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn behaves_like_a_map(steps in proptest::collection::vec((any::<bool>(), 0u16..60, any::<u32>()), 0..400)) {
            let mut map = DenseMap::new();
            let mut model = BTreeMap::new();
            for (add, key, value) in steps {
                let key = format!("key:{key}:{}", "x".repeat(usize::from(key)));
                match map.find(key.as_bytes()) {
                    Some(at) if add => *map.value_mut(at) = value,
                    Some(at) => prop_assert_eq!(Some(map.remove(at).1), model.remove(&key)),
                    None if add => { map.push(Blob::new(key.as_bytes()), value); }
                    None => prop_assert!(!model.contains_key(&key)),
                }
                if add { model.insert(key, value); }
                prop_assert_eq!(map.len(), model.len());
            }
            for (key, value) in &model {
                prop_assert_eq!(map.get(key.as_bytes()), Some(value));
            }
            let heap: usize = model.keys().map(|key| Blob::new(key.as_bytes()).heap_bytes()).sum();
            prop_assert_eq!(map.key_heap_bytes, heap);
        }
    }

    #[test]
    fn walking_down_meets_every_entry_that_stays() {
        let mut map = DenseMap::new();
        for key in 0..1000u32 {
            map.push(Blob::new(&key.to_be_bytes()), key);
        }
        let mut seen = Vec::new();
        let mut at = map.len();
        while at > 0 {
            at = (at - 1).min(map.len() - 1);
            seen.push(*map.at(at).1);
            // Odd keys go, from anywhere, while we walk.
            let gone = (at as u32 * 7919 % 500) * 2 + 1;
            if let Some(found) = map.find(&gone.to_be_bytes()) {
                map.remove(found);
            }
        }
        assert!((0..1000).step_by(2).all(|key| seen.contains(&key)));
    }
}

//! A list: a double-ended queue, so both ends and any index cost O(1); inserting in the middle costs O(n).

use std::collections::VecDeque;

use super::blob::Blob;

#[derive(Clone)]
pub(crate) struct List {
    items: VecDeque<Blob>,
    heap_bytes: usize,
}

impl List {
    pub(crate) fn new() -> Self {
        Self { items: VecDeque::new(), heap_bytes: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.items.len() * size_of::<Blob>() + self.heap_bytes
    }

    /// Adds `item` at one end.
    pub(crate) fn push(&mut self, front: bool, item: Blob) {
        self.heap_bytes += item.heap_bytes();
        if front { self.items.push_front(item) } else { self.items.push_back(item) }
    }

    /// Takes the item at one end.
    pub(crate) fn pop(&mut self, front: bool) -> Option<Blob> {
        let item = if front { self.items.pop_front() } else { self.items.pop_back() }?;
        self.heap_bytes -= item.heap_bytes();
        Some(item)
    }

    /// The item at `index`, counted from the end when negative.
    pub(crate) fn at(&self, index: i64) -> Option<&Blob> {
        self.position(index).and_then(|at| self.items.get(at))
    }

    /// Replaces the item at `index`; false when there is none.
    pub(crate) fn set(&mut self, index: i64, item: Blob) -> bool {
        let Some(at) = self.position(index) else { return false };
        self.heap_bytes = self.heap_bytes + item.heap_bytes() - self.items[at].heap_bytes();
        self.items[at] = item;
        true
    }

    /// Puts `item` before position `at`, at most the length.
    pub(crate) fn insert(&mut self, at: usize, item: Blob) {
        self.heap_bytes += item.heap_bytes();
        self.items.insert(at, item);
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Blob> + ExactSizeIterator {
        self.items.iter()
    }

    pub(crate) fn range(&self, range: std::ops::Range<usize>) -> impl ExactSizeIterator<Item = &Blob> {
        self.items.range(range)
    }

    /// Keeps the items in `range` only.
    pub(crate) fn trim(&mut self, range: std::ops::Range<usize>) {
        self.items.truncate(range.end);
        self.items.drain(..range.start);
        self.heap_bytes = self.items.iter().map(Blob::heap_bytes).sum();
    }

    /// Removes up to `limit` items equal to `item`, from one end on. Returns how many.
    pub(crate) fn remove_equal(&mut self, item: &[u8], limit: usize, from_back: bool) -> usize {
        let matching = self.items.iter().filter(|other| ***other == *item).count();
        let (mut skip, mut take) = (if from_back { matching.saturating_sub(limit) } else { 0 }, limit);
        self.items.retain(|other| {
            if **other != *item || take == 0 {
                return true;
            }
            if skip > 0 {
                skip -= 1;
                return true;
            }
            take -= 1;
            self.heap_bytes -= other.heap_bytes();
            false
        });
        matching.min(limit)
    }

    fn position(&self, index: i64) -> Option<usize> {
        let len = self.items.len() as i64;
        let at = if index < 0 { index + len } else { index };
        (0..len).contains(&at).then_some(at as usize)
    }
}

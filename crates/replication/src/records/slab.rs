//! Numbered values in chunks: growing moves none of them, and takes the memory of one chunk at a time.
//!
//! Invariant: the places that were given back are linked in a list that begins at `free`.

/// Values of a chunk, as a power of two.
const CHUNK_BITS: u32 = 12;
const CHUNK_LEN: usize = 1 << CHUNK_BITS;
/// The number of no value.
pub(super) const NOTHING: u32 = u32::MAX;

/// A value that, while it is not used, can keep the number of another one.
pub(super) trait Link {
    fn link(&mut self) -> &mut u32;
}

#[derive(Debug)]
pub(super) struct Slab<T> {
    /// All but the last are full.
    chunks: Vec<Vec<T>>,
    /// The place that was given back last.
    free: u32,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), free: NOTHING }
    }
}

impl<T: Default + Link> Slab<T> {
    /// How many places there are; those that were given back count.
    pub(super) fn place_count(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK_LEN + last.len())
    }

    /// Memory of all places, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.capacity() * size_of::<T>()).sum()
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        let number = number as usize;
        self.chunks.get(number >> CHUNK_BITS)?.get(number & (CHUNK_LEN - 1))
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let number = number as usize;
        self.chunks.get_mut(number >> CHUNK_BITS)?.get_mut(number & (CHUNK_LEN - 1))
    }

    /// The number of a place to use: the one that was given back last, as it was left, or a new one with the default value.
    pub(super) fn reserve(&mut self) -> u32 {
        let number = self.free;
        match self.get_mut(number) {
            Some(value) => {
                self.free = std::mem::replace(value.link(), NOTHING);
                number
            }
            None => self.grow(),
        }
    }

    /// Gives a place back.
    pub(super) fn release(&mut self, number: u32) {
        let free = self.free;
        if let Some(value) = self.get_mut(number) {
            *value.link() = free;
            self.free = number;
        }
    }

    fn grow(&mut self) -> u32 {
        let number = self.place_count();
        debug_assert!(number < NOTHING as usize, "a node runs out of memory first");
        if number.is_multiple_of(CHUNK_LEN) {
            // A small table has a small first chunk.
            let capacity = if number == 0 { 0 } else { CHUNK_LEN };
            self.chunks.push(Vec::with_capacity(capacity));
        }
        if let Some(last) = self.chunks.last_mut() {
            last.push(T::default());
        }
        number as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq)]
    struct Value {
        content: u32,
        link: u32,
    }

    impl Link for Value {
        fn link(&mut self) -> &mut u32 {
            &mut self.link
        }
    }

    #[test]
    fn growing_moves_nothing() {
        let mut slab: Slab<Value> = Slab::default();
        let numbers: Vec<u32> = (0..3 * CHUNK_LEN).map(|_| slab.reserve()).collect();
        assert!(numbers.iter().copied().eq(0..3 * CHUNK_LEN as u32));
        let addresses = |slab: &Slab<Value>| -> Vec<*const Value> {
            numbers.iter().map(|number| std::ptr::from_ref(slab.get(*number).unwrap())).collect()
        };
        let before = addresses(&slab);
        (0..CHUNK_LEN).for_each(|_| _ = slab.reserve());
        assert_eq!(before, addresses(&slab));
        assert_eq!((slab.place_count(), slab.get(NOTHING)), (4 * CHUNK_LEN, None));
    }

    #[test]
    fn places_that_were_given_back_are_used_first() {
        let mut slab: Slab<Value> = Slab::default();
        (0..5).for_each(|_| _ = slab.reserve());
        slab.get_mut(1).unwrap().content = 7;
        slab.release(3);
        slab.release(1);
        assert_eq!((slab.reserve(), slab.reserve(), slab.reserve()), (1, 3, 5));
        assert_eq!(slab.get(1), Some(&Value { content: 7, link: NOTHING }));
    }
}

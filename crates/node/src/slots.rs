//! Values under small numbers that are reused.

/// A table whose entries keep their number until they are removed. Lookup is one index.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    entries: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slots<T> {
    /// The number that the next inserted value will get.
    pub(crate) fn next_number(&self) -> u32 {
        self.free.last().copied().unwrap_or(self.entries.len() as u32)
    }

    /// Puts a value in and gives its number.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        let number = self.next_number();
        if self.free.pop().is_some() {
            self.entries[number as usize] = Some(value);
        } else {
            self.entries.push(Some(value));
        }
        number
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.entries.get_mut(number as usize).and_then(Option::as_mut)
    }

    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        let removed = self.entries.get_mut(number as usize)?.take();
        if removed.is_some() {
            self.free.push(number);
        }
        removed
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        self.entries
            .iter_mut()
            .enumerate()
            .filter_map(|(number, entry)| Some((number as u32, entry.as_mut()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_number_is_given_again_and_others_stay() {
        let mut slots = Slots::default();
        let (a, b) = (slots.insert('a'), slots.insert('b'));
        assert_eq!(slots.remove(a), Some('a'));
        assert_eq!(slots.remove(a), None);
        assert_eq!((slots.get_mut(a).copied(), slots.get_mut(b).copied(), slots.len()), (None, Some('b'), 1));
        assert_eq!(slots.next_number(), a);
        assert_eq!(slots.insert('c'), a);
        assert_eq!(
            slots.iter_mut().map(|(number, value)| (number, *value)).collect::<Vec<_>>(),
            [(a, 'c'), (b, 'b')]
        );
    }
}

//! Memory for large operations that is used again, so that none is allocated for a command.

use std::ops::{Deref, DerefMut};

/// So many unused places are kept.
const SPARE_MAX: usize = 4096;

/// A value in a place of its own, which goes back to its [`Pool`].
#[derive(Debug)]
pub(crate) struct Pooled<T>(Box<Option<T>>);

/// Places that are not in use.
#[derive(Debug)]
pub(crate) struct Pool<T> {
    spare: Vec<Box<Option<T>>>,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self { spare: Vec::new() }
    }
}

impl<T> Pool<T> {
    /// Puts a value into a place, an earlier one if there is any.
    pub(crate) fn put(&mut self, value: T) -> Pooled<T> {
        let mut place = self.spare.pop().unwrap_or_default();
        *place = Some(value);
        Pooled(place)
    }

    /// Drops a value and keeps its place.
    pub(crate) fn give_back(&mut self, Pooled(mut place): Pooled<T>) {
        *place = None;
        if self.spare.len() < SPARE_MAX {
            self.spare.push(place);
        }
    }
}

impl<T> Deref for Pooled<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().as_ref().expect("a place outside the pool holds a value")
    }
}

impl<T> DerefMut for Pooled<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().as_mut().expect("a place outside the pool holds a value")
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn a_place_is_used_again_and_keeps_nothing_alive() {
        let mut pool = Pool::default();
        let value = Rc::new(1);
        let first = pool.put(Rc::clone(&value));
        let address = &raw const *first.0;
        assert_eq!((**first, Rc::strong_count(&value)), (1, 2));
        pool.give_back(first);
        assert_eq!((Rc::strong_count(&value), pool.spare.len()), (1, 1));
        let second = pool.put(Rc::new(2));
        assert_eq!((&raw const *second.0, pool.spare.len()), (address, 0));
    }
}

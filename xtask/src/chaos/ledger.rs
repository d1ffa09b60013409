//! All keys of the run, and which of them are being written.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::class::Class;
use super::history::Key;
use super::random::Random;

/// How many reads in a hundred look at any key, the others at one that is being written.
const READS_OF_ANY: u64 = 10;

pub(super) struct Ledger {
    shelves: Vec<Mutex<Shelf>>,
    next_number: AtomicU32,
    dc_count: usize,
}

/// Where a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) class: Class,
    index: usize,
}

/// The keys of one class.
#[derive(Default)]
struct Shelf {
    keys: Vec<Key>,
    /// Those that are written, by their homes.
    current: Vec<Current>,
}

struct Current {
    index: usize,
    writes_max: u64,
}

impl Ledger {
    pub(super) fn new(dc_count: usize) -> Self {
        let shelves = Class::ALL.iter().map(|_| Mutex::default()).collect();
        Self { shelves, next_number: AtomicU32::new(0), dc_count }
    }

    /// Gives a key that clients of this datacenter may write, with its place.
    pub(super) fn write<T>(
        &self,
        class: Class,
        dc: u8,
        random: &mut Random,
        work: impl FnOnce(Place, &mut Key, &mut Random) -> T,
    ) -> T {
        let mut shelf = self.shelf(class);
        let slot = self.slot(class, dc, random);
        self.fill(&mut shelf, class, random);
        let current = &shelf.current[slot];
        if shelf.keys[current.index].writes.len() as u64 >= current.writes_max {
            let home = shelf.keys[current.index].home;
            shelf.current[slot] = self.begin(&mut shelf.keys, class, home, random);
        }
        let index = shelf.current[slot].index;
        work(Place { class, index }, &mut shelf.keys[index], random)
    }

    /// Gives a key that clients of this datacenter may read, with its place.
    pub(super) fn read<T>(
        &self,
        class: Class,
        dc: u8,
        random: &mut Random,
        work: impl FnOnce(Place, &mut Key) -> T,
    ) -> T {
        let mut shelf = self.shelf(class);
        self.fill(&mut shelf, class, random);
        let mut index = shelf.current[self.slot(class, dc, random)].index;
        if random.percent(READS_OF_ANY) {
            let any = random.index(shelf.keys.len());
            if shelf.keys[any].home.is_none_or(|home| home == dc) {
                index = any;
            }
        }
        work(Place { class, index }, &mut shelf.keys[index])
    }

    /// Gives the key at a place.
    pub(super) fn at<T>(&self, place: Place, work: impl FnOnce(&mut Key) -> T) -> T {
        work(&mut self.shelf(place.class).keys[place.index])
    }

    /// Calls `work` with every key.
    pub(super) fn for_each(&self, mut work: impl FnMut(&Key)) {
        for class in Class::ALL {
            self.shelf(class).keys.iter().for_each(&mut work);
        }
    }

    fn shelf(&self, class: Class) -> MutexGuard<'_, Shelf> {
        self.shelves[class as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, class: Class, dc: u8, random: &mut Random) -> usize {
        let within = random.index(class.key_count());
        if class.is_shared() { within } else { usize::from(dc) * class.key_count() + within }
    }

    /// Begins the first keys of a class.
    fn fill(&self, shelf: &mut Shelf, class: Class, random: &mut Random) {
        if !shelf.current.is_empty() {
            return;
        }
        let homes: Vec<Option<u8>> =
            if class.is_shared() { vec![None] } else { (0..self.dc_count as u8).map(Some).collect() };
        for home in homes {
            for _ in 0..class.key_count() {
                let current = self.begin(&mut shelf.keys, class, home, random);
                shelf.current.push(current);
            }
        }
    }

    fn begin(&self, keys: &mut Vec<Key>, class: Class, home: Option<u8>, random: &mut Random) -> Current {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        keys.push(Key::new(class, number, home));
        Current { index: keys.len() - 1, writes_max: random.between(class.writes()) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::chaos::history::Action;
    use crate::chaos::judge::scene::done;

    #[test]
    fn key_has_one_home_and_is_left_alone_in_the_end() {
        let ledger = Ledger::new(2);
        let mut random = Random::new(1);
        for round in 0..5_000 {
            let dc = (round % 2) as u8;
            ledger.write(Class::Counter, dc, &mut random, |_, key, _| {
                assert_eq!(key.home, Some(dc));
                key.writes.push(done(Action::Add).write);
            });
            ledger.write(Class::Overwrite, dc, &mut random, |_, key, _| assert_eq!(key.home, None));
        }
        let mut numbers = HashSet::new();
        ledger.for_each(|key| {
            assert!(numbers.insert(key.number));
            assert!((key.writes.len() as u64) < Class::Counter.writes().end);
        });
        assert!(numbers.len() > 80, "{}", numbers.len());
    }
}

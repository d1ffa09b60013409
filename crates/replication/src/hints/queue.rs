//! The hints of one target: keys in the order in which they were first noted, each once.
//!
//! Keys lie one behind the other in chunks, and an index of numbers finds them again: about [`HINT_BYTES`] and the key for
//! each. A chunk is given back when none of its hints is left, wherever it is.
//!
//! Invariants: the index holds exactly the hints that are not [`State::Gone`]; numbers only grow, so one that was given out
//! never names another hint while the queue holds fewer than 2^31.

use std::{collections::VecDeque, hash::BuildHasher};

use bytes::Bytes;
use hashbrown::{DefaultHashBuilder, HashTable};

/// What a hint takes beside its key: its place in the chunk, and its share of the index when that is emptiest.
pub(crate) const HINT_BYTES: usize = 24;
/// Hints of a chunk at most; a power of two.
const CHUNK_LEN: u32 = 256;
/// A chunk with so many bytes of keys takes no more.
const CHUNK_BYTES: usize = 64 << 10;

/// Keys that a target missed writes on. See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Queue {
    hasher: DefaultHashBuilder,
    index: HashTable<u32>,
    chunks: VecDeque<Chunk>,
    /// The number of the first place of `chunks[0]`.
    first: u32,
    /// The number of the hint that is replayed next, or of none.
    next: u32,
    /// Where hints begin that were postponed since the last pass.
    pass_end: Option<u32>,
    replaying_count: usize,
    key_bytes: usize,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Chunk {
    keys: Vec<u8>,
    places: Vec<Place>,
    /// Places that are not gone.
    live_count: u32,
}

/// Where a key ends, and begins where the one before it does.
#[derive(Debug, Clone, Copy)]
struct Place {
    end: u32,
    noted_s: u32,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Replaying,
    /// Noted anew since its replay began, which does not cover that.
    ReplayingAndNoted,
    Gone,
}

/// What became of a key that was to be noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    New,
    Known,
    NoRoom,
}

/// What is to be replayed next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    Hint {
        key: Bytes,
        noted_s: u32,
    },
    /// All that is left was tried since the last pass began.
    PassOver,
    Nothing,
}

impl Queue {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Those that are being replayed.
    pub(super) fn replaying_count(&self) -> usize {
        self.replaying_count
    }

    /// Whether one could be replayed.
    pub(super) fn has_waiting(&self) -> bool {
        self.index.len() > self.replaying_count
    }

    /// Memory that the hints take, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of the keys of all hints.
    pub(super) fn key_bytes(&self) -> usize {
        self.key_bytes
    }

    pub(super) fn contains(&self, key: &[u8]) -> bool {
        self.find(key).is_some()
    }

    /// Notes a key; `noted_s`, in seconds since the Unix epoch, counts when it is new.
    pub(super) fn note(&mut self, key: &[u8], noted_s: u32, bytes_max: usize) -> Noted {
        if let Some(number) = self.find(key) {
            if let Some(place) = self.place_mut(number)
                && place.state == State::Replaying
            {
                place.state = State::ReplayingAndNoted;
            }
            return Noted::Known;
        }
        if self.bytes + HINT_BYTES + key.len() > bytes_max {
            return Noted::NoRoom;
        }
        self.append(key, noted_s);
        Noted::New
    }

    /// The next hint, which is being replayed from then on.
    pub(super) fn take(&mut self) -> Next {
        if !self.has_waiting() {
            return Next::Nothing;
        }
        let found = self.waiting_from(self.next).next().or_else(|| self.waiting_from(self.first).next());
        let Some((number, key, noted_s)) = found else { return Next::Nothing };
        let key = Bytes::copy_from_slice(key);
        self.next = number;
        if self.pass_end.is_some_and(|end| self.offset(number) >= self.offset(end)) {
            self.pass_end = None;
            return Next::PassOver;
        }
        self.next = number.wrapping_add(1);
        self.replaying_count += 1;
        if let Some(place) = self.place_mut(number) {
            place.state = State::Replaying;
        }
        Next::Hint { key, noted_s }
    }

    /// The replay of a key was successful. Whether its hint is gone with that: it stays when it was noted meanwhile.
    pub(super) fn replayed(&mut self, key: &[u8]) -> bool {
        match self.end_replay(key) {
            Some((number, State::Replaying)) => {
                self.remove(number);
                true
            }
            Some((number, _)) => {
                self.step_back(number);
                false
            }
            None => false,
        }
    }

    /// The replay of a key failed: it is tried again in its place.
    pub(super) fn put_back(&mut self, key: &[u8]) {
        if let Some((number, _)) = self.end_replay(key) {
            self.step_back(number);
        }
    }

    /// The replay of a key failed: it is tried again behind all others.
    pub(super) fn postpone(&mut self, key: &[u8]) {
        let Some((number, _)) = self.end_replay(key) else { return };
        let noted_s = self.place_mut(number).map_or(0, |place| place.noted_s);
        self.remove(number);
        let number = self.append(key, noted_s);
        self.pass_end = self.pass_end.or(Some(number));
    }

    /// When the oldest hint that waits was noted, in seconds since the Unix epoch.
    pub(super) fn oldest_s(&self) -> Option<u32> {
        self.waiting_from(self.first).next().map(|(_, _, noted_s)| noted_s)
    }

    /// Takes the oldest hint out that waits and was noted before `before_s`.
    pub(super) fn expire(&mut self, before_s: u32) -> Option<Bytes> {
        let (number, key, noted_s) = self.waiting_from(self.first).next()?;
        if noted_s >= before_s {
            return None;
        }
        let key = Bytes::copy_from_slice(key);
        self.remove(number);
        Some(key)
    }

    /// Takes a hint out that waits. Whether there was one: a replay that is under way goes on, for only its own end tells what it covers.
    pub(super) fn forget_waiting(&mut self, key: &[u8]) -> bool {
        let found = self.find(key);
        let waiting =
            found.filter(|number| self.place_mut(*number).is_some_and(|place| place.state == State::Waiting));
        if let Some(number) = waiting {
            self.remove(number);
        }
        waiting.is_some()
    }

    /// Takes a hint out, in whatever state. Whether there was one.
    pub(super) fn forget(&mut self, key: &[u8]) -> bool {
        let number = self.find(key);
        if let Some(number) = number {
            self.end_replay(key);
            self.remove(number);
        }
        number.is_some()
    }

    /// Number, key and time of each hint from `number` on, or from the first if that comes later.
    pub(super) fn hints_from(&self, number: u32) -> impl Iterator<Item = (u32, &[u8], u32)> {
        self.places_from(number).map(|(number, key, place)| (number, key, place.noted_s))
    }

    /// The number of the first place that there is.
    pub(super) fn first(&self) -> u32 {
        self.first
    }

    fn waiting_from(&self, number: u32) -> impl Iterator<Item = (u32, &[u8], u32)> {
        let places = self.places_from(number).filter(|(_, _, place)| place.state == State::Waiting);
        places.map(|(number, key, place)| (number, key, place.noted_s))
    }

    fn places_from(&self, number: u32) -> impl Iterator<Item = (u32, &[u8], Place)> {
        let start = self.offset(number);
        let chunks = self.chunks.iter().enumerate().skip(start as usize / CHUNK_LEN as usize);
        let live = chunks.filter(|(_, chunk)| chunk.live_count > 0);
        live.flat_map(move |(index, chunk)| {
            let base = index as u32 * CHUNK_LEN;
            let skipped = start.saturating_sub(base);
            let places = chunk.places.iter().enumerate().skip(skipped as usize);
            let live = places.filter(|(_, place)| place.state != State::Gone);
            live.map(move |(place_index, place)| {
                let number = self.first.wrapping_add(base + place_index as u32);
                (number, chunk.key(place_index), *place)
            })
        })
    }

    /// How far a number is behind the first; zero for one that is before it.
    fn offset(&self, number: u32) -> u32 {
        let offset = number.wrapping_sub(self.first);
        if offset > u32::MAX / 2 { 0 } else { offset }
    }

    fn split(&self, number: u32) -> (usize, usize) {
        let offset = self.offset(number);
        ((offset / CHUNK_LEN) as usize, (offset % CHUNK_LEN) as usize)
    }

    fn place_mut(&mut self, number: u32) -> Option<&mut Place> {
        let (chunk, place) = self.split(number);
        self.chunks.get_mut(chunk)?.places.get_mut(place)
    }

    fn key(&self, number: u32) -> &[u8] {
        let (chunk, place) = self.split(number);
        self.chunks.get(chunk).map(|chunk| chunk.key(place)).unwrap_or_default()
    }

    fn find(&self, key: &[u8]) -> Option<u32> {
        if self.index.is_empty() {
            return None;
        }
        self.index.find(self.hasher.hash_one(key), |number| self.key(*number) == key).copied()
    }

    fn append(&mut self, key: &[u8], noted_s: u32) -> u32 {
        self.make_room(key.len());
        let base = (self.chunks.len() as u32 - 1) * CHUNK_LEN;
        let Some(chunk) = self.chunks.back_mut() else { return self.first };
        let number = self.first.wrapping_add(base + chunk.places.len() as u32);
        chunk.keys.extend_from_slice(key);
        chunk.places.push(Place { end: chunk.keys.len() as u32, noted_s, state: State::Waiting });
        chunk.live_count += 1;
        self.key_bytes += key.len();
        self.bytes += HINT_BYTES + key.len();
        let Self { hasher, index, chunks, first, .. } = self;
        let hash_of = |number: &u32| {
            let offset = number.wrapping_sub(*first);
            let chunk = chunks.get((offset / CHUNK_LEN) as usize);
            hasher.hash_one(chunk.map(|chunk| chunk.key((offset % CHUNK_LEN) as usize)).unwrap_or_default())
        };
        index.insert_unique(hasher.hash_one(key), number, hash_of);
        number
    }

    /// Sees to it that the last chunk takes a key of so many bytes.
    fn make_room(&mut self, key_len: usize) {
        let is_full = |chunk: &Chunk| {
            let has_keys = !chunk.places.is_empty() && chunk.keys.len() + key_len > CHUNK_BYTES;
            has_keys || chunk.places.len() >= CHUNK_LEN as usize
        };
        match self.chunks.back_mut() {
            Some(chunk) if !is_full(chunk) => return,
            Some(full) => {
                full.keys.shrink_to_fit();
                full.places.shrink_to_fit();
            }
            None => {}
        }
        self.chunks.push_back(Chunk::default());
        if let Some(index) = self.chunks.len().checked_sub(2)
            && self.chunks[index].live_count == 0
        {
            self.give_back(index);
        }
    }

    /// Ends the replay of a key; its number, and the state that it had.
    fn end_replay(&mut self, key: &[u8]) -> Option<(u32, State)> {
        let number = self.find(key)?;
        let place = self.place_mut(number)?;
        let state = place.state;
        if !matches!(state, State::Replaying | State::ReplayingAndNoted) {
            return None;
        }
        place.state = State::Waiting;
        self.replaying_count -= 1;
        Some((number, state))
    }

    /// Goes on with `number` at the latest.
    fn step_back(&mut self, number: u32) {
        if self.offset(number) < self.offset(self.next) {
            self.next = number;
        }
    }

    /// Takes a hint out that waits.
    fn remove(&mut self, number: u32) {
        let hash = self.hasher.hash_one(self.key(number));
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == number) {
            entry.remove();
        }
        let key_len = self.key(number).len();
        self.key_bytes -= key_len;
        let (index, place) = self.split(number);
        let Some(chunk) = self.chunks.get_mut(index) else { return };
        chunk.places[place].state = State::Gone;
        chunk.live_count -= 1;
        let is_last = index + 1 == self.chunks.len();
        if self.index.is_empty() {
            self.give_all_back();
        } else if self.chunks[index].live_count == 0 && !is_last {
            self.give_back(index);
        }
    }

    /// Gives the memory of a chunk back of which nothing is left, and the places of all such in front.
    fn give_back(&mut self, index: usize) {
        let chunk = std::mem::take(&mut self.chunks[index]);
        self.bytes -= chunk.keys.len() + chunk.places.len() * HINT_BYTES;
        while self.chunks.len() > 1 && self.chunks[0].places.is_empty() {
            self.chunks.pop_front();
            if self.offset(self.next) < CHUNK_LEN {
                self.next = self.first.wrapping_add(CHUNK_LEN);
            }
            self.first = self.first.wrapping_add(CHUNK_LEN);
        }
    }

    /// Nothing is left.
    fn give_all_back(&mut self) {
        self.first = self.first.wrapping_add(self.chunks.len() as u32 * CHUNK_LEN);
        self.next = self.first;
        self.chunks = VecDeque::new();
        self.index = HashTable::new();
        self.bytes = 0;
        self.pass_end = None;
    }
}

impl Chunk {
    fn key(&self, place: usize) -> &[u8] {
        let start = place.checked_sub(1).and_then(|before| self.places.get(before));
        let start = start.map_or(0, |before| before.end as usize);
        let end = self.places.get(place).map_or(start, |place| place.end as usize);
        self.keys.get(start..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;

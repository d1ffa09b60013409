//! All keys of one worker: lookup, expiry, the byte budget and its eviction.
//!
//! Invariants: a key whose time has passed is never seen by a command; no empty collection stays; `used_bytes` is the sum
//! of what the entries own, kept up to date by every change.

use dynomite_codec::Request;

use super::blob::Blob;
use super::dense_map::DenseMap;
use super::fault::Fault;
use super::rng::Rng;
use super::value::{Collection, Value};

/// Keys looked at to find one that was not used for long.
const EVICTION_SAMPLE: usize = 8;
/// Milliseconds in one unit of [`Entry::used_at`].
const CLOCK_MS: u64 = 16;

#[derive(Clone)]
pub(crate) struct Keyspace {
    map: DenseMap<Entry>,
    pub(crate) now_ms: u64,
    pub(crate) rng: Rng,
    max_bytes: Option<usize>,
    value_bytes: usize,
    volatile_count: usize,
    /// Where the active expiry goes on.
    sweep: usize,
    pub(crate) expired_count: u64,
    pub(crate) evicted_count: u64,
}

#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) value: Value,
    /// 0 when the key does not expire.
    expires_at_ms: u64,
    /// When a command last touched the key, in units of [`CLOCK_MS`], wrapping.
    used_at: u32,
}

/// What happens to a key's expiry when its value is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    Never,
    Keep,
    At(u64),
}

impl Keyspace {
    pub(crate) fn new(seed: u64, max_bytes: Option<usize>) -> Self {
        Self {
            map: DenseMap::new(),
            now_ms: 0,
            rng: Rng::new(seed),
            max_bytes,
            value_bytes: 0,
            volatile_count: 0,
            sweep: 0,
            expired_count: 0,
            evicted_count: 0,
        }
    }

    /// Number of keys, those included whose time has passed and that nobody looked at since.
    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    pub(crate) fn volatile_count(&self) -> usize {
        self.volatile_count
    }

    pub(crate) fn used_bytes(&self) -> usize {
        self.map.bytes() + self.value_bytes
    }

    pub(crate) fn max_bytes(&self) -> Option<usize> {
        self.max_bytes
    }

    pub(crate) fn contains(&mut self, key: &[u8]) -> bool {
        self.find(key).is_some()
    }

    /// The key's value; marks it as used.
    pub(crate) fn value(&mut self, key: &[u8]) -> Option<&Value> {
        let at = self.find(key)?;
        let used_at = self.clock();
        let entry = self.map.value_mut(at);
        entry.used_at = used_at;
        Some(&entry.value)
    }

    /// The key's collection of type `T`; marks it as used.
    pub(crate) fn read<T: Collection>(&mut self, key: &[u8]) -> Result<Option<&T>, Fault> {
        self.value(key).map(|value| T::of(value).ok_or(Fault::WRONG_TYPE)).transpose()
    }

    /// As [`Self::read`], with the generator for random picks.
    pub(crate) fn read_at_random<T: Collection>(
        &mut self,
        key: &[u8],
    ) -> Result<Option<(&T, &mut Rng)>, Fault> {
        let Some(at) = self.find(key) else { return Ok(None) };
        let collection = T::of(&self.map.at(at).1.value).ok_or(Fault::WRONG_TYPE)?;
        Ok(Some((collection, &mut self.rng)))
    }

    /// The key's value without marking it as used, and how long it was not.
    pub(crate) fn peek(&mut self, key: &[u8]) -> Option<(&Value, u64)> {
        let at = self.find(key)?;
        let entry = self.map.at(at).1;
        Some((&entry.value, u64::from(self.clock().wrapping_sub(entry.used_at)) * CLOCK_MS))
    }

    /// Changes the key's collection, made first if `create`; `None` when the key is absent and not to be made.
    pub(crate) fn edit<T: Collection, R>(
        &mut self,
        key: &[u8],
        create: bool,
        change: impl FnOnce(&mut T, &mut Rng) -> R,
    ) -> Result<Option<R>, Fault> {
        let at = match self.find(key) {
            Some(at) => at,
            None if create => self.add(Blob::new(key), T::empty(), 0),
            None => return Ok(None),
        };
        let used_at = self.clock();
        let entry = self.map.value_mut(at);
        let before = entry.value.heap_bytes();
        let collection = T::of_mut(&mut entry.value).ok_or(Fault::WRONG_TYPE)?;
        let result = change(collection, &mut self.rng);
        let vacant = collection.is_vacant();
        entry.used_at = used_at;
        self.value_bytes = self.value_bytes - before + entry.value.heap_bytes();
        if vacant {
            self.remove_at(at);
        }
        Ok(Some(result))
    }

    /// Changes the value of a key that is present, in place. `None` when it is absent.
    pub(crate) fn edit_value<R>(&mut self, key: &[u8], change: impl FnOnce(&mut Value) -> R) -> Option<R> {
        let at = self.find(key)?;
        let used_at = self.clock();
        let entry = self.map.value_mut(at);
        let before = entry.value.heap_bytes();
        let result = change(&mut entry.value);
        entry.used_at = used_at;
        self.value_bytes = self.value_bytes - before + entry.value.heap_bytes();
        Some(result)
    }

    /// Gives the key a value, whatever it held.
    pub(crate) fn set(&mut self, key: &[u8], value: Value, expiry: Expiry) {
        let expires_at_ms = match expiry {
            Expiry::At(at) => at.max(1),
            Expiry::Never | Expiry::Keep => 0,
        };
        let Some(at) = self.find(key) else {
            self.add(Blob::new(key), value, expires_at_ms);
            return;
        };
        let used_at = self.clock();
        let entry = self.map.value_mut(at);
        self.value_bytes = self.value_bytes - entry.value.heap_bytes() + value.heap_bytes();
        entry.value = value;
        entry.used_at = used_at;
        if expiry != Expiry::Keep {
            self.volatile_count -= usize::from(entry.expires_at_ms != 0);
            self.volatile_count += usize::from(expires_at_ms != 0);
            entry.expires_at_ms = expires_at_ms;
        }
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<Value> {
        let at = self.find(key)?;
        Some(self.remove_at(at))
    }

    pub(crate) fn clear(&mut self) {
        self.map = DenseMap::new();
        self.value_bytes = 0;
        self.volatile_count = 0;
        self.sweep = 0;
    }

    /// When the key expires; the outer `None` says that it is absent.
    pub(crate) fn expiry(&mut self, key: &[u8]) -> Option<Option<u64>> {
        let at = self.find(key)?;
        let expires_at_ms = self.map.at(at).1.expires_at_ms;
        Some((expires_at_ms != 0).then_some(expires_at_ms))
    }

    /// Changes when a key expires; false when it is absent.
    pub(crate) fn set_expiry(&mut self, key: &[u8], expires_at_ms: Option<u64>) -> bool {
        let Some(at) = self.find(key) else { return false };
        let entry = self.map.value_mut(at);
        self.volatile_count -= usize::from(entry.expires_at_ms != 0);
        entry.expires_at_ms = expires_at_ms.map_or(0, |at| at.max(1));
        self.volatile_count += usize::from(entry.expires_at_ms != 0);
        true
    }

    /// A page of keys. The cursor is the number of positions still to be walked, downwards; see [`DenseMap`].
    pub(crate) fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&Blob, &Value)) -> u64 {
        let end = match usize::try_from(cursor) {
            Ok(0) | Err(_) => self.map.len(),
            Ok(cursor) => cursor.min(self.map.len()),
        };
        let begin = end.saturating_sub(count.max(1));
        for at in (begin..end).rev() {
            let (key, entry) = self.map.at(at);
            if !entry.is_expired(self.now_ms) {
                visit(key, &entry.value);
            }
        }
        begin as u64
    }

    /// Any key that is present.
    pub(crate) fn random_key(&mut self) -> Option<&Blob> {
        while !self.map.is_empty() {
            let at = self.rng.below(self.map.len());
            if !self.map.at(at).1.is_expired(self.now_ms) {
                return Some(self.map.at(at).0);
            }
            self.remove_at(at);
            self.expired_count += 1;
        }
        None
    }

    /// Looks at up to `budget` keys, going round, and removes those whose time has passed. Returns how many.
    pub(crate) fn expire_some(&mut self, budget: usize) -> usize {
        if self.volatile_count == 0 {
            return 0;
        }
        let mut removed = 0;
        for _ in 0..budget.min(self.map.len()) {
            if self.sweep == 0 {
                self.sweep = self.map.len();
            }
            self.sweep = self.sweep.min(self.map.len()).saturating_sub(1);
            if self.map.at(self.sweep).1.is_expired(self.now_ms) {
                self.remove_at(self.sweep);
                removed += 1;
                if self.volatile_count == 0 {
                    break;
                }
            }
        }
        self.expired_count += removed as u64;
        removed
    }

    /// Evicts keys that were not used for long until `request` fits into the budget.
    pub(crate) fn make_room(&mut self, request: &Request) -> Result<(), Fault> {
        self.make_room_for(request.raw().len())
    }

    pub(crate) fn make_room_for(&mut self, bytes: usize) -> Result<(), Fault> {
        let Some(max_bytes) = self.max_bytes else { return Ok(()) };
        while self.used_bytes().saturating_add(bytes) > max_bytes {
            if self.map.is_empty() {
                return Err(Fault::OUT_OF_MEMORY);
            }
            let clock = self.clock();
            let mut victim = (self.rng.below(self.map.len()), 0);
            for _ in 0..EVICTION_SAMPLE {
                let at = self.rng.below(self.map.len());
                let idle = clock.wrapping_sub(self.map.at(at).1.used_at);
                if idle > victim.1 {
                    victim = (at, idle);
                }
            }
            self.remove_at(victim.0);
            self.evicted_count += 1;
        }
        Ok(())
    }

    /// All keys that are present.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Blob, &Value)> {
        let now_ms = self.now_ms;
        self.map
            .iter()
            .filter(move |(_, entry)| !entry.is_expired(now_ms))
            .map(|(key, entry)| (key, &entry.value))
    }

    fn find(&mut self, key: &[u8]) -> Option<usize> {
        let at = self.map.find(key)?;
        if self.map.at(at).1.is_expired(self.now_ms) {
            self.remove_at(at);
            self.expired_count += 1;
            return None;
        }
        Some(at)
    }

    fn add(&mut self, key: Blob, value: Value, expires_at_ms: u64) -> usize {
        self.value_bytes += value.heap_bytes();
        self.volatile_count += usize::from(expires_at_ms != 0);
        let used_at = self.clock();
        self.map.push(key, Entry { value, expires_at_ms, used_at })
    }

    fn remove_at(&mut self, at: usize) -> Value {
        let (_, entry) = self.map.remove(at);
        self.value_bytes -= entry.value.heap_bytes();
        self.volatile_count -= usize::from(entry.expires_at_ms != 0);
        entry.value
    }

    fn clock(&self) -> u32 {
        (self.now_ms / CLOCK_MS) as u32
    }
}

impl Entry {
    fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_at_ms != 0 && now_ms > self.expires_at_ms
    }
}

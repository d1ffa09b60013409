//! One member's items: values under keys, each with the version of the change that made it.
//!
//! The owner counts its changes; `version` says up to which change the items are known without a gap. Removed items leave
//! tombstones, which are collected after a while; `collected` is the last change of which a tombstone was collected. Who
//! knows less than that could not tell a removed item from one that was not told, so it gets everything afresh
//! (chitchat's rule): its old items stay visible until the new ones have passed that point, and those not among
//! them go. Until then only those are believed who collected as much; who hears that somebody did does so too.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::wire::{ItemChange, ItemsDelta};

#[derive(Debug, Clone, Default)]
pub(crate) struct Items {
    version: u64,
    collected: u64,
    entries: BTreeMap<u16, Entry>,
    byte_count: usize,
    tombstone_count: usize,
    is_renewing: bool,
}

#[derive(Debug, Clone)]
struct Entry {
    version: u64,
    /// `None`: removed.
    value: Option<Box<[u8]>>,
    /// When this node learnt of it.
    at: Duration,
    /// Told since everything is being told afresh.
    is_confirmed: bool,
}

/// What became of a delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applied {
    /// Nothing in it was new, or something before it is missing.
    Nothing,
    /// The version moved.
    Changed,
    /// It would exceed a bound.
    Refused,
}

/// The bounds for one member's items.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ItemBounds {
    pub(crate) count_max: usize,
    pub(crate) bytes_max: usize,
}

impl Items {
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn collected(&self) -> u64 {
        self.collected
    }

    pub(crate) fn value(&self, key: u16) -> Option<&[u8]> {
        self.entries.get(&key)?.value.as_deref()
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = (u16, &[u8])> {
        self.entries.iter().filter_map(|(key, entry)| Some((*key, entry.value.as_deref()?)))
    }

    /// The owner's own change. False when there is no room.
    pub(crate) fn set(&mut self, now: Duration, key: u16, value: Option<&[u8]>, bounds: ItemBounds) -> bool {
        let change = ItemChange { key, version: self.version + 1, value };
        if !self.has_room(&[change], bounds) {
            return false;
        }
        self.put(now, &change);
        self.version += 1;
        true
    }

    /// From which version on somebody who knows this much must be told; `None`: it knows all that is known here.
    pub(crate) fn missing_from(&self, known_version: u64, known_collected: u64) -> Option<u64> {
        if known_version >= self.version {
            return None;
        }
        let must_renew = known_version < self.collected && known_collected < self.collected;
        Some(if must_renew { 0 } else { known_version })
    }

    /// The changes after `from`, in the order of their versions and cut where they do not fit `room` bytes. `None` when
    /// not even the first fits.
    pub(crate) fn delta(&self, from: u64, room: usize) -> Option<ItemsDelta<'_>> {
        let known = from..self.version;
        let is_told = |version: u64| version > known.start && version <= known.end;
        let mut items: Vec<ItemChange<'_>> = self
            .entries
            .iter()
            // What is left from before everything was told afresh may be gone by now.
            .filter(|(_, entry)| is_told(entry.version) && entry.is_confirmed)
            .map(|(key, entry)| ItemChange {
                key: *key,
                version: entry.version,
                value: entry.value.as_deref(),
            })
            .collect();
        items.sort_unstable_by_key(|item| item.version);
        let mut left = room.checked_sub(ItemsDelta::BYTES_AROUND)?;
        let fitting = items.iter().take_while(|item| match left.checked_sub(item.byte_count()) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        });
        let fitting = fitting.count();
        let upto = if fitting == items.len() { self.version } else { items[..fitting].last()?.version };
        items.truncate(fitting);
        Some(ItemsDelta { from, upto, collected: self.collected, items })
    }

    /// Takes what another node knows; `changed` gets the keys whose value is another now.
    pub(crate) fn apply(
        &mut self,
        now: Duration,
        delta: &ItemsDelta<'_>,
        bounds: ItemBounds,
        changed: &mut Vec<u16>,
    ) -> Applied {
        let must_renew = delta.collected > self.collected && self.version < delta.collected;
        let known = if must_renew { 0 } else { self.version };
        // What is told afresh comes from those who collected as much: others may still tell what was removed.
        let is_behind = !must_renew && self.version < self.collected && delta.collected < self.collected;
        if is_behind || delta.from > known || delta.upto <= known && !must_renew {
            return Applied::Nothing;
        }
        if !self.has_room(&delta.items, bounds) {
            return Applied::Refused;
        }
        if must_renew {
            self.version = 0;
            self.collected = delta.collected;
            self.is_renewing = true;
            for entry in self.entries.values_mut() {
                entry.is_confirmed = false;
            }
        }
        for item in delta.items.iter().filter(|item| item.version > known) {
            match self.entries.get_mut(&item.key) {
                Some(entry) if entry.version == item.version => entry.is_confirmed = true,
                Some(entry) if entry.version > item.version => {}
                before => {
                    if before.is_some_and(|entry| entry.value.is_some()) || item.value.is_some() {
                        changed.push(item.key);
                    }
                    self.put(now, item);
                }
            }
        }
        self.version = delta.upto;
        if self.is_renewing && self.version >= self.collected {
            self.is_renewing = false;
            self.drop_entries(|entry| !entry.is_confirmed, changed);
        }
        Applied::Changed
    }

    /// Collects the tombstones that are older than `grace`.
    pub(crate) fn collect(&mut self, now: Duration, grace: Duration) {
        if self.tombstone_count == 0 || self.is_renewing {
            return;
        }
        let is_old = |entry: &Entry| entry.value.is_none() && now.saturating_sub(entry.at) > grace;
        let last = self.entries.values().filter(|entry| is_old(entry)).map(|entry| entry.version).max();
        self.collected = self.collected.max(last.unwrap_or(0));
        self.drop_entries(is_old, &mut Vec::new());
    }

    /// Somebody collected the tombstones up to here; so does this node, so that they can go on from each other.
    pub(crate) fn collect_upto(&mut self, horizon: u64) {
        if horizon > self.collected && horizon <= self.version {
            self.collected = horizon;
            self.drop_entries(|entry| entry.value.is_none() && entry.version <= horizon, &mut Vec::new());
        }
    }

    fn put(&mut self, now: Duration, item: &ItemChange<'_>) {
        let value = item.value.map(Box::from);
        self.byte_count += item.value.map_or(0, <[u8]>::len);
        self.tombstone_count += usize::from(item.value.is_none());
        let entry = Entry { version: item.version, value, at: now, is_confirmed: true };
        if let Some(old) = self.entries.insert(item.key, entry) {
            self.discount(&old);
        }
    }

    fn discount(&mut self, old: &Entry) {
        self.byte_count -= old.value.as_ref().map_or(0, |value| value.len());
        self.tombstone_count -= usize::from(old.value.is_none());
    }

    fn drop_entries(&mut self, is_dropped: impl Fn(&Entry) -> bool, changed: &mut Vec<u16>) {
        let keys: Vec<u16> =
            self.entries.iter().filter(|(_, entry)| is_dropped(entry)).map(|(key, _)| *key).collect();
        for key in keys {
            if let Some(old) = self.entries.remove(&key) {
                self.discount(&old);
                if old.value.is_some() {
                    changed.push(key);
                }
            }
        }
    }

    fn has_room(&self, changes: &[ItemChange<'_>], bounds: ItemBounds) -> bool {
        let (mut count, mut bytes) = (self.entries.len(), self.byte_count);
        for change in changes {
            let old = self.entries.get(&change.key);
            count += usize::from(old.is_none());
            bytes += change.value.map_or(0, <[u8]>::len);
            let old_len = old.and_then(|entry| entry.value.as_ref()).map_or(0, |value| value.len());
            bytes = bytes.saturating_sub(old_len);
        }
        count <= bounds.count_max && bytes <= bounds.bytes_max
    }
}

#[cfg(test)]
mod tests;

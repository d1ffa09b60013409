//! Fresh changes, which ride on every exchange until they were told often enough.

use std::collections::{BTreeMap, BTreeSet};

/// One for each changed member at most.
#[derive(Debug, Default)]
pub(crate) struct Rumours {
    /// By slot.
    rumours: BTreeMap<u32, Rumour>,
    /// Least told first.
    order: BTreeSet<(u32, u32)>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Rumour {
    told_count: u32,
    /// The version of the items before the first change of which is told.
    items_from: Option<u64>,
}

impl Rumours {
    /// A member's life changed, or its items after `items_from`.
    pub(crate) fn add(&mut self, slot: u32, items_from: Option<u64>) {
        let old = self.remove(slot);
        let old_from = old.and_then(|old| old.items_from);
        let items_from = match (items_from, old_from) {
            (Some(new), Some(old)) => Some(new.min(old)),
            (new, old) => new.or(old),
        };
        self.rumours.insert(slot, Rumour { told_count: 0, items_from });
        self.order.insert((0, slot));
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Option<Rumour> {
        let old = self.rumours.remove(&slot)?;
        self.order.remove(&(old.told_count, slot));
        Some(old)
    }

    /// Least told first: whose, and from which version of the items on.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, Option<u64>)> {
        self.order.iter().filter_map(|(_, slot)| Some((*slot, self.rumours.get(slot)?.items_from)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rumours.is_empty()
    }

    /// This one was told once more; after `told_max` times it is no rumour any longer.
    pub(crate) fn told(&mut self, slot: u32, told_max: u32) {
        let Some(rumour) = self.rumours.get_mut(&slot) else { return };
        self.order.remove(&(rumour.told_count, slot));
        rumour.told_count += 1;
        if rumour.told_count < told_max {
            self.order.insert((rumour.told_count, slot));
        } else {
            self.rumours.remove(&slot);
        }
    }
}

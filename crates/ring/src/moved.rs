//! The difference of two rings: which ranges change hands.

use std::sync::Arc;

use crate::{NodeId, Rack, Ring, Token, TokenRange};

/// A range that belongs to different nodes in two rings, or in one of them only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedRange {
    /// The range.
    pub range: TokenRange,
    /// Name of the datacenter in which it moves.
    pub dc: Arc<str>,
    /// Name of the rack in which it moves.
    pub rack: Arc<str>,
    /// The owner in the old ring; `None` when the old ring has no such rack.
    pub from: Option<NodeId>,
    /// The owner in the new ring; `None` when the new ring has no such rack.
    pub to: Option<NodeId>,
}

/// All ranges whose owner in some rack differs between the rings, by rack in order of datacenter and name, then by
/// their end; neighbours with the same owners are joined. What is in no range has the same owner in both.
///
/// Both rings must hash keys alike. Costs one pass over the tokens of both.
pub fn moved_ranges(old: &Ring, new: &Ring) -> Vec<MovedRange> {
    debug_assert_eq!(old.hasher(), new.hasher(), "with another hash every key moves");
    let mut racks: Vec<(Arc<str>, Arc<str>)> = [old, new].into_iter().flat_map(names).collect();
    racks.sort_unstable();
    racks.dedup();
    let mut moved = Vec::new();
    for (dc, rack) in racks {
        let before = OwnerSweep::new(old, &dc, &rack);
        let after = OwnerSweep::new(new, &dc, &rack);
        moved.extend(changes(before, after).into_iter().map(|change| MovedRange {
            range: change.range,
            dc: dc.clone(),
            rack: rack.clone(),
            from: change.from,
            to: change.to,
        }));
    }
    moved
}

fn names(ring: &Ring) -> impl Iterator<Item = (Arc<str>, Arc<str>)> + '_ {
    ring.racks().map(|rack| (ring.dc(rack.dc).name.clone(), rack.name.clone()))
}

struct Change {
    range: TokenRange,
    from: Option<NodeId>,
    to: Option<NodeId>,
}

fn changes(mut old: OwnerSweep<'_>, mut new: OwnerSweep<'_>) -> Vec<Change> {
    let mut ends: Vec<Token> = old.tokens().chain(new.tokens()).collect();
    ends.sort_unstable();
    ends.dedup();
    let mut changes: Vec<Change> = Vec::new();
    let Some(mut after) = ends.last().copied() else { return changes };
    for end in ends {
        let (range, from, to) = (TokenRange::new(after, end), old.owner_upto(end), new.owner_upto(end));
        after = end;
        if from == to {
            continue;
        }
        match changes.last_mut() {
            Some(last) if last.range.upto == range.after && (last.from, last.to) == (from, to) => {
                last.range.upto = end;
            }
            _ => changes.push(Change { range, from, to }),
        }
    }
    join_over_the_wrap(&mut changes);
    changes
}

/// The first range begins where the greatest token ends; the last one may end there.
fn join_over_the_wrap(changes: &mut Vec<Change>) {
    let [first, .., last] = changes.as_slice() else { return };
    if last.range.upto == first.range.after && (first.from, first.to) == (last.from, last.to) {
        let after = last.range.after;
        changes[0].range.after = after;
        changes.pop();
    }
}

/// Gives the owners in one rack of ascending tokens.
struct OwnerSweep<'a> {
    ring: &'a Ring,
    rack: Option<&'a Rack>,
    next: usize,
}

impl<'a> OwnerSweep<'a> {
    fn new(ring: &'a Ring, dc: &str, rack: &str) -> Self {
        Self { ring, rack: ring.rack_by_name(dc, rack), next: 0 }
    }

    fn tokens(&self) -> impl Iterator<Item = Token> + use<'a> {
        self.rack.into_iter().flat_map(|rack| rack.tokens.iter().map(|(token, _)| *token))
    }

    fn owner_upto(&mut self, end: Token) -> Option<NodeId> {
        let tokens = &self.rack?.tokens;
        while tokens.get(self.next).is_some_and(|(token, _)| *token < end) {
            self.next += 1;
        }
        let (_, owner) = tokens.get(self.next).unwrap_or(&tokens[0]);
        Some(self.ring.node(*owner).id)
    }
}

#[cfg(test)]
mod tests;

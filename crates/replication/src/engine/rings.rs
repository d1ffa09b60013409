//! A ring that changes while it serves (rule R23).
//!
//! Rings come in the order of their epochs, and each moves one seat at most: in one rack, one range of tokens goes from one node to
//! another. So of every key one copy is lost at most, and a majority of three racks has what was acknowledged. Whoever hands
//! out rings gives the next one only when every node that is alive has this one, and has rebuilt what it gained by it
//! ([`Engine::is_settled_in_ring`]).
//!
//! | who | does what when the ring changes |
//! |---|---|
//! | who gained the range | its copies there are lost until they are rebuilt (`engine/gained.rs`) |
//! | who lost it | answers nothing about it; what it holds stays until [`Engine::start_cleanup`] |
//! | all | what is under way and rests on the old holders begins anew or fails (`rings/underway.rs`) |
//!
//! Requests say what their sender's ring tells of the token. A node that knows better refuses, and the sender waits for the ring; one
//! that knows less lets the request wait until it has the ring (`rings/parked.rs`).

mod parked;
mod underway;

use std::sync::Arc;

use dynomite_ring::{NodeId, NodeIdx, RackIdx, Ring, Token, TokenRange, moved_ranges};

pub(super) use parked::{Fit, Parked};

use super::{Engine, Now, Out, census::Partners, rebuild::Rebuild};
use crate::{
    Seats, marks,
    operation::{Kind, OperationId},
};

/// The place of a node that has left: no ring has so many nodes.
const NOWHERE: NodeIdx = NodeIdx(u32::MAX);

/// Why a ring is not taken. Nothing was changed. Whose fault: that of whoever hands out rings, or the operator's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RingRefused {
    /// It is not the next one.
    #[error(
        "the ring of epoch {epoch} does not follow that of epoch {own}: hand out all rings in their order"
    )]
    NotNext {
        /// Its epoch.
        epoch: u64,
        /// The epoch of the ring that is there.
        own: u64,
    },
    /// This node has left with an earlier one, and can be stopped. It is no danger as long as it runs.
    #[error("this node has left the ring: stop it")]
    HasLeft,
    /// It hashes keys otherwise, so that all of them would move.
    #[error("the new ring hashes keys otherwise: that needs a new cluster")]
    OtherHash,
    /// It has other racks, or this node in another one.
    #[error("the new ring has other racks: racks can only be added or removed while all nodes are stopped")]
    OtherRacks,
    /// More than one range moves.
    #[error("the new ring moves {count} ranges: one at a time, each with a ring of its own")]
    MovesTooMuch {
        /// How many.
        count: usize,
    },
    /// The range moves in a datacenter of one rack: nobody else has its keys.
    #[error(
        "datacenter {dc} has one rack, so nobody could rebuild what moves: add a rack while all nodes are stopped"
    )]
    NobodyElse {
        /// Name of the datacenter.
        dc: String,
    },
}

/// A seat that goes from one node to another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moved {
    range: TokenRange,
    rack: RackIdx,
    from: NodeId,
    to: NodeId,
}

impl Moved {
    fn concerns(&self, token: Token) -> bool {
        self.range.contains(token)
    }
}

impl Engine {
    /// Whether the ring has no seat for this node any more. It holds nothing then, and only ends what it has under way for its clients:
    /// it should be stopped when it has.
    pub fn has_left(&self) -> bool {
        self.place.index == NOWHERE
    }

    /// The ranges that this node has.
    pub(super) fn own_ranges(&self) -> Vec<TokenRange> {
        if self.has_left() { Vec::new() } else { self.ring.ranges_of(self.place.index) }
    }

    /// The epoch of the ring that the engine has.
    pub fn ring_epoch(&self) -> u64 {
        self.ring.epoch()
    }

    /// Whether nothing stands against the next ring here: no copy is lost.
    pub fn is_settled_in_ring(&self) -> bool {
        !self.has_lost_copies() && self.rebuild_due_ms().is_none()
    }

    /// What the engine's ring says of a token, for requests about it.
    pub fn seats(&self, token: Token) -> Seats {
        Seats { epoch: self.ring.epoch() as u32, digest: self.ring.replicas(token).digest() }
    }

    /// The ring has changed.
    ///
    /// # Errors
    /// Any [`RingRefused`].
    pub fn handle_ring(&mut self, now: Now, ring: Arc<Ring>, out: &mut Out) -> Result<(), RingRefused> {
        let moved = self.judge_ring(&ring)?;
        let old = std::mem::replace(&mut self.ring, ring);
        self.take_place(&old, moved);
        self.end_comparisons(now);
        self.drop_census();
        self.rebuild = Rebuild::default();
        let mut gained = Vec::new();
        if let Some(Moved { range, from, to, rack }) = moved {
            if self.ring.rack(rack).dc() == self.place.dc {
                self.end_claims_in(range);
            }
            if from == self.config.node {
                self.has_leftovers = true;
                self.clean_again();
                self.give_up(range);
            }
            gained.extend((to == self.config.node).then_some(range));
        }
        self.note_who_is_there();
        self.find_sharers();
        self.gain(now, gained);
        self.note_ring();
        self.go_on_by_new_ring(now, moved, out);
        self.serve_parked(now, out);
        self.take_own_answers(now, out);
        Ok(())
    }

    /// Whether the next ring is one that can be taken; what moves by it.
    fn judge_ring(&self, ring: &Ring) -> Result<Option<Moved>, RingRefused> {
        let (epoch, own) = (ring.epoch(), self.ring.epoch());
        if epoch != own + 1 {
            return Err(RingRefused::NotNext { epoch, own });
        }
        if ring.hasher() != self.ring.hasher() {
            return Err(RingRefused::OtherHash);
        }
        let is_same_rack = |(one, other): (&dynomite_ring::Rack, &dynomite_ring::Rack)| {
            one.name() == other.name() && self.ring.dc(one.dc()).name() == ring.dc(other.dc()).name()
        };
        if ring.rack_count() != self.ring.rack_count()
            || !self.ring.racks().zip(ring.racks()).all(is_same_rack)
        {
            return Err(RingRefused::OtherRacks);
        }
        match ring.index_of(self.config.node) {
            None if self.has_left() => return Err(RingRefused::HasLeft),
            Some(index) if ring.rack_of(index) != self.place.rack => return Err(RingRefused::OtherRacks),
            _ => {}
        }
        let all = moved_ranges(&self.ring, ring);
        let [moved] = all.as_slice() else {
            let is_nothing = all.is_empty();
            return is_nothing.then_some(None).ok_or(RingRefused::MovesTooMuch { count: all.len() });
        };
        let named = |rack: &&dynomite_ring::Rack| {
            rack.name() == &*moved.rack && ring.dc(rack.dc()).name() == &*moved.dc
        };
        let rack = ring.racks().find(named).ok_or(RingRefused::OtherRacks)?;
        if ring.dc(rack.dc()).racks().len() == 1 {
            return Err(RingRefused::NobodyElse { dc: moved.dc.to_string() });
        }
        let (Some(from), Some(to)) = (moved.from, moved.to) else { return Err(RingRefused::OtherRacks) };
        Ok(Some(Moved { range: moved.range, rack: rack.index(), from, to }))
    }

    /// Works out anew what follows from the ring.
    fn take_place(&mut self, old: &Ring, moved: Option<Moved>) {
        self.place.index = self.ring.index_of(self.config.node).unwrap_or(NOWHERE);
        self.partners = Partners::of(&self.ring, self.place);
        self.hints.change_ring(Arc::clone(&self.ring), self.place.dc);
        let moved = moved.map(|moved| marks::Move {
            range: moved.range,
            from: moved.from,
            to: moved.to,
            is_local: self.ring.rack(moved.rack).dc() == self.place.dc,
        });
        self.change_marks(old, moved);
    }

    /// A range is another node's from now on: what was lost there need not be rebuilt here.
    fn give_up(&mut self, range: TokenRange) {
        if !self.gained.is_over() && !self.gained.give_up(range) {
            self.end_gained();
        }
        self.exports.retain(|_, export| !range.contains(export.token));
    }

    /// Comparing begins anew, and nobody waits any more for what was asked about whole buckets.
    fn end_comparisons(&mut self, now: Now) {
        let asked = self.operations.iter_mut();
        let asked: Vec<OperationId> = asked
            .filter(|(_, operation)| matches!(operation.kind, Kind::Compare(_)))
            .map(|(id, _)| id)
            .collect();
        self.restart_repair(now);
        for id in asked {
            self.operations.end(id);
        }
    }
}

//! Operations in flight, found again by number and generation.
//!
//! Slots, and the places of what is large, are used again and again, so that nothing is allocated for a command.
//!
//! Invariants: a number that was given out for one operation never finds another; one slot holds one operation.

pub(crate) mod check;
pub(crate) mod claim;
pub(crate) mod compare;
pub(crate) mod delegated;
pub(crate) mod export;
pub(crate) mod handoff;
pub(crate) mod heal;
pub(crate) mod import;
pub(crate) mod overwrite;
pub(crate) mod pool;
pub(crate) mod read;
pub(crate) mod relay;
pub(crate) mod replicas;
pub(crate) mod run;
pub(crate) mod sequenced;
pub(crate) mod stray;
pub(crate) mod transfer;

use bytes::Bytes;
use dynomite_ring::{NodeId, Token};

use self::pool::{Pool, Pooled};
use crate::{
    Record,
    engine::Requester,
    planted::{self, Planted},
};

/// Names an operation, and which of its replicas a message concerns: generation, slot, replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct OperationId(u64);

impl OperationId {
    /// Finds no operation: for messages whose answer nobody waits for.
    pub(crate) const NOBODY: Self = Self(u64::MAX);

    pub(crate) fn from_wire(id: u64) -> Self {
        Self(id)
    }

    pub(crate) fn to_wire(self) -> u64 {
        self.0
    }

    /// The same operation, as seen by its replica number `replica`.
    pub(crate) fn of_replica(self, replica: usize) -> Self {
        Self(self.0 & !0xff | replica as u64 & 0xff)
    }

    pub(crate) fn replica(self) -> usize {
        (self.0 & 0xff) as usize
    }

    fn slot(self) -> usize {
        ((self.0 >> 8) & 0xff_ffff) as usize
    }

    fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// One thing under way, with the moment by which it must be answered.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) began_ms: u64,
    pub(crate) deadline_ms: u64,
    pub(crate) kind: Kind,
}

/// What is under way.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A command in a cluster of one rack, wherever its owner is.
    Plain { requester: Requester, node: NodeId, is_write: bool },
    /// A read by its coordinator.
    Read(Pooled<read::ReadOperation>),
    /// An overwrite by its coordinator.
    Overwrite(Pooled<overwrite::OverwriteOperation>),
    /// A sequenced write that another node runs.
    Await(Pooled<sequenced::SequencedElsewhere>),
    /// An overwrite that another node stamps.
    Delegated(Pooled<delegated::DelegatedOverwrite>),
    /// A sequenced write by its primary.
    Run(Pooled<run::RunOperation>),
    /// Another datacenter's write, being handed to the racks of this one.
    Relay(relay::RelayOperation),
    /// The primary's whole state, on its way to a replica that was behind.
    Push(Box<PushOperation>),
    /// The primary's whole state, on its way to the other datacenters.
    Export(Box<export::ExportOperation>),
    /// A state that another datacenter may have missed, being sent there again.
    ExportAgain(Box<export::ExportAgainOperation>),
    /// Such a state, before the racks of this datacenter get it.
    Import(Box<import::ImportOperation>),
    /// The right to sequence a key, being claimed.
    Claim(Box<claim::ClaimOperation>),
    /// A hint being replayed.
    Handoff(Box<handoff::HandoffOperation>),
    /// A key's copies, being made equal.
    Heal(Box<heal::HealOperation>),
    /// A large state, on its way into one of this node's stages.
    Transfer(Box<transfer::TransferOperation>),
    /// The state of this key being read, to be sent to the other datacenters.
    ReadForExport(Bytes),
    /// A key's values, being compared.
    Check(Box<check::CheckOperation>),
    /// A question about whole buckets.
    Compare(Box<compare::CompareOperation>),
    /// All replicas, being asked about a key that no record here knows of.
    Stray(Box<stray::StrayOperation>),
}

/// A push (rule R10) and the writes that wait for it.
#[derive(Debug)]
pub(crate) struct PushOperation {
    pub(crate) key: Bytes,
    pub(crate) token: Token,
    pub(crate) node: NodeId,
    /// The record of the state that is pushed.
    pub(crate) record: Record,
    /// Writes, by operation and replica, with the records they left.
    pub(crate) waiting: Vec<(OperationId, Record)>,
}

/// All operations of a worker.
#[derive(Debug, Default)]
pub(crate) struct Operations {
    slots: Vec<Slot>,
    free: Vec<u32>,
    generation: u32,
    pub(crate) reads: Pool<read::ReadOperation>,
    pub(crate) overwrites: Pool<overwrite::OverwriteOperation>,
    pub(crate) runs: Pool<run::RunOperation>,
    pub(crate) delegated: Pool<delegated::DelegatedOverwrite>,
    pub(crate) sequenced: Pool<sequenced::SequencedElsewhere>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    operation: Option<Operation>,
}

/// Ids have 24 bits for the slot.
pub(crate) const OPERATIONS_MAX: usize = 1 << 24;
/// So many slots are kept when nothing is in flight.
const IDLE_SLOTS_MAX: usize = 4096;

impl Operations {
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Stores an operation. The caller keeps `len()` below [`OPERATIONS_MAX`].
    pub(crate) fn insert(&mut self, operation: Operation) -> OperationId {
        let slot = self.free.pop().map_or_else(
            || {
                self.slots.push(Slot { generation: 0, operation: None });
                self.slots.len() - 1
            },
            |slot| slot as usize,
        );
        debug_assert!(slot < OPERATIONS_MAX, "the engine bounds its operations");
        // Generations stay below the maximum so that no id equals NOBODY.
        self.generation = (self.generation + 1) % (u32::MAX - 1);
        self.slots[slot] = Slot { generation: self.generation, operation: Some(operation) };
        OperationId(u64::from(self.generation) << 32 | (slot as u64) << 8)
    }

    pub(crate) fn get(&self, id: OperationId) -> Option<&Operation> {
        let slot = self.slots.get(id.slot())?;
        if slot.generation == id.generation() { slot.operation.as_ref() } else { None }
    }

    pub(crate) fn find(&mut self, id: OperationId) -> Option<&mut Operation> {
        let slot = self.slots.get_mut(id.slot())?;
        let is_its = slot.generation == id.generation() || planted::has(Planted::LateAnswersCount);
        if is_its { slot.operation.as_mut() } else { None }
    }

    pub(crate) fn remove(&mut self, id: OperationId) -> Option<Operation> {
        let slot = self.slots.get_mut(id.slot())?;
        if slot.generation != id.generation() {
            return None;
        }
        let operation = slot.operation.take()?;
        self.give_back(id);
        Some(operation)
    }

    /// Ends an operation of which nothing is needed any more, and keeps its place.
    pub(crate) fn end(&mut self, id: OperationId) {
        match self.remove(id).map(|operation| operation.kind) {
            Some(Kind::Read(read)) => self.reads.give_back(read),
            Some(Kind::Overwrite(overwrite)) => self.overwrites.give_back(overwrite),
            Some(Kind::Run(run)) => self.runs.give_back(run),
            Some(Kind::Delegated(delegated)) => self.delegated.give_back(delegated),
            Some(Kind::Await(sequenced)) => self.sequenced.give_back(sequenced),
            _ => {}
        }
    }

    fn give_back(&mut self, id: OperationId) {
        self.free.push(id.slot() as u32);
        if self.free.len() == self.slots.len() && self.slots.len() > IDLE_SLOTS_MAX {
            self.slots = Vec::new();
            self.free = Vec::new();
        }
    }

    /// What is under way.
    #[cfg(test)]
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &Kind> {
        self.slots.iter().filter_map(|slot| Some(&slot.operation.as_ref()?.kind))
    }

    /// All operations, in the order of their slots.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (OperationId, &mut Operation)> {
        self.slots.iter_mut().enumerate().filter_map(|(index, slot)| {
            let id = OperationId(u64::from(slot.generation) << 32 | (index as u64) << 8);
            slot.operation.as_mut().map(|operation| (id, operation))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation() -> Operation {
        let (requester, node) = (Requester::Nobody, NodeId(1));
        Operation { began_ms: 0, deadline_ms: 1, kind: Kind::Plain { requester, node, is_write: true } }
    }

    #[test]
    fn an_old_number_never_finds_the_slots_next_operation() {
        let mut operations = Operations::default();
        let first = operations.insert(operation());
        assert!(operations.remove(first.of_replica(3)).is_some());
        let second = operations.insert(operation());
        assert_eq!(first.slot(), second.slot());
        assert!(operations.find(first).is_none() && operations.remove(first).is_none());
        assert!(operations.find(second.of_replica(2)).is_some());
        assert_eq!((operations.len(), second.of_replica(2).replica()), (1, 2));
        assert!(operations.find(OperationId::NOBODY).is_none());
    }
}

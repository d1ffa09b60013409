//! The members at one moment, to be read without asking the task.

use std::collections::BTreeMap;

use crate::{Gossip, Health, Identity, Item, Member, NodeId, Status};

/// All members at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    members: BTreeMap<NodeId, MemberSnapshot>,
}

/// One member at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberSnapshot {
    /// Who, where, and which run.
    pub identity: Identity,
    /// How often it changed its status or refuted a verdict in this run.
    pub incarnation: u64,
    /// What it says of itself.
    pub status: Status,
    /// Whether it is there.
    pub health: Health,
    items: BTreeMap<u16, Box<[u8]>>,
}

impl Snapshot {
    pub(super) fn of(gossip: &Gossip) -> Self {
        let members = gossip.members().map(|member| (member.id(), MemberSnapshot::of(&member)));
        Self { members: members.collect() }
    }

    /// All members by their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &MemberSnapshot> {
        self.members.values()
    }

    /// One member.
    pub fn member(&self, id: NodeId) -> Option<&MemberSnapshot> {
        self.members.get(&id)
    }

    /// How many members are so.
    pub fn count(&self, health: Health) -> usize {
        self.iter().filter(|member| member.health == health).count()
    }
}

impl MemberSnapshot {
    fn of(member: &Member<'_>) -> Self {
        Self {
            identity: member.identity(),
            incarnation: member.incarnation(),
            status: member.status(),
            health: member.health(),
            items: member.raw_items().map(|(key, bytes)| (key, Box::from(bytes))).collect(),
        }
    }

    /// One of its items; `None` when it is not there or `I` does not know it.
    pub fn item<I: Item>(&self, key: u16) -> Option<I> {
        I::decode(key, self.items.get(&key)?)
    }

    /// All its items that `I` knows, in the order of their keys.
    pub fn items<I: Item>(&self) -> impl Iterator<Item = I> {
        self.items.iter().filter_map(|(key, bytes)| I::decode(*key, bytes))
    }
}

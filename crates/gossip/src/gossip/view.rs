//! What the embedder sees of the members.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Gossip, ME};
use crate::members::Entry;
use crate::{Config, Counts, Identity, Item, NodeId, Status};

/// Whether a member is there, as far as this node knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// It is heard.
    Alive,
    /// It is silent, and being found out about. Still to be treated as alive.
    Suspect,
    /// It is down.
    Down,
    /// It left or was given up.
    Gone,
}

/// One member as this node knows it.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    entry: &'a Entry,
    is_suspect: bool,
}

impl<'a> Member<'a> {
    /// Its number.
    pub fn id(&self) -> NodeId {
        self.entry.life().id
    }

    /// Where it is reached.
    pub fn addr(&self) -> SocketAddr {
        self.entry.life().addr
    }

    /// Which run of it is known.
    pub fn identity(&self) -> Identity {
        self.entry.life().identity()
    }

    /// How often it changed its status or refuted a verdict in this run.
    pub fn incarnation(&self) -> u64 {
        self.entry.life().incarnation
    }

    /// What it says of itself.
    pub fn status(&self) -> Status {
        self.entry.life().status
    }

    /// Whether it is there.
    pub fn health(&self) -> Health {
        let life = self.entry.life();
        match () {
            () if life.is_gone() => Health::Gone,
            () if life.is_down() => Health::Down,
            () if self.is_suspect => Health::Suspect,
            () => Health::Alive,
        }
    }

    /// How many changes of its items are known here. Two nodes with the same identity, incarnation and version of a member know
    /// the same of it.
    pub fn version(&self) -> u64 {
        self.entry.items.version()
    }

    /// One of its items; `None` when it is not there or `I` does not know it.
    pub fn item<I: Item>(&self, key: u16) -> Option<I> {
        I::decode(key, self.raw_item(key)?)
    }

    /// All its items that `I` knows, in the order of their keys.
    pub fn items<I: Item>(&self) -> impl Iterator<Item = I> + use<'a, I> {
        self.raw_items().filter_map(|(key, bytes)| I::decode(key, bytes))
    }

    /// The bytes of one item.
    pub fn raw_item(&self, key: u16) -> Option<&'a [u8]> {
        self.entry.items.value(key)
    }

    /// All items, in the order of their keys.
    pub fn raw_items(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        self.entry.items.values()
    }
}

impl Gossip {
    /// This node's own number.
    pub fn id(&self) -> NodeId {
        self.me().id
    }

    /// This node as others know it.
    pub fn myself(&self) -> Member<'_> {
        self.view(ME)
    }

    /// A member; this node itself also.
    pub fn member(&self, id: NodeId) -> Option<Member<'_>> {
        self.members.slot(id).map(|slot| self.view(slot))
    }

    /// All members, the departed that are still remembered included, in an order that is the same on all nodes.
    pub fn members(&self) -> impl Iterator<Item = Member<'_>> {
        self.members.slots().map(|slot| self.view(slot))
    }

    /// How many members are alive or suspect, this node included.
    pub fn live_count(&self) -> usize {
        self.members.live().len()
    }

    /// The sum over everything that is known of all members, without heartbeats: the same on two nodes that know the same.
    pub fn digest(&self) -> u64 {
        self.members.root()
    }

    /// Whether this node left.
    pub fn has_left(&self) -> bool {
        self.has_left
    }

    /// Whether this node is not heard by the others, because its identity is taken.
    pub fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// What was counted.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How it gossips.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How surprising a member's silence is: see [`crate::PhiAccrual::phi`].
    pub fn phi(&self, now: Duration, id: NodeId) -> Option<f64> {
        self.members.by_id(id).map(|entry| entry.phi.phi(now))
    }

    fn view(&self, slot: u32) -> Member<'_> {
        let entry = self.members.at(slot);
        Member { entry, is_suspect: self.probing.is_suspect(entry.life().id) }
    }
}

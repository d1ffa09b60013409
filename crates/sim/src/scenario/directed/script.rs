//! The language of the scripts.

use std::{collections::BTreeMap, sync::Arc};

use dynomite_replication::Level;
use dynomite_ring::{Ring, Token, allocate};

use crate::{
    command::{Action, Command, Key, Kind},
    plan::{
        Change, Fault, MS, Plan, PlannedChange, PlannedCommand, PlannedFault, SMALL_PIECES, Surroundings,
    },
    topology::Topology,
};

/// A plan in the making. Times are milliseconds.
pub(super) struct Script {
    plan: Plan,
    ring: Arc<Ring>,
    /// Numbers of the next addition to each key, and of its next other command.
    elements: BTreeMap<Key, (u32, u32)>,
}

impl Script {
    /// One datacenter of three racks with a node each.
    pub(super) fn three_racks(seed: u64) -> Self {
        let topology = Topology::racks(1, 3);
        let surroundings = Surroundings::even(&topology, MS, 20 * MS);
        Self::on(topology, surroundings, seed)
    }

    /// One datacenter of three racks with one node each, and a second one that may join; each has one token.
    pub(super) fn three_racks_with_spares(seed: u64) -> Self {
        let topology = Topology { node_count: 2, spare_count: 1, vnode_count: 1, ..Topology::racks(1, 3) };
        let surroundings = Surroundings::even(&topology, MS, 20 * MS);
        Self::on(topology, surroundings, seed)
    }

    fn on(topology: Topology, surroundings: Surroundings, seed: u64) -> Self {
        let (commands, faults, changes) = Default::default();
        let plan = Plan { seed, topology, surroundings, commands, faults, changes };
        let ring = topology.ring().expect("three racks are a ring");
        Self { plan, ring, elements: BTreeMap::new() }
    }

    /// A node's clock is ahead from the beginning.
    pub(super) fn clock_ahead(mut self, node: usize, by_ms: i64) -> Self {
        self.plan.surroundings.skew_us[node] = by_ms * MS as i64;
        self
    }

    /// States of a few elements move in pieces.
    pub(super) fn piecewise(mut self) -> Self {
        self.plan.surroundings.piece_sizes = SMALL_PIECES;
        self
    }

    /// A key whose primary is `node`.
    pub(super) fn key_of(&self, kind: Kind, node: usize) -> Key {
        let id = self.plan.topology.ids()[node];
        let is_primary = |key: &Key| {
            let token = self.ring.token(key.to_string().as_bytes());
            let dc = self.ring.dcs()[self.plan.topology.dc_of(node)].index();
            self.ring.node(self.ring.primary(token, dc)).id == id
        };
        (0..).map(|number| Key { kind, number }).find(is_primary).expect("every node is some key's primary")
    }

    /// A key whose primary is `primary`, and that goes to the node `to` when that joins.
    pub(super) fn key_that_moves(&self, kind: Kind, to: usize, primary: usize) -> Key {
        let topology = self.plan.topology;
        let mut tokens = topology.first_tokens();
        let rack = topology.rack_of(to) * topology.node_count;
        let of_rack: Vec<&[Token]> =
            tokens[rack..rack + topology.node_count].iter().map(|tokens| &**tokens).collect();
        tokens[to] = allocate(topology.hash.space(), &of_rack, &topology.name_of(to), topology.vnode_count);
        let ring = topology.ring_of(2, &tokens).expect("a node more is a ring");
        let [to, primary] = [to, primary].map(|node| topology.ids()[node]);
        let moves = |key: &Key| {
            let token = ring.token(key.to_string().as_bytes());
            let replicas = ring.replicas(token).all();
            let dc = ring.dcs()[0].index();
            replicas.iter().any(|index| ring.node(*index).id == to)
                && self.ring.node(self.ring.primary(token, dc)).id == primary
        };
        (0..).map(|number| Key { kind, number }).find(moves).expect("some key moves")
    }

    /// A client of its own sends a command at `DC_QUORUM` to a node.
    pub(super) fn sends(self, at_ms: u64, node: usize, key: Key, action: Action) -> Self {
        self.sends_at(Level::DcQuorum, at_ms, node, key, action)
    }

    /// As [`Script::sends`], at any level.
    pub(super) fn sends_at(
        mut self,
        level: Level,
        at_ms: u64,
        node: usize,
        key: Key,
        action: Action,
    ) -> Self {
        let (additions, others) = self.elements.entry(key).or_insert((0, OTHERS_FROM));
        let next = if action == Action::Add { additions } else { others };
        let element = *next;
        *next += 1;
        let command = Command { key, element, action, level };
        let client = self.plan.commands.len();
        self.plan.commands.push(PlannedCommand { at: at_ms * MS, client, home: node, command });
        self
    }

    /// Something breaks.
    pub(super) fn breaks(mut self, at_ms: u64, lasts_ms: u64, fault: Fault) -> Self {
        self.plan.faults.push(PlannedFault { at: at_ms * MS, lasts: lasts_ms * MS, fault });
        self
    }

    /// Two nodes do not hear of each other.
    pub(super) fn cuts(self, at_ms: u64, lasts_ms: u64, one: usize, other: usize) -> Self {
        self.breaks(at_ms, lasts_ms, Fault::Cut { from: one, to: other }).breaks(
            at_ms,
            lasts_ms,
            Fault::Cut { from: other, to: one },
        )
    }

    /// Nodes come or go.
    pub(super) fn changes(mut self, at_ms: u64, change: Change) -> Self {
        self.plan.changes.push(PlannedChange { at: at_ms * MS, change });
        self
    }

    pub(super) fn plan(self) -> Plan {
        self.plan
    }
}

/// Commands that add nothing are numbered from here.
const OTHERS_FROM: u32 = 1000;

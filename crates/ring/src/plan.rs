//! How a topology changes while it serves: from what an operator wants to steps that are safe one at a time.
//!
//! A step makes the next ring, with the next epoch. In it **at most one token of one rack changes hands**, so of any key
//! at most one copy moves, and a majority of the others stays where it is. A whole rack comes or goes in one step: nobody
//! else loses anything by it, and majorities before and after it meet. The next step waits until the copies of the one
//! before are rebuilt; that is the embedder's to watch.
//!
//! Plans are made from the ring and from the nodes at which it is to end. Whoever knows both makes the same plan, so one
//! that was interrupted is made again from where the ring stands, and undone by planning toward where it began.

mod error;
mod seats;
mod step;
mod target;

use std::collections::BTreeMap;

use crate::{MovedRange, Node, NodeId, Rack, Ring, RingError, Token, TokenRange, moved_ranges};
pub use error::PlanError;
pub use step::Step;

/// What an operator wants of the topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A node comes, the first one of a new rack or datacenter maybe. It gets the tokens that it names; when it names none,
    /// `vnodes` of them from [`crate::allocate`].
    Join {
        /// The node.
        node: Node,
        /// How many tokens it should have.
        vnodes: usize,
    },
    /// A node goes, and its rack stays. Each of its ranges falls to the owner of what follows, or where that would then be
    /// more than 5 % above the mean, to the node of the rack that has the least.
    Leave {
        /// The node's name.
        name: String,
    },
    /// A node takes the place of another one, with all its tokens.
    Replace {
        /// The name of the one that goes.
        dead: String,
        /// The one that comes, in the same rack and without tokens.
        by: Node,
    },
    /// A node's tokens become these.
    Move {
        /// The node's name.
        name: String,
        /// All tokens that it has then.
        tokens: Vec<Token>,
    },
    /// The loads of a rack's nodes become equal within 5 %, by little more than has to move for it.
    Rebalance {
        /// The datacenter's name.
        dc: String,
        /// The rack's name.
        rack: String,
    },
    /// A rack goes with all its nodes: one copy of everything.
    RemoveRack {
        /// The datacenter's name.
        dc: String,
        /// The rack's name.
        rack: String,
    },
}

/// The steps from one ring to another, and what they come to.
#[derive(Debug)]
pub struct Plan {
    steps: Vec<Step>,
    target: Ring,
    loads: Vec<NodeLoad>,
    transfers: Vec<Transfer>,
}

/// What a node owns before and after.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeLoad {
    /// The node's name.
    pub name: String,
    /// Its datacenter.
    pub dc: String,
    /// Its rack.
    pub rack: String,
    /// Its tokens before; 0 when it comes.
    pub token_count_before: usize,
    /// Its tokens after; 0 when it goes.
    pub token_count_after: usize,
    /// The part of its rack's keys that it owns before: 0 to 1.
    pub share_before: f64,
    /// The part that it owns after.
    pub share_after: f64,
}

/// Everything that goes from one node to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Transfer {
    /// The datacenter.
    pub dc: String,
    /// The rack.
    pub rack: String,
    /// The name of who owned it; `None` when the rack is new.
    pub from: Option<String>,
    /// The name of who owns it then; `None` when the rack goes.
    pub to: Option<String>,
    /// The ranges, ascending by their end.
    pub ranges: Vec<TokenRange>,
    /// The part of the rack's keys that they hold, for evenly spread keys: 0 to 1.
    pub share: f64,
}

impl Plan {
    /// The steps that bring `change` about.
    ///
    /// # Errors
    /// When it cannot be done, with what to do instead: see [`PlanError`]. Nothing was changed.
    pub fn new(ring: &Ring, change: &Change) -> Result<Self, PlanError> {
        Self::toward(ring, target::of(ring, change)?)
    }

    /// The steps from `ring` to the ring of the nodes `target`. Nodes that are in both keep their addresses.
    ///
    /// Serves to go on with an interrupted change, toward [`Plan::target`] of its plan, and to undo one, toward the nodes
    /// of the ring that it began at.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn toward(ring: &Ring, target: Vec<Node>) -> Result<Self, PlanError> {
        let target = target.into_iter().map(|node| settle(ring, node)).collect::<Result<Vec<_>, _>>()?;
        let target = Ring::build(ring.hasher(), ring.epoch(), target)?;
        let steps = step::between(ring, &target)?;
        let (loads, transfers) = (loads(ring, &target), transfers(ring, &target));
        let target = target.with_epoch(ring.epoch() + steps.len() as u64);
        Ok(Self { steps, target, loads, transfers })
    }

    /// The steps in their order; none when the ring is as wanted.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The ring after the last step.
    pub fn target(&self) -> &Ring {
        &self.target
    }

    /// What each node owns before and after, by datacenter, rack and name.
    pub fn loads(&self) -> &[NodeLoad] {
        &self.loads
    }

    /// Who hands how much to whom, by datacenter and rack.
    pub fn transfers(&self) -> &[Transfer] {
        &self.transfers
    }
}

/// A node of the target beside those of the ring: it stays where it is, or is new.
fn settle(ring: &Ring, node: Node) -> Result<Node, PlanError> {
    let Some(known) = ring.index_of(node.id).map(|index| ring.node(index)) else { return Ok(node) };
    if known.name != node.name {
        let (first, second) = (known.name.clone(), node.name);
        return Err(RingError::DuplicateId { first, second }.into());
    }
    if (&known.dc, &known.rack) != (&node.dc, &node.rack) {
        let (dc, rack) = (known.dc.clone(), known.rack.clone());
        return Err(PlanError::OtherRack { name: node.name, dc, rack });
    }
    Ok(Node { tokens: node.tokens, ..known.clone() })
}

fn loads(old: &Ring, new: &Ring) -> Vec<NodeLoad> {
    let mut loads: BTreeMap<(&str, &str, &str), NodeLoad> = BTreeMap::new();
    for (ring, is_after) in [(old, false), (new, true)] {
        let ownership = ring.ownership();
        for node in ring.racks().flat_map(Rack::nodes) {
            let (share, node) = (ownership.share(node), ring.node(node));
            let load = loads.entry((&node.dc, &node.rack, &node.name)).or_insert_with(|| NodeLoad {
                name: node.name.clone(),
                dc: node.dc.clone(),
                rack: node.rack.clone(),
                token_count_before: 0,
                token_count_after: 0,
                share_before: 0.0,
                share_after: 0.0,
            });
            if is_after {
                (load.token_count_after, load.share_after) = (node.tokens.len(), share);
            } else {
                (load.token_count_before, load.share_before) = (node.tokens.len(), share);
            }
        }
    }
    loads.into_values().collect()
}

fn transfers(old: &Ring, new: &Ring) -> Vec<Transfer> {
    let space = new.hasher().kind().space();
    let name = |ring: &Ring, id: Option<NodeId>| {
        id.and_then(|id| ring.index_of(id)).map(|index| ring.node(index).name.clone())
    };
    let mut ranges: BTreeMap<_, Vec<TokenRange>> = BTreeMap::new();
    for MovedRange { range, dc, rack, from, to } in moved_ranges(old, new) {
        ranges.entry((dc, rack, name(old, from), name(new, to))).or_default().push(range);
    }
    let transfer = |((dc, rack, from, to), ranges): (_, Vec<TokenRange>)| {
        let width: u64 = ranges.iter().map(|range| space.width(*range)).sum();
        let (dc, rack): (std::sync::Arc<str>, std::sync::Arc<str>) = (dc, rack);
        let share = width as f64 / space.count() as f64;
        Transfer { dc: dc.to_string(), rack: rack.to_string(), from, to, ranges, share }
    };
    ranges.into_iter().map(transfer).collect()
}

#[cfg(test)]
mod tests;

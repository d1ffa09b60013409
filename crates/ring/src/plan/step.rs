//! What changes from one epoch to the next, and the order in which it does.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use super::PlanError;
use crate::{Node, Rack, Ring, Token};

/// The difference between a ring and its successor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A rack comes with its nodes and their tokens. Its copies begin empty, and majorities count them from now on.
    AddRack {
        /// All its nodes.
        nodes: Vec<Node>,
    },
    /// A node gets a new token, and with it the front of the range that the token falls into. With its first one it comes
    /// into the ring.
    AddToken {
        /// The token.
        token: Token,
        /// The node, without tokens.
        to: Node,
    },
    /// A token gets another owner, and stays where it is.
    MoveToken {
        /// The token.
        token: Token,
        /// The name of who loses it; with its last one the node goes.
        from: String,
        /// Who gets it, without tokens.
        to: Node,
    },
    /// A token goes, and its range falls to the owner of the next one.
    RemoveToken {
        /// The token.
        token: Token,
        /// The name of who loses it; with its last one the node goes.
        from: String,
    },
    /// A rack goes with its nodes and their copies.
    RemoveRack {
        /// The datacenter's name.
        dc: String,
        /// The rack's name.
        rack: String,
    },
}

impl Step {
    /// The ring after the step, with the next epoch.
    ///
    /// # Errors
    /// [`PlanError::Outdated`] or [`PlanError::Ring`] when the ring is not the one that the step was planned for.
    pub fn apply(&self, ring: &Ring) -> Result<Ring, PlanError> {
        let mut nodes = ring.nodes().to_vec();
        match self {
            Self::AddRack { nodes: newcomers } => {
                let is_known = |node: &Node| ring.rack_by_name(&node.dc, &node.rack).is_some();
                if newcomers.iter().any(is_known) {
                    return Err(self.outdated());
                }
                nodes.extend(newcomers.iter().cloned());
            }
            Self::AddToken { token, to } => self.give(&mut nodes, *token, to)?,
            Self::MoveToken { token, from, to } => {
                self.take(&mut nodes, *token, from)?;
                self.give(&mut nodes, *token, to)?;
            }
            Self::RemoveToken { token, from } => self.take(&mut nodes, *token, from)?,
            Self::RemoveRack { dc, rack } => {
                nodes.retain(|node| (&node.dc, &node.rack) != (dc, rack));
                if nodes.len() == ring.nodes().len() {
                    return Err(self.outdated());
                }
            }
        }
        let next = Ring::build(ring.hasher(), ring.epoch() + 1, nodes)?;
        let rack_count = match self {
            Self::AddRack { .. } => ring.rack_count() + 1,
            Self::RemoveRack { .. } => ring.rack_count() - 1,
            _ => ring.rack_count(),
        };
        if next.rack_count() == rack_count { Ok(next) } else { Err(self.outdated()) }
    }

    fn give(&self, nodes: &mut Vec<Node>, token: Token, to: &Node) -> Result<(), PlanError> {
        match nodes.iter_mut().find(|node| node.name == to.name) {
            Some(node) if (&node.dc, &node.rack) == (&to.dc, &to.rack) => node.tokens.push(token),
            Some(_) => return Err(self.outdated()),
            None => nodes.push(Node { tokens: vec![token], ..to.clone() }),
        }
        Ok(())
    }

    fn take(&self, nodes: &mut Vec<Node>, token: Token, from: &str) -> Result<(), PlanError> {
        let found = nodes.iter().position(|node| node.name == from).ok_or_else(|| self.outdated())?;
        let tokens = &mut nodes[found].tokens;
        let place = tokens.iter().position(|known| *known == token).ok_or_else(|| self.outdated())?;
        tokens.remove(place);
        if tokens.is_empty() {
            nodes.remove(found);
        }
        Ok(())
    }

    fn outdated(&self) -> PlanError {
        PlanError::Outdated { step: self.to_string() }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddRack { nodes } => match nodes.first() {
                Some(node) => write!(f, "rack {} of {} comes", node.rack, node.dc),
                None => write!(f, "an empty rack comes"),
            },
            Self::AddToken { token, to } => write!(f, "{} gets token {token}", to.name),
            Self::MoveToken { token, from, to } => write!(f, "token {token} goes from {from} to {}", to.name),
            Self::RemoveToken { token, from } => write!(f, "{from} gives up token {token}"),
            Self::RemoveRack { dc, rack } => write!(f, "rack {rack} of {dc} goes"),
        }
    }
}

/// The steps from one ring to another: racks come first and go last. In between, in each rack, tokens come, move and go, in
/// an order in which no range moves twice.
pub(super) fn between(ring: &Ring, target: &Ring) -> Result<Vec<Step>, PlanError> {
    let mut steps = Vec::new();
    for rack in target.racks().filter(|rack| twin(target, rack, ring).is_none()) {
        steps.push(Step::AddRack { nodes: rack.nodes().map(|node| target.node(node).clone()).collect() });
    }
    for rack in ring.racks() {
        let Some(new) = twin(ring, rack, target) else { continue };
        let before = steps.len();
        steps.extend(token_steps(ring, rack, target, new));
        if steps.len() > before && has_only_copy(ring, rack, target) {
            let dc = ring.dc(rack.dc()).name().to_owned();
            return Err(PlanError::OnlyCopy { dc, rack: rack.name().to_owned() });
        }
    }
    for rack in ring.racks().filter(|rack| twin(ring, rack, target).is_none()) {
        let dc = ring.dc(rack.dc()).name().to_owned();
        steps.push(Step::RemoveRack { dc, rack: rack.name().to_owned() });
    }
    Ok(steps)
}

/// The rack of the same name in another ring.
fn twin<'a>(ring: &Ring, rack: &Rack, other: &'a Ring) -> Option<&'a Rack> {
    other.rack_by_name(ring.dc(rack.dc()).name(), rack.name())
}

/// Whether the rack's datacenter has no other rack while tokens move: neither one that stays or goes, nor one that comes.
fn has_only_copy(ring: &Ring, rack: &Rack, target: &Ring) -> bool {
    let dc = ring.dc(rack.dc());
    let after = target.dc_by_name(dc.name()).map_or(0, |dc| dc.racks().len());
    dc.racks().len() == 1 && after <= 1
}

fn token_steps(ring: &Ring, old: &Rack, target: &Ring, new: &Rack) -> Vec<Step> {
    let owners = |ring: &Ring, rack: &Rack| -> BTreeMap<Token, Node> {
        let bare = |node: &Node| Node { tokens: Vec::new(), ..node.clone() };
        rack.tokens().iter().map(|(token, owner)| (*token, bare(ring.node(*owner)))).collect()
    };
    let (before, after) = (owners(ring, old), owners(target, new));
    let mut adds: Vec<(Token, &Node)> = after
        .iter()
        .filter(|(token, _)| !before.contains_key(token))
        .map(|(token, to)| (*token, to))
        .collect();
    let mut removes: Vec<(Token, &Node)> = before
        .iter()
        .filter(|(token, _)| !after.contains_key(token))
        .map(|(token, from)| (*token, from))
        .collect();
    let moves = before.iter().filter_map(|(token, from)| {
        let to = after.get(token).filter(|to| to.name != from.name)?;
        Some(Step::MoveToken { token: *token, from: from.name.clone(), to: to.clone() })
    });
    // Of neighbours that come the first one comes first, and of neighbours that go it goes last, so that each step moves
    // the range of its own token and no more. Neighbours are told by the way round from a token that is there.
    let distance = |rack: &Rack, token: Token| token.0.wrapping_sub(rack.tokens()[0].0.0);
    adds.sort_by_key(|(token, _)| distance(old, *token));
    removes.sort_by_key(|(token, _)| Reverse(distance(new, *token)));
    let adds = adds.into_iter().map(|(token, to)| Step::AddToken { token, to: to.clone() });
    let removes =
        removes.into_iter().map(|(token, from)| Step::RemoveToken { token, from: from.name.clone() });
    adds.chain(moves).chain(removes).collect()
}

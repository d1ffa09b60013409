//! Where a change ends: the nodes and tokens afterwards.

use super::seats::Seats;
use super::{Change, PlanError};
use crate::{Node, Rack, Ring, Token, allocate};

type Nodes = Result<Vec<Node>, PlanError>;

pub(super) fn of(ring: &Ring, change: &Change) -> Nodes {
    match change {
        Change::Join { node, vnodes } => join(ring, node, *vnodes),
        Change::Leave { name } => leave(ring, name),
        Change::Replace { dead, by } => replace(ring, dead, by),
        Change::Move { name, tokens } => move_tokens(ring, name, tokens),
        Change::Rebalance { dc, rack } => rebalance(ring, dc, rack),
        Change::RemoveRack { dc, rack } => remove_rack(ring, dc, rack),
    }
}

fn join(ring: &Ring, node: &Node, vnodes: usize) -> Nodes {
    must_be_new(ring, node)?;
    let mut newcomer = node.clone();
    if newcomer.tokens.is_empty() {
        if vnodes == 0 {
            return Err(PlanError::NoTokens { name: node.name.clone() });
        }
        let rack: Vec<&[Token]> = members(ring, node).map(|member| member.tokens.as_slice()).collect();
        newcomer.tokens = allocate(ring.hasher().kind().space(), &rack, &node.name, vnodes);
        if newcomer.tokens.is_empty() {
            let token_count = rack.iter().map(|tokens| tokens.len()).sum();
            return Err(PlanError::SpaceFull { dc: node.dc.clone(), rack: node.rack.clone(), token_count });
        }
    }
    must_be_free(ring, node, &newcomer.tokens)?;
    Ok(ring.nodes().iter().cloned().chain([newcomer]).collect())
}

fn leave(ring: &Ring, name: &str) -> Nodes {
    let leaver = known(ring, name)?;
    if members(ring, leaver).count() == 1 {
        let (dc, rack) = (leaver.dc.clone(), leaver.rack.clone());
        return Err(PlanError::LastOfRack { name: leaver.name.clone(), dc, rack });
    }
    let rack = known_rack(ring, &leaver.dc, &leaver.rack)?;
    let mut seats = Seats::of(ring, rack);
    seats.leave(name);
    Ok(with_seats(ring, &seats))
}

fn replace(ring: &Ring, dead: &str, by: &Node) -> Nodes {
    let dead = known(ring, dead)?;
    must_be_new(ring, by)?;
    if (&dead.dc, &dead.rack) != (&by.dc, &by.rack) {
        let (dc, rack) = (dead.dc.clone(), dead.rack.clone());
        return Err(PlanError::OtherRack { name: dead.name.clone(), dc, rack });
    }
    let heir = Node { tokens: dead.tokens.clone(), ..by.clone() };
    Ok(ring.nodes().iter().filter(|node| node.name != dead.name).cloned().chain([heir]).collect())
}

fn move_tokens(ring: &Ring, name: &str, tokens: &[Token]) -> Nodes {
    let node = known(ring, name)?;
    if tokens.is_empty() {
        return Err(PlanError::NoTokens { name: node.name.clone() });
    }
    must_be_free(ring, node, tokens)?;
    let moved = Node { tokens: tokens.to_vec(), ..node.clone() };
    Ok(ring.nodes().iter().map(|other| if other.name == name { &moved } else { other }).cloned().collect())
}

fn rebalance(ring: &Ring, dc: &str, rack: &str) -> Nodes {
    let mut seats = Seats::of(ring, known_rack(ring, dc, rack)?);
    seats.level();
    Ok(with_seats(ring, &seats))
}

fn remove_rack(ring: &Ring, dc: &str, rack: &str) -> Nodes {
    known_rack(ring, dc, rack)?;
    if ring.rack_count() == 1 {
        return Err(PlanError::LastRack { dc: dc.to_owned(), rack: rack.to_owned() });
    }
    Ok(ring.nodes().iter().filter(|node| (&*node.dc, &*node.rack) != (dc, rack)).cloned().collect())
}

/// The ring's nodes, those of one rack with the tokens that they have there now; without tokens they are gone.
fn with_seats(ring: &Ring, seats: &Seats<'_>) -> Vec<Node> {
    let tokens_now = |node: &Node| seats.tokens_of(&node.name).unwrap_or_else(|| node.tokens.clone());
    let now = ring.nodes().iter().map(|node| Node { tokens: tokens_now(node), ..node.clone() });
    now.filter(|node| !node.tokens.is_empty()).collect()
}

fn known<'a>(ring: &'a Ring, name: &str) -> Result<&'a Node, PlanError> {
    let index = ring.index_of_name(name);
    index.map(|index| ring.node(index)).ok_or_else(|| PlanError::UnknownNode { name: name.to_owned() })
}

fn known_rack<'a>(ring: &'a Ring, dc: &str, rack: &str) -> Result<&'a Rack, PlanError> {
    let unknown = || PlanError::UnknownRack { dc: dc.to_owned(), rack: rack.to_owned() };
    ring.rack_by_name(dc, rack).ok_or_else(unknown)
}

fn must_be_new(ring: &Ring, node: &Node) -> Result<(), PlanError> {
    match ring.index_of_name(&node.name) {
        Some(_) => Err(PlanError::NameTaken { name: node.name.clone() }),
        None => Ok(()),
    }
}

/// None of the tokens belongs to another node of the rack.
fn must_be_free(ring: &Ring, node: &Node, tokens: &[Token]) -> Result<(), PlanError> {
    let others = members(ring, node).filter(|member| member.name != node.name);
    let mut owned = others.flat_map(|member| member.tokens.iter().map(move |token| (*token, member)));
    match owned.find(|(token, _)| tokens.contains(token)) {
        Some((token, owner)) => {
            let (dc, rack, owner) = (owner.dc.clone(), owner.rack.clone(), owner.name.clone());
            Err(PlanError::TokenTaken { token, dc, rack, owner })
        }
        None => Ok(()),
    }
}

/// The nodes of `node`'s rack.
fn members<'a>(ring: &'a Ring, node: &'a Node) -> impl Iterator<Item = &'a Node> {
    ring.nodes().iter().filter(move |member| (&member.dc, &member.rack) == (&node.dc, &node.rack))
}

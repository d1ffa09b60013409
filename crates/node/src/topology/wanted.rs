//! What operators may want of the topology, as they write it.

use std::fmt;

use dynomite_gossip::Health;
use dynomite_ring::{Change, Node, Ring, Token};

use crate::membership::{MemberView, View};

/// How a change is written.
pub(crate) const FORMS: &str = "JOIN <node>, LEAVE <node>, REPLACE <dead node> <node>, MOVE <node> <token> [<token> ...], REBALANCE <datacenter> <rack>";

/// A change as an operator wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A node that waits to be taken in comes.
    Join { name: String },
    /// A node goes.
    Leave { name: String },
    /// A node that waits to be taken in gets the place of another.
    Replace { dead: String, by: String },
    /// A node's tokens become these.
    Move { name: String, tokens: Vec<u32> },
    /// The nodes of a rack get equal loads.
    Rebalance { dc: String, rack: String },
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Join { name } => write!(f, "{name} joins"),
            Self::Leave { name } => write!(f, "{name} leaves"),
            Self::Replace { dead, by } => write!(f, "{by} replaces {dead}"),
            Self::Move { name, tokens } => write!(f, "{name} gets {} given tokens", tokens.len()),
            Self::Rebalance { dc, rack } => write!(f, "rack {rack} of {dc} is rebalanced"),
        }
    }
}

impl Wanted {
    /// Reads the words of a command.
    ///
    /// # Errors
    /// What was expected instead.
    pub(crate) fn parse(words: &[&str]) -> Result<Self, String> {
        let text = |word: &&str| (*word).to_owned();
        let Some((verb, arguments)) = words.split_first() else {
            return Err(format!("name a change: {FORMS}"));
        };
        match (verb.to_ascii_uppercase().as_str(), arguments) {
            ("JOIN", [name]) => Ok(Self::Join { name: text(name) }),
            ("LEAVE", [name]) => Ok(Self::Leave { name: text(name) }),
            ("REPLACE", [dead, by]) => Ok(Self::Replace { dead: text(dead), by: text(by) }),
            ("MOVE", [name, tokens @ ..]) if !tokens.is_empty() => {
                let number = |token: &&str| {
                    token.parse().map_err(|_| format!("'{token}' is no token: 0 to 4294967295"))
                };
                Ok(Self::Move {
                    name: text(name),
                    tokens: tokens.iter().map(number).collect::<Result<_, _>>()?,
                })
            }
            ("REBALANCE", [dc, rack]) => Ok(Self::Rebalance { dc: text(dc), rack: text(rack) }),
            _ => Err(format!("not a change: use one of {FORMS}")),
        }
    }

    /// The change of `ring` that is meant. Newcomers are looked for among the members.
    ///
    /// # Errors
    /// When a newcomer is not there.
    pub(crate) fn resolve(&self, ring: &Ring, view: &View) -> Result<Change, String> {
        Ok(match self {
            Self::Join { name } => {
                let (node, vnodes) = newcomer(ring, view, name)?;
                Change::Join { node, vnodes }
            }
            Self::Leave { name } => Change::Leave { name: name.clone() },
            Self::Replace { dead, by } => {
                let is_there = |member: &MemberView| member.health < Health::Down;
                let found = ring.nodes().iter().find(|node| node.name == *dead);
                if found.is_some_and(|node| view.member(node.id).is_some_and(is_there)) {
                    return Err(format!("node {dead} is up: stop it first, or let it leave instead"));
                }
                Change::Replace { dead: dead.clone(), by: newcomer(ring, view, by)?.0 }
            }
            Self::Move { name, tokens } => {
                Change::Move { name: name.clone(), tokens: tokens.iter().copied().map(Token).collect() }
            }
            Self::Rebalance { dc, rack } => Change::Rebalance { dc: dc.clone(), rack: rack.clone() },
        })
    }
}

/// A node that waits to be taken in, without tokens, and how many it wants.
fn newcomer(ring: &Ring, view: &View, name: &str) -> Result<(Node, usize), String> {
    if ring.index_of_name(name).is_some() {
        return Err(format!("node {name} is in the ring already"));
    }
    let found = view.members.iter().find(|member| member.told.name.as_deref() == Some(name));
    let waiting = found.filter(|member| member.health < Health::Down);
    let told = waiting.map(|member| &member.told);
    let (Some(told), Some(newcomer)) = (told, told.and_then(|told| told.newcomer.as_ref())) else {
        return Err(format!(
            "no node called {name} waits to be taken in: start it with --seed and the address of a node of this cluster"
        ));
    };
    let place = told.datacenter.clone().zip(told.rack.clone());
    let (dc, rack) =
        place.ok_or_else(|| format!("node {name} has not said where it stands yet; try again"))?;
    let node = Node {
        client_address: told.client_address.clone().unwrap_or_default(),
        peer_address: newcomer.peer_address.clone(),
        ..Node::new(name, dc, rack, Vec::new())
    };
    Ok((node, usize::from(newcomer.vnodes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_as_they_are_written() {
        let parse = |text: &str| Wanted::parse(&text.split_whitespace().collect::<Vec<_>>());
        let name = || "n7".to_owned();
        assert_eq!(parse("join n7"), Ok(Wanted::Join { name: name() }));
        assert_eq!(parse("LEAVE n7"), Ok(Wanted::Leave { name: name() }));
        assert_eq!(parse("replace n6 n7"), Ok(Wanted::Replace { dead: "n6".to_owned(), by: name() }));
        assert_eq!(
            parse("MOVE n7 1 4294967295"),
            Ok(Wanted::Move { name: name(), tokens: vec![1, u32::MAX] })
        );
        for (text, why) in [
            ("", "name a change"),
            ("join", "one of JOIN"),
            ("move n7", "one of JOIN"),
            ("move n7 4294967296", "no token"),
            ("explode n7", "one of JOIN"),
        ] {
            assert!(parse(text).unwrap_err().contains(why), "{text}");
        }
    }
}

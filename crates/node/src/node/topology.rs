//! The ring that a configuration describes.

use std::collections::BTreeMap;

use dynomite_ring::{KeyHasher, Node, Ring, RingError, Token, allocate_static};

use crate::config::{Config, Member};

/// Builds the ring of all nodes that the configuration names: the same on every node with the same seeds.
///
/// # Errors
/// When they make no ring, as when two nodes of a rack have a token in common.
pub(crate) fn ring_of(config: &Config) -> Result<Ring, RingError> {
    let hasher = KeyHasher::new(config.hash, config.hash_tag);
    let mut racks: BTreeMap<(String, String), Vec<Member>> = BTreeMap::new();
    for member in config.members() {
        racks.entry((member.datacenter.clone(), member.rack.clone())).or_default().push(member);
    }
    let nodes = racks.into_values().flat_map(|members| {
        let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        let allocated = allocate_static(config.hash.space(), &names, usize::from(config.vnodes));
        members
            .iter()
            .zip(allocated)
            .map(|(member, allocated)| node_of(member, allocated))
            .collect::<Vec<_>>()
    });
    Ring::build(hasher, 1, nodes.collect())
}

fn node_of(member: &Member, allocated: Vec<Token>) -> Node {
    let given = member.tokens.as_ref().map(|tokens| tokens.iter().map(|token| Token(*token)).collect());
    let mut node = Node::new(&*member.name, &*member.datacenter, &*member.rack, given.unwrap_or(allocated));
    node.client_address = member.client_address.to_string();
    node.peer_address = member.peer_address.as_ref().map(ToString::to_string).unwrap_or_default();
    node
}

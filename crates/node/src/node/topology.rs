//! The ring that a node starts with: the one that was decided last, the one that its configuration describes, or none yet.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use dynomite_ring::{KeyHasher, Node, NodeId, Ring, RingDescription, RingError, Token, allocate_static};

use super::StartError;
use crate::config::{Config, Member};
use crate::disk::{DataDir, Store};
use crate::shared::Shared;
use crate::topology::Topology;

/// What a node knows of the cluster's rings when it starts.
pub(super) struct Beginning {
    pub(super) topology: Topology,
    /// The ring to begin with; when the node joins, one of its own that nobody serves by.
    pub(super) first: Arc<Ring>,
    /// Whether the cluster has yet to take it in.
    pub(super) joins: bool,
}

/// Finds out what ring there is. `listed` is that of the configuration.
///
/// # Errors
/// When what was kept of the cluster's decisions cannot be used.
pub(super) fn begin(
    config: &Config,
    data_dir: Option<&DataDir>,
    listed: Ring,
) -> Result<Beginning, StartError> {
    let (store, stored) = Store::open(data_dir.map(DataDir::path))?;
    let known = if config.finds_its_cluster() { None } else { Some(without_client_addresses(&listed)?) };
    let node = NodeId::from_name(&config.name);
    let seed = RandomState::new().hash_one(node);
    let topology = Topology::new(node, store, stored, known.as_ref(), seed)?;
    let decided = topology.ring().filter(|ring| ring.index_of(node).is_some()).cloned();
    let joins = decided.is_none();
    let first = match decided {
        Some(ring) if ring.epoch() > listed.epoch() => ring,
        Some(_) => Arc::new(listed),
        None => Arc::new(RingDescription { epoch: 0, ..RingDescription::of(&listed) }.build()?),
    };
    Ok(Beginning { topology, first, joins })
}

/// Each node of a list knows its own client address best; what they agree on must be the same for all of them.
fn without_client_addresses(ring: &Ring) -> Result<Ring, RingError> {
    let mut description = RingDescription::of(ring);
    description.nodes.iter_mut().for_each(|node| node.client_address.clear());
    description.build()
}

/// Returns when the cluster has taken this node in.
pub(super) async fn taken_in(shared: &Shared) {
    tracing::info!("waiting to be taken into the cluster");
    let mut view = shared.membership.watch();
    while shared.ring().epoch() == 0 || shared.ring().index_of(shared.node).is_none() {
        if view.changed().await.is_err() {
            // The membership has ended with the node.
            std::future::pending::<()>().await;
        }
    }
    tracing::info!(epoch = shared.ring().epoch(), "the cluster has taken this node in");
}

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

#[cfg(test)]
mod tests {
    use super::*;

    const SEEDS: &str = r#"
        name = "a"
        peer_listen = "127.0.0.1:8101"
        [[seeds]]
        name = "a"
        peer_address = "127.0.0.1:8101"
        [[seeds]]
        name = "b"
        peer_address = "127.0.0.1:8201"
    "#;

    fn ring(text: &str) -> Ring {
        ring_of(&Config::parse(text, "test").unwrap()).unwrap()
    }

    fn tokens(ring: &Ring, name: &str) -> Vec<u32> {
        let index = ring.index_of(NodeId::from_name(name)).unwrap();
        ring.node(index).tokens.iter().map(|token| token.0).collect()
    }

    #[test]
    fn nodes_get_as_many_tokens_as_the_configuration_says() {
        for vnodes in [1, 8, 16] {
            let ring = ring(&format!("vnodes = {vnodes}\n{SEEDS}"));
            assert_eq!([tokens(&ring, "a").len(), tokens(&ring, "b").len()], [vnodes; 2]);
        }
    }

    #[test]
    fn given_tokens_are_taken_as_they_are() {
        let text = SEEDS.replace("\"127.0.0.1:8201\"", "\"127.0.0.1:8201\"\ntokens = [3000000000]");
        let ring = ring(&format!("hash = \"murmur\"\ntokens = [5, 1000]\n{text}"));
        assert_eq!(tokens(&ring, "a"), [5, 1000]);
        assert_eq!(tokens(&ring, "b"), [3_000_000_000]);
    }

    #[test]
    fn hash_and_tag_decide_a_keys_token() {
        let same = |ring: &Ring| ring.token(b"<x>1") == ring.token(b"<x>2");
        assert!(same(&ring(&format!("hash = \"md5\"\nhash_tag = \"<>\"\n{SEEDS}"))));
        let without = ring(&format!("hash = \"md5\"\n{SEEDS}"));
        assert!(!same(&without));
        assert_ne!(without.token(b"k"), ring(SEEDS).token(b"k"));
    }
}

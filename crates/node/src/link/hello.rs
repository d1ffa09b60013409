//! What two nodes tell each other before they work together, and what must agree.

use dynomite_ring::{NodeId, Ring};
use serde::{Deserialize, Serialize};

use crate::config::Config;

/// What a connection begins with: the name and the version of the protocol.
pub(super) const PREAMBLE: [u8; 10] = *b"DYNOMITE\x01\x00";

/// A feature: the sender reads compressed frames.
const COMPRESSED_FRAMES: u64 = 1;

/// A node introduces itself. Sent as JSON, so that later versions can add to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) cluster: String,
    pub(crate) node: String,
    pub(crate) id: u32,
    pub(crate) datacenter: String,
    pub(crate) rack: String,
    /// The dialer's worker; 0 from the acceptor.
    pub(crate) worker: u32,
    pub(crate) workers: u32,
    /// Bits of what the sender can do beyond the protocol's version 1: see [`COMPRESSED_FRAMES`].
    pub(crate) features: u64,
    pub(crate) ring_digest: u64,
    /// The program's version, for the log.
    pub(crate) version: String,
}

/// Why there is no link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refused {
    pub(super) reason: String,
}

impl Hello {
    /// What worker `worker` of a node says.
    pub(crate) fn new(config: &Config, ring: &Ring, worker: usize, workers: usize) -> Self {
        Self {
            cluster: config.cluster.clone(),
            node: config.name.clone(),
            id: NodeId::from_name(&config.name).0,
            datacenter: config.datacenter.clone(),
            rack: config.rack.clone(),
            worker: worker as u32,
            workers: workers as u32,
            features: COMPRESSED_FRAMES,
            ring_digest: ring.digest(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Whether the sender reads compressed frames.
    pub(crate) fn reads_compressed(&self) -> bool {
        self.features & COMPRESSED_FRAMES != 0
    }

    /// The sender's id.
    pub(crate) fn node_id(&self) -> NodeId {
        NodeId(self.id)
    }

    /// Whether this node, which would say `own`, can work with the sender.
    ///
    /// # Errors
    /// The reason why not, from this node's point of view; for the logs of both sides.
    pub(super) fn check(&self, own: &Self, ring: &Ring) -> Result<(), String> {
        if self.cluster != own.cluster {
            return Err(format!(
                "node {:?} belongs to cluster {:?} and node {:?} to cluster {:?}",
                own.node, own.cluster, self.node, self.cluster
            ));
        }
        if self.node == own.node {
            return Err(format!("both nodes are called {:?}: give each its own name", own.node));
        }
        let known = ring.index_of_name(&self.node).map(|index| ring.node(index));
        let Some(known) = known.filter(|known| known.id == self.node_id()) else {
            return Err(format!("node {:?} does not list node {:?} among its seeds", own.node, self.node));
        };
        if known.dc != self.datacenter || known.rack != self.rack {
            return Err(format!(
                "node {:?} says it is in rack {:?} of {:?}, and node {:?} lists it in rack {:?} of {:?}",
                self.node, self.rack, self.datacenter, own.node, known.rack, known.dc
            ));
        }
        if self.ring_digest != own.ring_digest {
            return Err(format!(
                "nodes {:?} and {:?} have different rings ({:016x} and {:016x}): compare the seeds, their tokens, hash, \
                 hash_tag and vnodes in both configurations",
                own.node, self.node, own.ring_digest, self.ring_digest
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use dynomite_ring::{HashKind, KeyHasher, Node, Token};

    use super::*;

    fn ring() -> Ring {
        let nodes =
            [("a", "r1"), ("b", "r2")].map(|(name, rack)| Node::new(name, "dc1", rack, vec![Token(0)]));
        Ring::build(KeyHasher::new(HashKind::RedisSlot, None), 1, nodes.to_vec()).unwrap()
    }

    fn hello(name: &str, rack: &str) -> Hello {
        let config = Config { name: name.to_owned(), rack: rack.to_owned(), ..Config::default() };
        Hello::new(&config, &ring(), 0, 1)
    }

    #[test]
    fn nodes_of_one_ring_agree() {
        assert_eq!(hello("b", "r2").check(&hello("a", "r1"), &ring()), Ok(()));
    }

    #[test]
    fn every_disagreement_is_named() {
        let own = hello("a", "r1");
        let other = hello("b", "r2");
        let cases = [
            (Hello { cluster: "x".to_owned(), ..other.clone() }, "cluster \"x\""),
            (hello("a", "r1"), "both nodes are called \"a\""),
            (hello("c", "r2"), "does not list node \"c\""),
            (Hello { id: 7, ..other.clone() }, "does not list node \"b\""),
            (hello("b", "r9"), "rack \"r9\""),
            (Hello { datacenter: "dc2".to_owned(), ..other.clone() }, "of \"dc2\""),
            (Hello { ring_digest: 1, ..other }, "different rings"),
        ];
        for (hello, expected) in cases {
            let reason = hello.check(&own, &ring()).unwrap_err();
            assert!(reason.contains(expected), "{reason}");
        }
    }
}

//! What two nodes tell each other before they work together, and what must agree.

use std::net::SocketAddr;

use dynomite_ring::{NodeId, Ring};
use serde::{Deserialize, Serialize};

use crate::config::Config;

/// What a connection begins with: the name and the version of the protocol.
pub(super) const PREAMBLE: [u8; 10] = *b"DYNOMITE\x01\x00";

/// A feature: the sender reads compressed frames.
const COMPRESSED_FRAMES: u64 = 1;
/// A feature: the sender talks about the membership on connections for it.
const MEMBERSHIP: u64 = 2;
/// The worker that dials for the membership: none. Builds that know nothing of a purpose take the connection for one more
/// data link, and must not take it for the one that a worker has.
const NO_WORKER: u32 = u32::MAX;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Purpose {
    /// Requests of a worker, and their answers.
    #[default]
    Data,
    /// Who is in the cluster. Those whose rings differ may tell each other.
    Membership,
}

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
    /// The epoch of that ring. Builds whose rings never change do not say: they have the first.
    #[serde(default = "first_epoch")]
    pub(crate) ring_epoch: u64,
    /// The program's version, for the log.
    pub(crate) version: String,
    /// The dialer's purpose. Those that do not say want a data link.
    #[serde(default)]
    pub(crate) purpose: Purpose,
    /// For the membership: where others reach the sender, which is how they call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) member_address: Option<SocketAddr>,
}

/// Why there is no link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refused {
    pub(super) reason: String,
}

fn first_epoch() -> u64 {
    1
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
            features: COMPRESSED_FRAMES | MEMBERSHIP,
            ring_digest: ring.digest(),
            ring_epoch: ring.epoch(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            purpose: Purpose::Data,
            member_address: None,
        }
    }

    /// What a node says that is reached at `address` and wants to talk about the membership.
    pub(crate) fn of_member(config: &Config, ring: &Ring, address: SocketAddr, workers: usize) -> Self {
        Self {
            worker: NO_WORKER,
            purpose: Purpose::Membership,
            member_address: Some(address),
            ..Self::new(config, ring, 0, workers)
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

    /// Whether this node, which would say `own`, can work with the sender for `purpose`.
    ///
    /// # Errors
    /// The reason why not, from this node's point of view; for the logs of both sides.
    pub(super) fn check(&self, own: &Self, ring: &Ring, purpose: Purpose) -> Result<(), String> {
        self.check_name(own)?;
        match purpose {
            Purpose::Data => self.check_place(own, ring),
            Purpose::Membership if self.features & MEMBERSHIP == 0 => {
                Err(format!("node {:?} does not tell of the cluster's members: upgrade it", self.node))
            }
            Purpose::Membership => Ok(()),
        }
    }

    fn check_name(&self, own: &Self) -> Result<(), String> {
        if self.cluster != own.cluster {
            return Err(format!(
                "node {:?} belongs to cluster {:?} and node {:?} to cluster {:?}",
                own.node, own.cluster, self.node, self.cluster
            ));
        }
        if self.node == own.node {
            return Err(format!("both nodes are called {:?}: give each its own name", own.node));
        }
        Ok(())
    }

    fn check_place(&self, own: &Self, ring: &Ring) -> Result<(), String> {
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
        // Who has another epoch is about to have the same, and every request tells what its sender goes by.
        if self.ring_epoch == own.ring_epoch && self.ring_digest != own.ring_digest {
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
        assert_eq!(hello("b", "r2").check(&hello("a", "r1"), &ring(), Purpose::Data), Ok(()));
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
            (Hello { ring_digest: 1, ..other.clone() }, "different rings"),
        ];
        for (hello, expected) in cases {
            let reason = hello.check(&own, &ring(), Purpose::Data).unwrap_err();
            assert!(reason.contains(expected), "{reason}");
        }
        let ahead = Hello { ring_digest: 1, ring_epoch: 9, ..other };
        assert_eq!(
            ahead.check(&own, &ring(), Purpose::Data),
            Ok(()),
            "one of the two is behind for a moment"
        );
    }

    #[test]
    fn members_of_one_cluster_talk_also_when_their_rings_differ() {
        let own = hello("a", "r1");
        let check = |hello: Hello| hello.check(&own, &ring(), Purpose::Membership);
        assert_eq!(check(Hello { ring_digest: 1, ..hello("b", "r2") }), Ok(()));
        assert_eq!(check(hello("c", "r9")), Ok(()), "it may be about to join");
        assert!(check(hello("a", "r1")).unwrap_err().contains("both nodes are called"));
        let other_cluster = Hello { cluster: "x".to_owned(), ..hello("b", "r2") };
        assert!(check(other_cluster).unwrap_err().contains("cluster \"x\""));
        let older = Hello { features: COMPRESSED_FRAMES, ..hello("b", "r2") };
        assert!(check(older).unwrap_err().contains("upgrade"));
    }

    #[test]
    fn who_tells_no_purpose_wants_a_data_link() {
        let mut json = serde_json::to_value(hello("b", "r2")).unwrap();
        json.as_object_mut().unwrap().remove("purpose");
        assert_eq!(serde_json::from_value::<Hello>(json).unwrap(), hello("b", "r2"));
    }
}

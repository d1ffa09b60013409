//! A ring as plain data, to be stored, sent and agreed on.

use crate::{HashKind, KeyHasher, Node, Ring, RingError};

/// Everything that makes a ring. Equal descriptions make equal rings, with the same digest and addresses, on every machine
/// and in every version; how it is written down is the embedder's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingDescription {
    /// The ring's epoch.
    pub epoch: u64,
    /// The hash of keys.
    pub hash: HashKind,
    /// The characters around the hashed part of a key.
    pub tag: Option<(u8, u8)>,
    /// All nodes with tokens and addresses, by datacenter, rack and name; other orders make the same ring.
    pub nodes: Vec<Node>,
}

impl RingDescription {
    /// What makes `ring`.
    pub fn of(ring: &Ring) -> Self {
        let hasher = ring.hasher();
        Self { epoch: ring.epoch(), hash: hasher.kind(), tag: hasher.tag(), nodes: ring.nodes().to_vec() }
    }

    /// The ring.
    ///
    /// # Errors
    /// As [`Ring::build`], when the nodes do not make one.
    pub fn build(self) -> Result<Ring, RingError> {
        Ring::build(KeyHasher::new(self.hash, self.tag), self.epoch, self.nodes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::few_nodes;

    proptest! {
        #[test]
        fn a_description_makes_the_ring_that_it_is_of(
            mut nodes in few_nodes(), kind in 0..HashKind::ALL.len(), has_tag: bool, epoch: u64,
        ) {
            prop_assume!(!nodes.is_empty());
            for (index, node) in nodes.iter_mut().enumerate() {
                node.client_address = format!("10.0.0.{index}:8102");
                node.peer_address = format!("10.0.0.{index}:8101");
            }
            let hasher = KeyHasher::new(HashKind::ALL[kind].0, has_tag.then_some((b'{', b'}')));
            let ring = Ring::build(hasher, epoch, nodes).unwrap();
            let description = RingDescription::of(&ring);
            let mut turned = description.clone();
            turned.nodes.reverse();
            for rebuilt in [description.clone().build().unwrap(), turned.build().unwrap()] {
                prop_assert_eq!((rebuilt.digest(), rebuilt.hasher()), (ring.digest(), ring.hasher()));
                prop_assert_eq!(&RingDescription::of(&rebuilt), &description);
            }
        }
    }
}

//! The keys that a node keeps in its datastore for itself, beside those of its clients.

use bytes::Bytes;

/// What the names of all of them begin with.
const PREFIX: &[u8] = b"dynomite:{";

/// Names of one node's own keys: `dynomite:{<node>}:marker:<worker>` and `dynomite:{<node>}:stage:<worker>:<number>`.
///
/// Clients could read and write them like any other: who passes their commands on refuses those on a key that
/// [`ReservedKeys::is_of_a_node`], since keys go to the datastores of other nodes too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservedKeys {
    prefix: Bytes,
}

impl ReservedKeys {
    /// The keys of the node called `name`, which no other node in front of the same datastore may be called.
    pub fn of_node(name: &str) -> Self {
        Self { prefix: format!("dynomite:{{{name}}}:").into() }
    }

    /// Where worker `worker` writes its marker: a decimal number that it lets grow now and then by ordinary commands.
    /// What it reads after the datastore was away tells how much of what it wrote is still there.
    pub fn marker(&self, worker: usize) -> Bytes {
        self.key(&format!("marker:{worker}"))
    }

    /// Where the lane of `worker` collects the pieces of its stage `stage`.
    pub(crate) fn stage(&self, worker: usize, stage: u8) -> Bytes {
        self.key(&format!("stage:{worker}:{stage}"))
    }

    /// Whether `key` is one of the node's own.
    pub fn contains(&self, key: &[u8]) -> bool {
        key.starts_with(&self.prefix)
    }

    /// Whether `key` is one that a node keeps for itself, or could, whatever the node is called.
    #[inline]
    pub fn is_of_a_node(key: &[u8]) -> bool {
        key.starts_with(PREFIX)
    }

    fn key(&self, rest: &str) -> Bytes {
        [&self.prefix[..], rest.as_bytes()].concat().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_and_node_has_keys_of_its_own() {
        let (first, second) = (ReservedKeys::of_node("dc1-a"), ReservedKeys::of_node("dc1-a2"));
        assert_eq!(first.marker(3), "dynomite:{dc1-a}:marker:3");
        assert_eq!(first.stage(3, 7), "dynomite:{dc1-a}:stage:3:7");
        assert!(first.contains(&first.marker(0)) && first.contains(&first.stage(1, 0)));
        assert!(!first.contains(&second.marker(0)) && !second.contains(&first.marker(0)));
        assert!(!first.contains(b"dynomite:"));
        for key in [first.marker(0), first.stage(1, 0), second.marker(0)] {
            assert!(ReservedKeys::is_of_a_node(&key), "{key:?}");
        }
        for key in [&b"dynomite:"[..], b"dynomite:x", b"", b"d", b"xdynomite:{a}:"] {
            assert!(!ReservedKeys::is_of_a_node(key), "{key:?}");
        }
    }
}

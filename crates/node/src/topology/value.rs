//! What is decided for an epoch: its ring, and the change that the cluster is at.

use dynomite_gossip::NodeId as MemberId;
use dynomite_ring::{HashKind, Node, Ring, RingDescription, RingError, Token};
use serde::{Deserialize, Serialize};

/// The value of one epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decided {
    pub(crate) ring: RingDescription,
    pub(crate) change: Option<UnderWay>,
}

/// A change that has begun and is not at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnderWay {
    /// What it is, for people.
    pub(crate) what: String,
    /// The nodes before it.
    pub(crate) origin: Vec<Node>,
    /// The nodes after it.
    pub(crate) goal: Vec<Node>,
}

/// Why bytes are no value. Whose fault: that of a node of another version, or of a disk.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ValueError {
    #[error("it is not what this version writes: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it names the hash {0:?}, which this version does not have")]
    Hash(String),
    #[error("its hash tag {0:?} is not two characters")]
    Tag(String),
    #[error("its nodes make no ring: {0}")]
    Ring(#[from] RingError),
}

#[derive(Serialize, Deserialize)]
struct WrittenValue {
    epoch: u64,
    hash: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hash_tag: Option<String>,
    nodes: Vec<WrittenNode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    change: Option<WrittenChange>,
}

#[derive(Serialize, Deserialize)]
struct WrittenChange {
    what: String,
    origin: Vec<WrittenNode>,
    goal: Vec<WrittenNode>,
}

#[derive(Serialize, Deserialize)]
struct WrittenNode {
    name: String,
    datacenter: String,
    rack: String,
    client_address: String,
    peer_address: String,
    tokens: Vec<u32>,
}

impl Decided {
    /// A ring at which nothing is under way.
    pub(crate) fn at_rest(ring: &Ring) -> Self {
        Self { ring: RingDescription::of(ring), change: None }
    }

    /// As it is agreed on, stored and sent: the same bytes for the same value.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let RingDescription { epoch, hash, tag, nodes } = &self.ring;
        let written = WrittenValue {
            epoch: *epoch,
            hash: hash.to_string(),
            hash_tag: tag.map(|(open, close)| [open, close].map(char::from).iter().collect()),
            nodes: write(nodes),
            change: self.change.as_ref().map(|change| WrittenChange {
                what: change.what.clone(),
                origin: write(&change.origin),
                goal: write(&change.goal),
            }),
        };
        serde_json::to_vec(&written).expect("names and numbers have a JSON form")
    }

    /// Reads what [`Decided::encode`] wrote.
    ///
    /// # Errors
    /// Any [`ValueError`].
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, ValueError> {
        let WrittenValue { epoch, hash, hash_tag, nodes, change } = serde_json::from_slice(bytes)?;
        let Ok(hash) = hash.parse::<HashKind>() else { return Err(ValueError::Hash(hash)) };
        let tag = hash_tag
            .map(|tag| match *tag.as_bytes() {
                [open, close] => Ok((open, close)),
                _ => Err(ValueError::Tag(tag)),
            })
            .transpose()?;
        let change = change.map(|WrittenChange { what, origin, goal }| UnderWay {
            what,
            origin: read(origin),
            goal: read(goal),
        });
        let decided = Self { ring: RingDescription { epoch, hash, tag, nodes: read(nodes) }, change };
        decided.ring()?;
        Ok(decided)
    }

    /// The ring.
    ///
    /// # Errors
    /// When the nodes make none; not of a value that was read.
    pub(crate) fn ring(&self) -> Result<Ring, RingError> {
        self.ring.clone().build()
    }
}

/// Who votes on the epoch after this one: all nodes of its ring.
pub(crate) fn voters(value: &[u8]) -> Option<Vec<MemberId>> {
    let decided = Decided::decode(value).ok()?;
    Some(decided.ring.nodes.iter().map(|node| MemberId(u64::from(node.id.0))).collect())
}

fn write(nodes: &[Node]) -> Vec<WrittenNode> {
    let write = |node: &Node| WrittenNode {
        name: node.name.clone(),
        datacenter: node.dc.clone(),
        rack: node.rack.clone(),
        client_address: node.client_address.clone(),
        peer_address: node.peer_address.clone(),
        tokens: node.tokens.iter().map(|token| token.0).collect(),
    };
    nodes.iter().map(write).collect()
}

fn read(nodes: Vec<WrittenNode>) -> Vec<Node> {
    let read = |written: WrittenNode| Node {
        client_address: written.client_address,
        peer_address: written.peer_address,
        ..Node::new(
            written.name,
            written.datacenter,
            written.rack,
            written.tokens.into_iter().map(Token).collect(),
        )
    };
    nodes.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use dynomite_ring::KeyHasher;

    use super::*;

    fn node(name: &str, rack: &str, tokens: &[u32]) -> Node {
        Node {
            client_address: format!("{name}:8102"),
            peer_address: format!("[::1]:{}", 8000 + tokens.len()),
            ..Node::new(name, "dc1", rack, tokens.iter().copied().map(Token).collect())
        }
    }

    fn decided() -> Decided {
        let nodes = vec![node("a", "r1", &[1, 1 << 31]), node("b", "r2", &[7])];
        let ring =
            Ring::build(KeyHasher::new(HashKind::Murmur, Some((b'{', b'}'))), 12, nodes.clone()).unwrap();
        let goal = vec![node("a", "r1", &[1, 1 << 31]), node("b", "r2", &[7]), node("c", "r2", &[9])];
        let change = Some(UnderWay { what: "c joins".to_owned(), origin: nodes, goal });
        Decided { ring: RingDescription::of(&ring), change }
    }

    #[test]
    fn a_value_comes_back_as_it_was() {
        for value in [decided(), Decided { change: None, ..decided() }] {
            let read = Decided::decode(&value.encode()).unwrap();
            assert_eq!((&read, read.encode()), (&value, value.encode()));
            assert_eq!(read.ring().unwrap().epoch(), 12);
        }
    }

    #[test]
    fn all_nodes_of_the_ring_vote_and_those_of_the_goal_do_not() {
        let ids = ["a", "b"].map(|name| MemberId(u64::from(dynomite_ring::NodeId::from_name(name).0)));
        let mut voters = voters(&decided().encode()).unwrap();
        voters.sort_unstable();
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        assert_eq!(voters, ids);
    }

    #[test]
    fn what_is_no_value_says_why() {
        let text = String::from_utf8(decided().encode()).unwrap();
        for (from, to, why) in [
            ("murmur", "sha1", "hash \"sha1\""),
            ("\"{}\"", "\"{\"", "two characters"),
            ("[7]", "[]", "no ring"),
            ("\"epoch\"", "\"era\"", "not what this version writes"),
        ] {
            let error = Decided::decode(text.replacen(from, to, 1).as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
            assert_eq!(voters(text.replacen(from, to, 1).as_bytes()), None);
        }
    }
}

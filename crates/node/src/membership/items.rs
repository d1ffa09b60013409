//! What a node tells of itself to all others, each under a key. A key never changes its meaning or its form: what is told
//! in another form gets another key, and builds that do not know a key pass it on.

use dynomite_gossip::Item;

use crate::counters::{is_datastore_up, totals};
use crate::shared::Shared;
use crate::topology::{Newcomer, Standing};

/// Whether its datastore can be used; the others route by it.
pub(super) const DATASTORE: u16 = 5;
const PLACE: u16 = 1;
const CLIENT_ADDRESS: u16 = 2;
const PROGRAM_VERSION: u16 = 3;
const RING: u16 = 4;
const KEYS: u16 = 6;
const HINTS: u16 = 7;
const STANDING: u16 = 8;
const NEWCOMER: u16 = 9;

/// Longer texts are not told: nobody has such a name, and an item has to fit a message.
const TEXT_MAX: usize = 255;

/// One thing that a node tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NodeItem {
    Place { name: String, datacenter: String, rack: String },
    ClientAddress(String),
    ProgramVersion(String),
    Ring { epoch: u64, digest: u64 },
    Datastore { is_up: bool },
    Keys(u64),
    Hints(u64),
    Standing(Standing),
    Newcomer(Newcomer),
}

/// All that a node tells, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) name: Option<String>,
    pub(crate) datacenter: Option<String>,
    pub(crate) rack: Option<String>,
    /// Where it serves clients.
    pub(crate) client_address: Option<String>,
    pub(crate) program_version: Option<String>,
    /// Epoch and digest of its ring.
    pub(crate) ring: Option<(u64, u64)>,
    pub(crate) datastore_is_up: Option<bool>,
    /// Keys of which it keeps a record; not told where there is one copy of each.
    pub(crate) keys: Option<u64>,
    /// Keys of which it knows that others have missed a write.
    pub(crate) hints: Option<u64>,
    /// How it stands to the ring.
    pub(crate) standing: Option<Standing>,
    /// What it wants, as long as it is not in the ring.
    pub(crate) newcomer: Option<Newcomer>,
}

impl Told {
    /// What this node has to tell now.
    pub(crate) fn of(shared: &Shared) -> Self {
        let config = &shared.config;
        let (_, stats) = totals(&shared.counters);
        let stat = |wanted| stats.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
        Self {
            name: Some(config.name.clone()),
            datacenter: Some(config.datacenter.clone()),
            rack: Some(config.rack.clone()),
            client_address: Some(config.advertised_client_address().to_string()),
            program_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            ring: Some((shared.ring().epoch(), shared.ring().digest())),
            datastore_is_up: Some(is_datastore_up(&shared.counters)),
            keys: stat("records").filter(|_| shared.is_replicated()),
            hints: stat("hints_pending"),
            standing: None,
            newcomer: None,
        }
    }

    /// Adds one thing.
    pub(super) fn add(&mut self, item: NodeItem) {
        match item {
            NodeItem::Place { name, datacenter, rack } => {
                (self.name, self.datacenter, self.rack) = (Some(name), Some(datacenter), Some(rack));
            }
            NodeItem::ClientAddress(address) => self.client_address = Some(address),
            NodeItem::ProgramVersion(version) => self.program_version = Some(version),
            NodeItem::Ring { epoch, digest } => self.ring = Some((epoch, digest)),
            NodeItem::Datastore { is_up } => self.datastore_is_up = Some(is_up),
            NodeItem::Keys(keys) => self.keys = Some(keys),
            NodeItem::Hints(hints) => self.hints = Some(hints),
            NodeItem::Standing(standing) => self.standing = Some(standing),
            NodeItem::Newcomer(newcomer) => self.newcomer = Some(newcomer),
        }
    }

    /// What changes seldom.
    pub(super) fn facts(&self) -> impl Iterator<Item = NodeItem> + '_ {
        let place = match (&self.name, &self.datacenter, &self.rack) {
            (Some(name), Some(datacenter), Some(rack)) => Some(NodeItem::Place {
                name: name.clone(),
                datacenter: datacenter.clone(),
                rack: rack.clone(),
            }),
            _ => None,
        };
        let ring = self.ring.map(|(epoch, digest)| NodeItem::Ring { epoch, digest });
        [
            place,
            self.client_address.clone().map(NodeItem::ClientAddress),
            self.program_version.clone().map(NodeItem::ProgramVersion),
            ring,
        ]
        .into_iter()
        .flatten()
    }

    /// What may change all the time.
    pub(super) fn load(&self) -> impl Iterator<Item = NodeItem> + '_ {
        [self.keys.map(NodeItem::Keys), self.hints.map(NodeItem::Hints)].into_iter().flatten()
    }
}

impl FromIterator<NodeItem> for Told {
    fn from_iter<I: IntoIterator<Item = NodeItem>>(items: I) -> Self {
        let mut told = Self::default();
        items.into_iter().for_each(|item| told.add(item));
        told
    }
}

impl Item for NodeItem {
    fn key(&self) -> u16 {
        match self {
            Self::Place { .. } => PLACE,
            Self::ClientAddress(_) => CLIENT_ADDRESS,
            Self::ProgramVersion(_) => PROGRAM_VERSION,
            Self::Ring { .. } => RING,
            Self::Datastore { .. } => DATASTORE,
            Self::Keys(_) => KEYS,
            Self::Hints(_) => HINTS,
            Self::Standing(_) => STANDING,
            Self::Newcomer(_) => NEWCOMER,
        }
    }

    /// Numbers are little-endian, a text comes behind its length in one byte.
    fn encode(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Place { name, datacenter, rack } => {
                [name, datacenter, rack].into_iter().for_each(|text| put_text(text, bytes));
            }
            Self::ClientAddress(text) | Self::ProgramVersion(text) => put_text(text, bytes),
            Self::Ring { epoch, digest } => {
                bytes.extend_from_slice(&epoch.to_le_bytes());
                bytes.extend_from_slice(&digest.to_le_bytes());
            }
            Self::Datastore { is_up } => bytes.push(u8::from(*is_up)),
            Self::Standing(Standing { epoch, lost, votes }) => {
                bytes.extend_from_slice(&epoch.to_le_bytes());
                bytes.extend_from_slice(&lost.to_le_bytes());
                bytes.push(u8::from(*votes));
            }
            Self::Newcomer(Newcomer { vnodes, peer_address, replaces, at_once }) => {
                bytes.extend_from_slice(&vnodes.to_le_bytes());
                bytes.push(u8::from(*at_once));
                put_text(peer_address, bytes);
                put_text(replaces, bytes);
            }
            Self::Keys(count) | Self::Hints(count) => bytes.extend_from_slice(&count.to_le_bytes()),
        }
    }

    fn decode(key: u16, mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        let item = match key {
            PLACE => Self::Place {
                name: take_text(bytes)?,
                datacenter: take_text(bytes)?,
                rack: take_text(bytes)?,
            },
            CLIENT_ADDRESS => Self::ClientAddress(take_text(bytes)?),
            PROGRAM_VERSION => Self::ProgramVersion(take_text(bytes)?),
            RING => Self::Ring { epoch: take_number(bytes)?, digest: take_number(bytes)? },
            DATASTORE => Self::Datastore { is_up: take_flag(bytes)? },
            STANDING => Self::Standing(Standing {
                epoch: take_number(bytes)?,
                lost: take_number(bytes)?,
                votes: take_flag(bytes)?,
            }),
            NEWCOMER => {
                let (vnodes, rest) = bytes.split_first_chunk()?;
                *bytes = rest;
                Self::Newcomer(Newcomer {
                    vnodes: u16::from_le_bytes(*vnodes),
                    at_once: take_flag(bytes)?,
                    peer_address: take_text(bytes)?,
                    replaces: take_text(bytes)?,
                })
            }
            KEYS => Self::Keys(take_number(bytes)?),
            HINTS => Self::Hints(take_number(bytes)?),
            _ => return None,
        };
        bytes.is_empty().then_some(item)
    }
}

fn put_text(text: &str, bytes: &mut Vec<u8>) {
    let text = &text[..text.floor_char_boundary(TEXT_MAX)];
    bytes.push(text.len() as u8);
    bytes.extend_from_slice(text.as_bytes());
}

fn take_text(bytes: &mut &[u8]) -> Option<String> {
    let (length, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*length))?;
    *bytes = rest;
    Some(String::from_utf8_lossy(text).into_owned())
}

fn take_flag(bytes: &mut &[u8]) -> Option<bool> {
    let (byte, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*byte != 0)
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<NodeItem> {
        vec![
            NodeItem::Place { name: "a".to_owned(), datacenter: "dc1".to_owned(), rack: String::new() },
            NodeItem::ClientAddress("[::1]:8102".to_owned()),
            NodeItem::ProgramVersion("0.1.0".to_owned()),
            NodeItem::Ring { epoch: 7, digest: u64::MAX },
            NodeItem::Datastore { is_up: false },
            NodeItem::Keys(1 << 40),
            NodeItem::Hints(0),
            NodeItem::Standing(Standing { epoch: 5, lost: 7, votes: true }),
            NodeItem::Newcomer(Newcomer {
                vnodes: 16,
                peer_address: "[::1]:8101".to_owned(),
                replaces: "dead".to_owned(),
                at_once: true,
            }),
        ]
    }

    #[test]
    fn every_item_comes_back_as_it_was() {
        for item in all() {
            let mut bytes = Vec::new();
            item.encode(&mut bytes);
            assert_eq!(NodeItem::decode(item.key(), &bytes), Some(item));
        }
    }

    #[test]
    fn what_is_torn_too_long_or_unknown_is_none() {
        for item in all() {
            let mut bytes = Vec::new();
            item.encode(&mut bytes);
            for len in 0..bytes.len() {
                assert_eq!(NodeItem::decode(item.key(), &bytes[..len]), None, "{item:?}");
            }
            bytes.push(0);
            assert_eq!(NodeItem::decode(item.key(), &bytes), None, "{item:?}");
            assert_eq!(NodeItem::decode(999, &bytes), None);
        }
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_between_characters() {
        let item = NodeItem::ClientAddress("é".repeat(200));
        let mut bytes = Vec::new();
        item.encode(&mut bytes);
        assert_eq!(NodeItem::decode(item.key(), &bytes), Some(NodeItem::ClientAddress("é".repeat(127))));
    }
}

//! The messages, byte for byte.
//!
//! Numbers are LEB128 varints unless a width is given; widths are little endian.
//!
//! ```text
//! message  := 0xD1 (magic 0xD0, version 1)  kind u8  cluster u32  life (of the sender)  body
//! life     := id  flags u8  ip [4|16]  port u16  generation  nonce u32  incarnation  pulse
//!             flags: status 0-1, verdict 2-3, IPv6 4
//! body 1, 2 (open, answer)
//!          := root u64  sums  pulses  count deltas…
//!   sums   := bits u8 (0xFF: none, and nothing follows)  2^bits × u32
//!   pulses := bits u8  count  count × (group  list u32  len  len × u8)
//! body 3 (digest)  := bits u8  count  count × (group  is_cut u8  count  known…)
//! body 4 (delta)   := count known…  count deltas…
//!   known  := id  flags u8  generation  nonce u32  incarnation  version  collected
//!   delta  := life  has_items u8  [from  upto  collected  count items…]
//!   item   := key  version  len+1 (0: removed)  bytes
//! body 5 (ping)      := seq u32  target  origin
//! body 6 (pong)      := seq u32  origin
//! body 7 (probe for) := seq u32  target  flags u8  ip  port u16
//!   origin := 0 u8 | 1 u8  id
//! body 8 (vouch)     := seq u32  life (of whom)
//! body 9 (refusal)   := 0 (other cluster) | 1 (stale) life | 2 (conflict) life (kept)  life (refused)
//! ```
//!
//! A group is the members whose key (their id, mixed) begins with the group's `bits` bits; `list` says which runs of
//! which members are in it, and the pulses are the low eight bits of each one's heartbeats, in the order of the keys.
//! Decoding is total: whatever the bytes, it gives a message or says that they are none, and what it allocates
//! is bounded by their number.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

pub(crate) use decode::{Reader, decode};
pub(crate) use encode::{bytes as put_bytes, encode, varint as put_varint, varint_len};

use crate::NodeId;
use crate::node::Life;

/// The first byte of every message.
const MAGIC_AND_VERSION: u8 = 0xD1;
/// Groups are at most 2^8.
pub(crate) const BITS_MAX: u8 = 8;
/// The most that a life takes.
pub(crate) const LIFE_BYTES_MAX: usize = 10 + 1 + 18 + 10 + 4 + 10 + 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    pub(crate) cluster: u32,
    pub(crate) sender: Life,
    pub(crate) body: Body<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body<'a> {
    Open(Exchange<'a>),
    Answer(Exchange<'a>),
    Digest(Digest),
    Delta { wanted: Vec<Known>, deltas: Vec<Delta<'a>> },
    Ping { seq: u32, target: NodeId, origin: Option<NodeId> },
    Pong { seq: u32, origin: Option<NodeId> },
    ProbeFor { seq: u32, target: NodeId, addr: SocketAddr },
    Vouch { seq: u32, subject: Life },
    Refusal(Refusal),
}

/// One side of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exchange<'a> {
    /// The sum over all members' states.
    pub(crate) root: u64,
    /// The same by groups, four bytes each, when the other side's root was another.
    pub(crate) sums: Option<&'a [u8]>,
    pub(crate) pulses: Pulses<'a>,
    /// Fresh changes.
    pub(crate) deltas: Vec<Delta<'a>>,
}

/// Heartbeats of some groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pulses<'a> {
    pub(crate) bits: u8,
    pub(crate) groups: Vec<GroupPulses<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupPulses<'a> {
    pub(crate) group: u16,
    pub(crate) list: u32,
    pub(crate) pulses: &'a [u8],
}

/// What the sender knows of some groups of members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digest {
    pub(crate) bits: u8,
    pub(crate) groups: Vec<GroupDigest>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupDigest {
    pub(crate) group: u16,
    /// Nothing is said of members after the last one.
    pub(crate) is_cut: bool,
    /// In the order of their keys.
    pub(crate) known: Vec<Known>,
}

/// How much somebody knows of one member. As a life without an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) id: NodeId,
    pub(crate) generation: u64,
    pub(crate) nonce: u32,
    pub(crate) incarnation: u64,
    pub(crate) verdict: crate::node::Verdict,
    pub(crate) version: u64,
    pub(crate) collected: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delta<'a> {
    pub(crate) life: Life,
    pub(crate) items: Option<ItemsDelta<'a>>,
}

/// The changes to one member's items after `from`, up to and including `upto`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ItemsDelta<'a> {
    pub(crate) from: u64,
    pub(crate) upto: u64,
    pub(crate) collected: u64,
    pub(crate) items: Vec<ItemChange<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ItemChange<'a> {
    pub(crate) key: u16,
    pub(crate) version: u64,
    pub(crate) value: Option<&'a [u8]>,
}

/// Why somebody is not heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    OtherCluster,
    /// This run of yours is known, and it is not the one you say.
    Stale {
        known: Life,
    },
    /// Two live processes claim one identity.
    Conflict {
        kept: Life,
        refused: Life,
    },
}

impl Life {
    pub(crate) fn byte_count(&self) -> usize {
        let addr = if self.addr.is_ipv6() { 18 } else { 6 };
        let numbers = [self.id.0, self.generation, self.incarnation, self.pulse];
        1 + addr + 4 + numbers.into_iter().map(varint_len).sum::<usize>()
    }
}

impl Known {
    pub(crate) fn byte_count(&self) -> usize {
        let numbers = [self.id.0, self.generation, self.incarnation, self.version, self.collected];
        1 + 4 + numbers.into_iter().map(varint_len).sum::<usize>()
    }
}

impl Delta<'_> {
    pub(crate) fn byte_count(&self) -> usize {
        self.life.byte_count() + 1 + self.items.as_ref().map_or(0, ItemsDelta::byte_count)
    }
}

impl ItemsDelta<'_> {
    /// What it takes besides its items, at most.
    pub(crate) const BYTES_AROUND: usize = 3 * 10 + 3;

    /// How many bytes it takes, at most.
    pub(crate) fn byte_count(&self) -> usize {
        Self::BYTES_AROUND + self.items.iter().map(ItemChange::byte_count).sum::<usize>()
    }
}

impl ItemChange<'_> {
    pub(crate) fn byte_count(&self) -> usize {
        let len = self.value.map_or(0, |value| value.len() + 1);
        let bytes = self.value.map_or(0, <[u8]>::len);
        varint_len(u64::from(self.key)) + varint_len(self.version) + varint_len(len as u64) + bytes
    }
}

//! Bytes to messages, whatever the bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{
    BITS_MAX, Body, Delta, Digest, Exchange, GroupDigest, GroupPulses, ItemChange, ItemsDelta, Known,
    MAGIC_AND_VERSION, Message, Pulses, Refusal,
};
use crate::node::{Life, Status, Verdict};
use crate::{GossipError, NodeId};

pub(crate) type Decoded<T> = Result<T, GossipError>;

/// The message that the bytes are: all of them, and nothing after it.
pub(crate) fn decode(bytes: &[u8]) -> Decoded<Message<'_>> {
    let mut reader = Reader::new(bytes);
    if reader.u8()? != MAGIC_AND_VERSION {
        return Err(GossipError::Malformed);
    }
    let kind = reader.u8()?;
    let cluster = reader.u32()?;
    let sender = reader.life()?;
    let body = match kind {
        1 => Body::Open(reader.exchange()?),
        2 => Body::Answer(reader.exchange()?),
        3 => Body::Digest(reader.digest()?),
        4 => Body::Delta { wanted: reader.list(Reader::known)?, deltas: reader.list(Reader::delta)? },
        5 => Body::Ping { seq: reader.u32()?, target: reader.id()?, origin: reader.origin()? },
        6 => Body::Pong { seq: reader.u32()?, origin: reader.origin()? },
        7 => {
            let (seq, target) = (reader.u32()?, reader.id()?);
            let flags = reader.u8()?;
            Body::ProbeFor { seq, target, addr: reader.addr(flags)? }
        }
        8 => Body::Vouch { seq: reader.u32()?, subject: reader.life()? },
        9 => Body::Refusal(match reader.u8()? {
            0 => Refusal::OtherCluster,
            1 => Refusal::Stale { known: reader.life()? },
            2 => Refusal::Conflict { kept: reader.life()?, refused: reader.life()? },
            _ => return Err(GossipError::Malformed),
        }),
        _ => return Err(GossipError::Malformed),
    };
    if !reader.is_empty() {
        return Err(GossipError::Malformed);
    }
    Ok(Message { cluster, sender, body })
}

/// What is left to be read.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn exchange(&mut self) -> Decoded<Exchange<'a>> {
        let root = u64::from_le_bytes(self.array()?);
        let sums = match self.u8()? {
            u8::MAX => None,
            bits if bits <= BITS_MAX => Some(self.take(4 << bits)?),
            _ => return Err(GossipError::Malformed),
        };
        let bits = self.bits()?;
        let groups = self.list(|reader| {
            let (group, list) = (reader.group(bits)?, reader.u32()?);
            let len = reader.count()?;
            Ok(GroupPulses { group, list, pulses: reader.take(len)? })
        })?;
        Ok(Exchange { root, sums, pulses: Pulses { bits, groups }, deltas: self.list(Self::delta)? })
    }

    fn digest(&mut self) -> Decoded<Digest> {
        let bits = self.bits()?;
        let groups = self.list(|reader| {
            let (group, is_cut) = (reader.group(bits)?, reader.u8()? != 0);
            Ok(GroupDigest { group, is_cut, known: reader.list(Self::known)? })
        })?;
        Ok(Digest { bits, groups })
    }

    fn known(&mut self) -> Decoded<Known> {
        let id = self.id()?;
        let (_, verdict) = statuses(self.u8()?)?;
        Ok(Known {
            id,
            verdict,
            generation: self.varint()?,
            nonce: self.u32()?,
            incarnation: self.varint()?,
            version: self.varint()?,
            collected: self.varint()?,
        })
    }

    fn delta(&mut self) -> Decoded<Delta<'a>> {
        let life = self.life()?;
        let items = match self.u8()? {
            0 => None,
            1 => Some(self.items()?),
            _ => return Err(GossipError::Malformed),
        };
        Ok(Delta { life, items })
    }

    fn items(&mut self) -> Decoded<ItemsDelta<'a>> {
        let (from, upto, collected) = (self.varint()?, self.varint()?, self.varint()?);
        let mut last = from;
        let items = self.list(|reader| {
            let key = u16::try_from(reader.varint()?).map_err(|_| GossipError::Malformed)?;
            let version = reader.varint()?;
            // Ascending, and within what the delta says it tells.
            if version <= last || version > upto {
                return Err(GossipError::Malformed);
            }
            last = version;
            let value = match reader.count()? {
                0 => None,
                len => Some(reader.take(len - 1)?),
            };
            Ok(ItemChange { key, version, value })
        })?;
        if upto < from {
            return Err(GossipError::Malformed);
        }
        Ok(ItemsDelta { from, upto, collected, items })
    }

    fn life(&mut self) -> Decoded<Life> {
        let id = self.id()?;
        let flags = self.u8()?;
        let (status, verdict) = statuses(flags)?;
        Ok(Life {
            id,
            status,
            verdict,
            addr: self.addr(flags)?,
            generation: self.varint()?,
            nonce: self.u32()?,
            incarnation: self.varint()?,
            pulse: self.varint()?,
        })
    }

    fn addr(&mut self, flags: u8) -> Decoded<SocketAddr> {
        let ip = match flags >> 4 {
            0 => IpAddr::from(Ipv4Addr::from(self.array::<4>()?)),
            1 => IpAddr::from(Ipv6Addr::from(self.array::<16>()?)),
            _ => return Err(GossipError::Malformed),
        };
        Ok(SocketAddr::new(ip, u16::from_le_bytes(self.array()?)))
    }

    fn origin(&mut self) -> Decoded<Option<NodeId>> {
        match self.u8()? {
            0 => Ok(None),
            1 => Ok(Some(self.id()?)),
            _ => Err(GossipError::Malformed),
        }
    }

    fn id(&mut self) -> Decoded<NodeId> {
        Ok(NodeId(self.varint()?))
    }

    fn bits(&mut self) -> Decoded<u8> {
        let bits = self.u8()?;
        if bits > BITS_MAX { Err(GossipError::Malformed) } else { Ok(bits) }
    }

    fn group(&mut self, bits: u8) -> Decoded<u16> {
        let group = self.varint()?;
        if group >> bits != 0 { Err(GossipError::Malformed) } else { Ok(group as u16) }
    }

    /// A list after its length. Each element takes a byte at least, so the bytes that are left bound it.
    fn list<T>(&mut self, mut element: impl FnMut(&mut Self) -> Decoded<T>) -> Decoded<Vec<T>> {
        let count = self.count()?;
        // Not allocated by what the bytes claim, but as elements are read.
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(element(self)?);
        }
        Ok(list)
    }

    /// A number of things of which each takes a byte at least.
    fn count(&mut self) -> Decoded<usize> {
        let count = self.varint()?;
        if count > self.bytes.len() as u64 + 1 { Err(GossipError::Malformed) } else { Ok(count as usize) }
    }

    pub(crate) fn varint(&mut self) -> Decoded<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let part = u64::from(byte & 0x7F);
            if shift == 63 && part > 1 {
                return Err(GossipError::Malformed);
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(GossipError::Malformed)
    }

    pub(crate) fn u8(&mut self) -> Decoded<u8> {
        Ok(self.array::<1>()?[0])
    }

    fn u32(&mut self) -> Decoded<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn array<const N: usize>(&mut self) -> Decoded<[u8; N]> {
        let (array, rest) = self.bytes.split_first_chunk().ok_or(GossipError::Malformed)?;
        self.bytes = rest;
        Ok(*array)
    }

    pub(crate) fn take(&mut self, len: usize) -> Decoded<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or(GossipError::Malformed)?;
        self.bytes = rest;
        Ok(taken)
    }
}

fn statuses(flags: u8) -> Decoded<(Status, Verdict)> {
    let status = match flags & 3 {
        0 => Status::Joining,
        1 => Status::Normal,
        2 => Status::Leaving,
        _ => Status::Left,
    };
    let verdict = match flags >> 2 & 3 {
        0 => Verdict::None,
        1 => Verdict::Down,
        2 => Verdict::Removed,
        _ => return Err(GossipError::Malformed),
    };
    Ok((status, verdict))
}

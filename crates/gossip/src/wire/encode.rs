//! Messages to bytes.

use std::net::{IpAddr, SocketAddr};

use super::{Body, Delta, Digest, Exchange, ItemsDelta, Known, MAGIC_AND_VERSION, Message, Pulses, Refusal};
use crate::NodeId;
use crate::node::{Life, Status, Verdict};

/// Appends a message.
pub(crate) fn encode(message: &Message<'_>, to: &mut Vec<u8>) {
    to.push(MAGIC_AND_VERSION);
    to.push(kind(&message.body));
    to.extend_from_slice(&message.cluster.to_le_bytes());
    life(&message.sender, to);
    match &message.body {
        Body::Open(exchange) | Body::Answer(exchange) => self::exchange(exchange, to),
        Body::Digest(digest) => self::digest(digest, to),
        Body::Delta { wanted, deltas } => {
            count(wanted.len(), to);
            wanted.iter().for_each(|known| self::known(known, to));
            self::deltas(deltas, to);
        }
        Body::Ping { seq, target, origin } => {
            to.extend_from_slice(&seq.to_le_bytes());
            varint(target.0, to);
            self::origin(*origin, to);
        }
        Body::Pong { seq, origin } => {
            to.extend_from_slice(&seq.to_le_bytes());
            self::origin(*origin, to);
        }
        Body::ProbeFor { seq, target, addr } => {
            to.extend_from_slice(&seq.to_le_bytes());
            varint(target.0, to);
            to.push(u8::from(addr.is_ipv6()) << 4);
            self::addr(*addr, to);
        }
        Body::Vouch { seq, subject } => {
            to.extend_from_slice(&seq.to_le_bytes());
            life(subject, to);
        }
        Body::Refusal(refusal) => self::refusal(refusal, to),
    }
}

/// How many bytes a number takes.
pub(crate) fn varint_len(value: u64) -> usize {
    ((64 - (value | 1).leading_zeros()) as usize).div_ceil(7)
}

fn kind(body: &Body<'_>) -> u8 {
    match body {
        Body::Open(_) => 1,
        Body::Answer(_) => 2,
        Body::Digest(_) => 3,
        Body::Delta { .. } => 4,
        Body::Ping { .. } => 5,
        Body::Pong { .. } => 6,
        Body::ProbeFor { .. } => 7,
        Body::Vouch { .. } => 8,
        Body::Refusal(_) => 9,
    }
}

fn exchange(exchange: &Exchange<'_>, to: &mut Vec<u8>) {
    to.extend_from_slice(&exchange.root.to_le_bytes());
    match exchange.sums {
        // The number of sums is a power of two: its logarithm says how many follow.
        Some(sums) => {
            to.push((sums.len() / 4).trailing_zeros() as u8);
            to.extend_from_slice(sums);
        }
        None => to.push(u8::MAX),
    }
    pulses(&exchange.pulses, to);
    deltas(&exchange.deltas, to);
}

fn pulses(pulses: &Pulses<'_>, to: &mut Vec<u8>) {
    to.push(pulses.bits);
    count(pulses.groups.len(), to);
    for group in &pulses.groups {
        varint(u64::from(group.group), to);
        to.extend_from_slice(&group.list.to_le_bytes());
        bytes(group.pulses, to);
    }
}

fn digest(digest: &Digest, to: &mut Vec<u8>) {
    to.push(digest.bits);
    count(digest.groups.len(), to);
    for group in &digest.groups {
        varint(u64::from(group.group), to);
        to.push(u8::from(group.is_cut));
        count(group.known.len(), to);
        group.known.iter().for_each(|known| self::known(known, to));
    }
}

fn known(known: &Known, to: &mut Vec<u8>) {
    varint(known.id.0, to);
    to.push(flags(Status::Joining, known.verdict, false));
    varint(known.generation, to);
    to.extend_from_slice(&known.nonce.to_le_bytes());
    varint(known.incarnation, to);
    varint(known.version, to);
    varint(known.collected, to);
}

fn deltas(deltas: &[Delta<'_>], to: &mut Vec<u8>) {
    count(deltas.len(), to);
    for delta in deltas {
        life(&delta.life, to);
        to.push(u8::from(delta.items.is_some()));
        if let Some(items) = &delta.items {
            self::items(items, to);
        }
    }
}

fn items(items: &ItemsDelta<'_>, to: &mut Vec<u8>) {
    varint(items.from, to);
    varint(items.upto, to);
    varint(items.collected, to);
    count(items.items.len(), to);
    for item in &items.items {
        varint(u64::from(item.key), to);
        varint(item.version, to);
        match item.value {
            Some(value) => {
                varint(value.len() as u64 + 1, to);
                to.extend_from_slice(value);
            }
            None => to.push(0),
        }
    }
}

fn life(life: &Life, to: &mut Vec<u8>) {
    varint(life.id.0, to);
    to.push(flags(life.status, life.verdict, life.addr.is_ipv6()));
    addr(life.addr, to);
    varint(life.generation, to);
    to.extend_from_slice(&life.nonce.to_le_bytes());
    varint(life.incarnation, to);
    varint(life.pulse, to);
}

fn refusal(refusal: &Refusal, to: &mut Vec<u8>) {
    match refusal {
        Refusal::OtherCluster => to.push(0),
        Refusal::Stale { known } => {
            to.push(1);
            life(known, to);
        }
        Refusal::Conflict { kept, refused } => {
            to.push(2);
            life(kept, to);
            life(refused, to);
        }
    }
}

fn flags(status: Status, verdict: Verdict, is_ipv6: bool) -> u8 {
    let status = match status {
        Status::Joining => 0,
        Status::Normal => 1,
        Status::Leaving => 2,
        Status::Left => 3,
    };
    let verdict = match verdict {
        Verdict::None => 0,
        Verdict::Down => 1,
        Verdict::Removed => 2,
    };
    status | verdict << 2 | u8::from(is_ipv6) << 4
}

fn addr(addr: SocketAddr, to: &mut Vec<u8>) {
    match addr.ip() {
        IpAddr::V4(ip) => to.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => to.extend_from_slice(&ip.octets()),
    }
    to.extend_from_slice(&addr.port().to_le_bytes());
}

fn origin(origin: Option<NodeId>, to: &mut Vec<u8>) {
    to.push(u8::from(origin.is_some()));
    if let Some(origin) = origin {
        varint(origin.0, to);
    }
}

/// Appends bytes after their number.
pub(crate) fn bytes(bytes: &[u8], to: &mut Vec<u8>) {
    count(bytes.len(), to);
    to.extend_from_slice(bytes);
}

fn count(count: usize, to: &mut Vec<u8>) {
    varint(count as u64, to);
}

/// Appends a number.
pub(crate) fn varint(mut value: u64, to: &mut Vec<u8>) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

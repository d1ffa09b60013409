//! The items of a frame: what has changed, or is said again so that older frames can go.
//!
//! An item begins with 16 bits: its kind (bits 0 and 1) and, of an entry, what the change was (2, 3) and its shape: the trust
//! (4, 5), the kind of claim (6, 7), and which of the fields follow. Lengths and counts are variable-length: seven bits to a byte, the
//! lowest first, the eighth bit set in all but the last. All else has a fixed width.
//!
//! * entry (1): key; then those that are not zero of base, last (when it is not the base), ops and digest, term, promised,
//!   term of the claim, absent from
//! * forgotten (2): key
//! * note (3): number, value; an empty value takes the note away

use dynomite_ring::NodeId;

use super::LogError;
use crate::{
    Record, Version,
    records::{
        entry::{Claim, Entry},
        shape::Shape,
    },
};

const ENTRY: u16 = 1;
const FORGOTTEN: u16 = 2;
const NOTE: u16 = 3;
const KIND: u16 = 0b11;
const CHANGE_SHIFT: u32 = 2;
const TWO_BITS: u16 = 0b11;
/// The bits that are not of an entry's shape.
const OTHER_BITS: u16 = 0b1111;

const HEAD_BYTES: usize = 2;
const VERSION_BYTES: usize = 12;
const DIGEST_BYTES: usize = 8;
const ABSENT_FROM_BYTES: usize = 4;
/// The longest variable-length number.
const NUMBER_BYTES_MAX: u32 = 10;

/// What was in flight to the datastore when an entry was logged. In the order of how much is in doubt until it was executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::records) enum Change {
    /// Nothing: the state is as it was, and perhaps the rest too (a refresh).
    None,
    /// A sequenced write, on the state that was there.
    Sequenced,
    /// A whole state.
    Replaced,
}

/// One item of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::records) enum Item<'a> {
    Entry { key: &'a [u8], entry: Entry, change: Change },
    Forgotten { key: &'a [u8] },
    Note { number: u32, value: &'a [u8] },
}

/// The items of a payload, its head left out; after an error nothing comes.
pub(in crate::records) fn items(bytes: &[u8]) -> impl Iterator<Item = Result<Item<'_>, LogError>> {
    let mut reader = Reader(bytes);
    std::iter::from_fn(move || {
        if reader.0.is_empty() {
            return None;
        }
        let item = reader.item();
        if item.is_err() {
            reader.0 = &[];
        }
        Some(item)
    })
}

/// Appends the item of an entry of this `shape`.
pub(super) fn put_entry(key: &[u8], entry: &Entry, shape: Shape, change: Change, out: &mut Vec<u8>) {
    out.reserve(entry_len(key.len(), shape, entry.record.ops));
    out.extend_from_slice(&(ENTRY | (change as u16) << CHANGE_SHIFT | shape.0).to_le_bytes());
    put_bytes(key, out);
    if shape.has(Shape::BASE) {
        put_version(entry.record.base, out);
    }
    if shape.has(Shape::LAST) {
        put_version(entry.record.last, out);
    }
    if shape.has(Shape::OPS) {
        put_number(entry.record.ops, out);
        out.extend_from_slice(&entry.record.digest.to_le_bytes());
    }
    if shape.has(Shape::TERM) {
        put_version(entry.record.term, out);
    }
    if shape.has(Shape::PROMISED) {
        put_version(entry.promised, out);
    }
    if let Claim::Term(term) = entry.claim {
        put_version(term, out);
    }
    if let Some(seconds) = entry.absent_from {
        out.extend_from_slice(&seconds.to_le_bytes());
    }
}

pub(super) fn put_forgotten(key: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&FORGOTTEN.to_le_bytes());
    put_bytes(key, out);
}

/// An empty `value` takes the note away.
pub(super) fn put_note(number: u32, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&NOTE.to_le_bytes());
    put_number(u64::from(number), out);
    put_bytes(value, out);
}

/// Bytes of the item of an entry of this shape and with so many sequenced writes, whose key has `key_len` bytes.
pub(in crate::records) fn entry_len(key_len: usize, shape: Shape, ops: u64) -> usize {
    let versions =
        [Shape::BASE, Shape::LAST, Shape::TERM, Shape::PROMISED].map(|part| usize::from(shape.has(part)));
    let versions = versions.into_iter().sum::<usize>() + usize::from(shape.has_claim_term());
    HEAD_BYTES
        + number_len(key_len as u64)
        + key_len
        + versions * VERSION_BYTES
        + if shape.has(Shape::OPS) { number_len(ops) + DIGEST_BYTES } else { 0 }
        + if shape.has(Shape::ABSENT_FROM) { ABSENT_FROM_BYTES } else { 0 }
}

/// Bytes of the item of a note.
pub(super) fn note_len(number: u32, value_len: usize) -> usize {
    HEAD_BYTES + number_len(u64::from(number)) + number_len(value_len as u64) + value_len
}

fn put_version(version: Version, out: &mut Vec<u8>) {
    let mut bytes = [0; VERSION_BYTES];
    bytes[..8].copy_from_slice(&version.clock.to_le_bytes());
    bytes[8..].copy_from_slice(&version.node.0.to_le_bytes());
    out.extend_from_slice(&bytes);
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_number(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn number_len(number: u64) -> usize {
    (u64::BITS - (number | 1).leading_zeros()).div_ceil(7) as usize
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn item(&mut self) -> Result<Item<'a>, LogError> {
        let head = u16::from_le_bytes(self.array()?);
        match head & KIND {
            ENTRY => self.entry(head),
            FORGOTTEN if head == FORGOTTEN => Ok(Item::Forgotten { key: self.bytes()? }),
            NOTE if head == NOTE => {
                let number = u32::try_from(self.number()?).map_err(|_| LogError::OutOfRange)?;
                Ok(Item::Note { number, value: self.bytes()? })
            }
            _ => Err(LogError::UnknownItem(head)),
        }
    }

    fn entry(&mut self, head: u16) -> Result<Item<'a>, LogError> {
        let shape = Shape(head & !OTHER_BITS);
        let change = match head >> CHANGE_SHIFT & TWO_BITS {
            0 => Change::None,
            1 => Change::Sequenced,
            2 => Change::Replaced,
            _ => return Err(LogError::UnknownItem(head)),
        };
        if !shape.is_valid() {
            return Err(LogError::UnknownItem(head));
        }
        let key = self.bytes()?;
        let base = self.version_if(shape.has(Shape::BASE))?.unwrap_or_default();
        let last = self.version_if(shape.has(Shape::LAST))?.unwrap_or(base);
        let (ops, digest) =
            if shape.has(Shape::OPS) { (self.number()?, u64::from_le_bytes(self.array()?)) } else { (0, 0) };
        let term = self.version_if(shape.has(Shape::TERM))?.unwrap_or_default();
        let promised = self.version_if(shape.has(Shape::PROMISED))?.unwrap_or_default();
        let claimed = self.version_if(shape.has_claim_term())?.unwrap_or_default();
        let absent_from =
            shape.has(Shape::ABSENT_FROM).then(|| self.array()).transpose()?.map(u32::from_le_bytes);
        let record = Record { base, term, ops, last, digest };
        let (claim, trust) = (shape.claim(claimed), shape.trust());
        Ok(Item::Entry {
            key,
            entry: Entry { record, promised, claim, trust, written_at: 0, absent_from },
            change,
        })
    }

    fn version_if(&mut self, is_there: bool) -> Result<Option<Version>, LogError> {
        is_there.then(|| self.version()).transpose()
    }

    fn version(&mut self) -> Result<Version, LogError> {
        let clock = u64::from_le_bytes(self.array()?);
        Ok(Version { clock, node: NodeId(u32::from_le_bytes(self.array()?)) })
    }

    fn bytes(&mut self) -> Result<&'a [u8], LogError> {
        let len = usize::try_from(self.number()?).map_err(|_| LogError::OutOfRange)?;
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(LogError::Truncated)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u64, LogError> {
        let mut number = 0;
        for at in 0..NUMBER_BYTES_MAX {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7f);
            if bits << (7 * at) >> (7 * at) != bits {
                return Err(LogError::OutOfRange);
            }
            number |= bits << (7 * at);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(LogError::OutOfRange)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], LogError> {
        let (array, rest) = self.0.split_first_chunk().ok_or(LogError::Truncated)?;
        self.0 = rest;
        Ok(*array)
    }
}

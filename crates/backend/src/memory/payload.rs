//! A value as bytes, for `DUMP` and `RESTORE` and for moving keys between nodes.
//!
//! Layout: `b"dyn"`, the version (1), the kind, the content, CRC-32 of all that (little endian). Lengths are `u32` little endian, a
//! string is its length and its bytes, a score is the bits of a double. Equal values give equal bytes: unordered members
//! are sorted.

use bytes::{BufMut, Bytes, BytesMut};

use super::blob::Blob;
use super::fault::Fault;
use super::hash::Hash;
use super::list::List;
use super::set::Set;
use super::sorted_set::SortedSet;
use super::value::Value;

const HEADER: &[u8] = b"dyn\x01";
const CHECKSUM_BYTES: usize = 4;

const STRING: u8 = 0;
const LIST: u8 = 1;
const HASH: u8 = 2;
const SET: u8 = 3;
const SORTED_SET: u8 = 4;

pub(crate) fn encode(value: &Value) -> Bytes {
    let mut out = BytesMut::with_capacity(value.heap_bytes() + 64);
    out.put_slice(HEADER);
    match value {
        Value::Integer(value) => {
            out.put_u8(STRING);
            put(&mut out, itoa::Buffer::new().format(*value).as_bytes());
        }
        Value::Text(text) => {
            out.put_u8(STRING);
            put(&mut out, text);
        }
        Value::List(list) => {
            begin(&mut out, LIST, list.len());
            list.iter().for_each(|item| put(&mut out, item));
        }
        Value::Hash(hash) => {
            begin(&mut out, HASH, hash.len());
            let mut fields: Vec<_> = hash.iter().collect();
            fields.sort_unstable_by_key(|(field, _)| &***field);
            for (field, value) in fields {
                put(&mut out, field);
                put(&mut out, value);
            }
        }
        Value::Set(set) => {
            begin(&mut out, SET, set.len());
            let mut members: Vec<&[u8]> = set.iter().map(|member| &**member).collect();
            members.sort_unstable();
            members.iter().for_each(|member| put(&mut out, member));
        }
        Value::Sorted(sorted) => {
            begin(&mut out, SORTED_SET, sorted.len());
            for (member, score) in sorted.range(0..sorted.len()) {
                out.put_u64_le(score.to_bits());
                put(&mut out, member);
            }
        }
    }
    let checksum = crc32fast::hash(&out);
    out.put_u32_le(checksum);
    out.freeze()
}

/// The value that [`encode`] wrote.
pub(crate) fn decode(payload: &[u8]) -> Result<Value, Fault> {
    let (body, checksum) = payload.split_last_chunk::<CHECKSUM_BYTES>().ok_or(Fault::BAD_PAYLOAD)?;
    let content = body.strip_prefix(HEADER).ok_or(Fault::BAD_PAYLOAD)?;
    if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
        return Err(Fault::BAD_PAYLOAD);
    }
    // A payload that somebody made up with a good checksum gets this far.
    read_value(content).ok_or(Fault::new("ERR Bad data format"))
}

fn read_value(content: &[u8]) -> Option<Value> {
    let mut input = content;
    let (kind, rest) = input.split_first()?;
    input = rest;
    let value = match *kind {
        STRING => Value::text(Blob::new(take(&mut input)?)),
        LIST => {
            let mut list = List::new();
            for _ in 0..take_len(&mut input)? {
                list.push(false, Blob::new(take(&mut input)?));
            }
            (list.len() > 0).then_some(Value::List(Box::new(list)))?
        }
        HASH => {
            let mut hash = Hash::new();
            for _ in 0..take_len(&mut input)? {
                let field = take(&mut input)?;
                hash.set(field, Blob::new(take(&mut input)?)).then_some(())?;
            }
            (hash.len() > 0).then_some(Value::Hash(Box::new(hash)))?
        }
        SET => {
            let mut set = Set::new();
            for _ in 0..take_len(&mut input)? {
                set.add(take(&mut input)?).then_some(())?;
            }
            (set.len() > 0).then_some(Value::Set(Box::new(set)))?
        }
        SORTED_SET => {
            let mut sorted = SortedSet::new();
            for _ in 0..take_len(&mut input)? {
                let (bits, rest) = input.split_first_chunk()?;
                input = rest;
                let score = f64::from_bits(u64::from_le_bytes(*bits));
                let member = take(&mut input)?;
                (!score.is_nan() && sorted.score(member).is_none()).then_some(())?;
                sorted.set(member, score);
            }
            (sorted.len() > 0).then_some(Value::Sorted(Box::new(sorted)))?
        }
        _ => return None,
    };
    input.is_empty().then_some(value)
}

fn begin(out: &mut BytesMut, kind: u8, len: usize) {
    out.put_u8(kind);
    out.put_u32_le(len as u32);
}

fn put(out: &mut BytesMut, text: &[u8]) {
    out.put_u32_le(text.len() as u32);
    out.put_slice(text);
}

fn take_len(input: &mut &[u8]) -> Option<usize> {
    let (len, rest) = input.split_first_chunk()?;
    *input = rest;
    Some(u32::from_le_bytes(*len) as usize)
}

fn take<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = take_len(input)?;
    let (text, rest) = input.split_at_checked(len)?;
    *input = rest;
    Some(text)
}

//! Strings as arrays of bits, the highest bit of the first byte being bit 0.

use bytes::BytesMut;
use dynomite_codec::{Request, encode};

use super::options::is;
use super::strings::{STRING_BYTES_MAX, as_text, write_at};
use crate::memory::blob::Blob;
use crate::memory::fault::{Answer, Fault};
use crate::memory::keyspace::{Expiry, Keyspace};
use crate::memory::number::{integer_arg, parse_integer};
use crate::memory::value::Value;

pub(crate) fn setbit(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let offset = offset_arg(request)?;
    let bit = match parse_integer(request.arg(3)) {
        Some(bit @ 0..=1) => bit as u8,
        _ => return Err(Fault::new("ERR bit is not an integer or out of range")),
    };
    let (key, at, mask) = (request.arg(1), offset / 8, 0x80 >> (offset % 8));
    let old = keys.value(key).map(|value| as_text(value).map(|text| text.as_slice().get(at).copied()));
    let (is_new, old) = (old.is_none(), old.transpose()?.flatten());
    if old.is_none() {
        keys.make_room_for(at)?;
    }
    if is_new || !keys.contains(key) {
        keys.set(key, Value::Text(Blob::new(&[])), Expiry::Never);
    }
    let byte = old.unwrap_or(0);
    write_at(keys, key, at, &[if bit == 1 { byte | mask } else { byte & !mask }])?;
    encode::integer(reply, i64::from(byte & mask != 0));
    Ok(())
}

pub(crate) fn getbit(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let offset = offset_arg(request)?;
    let text = keys.value(request.arg(1)).map(as_text).transpose()?;
    let byte = text.and_then(|text| text.as_slice().get(offset / 8).copied()).unwrap_or(0);
    encode::integer(reply, i64::from(byte & (0x80 >> (offset % 8)) != 0));
    Ok(())
}

pub(crate) fn bitcount(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let Some(text) = keys.value(request.arg(1)).map(as_text).transpose()? else {
        encode::integer(reply, 0);
        return Ok(());
    };
    let range = match request.arg_count() {
        2 => 0..text.as_slice().len() * 8,
        4 | 5 => {
            let ends = (integer_arg(request, 2)?, integer_arg(request, 3)?);
            let unit = unit_arg(request, 4)?;
            // Only here Redis takes an end in front of the start at its word before it clamps both.
            let crossed = ends.0 < 0 && ends.1 < 0 && ends.0 > ends.1;
            if crossed { 0..0 } else { bit_range(ends, unit, text.as_slice().len()) }
        }
        _ => return Err(Fault::SYNTAX),
    };
    encode::integer(reply, count_ones(text.as_slice(), range));
    Ok(())
}

pub(crate) fn bitpos(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let bit = match integer_arg(request, 2)? {
        bit @ 0..=1 => bit == 1,
        _ => return Err(Fault::new("ERR The bit argument must be 1 or 0.")),
    };
    let Some(text) = keys.value(request.arg(1)).map(as_text).transpose()? else {
        encode::integer(reply, if bit { -1 } else { 0 });
        return Ok(());
    };
    let (text, arg_count) = (text.as_slice(), request.arg_count());
    let has_end = arg_count >= 5;
    let range = match arg_count {
        3 => 0..text.len() * 8,
        4..=6 => {
            let start = integer_arg(request, 3)?;
            let unit = unit_arg(request, 5)?;
            let end = if has_end { integer_arg(request, 4)? } else { -1 };
            bit_range((start, end), unit, text.len())
        }
        _ => return Err(Fault::SYNTAX),
    };
    let is_empty = range.is_empty();
    let end = range.end;
    let found = range.into_iter().find(|at| (text[at / 8] & (0x80 >> (at % 8)) != 0) == bit);
    // A string is followed by endless zeros, unless its end was named.
    let past_end = if bit || has_end || is_empty { -1 } else { end as i64 };
    encode::integer(reply, found.map_or(past_end, |at| at as i64));
    Ok(())
}

fn offset_arg(request: &Request) -> Result<usize, Fault> {
    let offset = parse_integer(request.arg(2)).and_then(|offset| usize::try_from(offset).ok());
    let offset = offset.filter(|offset| offset / 8 < STRING_BYTES_MAX);
    offset.ok_or(Fault::new("ERR bit offset is not an integer or out of range"))
}

/// Whether a range counts bits, not bytes.
fn unit_arg(request: &Request, index: usize) -> Result<bool, Fault> {
    match request.arg_count() > index {
        false => Ok(false),
        true if is(request.arg(index), "BIT") => Ok(true),
        true if is(request.arg(index), "BYTE") => Ok(false),
        true => Err(Fault::SYNTAX),
    }
}

/// The bits from `start` to `end`, both included, of a string of `len` bytes.
fn bit_range((start, end): (i64, i64), in_bits: bool, len: usize) -> std::ops::Range<usize> {
    let total = len as i64 * if in_bits { 8 } else { 1 };
    let from = if start < 0 { start.saturating_add(total) } else { start }.max(0);
    let to = if end < 0 { end.saturating_add(total) } else { end }.max(0).min(total - 1);
    if from > to {
        return 0..0;
    }
    let scale = if in_bits { 1 } else { 8 };
    from as usize * scale..(to as usize + 1) * scale
}

fn count_ones(text: &[u8], range: std::ops::Range<usize>) -> i64 {
    if range.is_empty() {
        return 0;
    }
    let (first, last) = (range.start / 8, (range.end - 1) / 8);
    let whole: u32 = text[first..=last].iter().map(|byte| byte.count_ones()).sum();
    let before = (text[first] & !(0xFF >> (range.start % 8))).count_ones();
    let after = (text[last] & (0x7F >> ((range.end - 1) % 8))).count_ones();
    i64::from(whole) - i64::from(before) - i64::from(after)
}

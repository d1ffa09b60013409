//! Strings as whole values and as ranges of bytes.

use bytes::BytesMut;
use dynomite_codec::{Request, encode};

use super::options::{Options, is};
use crate::memory::blob::Blob;
use crate::memory::commands::expiry::{Unit, expires_at};
use crate::memory::fault::{Answer, Fault};
use crate::memory::keyspace::{Expiry, Keyspace};
use crate::memory::number::integer_arg;
use crate::memory::value::Value;

/// Redis's `proto-max-bulk-len`.
pub(crate) const STRING_BYTES_MAX: usize = 512 << 20;

pub(crate) fn get(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    write_text(keys.value(request.arg(1)), reply)
}

pub(crate) fn mget(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    encode::array(reply, request.arg_count() - 1);
    for key in request.args().skip(1) {
        if write_text(keys.value(key), reply).is_err() {
            reply.extend_from_slice(encode::NULL_BULK);
        }
    }
    Ok(())
}

pub(crate) fn set(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let key = request.arg(1);
    if request.arg_count() == 3 {
        keys.set(key, Value::text(Blob::from_arg(request, 2)), Expiry::Never);
        reply.extend_from_slice(encode::OK);
        return Ok(());
    }
    let options = SetOptions::parse(request, 3, false)?;
    let expiry = options.expiry(keys.now_ms, request, "set")?;
    if options.get {
        write_text(keys.value(key), reply)?;
    }
    if (options.nx || options.xx) && keys.contains(key) == options.nx {
        if !options.get {
            reply.extend_from_slice(encode::NULL_BULK);
        }
        return Ok(());
    }
    keys.set(key, Value::text(Blob::from_arg(request, 2)), expiry);
    if !options.get {
        reply.extend_from_slice(encode::OK);
    }
    Ok(())
}

pub(crate) fn setnx(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let absent = !keys.contains(request.arg(1));
    if absent {
        keys.set(request.arg(1), Value::text(Blob::from_arg(request, 2)), Expiry::Never);
    }
    encode::integer(reply, i64::from(absent));
    Ok(())
}

pub(crate) fn setex(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    set_for_a_while(keys, request, reply, Unit::Seconds, "setex")
}

pub(crate) fn psetex(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    set_for_a_while(keys, request, reply, Unit::Milliseconds, "psetex")
}

pub(crate) fn getset(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    write_text(keys.value(request.arg(1)), reply)?;
    keys.set(request.arg(1), Value::text(Blob::from_arg(request, 2)), Expiry::Never);
    Ok(())
}

pub(crate) fn getdel(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    write_text(keys.value(request.arg(1)), reply)?;
    keys.remove(request.arg(1));
    Ok(())
}

pub(crate) fn getex(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let key = request.arg(1);
    let options = SetOptions::parse(request, 2, true)?;
    let Some(value) = keys.value(key) else {
        reply.extend_from_slice(encode::NULL_BULK);
        return Ok(());
    };
    as_text(value)?;
    let expiry = options.expiry(keys.now_ms, request, "getex")?;
    write_text(keys.value(key), reply)?;
    match expiry {
        Expiry::At(at) if at <= keys.now_ms => drop(keys.remove(key)),
        Expiry::At(at) => drop(keys.set_expiry(key, Some(at))),
        Expiry::Never if options.persist => drop(keys.set_expiry(key, None)),
        Expiry::Never | Expiry::Keep => {}
    }
    Ok(())
}

pub(crate) fn mset(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    pairs(request, "mset")?;
    set_pairs(keys, request);
    reply.extend_from_slice(encode::OK);
    Ok(())
}

pub(crate) fn msetnx(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    pairs(request, "msetnx")?;
    let free = (1..request.arg_count()).step_by(2).all(|index| !keys.contains(request.arg(index)));
    if free {
        set_pairs(keys, request);
    }
    encode::integer(reply, i64::from(free));
    Ok(())
}

pub(crate) fn append(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let (key, tail) = (request.arg(1), request.arg(2));
    let len = keys.edit_value(key, |value| {
        let text = make_text(value)?;
        check_len(text.len(), tail.len())?;
        text.to_mut().extend_from_slice(tail);
        Ok(text.len())
    });
    let len = match len {
        Some(len) => len?,
        None => {
            keys.set(key, Value::text(Blob::from_arg(request, 2)), Expiry::Never);
            tail.len()
        }
    };
    encode::integer(reply, len as i64);
    Ok(())
}

pub(crate) fn strlen(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let len = match keys.value(request.arg(1)) {
        Some(Value::Integer(value)) => itoa::Buffer::new().format(*value).len(),
        Some(Value::Text(text)) => text.len(),
        Some(_) => return Err(Fault::WRONG_TYPE),
        None => 0,
    };
    encode::integer(reply, len as i64);
    Ok(())
}

pub(crate) fn setrange(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let (key, patch) = (request.arg(1), request.arg(3));
    let offset = integer_arg(request, 2)?;
    let offset = usize::try_from(offset).map_err(|_| Fault::new("ERR offset is out of range"))?;
    let Some(value) = keys.value(key) else {
        if !patch.is_empty() {
            check_len(offset, patch.len())?;
            keys.make_room_for(offset + patch.len())?;
            keys.set(key, Value::Text(Blob::new(&[])), Expiry::Never);
            write_at(keys, key, offset, patch)?;
        }
        encode::integer(reply, if patch.is_empty() { 0 } else { (offset + patch.len()) as i64 });
        return Ok(());
    };
    let len = as_text(value)?.as_slice().len();
    if patch.is_empty() {
        encode::integer(reply, len as i64);
        return Ok(());
    }
    check_len(offset, patch.len())?;
    write_at(keys, key, offset, patch)?;
    encode::integer(reply, len.max(offset + patch.len()) as i64);
    Ok(())
}

pub(crate) fn getrange(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let (start, end) = (integer_arg(request, 2)?, integer_arg(request, 3)?);
    let Some(value) = keys.value(request.arg(1)) else {
        encode::bulk(reply, b"");
        return Ok(());
    };
    let text = as_text(value)?;
    let text = text.as_slice();
    let len = text.len() as i64;
    let from = if start < 0 { start.saturating_add(len) } else { start }.max(0);
    let to = if end < 0 { end.saturating_add(len) } else { end }.max(0).min(len - 1);
    let crossed = start < 0 && end < 0 && start > end;
    let range = if crossed || from > to { &[][..] } else { &text[from as usize..=to as usize] };
    encode::bulk(reply, range);
    Ok(())
}

/// A string's bytes, those of an integer included.
pub(crate) enum Text<'a> {
    Bytes(&'a [u8]),
    Digits([u8; 20], usize),
}

impl Text<'_> {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Digits(digits, len) => &digits[..*len],
        }
    }
}

pub(crate) fn as_text(value: &Value) -> Result<Text<'_>, Fault> {
    match value {
        Value::Text(text) => Ok(Text::Bytes(text)),
        Value::Integer(value) => {
            let (mut digits, mut buffer) = ([0; 20], itoa::Buffer::new());
            let text = buffer.format(*value).as_bytes();
            digits[..text.len()].copy_from_slice(text);
            Ok(Text::Digits(digits, text.len()))
        }
        _ => Err(Fault::WRONG_TYPE),
    }
}

/// A string as bytes that can be changed.
pub(crate) fn make_text(value: &mut Value) -> Result<&mut Blob, Fault> {
    if let Value::Integer(number) = value {
        *value = Value::Text(Blob::new(itoa::Buffer::new().format(*number).as_bytes()));
    }
    match value {
        Value::Text(text) => Ok(text),
        _ => Err(Fault::WRONG_TYPE),
    }
}

/// Writes into a string that is present, filling a gap with zeros.
pub(crate) fn write_at(keys: &mut Keyspace, key: &[u8], offset: usize, patch: &[u8]) -> Answer {
    let written = keys.edit_value(key, |value| {
        let bytes = make_text(value)?.to_mut();
        let end = offset + patch.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[offset..end].copy_from_slice(patch);
        Ok(())
    });
    written.unwrap_or(Ok(()))
}

pub(crate) fn check_len(len: usize, more: usize) -> Answer {
    let fits = len.checked_add(more).is_some_and(|total| total <= STRING_BYTES_MAX);
    if fits { Ok(()) } else { Err(Fault::STRING_TOO_LONG) }
}

fn write_text(value: Option<&Value>, reply: &mut BytesMut) -> Answer {
    match value {
        Some(Value::Text(text)) => encode::bulk(reply, text),
        Some(Value::Integer(value)) => encode::bulk(reply, itoa::Buffer::new().format(*value).as_bytes()),
        Some(_) => return Err(Fault::WRONG_TYPE),
        None => reply.extend_from_slice(encode::NULL_BULK),
    }
    Ok(())
}

fn set_for_a_while(
    keys: &mut Keyspace,
    request: &Request,
    reply: &mut BytesMut,
    unit: Unit,
    command: &str,
) -> Answer {
    let at = expires_at(keys.now_ms, integer_arg(request, 2)?, unit, false, command)?;
    keys.set(request.arg(1), Value::text(Blob::from_arg(request, 3)), Expiry::At(at));
    reply.extend_from_slice(encode::OK);
    Ok(())
}

fn pairs(request: &Request, command: &str) -> Answer {
    if request.arg_count() % 2 == 1 { Ok(()) } else { Err(Fault::arity(command)) }
}

fn set_pairs(keys: &mut Keyspace, request: &Request) {
    for index in (1..request.arg_count()).step_by(2) {
        keys.set(request.arg(index), Value::text(Blob::from_arg(request, index + 1)), Expiry::Never);
    }
}

/// The options of `SET` and `GETEX`.
#[derive(Default)]
struct SetOptions {
    nx: bool,
    xx: bool,
    get: bool,
    keep: bool,
    persist: bool,
    /// Index of the time, its unit, and whether it is absolute.
    time: Option<(usize, Unit, bool)>,
}

impl SetOptions {
    fn parse(request: &Request, from: usize, is_getex: bool) -> Result<Self, Fault> {
        let mut options = Self::default();
        let mut args = Options::new(request, from);
        while let Some(arg) = args.next() {
            // A kind of time may be repeated; kinds may not be mixed.
            let time = [
                ("EX", Unit::Seconds, false),
                ("PX", Unit::Milliseconds, false),
                ("EXAT", Unit::Seconds, true),
                ("PXAT", Unit::Milliseconds, true),
            ];
            let time = time.into_iter().find(|(word, ..)| is(arg, word));
            if let Some((_, unit, absolute)) = time {
                let same = options.time.is_none_or(|(_, old, at)| (old, at) == (unit, absolute));
                if options.keep || options.persist || !same {
                    return Err(Fault::SYNTAX);
                }
                options.time = Some((args.next_index().ok_or(Fault::SYNTAX)?, unit, absolute));
            } else if is(arg, "NX") && !is_getex && !options.xx {
                options.nx = true;
            } else if is(arg, "XX") && !is_getex && !options.nx {
                options.xx = true;
            } else if is(arg, "GET") && !is_getex {
                options.get = true;
            } else if is(arg, "KEEPTTL") && !is_getex && options.time.is_none() {
                options.keep = true;
            } else if is(arg, "PERSIST") && is_getex && options.time.is_none() {
                options.persist = true;
            } else {
                return Err(Fault::SYNTAX);
            }
        }
        Ok(options)
    }

    fn expiry(&self, now_ms: u64, request: &Request, command: &str) -> Result<Expiry, Fault> {
        match self.time {
            Some((index, unit, absolute)) => {
                expires_at(now_ms, integer_arg(request, index)?, unit, absolute, command).map(Expiry::At)
            }
            None if self.keep => Ok(Expiry::Keep),
            None => Ok(Expiry::Never),
        }
    }
}

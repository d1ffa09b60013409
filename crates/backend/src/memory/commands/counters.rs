//! Strings as numbers.

use bytes::BytesMut;
use dynomite_codec::{Request, encode};

use super::strings::as_text;
use crate::memory::blob::Blob;
use crate::memory::extended::Extended;
use crate::memory::fault::{Answer, Fault};
use crate::memory::keyspace::{Expiry, Keyspace};
use crate::memory::number::{integer_arg, parse_integer};
use crate::memory::value::Value;

pub(crate) fn incr(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    add(keys, request.arg(1), 1, reply)
}

pub(crate) fn decr(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    add(keys, request.arg(1), -1, reply)
}

pub(crate) fn incrby(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    add(keys, request.arg(1), integer_arg(request, 2)?, reply)
}

pub(crate) fn decrby(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let amount = integer_arg(request, 2)?.checked_neg();
    add(keys, request.arg(1), amount.ok_or(Fault::new("ERR decrement would overflow"))?, reply)
}

pub(crate) fn incrbyfloat(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let key = request.arg(1);
    let old = keys.value(key).map(as_text).transpose()?;
    let old = old.as_ref().map_or(Some(Extended::ZERO), |text| Extended::parse(text.as_slice()));
    let amount = Extended::parse(request.arg(2));
    let (Some(old), Some(amount)) = (old, amount) else { return Err(Fault::NOT_FLOAT) };
    let sum = old.add(amount).ok_or(Fault::NAN_SUM)?.to_string();
    // The result stays a string, also where it looks like an integer; its bytes are the same.
    keys.set(key, Value::Text(Blob::new(sum.as_bytes())), Expiry::Keep);
    encode::bulk(reply, sum.as_bytes());
    Ok(())
}

fn add(keys: &mut Keyspace, key: &[u8], amount: i64, reply: &mut BytesMut) -> Answer {
    let sum = keys.edit_value(key, |value| {
        let old = match value {
            Value::Integer(old) => *old,
            Value::Text(text) => parse_integer(text).ok_or(Fault::NOT_INTEGER)?,
            _ => return Err(Fault::WRONG_TYPE),
        };
        let sum = old.checked_add(amount).ok_or(Fault::OVERFLOW)?;
        *value = Value::Integer(sum);
        Ok(sum)
    });
    let sum = match sum {
        Some(sum) => sum?,
        None => {
            keys.set(key, Value::Integer(amount), Expiry::Never);
            amount
        }
    };
    encode::integer(reply, sum);
    Ok(())
}

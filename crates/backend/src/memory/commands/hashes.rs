//! Hashes.

use bytes::BytesMut;
use dynomite_codec::{Request, encode};

use super::options::is;
use super::scan::{Page, write_empty_page, write_page};
use crate::memory::blob::Blob;
use crate::memory::extended::Extended;
use crate::memory::fault::{Answer, Fault};
use crate::memory::hash::Hash;
use crate::memory::keyspace::Keyspace;
use crate::memory::number::{integer_arg, parse_integer, pick_arg};

pub(crate) fn hset(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let added = set_fields(keys, request, "hset")?;
    encode::integer(reply, added);
    Ok(())
}

pub(crate) fn hmset(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    set_fields(keys, request, "hmset")?;
    reply.extend_from_slice(encode::OK);
    Ok(())
}

pub(crate) fn hsetnx(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let added = keys.edit(request.arg(1), true, |hash: &mut Hash, _| {
        hash.get(request.arg(2)).is_none() && hash.set(request.arg(2), Blob::from_arg(request, 3))
    })?;
    encode::integer(reply, i64::from(added.unwrap_or(false)));
    Ok(())
}

pub(crate) fn hget(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    write_field(keys.read(request.arg(1))?, request.arg(2), reply);
    Ok(())
}

pub(crate) fn hmget(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let hash = keys.read(request.arg(1))?;
    encode::array(reply, request.arg_count() - 2);
    request.args().skip(2).for_each(|field| write_field(hash, field, reply));
    Ok(())
}

pub(crate) fn hgetall(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    write_all(keys.read(request.arg(1))?, reply, true, true);
    Ok(())
}

pub(crate) fn hkeys(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    write_all(keys.read(request.arg(1))?, reply, true, false);
    Ok(())
}

pub(crate) fn hvals(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    write_all(keys.read(request.arg(1))?, reply, false, true);
    Ok(())
}

pub(crate) fn hdel(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let removed = keys.edit(request.arg(1), false, |hash: &mut Hash, _| {
        request.args().skip(2).filter(|field| hash.remove(field)).count()
    })?;
    encode::integer(reply, removed.unwrap_or(0) as i64);
    Ok(())
}

pub(crate) fn hlen(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let len = keys.read(request.arg(1))?.map_or(0, Hash::len);
    encode::integer(reply, len as i64);
    Ok(())
}

pub(crate) fn hexists(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let found = keys.read(request.arg(1))?.and_then(|hash: &Hash| hash.get(request.arg(2)));
    encode::integer(reply, i64::from(found.is_some()));
    Ok(())
}

pub(crate) fn hstrlen(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let found = keys.read(request.arg(1))?.and_then(|hash: &Hash| hash.get(request.arg(2)));
    encode::integer(reply, found.map_or(0, |value| value.len()) as i64);
    Ok(())
}

pub(crate) fn hincrby(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let amount = integer_arg(request, 3)?;
    let field = request.arg(2);
    let sum = keys.edit(request.arg(1), true, |hash: &mut Hash, _| {
        let old = hash.get(field).map_or(Some(0), |value| parse_integer(value));
        let old = old.ok_or(Fault::new("ERR hash value is not an integer"))?;
        let sum = old.checked_add(amount).ok_or(Fault::OVERFLOW)?;
        hash.set(field, Blob::new(itoa::Buffer::new().format(sum).as_bytes()));
        Ok(sum)
    })?;
    encode::integer(reply, sum.unwrap_or(Ok(0))?);
    Ok(())
}

pub(crate) fn hincrbyfloat(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let amount = Extended::parse(request.arg(3)).ok_or(Fault::NOT_FLOAT)?;
    if amount.is_infinite() {
        return Err(Fault::new("ERR value is NaN or Infinity"));
    }
    let field = request.arg(2);
    let sum = keys.edit(request.arg(1), true, |hash: &mut Hash, _| {
        let old = hash.get(field).map_or(Some(Extended::ZERO), |value| Extended::parse(value));
        let old = old.ok_or(Fault::new("ERR hash value is not a float"))?;
        let sum = old.add(amount).ok_or(Fault::NAN_SUM)?.to_string();
        hash.set(field, Blob::new(sum.as_bytes()));
        Ok(sum)
    })?;
    encode::bulk(reply, sum.unwrap_or(Ok(String::new()))?.as_bytes());
    Ok(())
}

pub(crate) fn hrandfield(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let (key, arg_count) = (request.arg(1), request.arg_count());
    if arg_count == 2 {
        match keys.read_at_random::<Hash>(key)? {
            Some((hash, rng)) => encode::bulk(reply, hash.at(rng.below(hash.len())).0),
            None => reply.extend_from_slice(encode::NULL_BULK),
        }
        return Ok(());
    }
    let (count, repeats) = pick_arg(request, 2)?;
    let with_values = arg_count == 4 && is(request.arg(3), "WITHVALUES");
    if arg_count > 4 || (arg_count == 4 && !with_values) {
        return Err(Fault::SYNTAX);
    }
    if with_values && count > i64::MAX as usize / 2 {
        return Err(Fault::OUT_OF_RANGE);
    }
    let Some((hash, rng)) = keys.read_at_random::<Hash>(key)? else {
        encode::array(reply, 0);
        return Ok(());
    };
    let picked = rng.pick(count, repeats, hash.len());
    encode::array(reply, picked.len() * if with_values { 2 } else { 1 });
    for at in picked {
        let (field, value) = hash.at(at);
        encode::bulk(reply, field);
        if with_values {
            encode::bulk(reply, value);
        }
    }
    Ok(())
}

pub(crate) fn hscan(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let cursor = Page::cursor(request, 2)?;
    let Some(hash) = keys.read::<Hash>(request.arg(1))? else {
        write_empty_page(reply);
        return Ok(());
    };
    let page = Page::parse(request, 2, cursor)?;
    let (positions, next) = page.positions(hash.len());
    let wanted = || positions.clone().rev().map(|at| hash.at(at)).filter(|(field, _)| page.wants(field));
    write_page(reply, next, wanted().count() * 2);
    for (field, value) in wanted() {
        encode::bulk(reply, field);
        encode::bulk(reply, value);
    }
    Ok(())
}

/// Sets the pairs from argument 2 on; how many fields are new.
fn set_fields(keys: &mut Keyspace, request: &Request, command: &str) -> Result<i64, Fault> {
    if request.arg_count() % 2 == 1 {
        return Err(Fault::arity(command));
    }
    let added = keys.edit(request.arg(1), true, |hash: &mut Hash, _| {
        let pairs = (2..request.arg_count()).step_by(2);
        pairs.filter(|at| hash.set(request.arg(*at), Blob::from_arg(request, at + 1))).count()
    })?;
    Ok(added.unwrap_or(0) as i64)
}

fn write_field(hash: Option<&Hash>, field: &[u8], reply: &mut BytesMut) {
    match hash.and_then(|hash| hash.get(field)) {
        Some(value) => encode::bulk(reply, value),
        None => reply.extend_from_slice(encode::NULL_BULK),
    }
}

fn write_all(hash: Option<&Hash>, reply: &mut BytesMut, fields: bool, values: bool) {
    let len = hash.map_or(0, Hash::len);
    encode::array(reply, len * (usize::from(fields) + usize::from(values)));
    for (field, value) in hash.iter().flat_map(|hash| hash.iter()) {
        if fields {
            encode::bulk(reply, field);
        }
        if values {
            encode::bulk(reply, value);
        }
    }
}

//! Keys, whatever they hold.

use bytes::BytesMut;
use dynomite_codec::{Request, encode};

use super::options::{Options, is};
use crate::memory::fault::{Answer, Fault};
use crate::memory::glob::matches;
use crate::memory::keyspace::{Expiry, Keyspace};
use crate::memory::number::integer_arg;

pub(crate) fn del(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let removed = request.args().skip(1).filter(|key| keys.remove(key).is_some()).count();
    encode::integer(reply, removed as i64);
    Ok(())
}

pub(crate) fn exists(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let present = request.args().skip(1).filter(|key| keys.value(key).is_some()).count();
    encode::integer(reply, present as i64);
    Ok(())
}

pub(crate) fn type_of(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let name = keys.peek(request.arg(1)).map_or("none", |(value, _)| value.type_name());
    encode::simple(reply, name);
    Ok(())
}

pub(crate) fn randomkey(keys: &mut Keyspace, _: &Request, reply: &mut BytesMut) -> Answer {
    match keys.random_key() {
        Some(key) => encode::bulk(reply, key),
        None => reply.extend_from_slice(encode::NULL_BULK),
    }
    Ok(())
}

pub(crate) fn keys(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let pattern = request.arg(1);
    let matching = || keys.iter().map(|(key, _)| key).filter(|key| matches(pattern, key));
    encode::array(reply, matching().count());
    matching().for_each(|key| encode::bulk(reply, key));
    Ok(())
}

pub(crate) fn rename(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    move_key(keys, request, true)?;
    reply.extend_from_slice(encode::OK);
    Ok(())
}

pub(crate) fn renamenx(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let moved = move_key(keys, request, false)?;
    encode::integer(reply, i64::from(moved));
    Ok(())
}

pub(crate) fn copy(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let mut replace = false;
    let mut args = Options::new(request, 3);
    while let Some(arg) = args.next() {
        if is(arg, "REPLACE") {
            replace = true;
        } else if is(arg, "DB") && args.left() > 0 {
            let index = args.next_index().ok_or(Fault::SYNTAX)?;
            if integer_arg(request, index)? != 0 {
                return Err(Fault::new("ERR DB index is out of range"));
            }
        } else {
            return Err(Fault::SYNTAX);
        }
    }
    let (from, to) = (request.arg(1), request.arg(2));
    if from == to {
        return Err(Fault::new("ERR source and destination objects are the same"));
    }
    let expiry = keys.expiry(from).map(|at| at.map_or(Expiry::Never, Expiry::At));
    let copied = match keys.value(from).cloned() {
        Some(value) if replace || !keys.contains(to) => {
            keys.make_room_for(value.heap_bytes())?;
            keys.set(to, value, expiry.unwrap_or(Expiry::Never));
            true
        }
        _ => false,
    };
    encode::integer(reply, i64::from(copied));
    Ok(())
}

pub(crate) fn object(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let subcommand = request.arg(1);
    let known = ["encoding", "freq", "idletime", "refcount"];
    let Some(name) = known.into_iter().find(|name| is(subcommand, name)) else {
        let subcommand = Fault::quote(subcommand, 128);
        return Err(Fault::owned(format!("ERR unknown subcommand '{subcommand}'. Try OBJECT HELP.")));
    };
    if request.arg_count() != 3 {
        return Err(Fault::arity(&format!("object|{name}")));
    }
    let Some((value, idle_ms)) = keys.peek(request.arg(2)) else {
        reply.extend_from_slice(encode::NULL_BULK);
        return Ok(());
    };
    match name {
        "encoding" => encode::bulk(reply, value.encoding().as_bytes()),
        "idletime" => encode::integer(reply, (idle_ms / 1000) as i64),
        "refcount" => encode::integer(reply, 1),
        _ => {
            return Err(Fault::new(
                "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
                 switching between policies at runtime LRU and LFU data will take some time to adjust.",
            ));
        }
    }
    Ok(())
}

/// Moves a value with its expiry; false when the target is taken and not to be replaced.
fn move_key(keys: &mut Keyspace, request: &Request, replace: bool) -> Result<bool, Fault> {
    let (from, to) = (request.arg(1), request.arg(2));
    let expiry = keys.expiry(from).ok_or(Fault::NO_SUCH_KEY)?;
    if from == to {
        return Ok(replace);
    }
    if !replace && keys.contains(to) {
        return Ok(false);
    }
    if let Some(value) = keys.remove(from) {
        keys.set(to, value, expiry.map_or(Expiry::Never, Expiry::At));
    }
    Ok(true)
}

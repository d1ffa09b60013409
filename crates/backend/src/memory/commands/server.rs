//! Commands about the store as a whole.

use bytes::BytesMut;
use dynomite_codec::{Request, encode};

use super::options::is;
use crate::memory::fault::{Answer, Fault};
use crate::memory::keyspace::Keyspace;

pub(crate) fn ping(_: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    match request.arg_count() {
        1 => encode::simple(reply, "PONG"),
        2 => encode::bulk(reply, request.arg(1)),
        _ => return Err(Fault::arity("ping")),
    }
    Ok(())
}

pub(crate) fn echo(_: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    encode::bulk(reply, request.arg(1));
    Ok(())
}

pub(crate) fn time(keys: &mut Keyspace, _: &Request, reply: &mut BytesMut) -> Answer {
    encode::array(reply, 2);
    encode::bulk(reply, (keys.now_ms / 1000).to_string().as_bytes());
    encode::bulk(reply, (keys.now_ms % 1000 * 1000).to_string().as_bytes());
    Ok(())
}

pub(crate) fn dbsize(keys: &mut Keyspace, _: &Request, reply: &mut BytesMut) -> Answer {
    encode::integer(reply, keys.len() as i64);
    Ok(())
}

pub(crate) fn flush(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let known = match request.arg_count() {
        1 => true,
        2 => is(request.arg(1), "SYNC") || is(request.arg(1), "ASYNC"),
        _ => false,
    };
    if !known {
        return Err(Fault::SYNTAX);
    }
    keys.clear();
    reply.extend_from_slice(encode::OK);
    Ok(())
}

pub(crate) fn info(keys: &mut Keyspace, _: &Request, reply: &mut BytesMut) -> Answer {
    let text = format!(
        "# Server\r\nstore:memory\r\n\r\n\
         # Memory\r\nused_memory:{}\r\nmaxmemory:{}\r\n\r\n\
         # Stats\r\nexpired_keys:{}\r\nevicted_keys:{}\r\n\r\n\
         # Keyspace\r\ndb0:keys={},expires={},avg_ttl=0\r\n",
        keys.used_bytes(),
        keys.max_bytes().unwrap_or(0),
        keys.expired_count,
        keys.evicted_count,
        keys.len(),
        keys.volatile_count(),
    );
    encode::bulk(reply, text.as_bytes());
    Ok(())
}

//! A key's whole state, out and in.

use bytes::BytesMut;
use dynomite_codec::{Request, encode};

use super::options::{Options, is};
use crate::memory::fault::{Answer, Fault};
use crate::memory::keyspace::{Expiry, Keyspace};
use crate::memory::number::integer_arg;
use crate::memory::payload;

pub(crate) fn dump(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    match keys.peek(request.arg(1)) {
        Some((value, _)) => encode::bulk(reply, &payload::encode(value)),
        None => reply.extend_from_slice(encode::NULL_BULK),
    }
    Ok(())
}

pub(crate) fn restore(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let options = RestoreOptions::parse(request)?;
    let key = request.arg(1);
    if !options.replace && keys.contains(key) {
        return Err(Fault::new("BUSYKEY Target key name already exists."));
    }
    let time = integer_arg(request, 2)?;
    if time < 0 {
        return Err(Fault::new("ERR Invalid TTL value, must be >= 0"));
    }
    let value = payload::decode(request.arg(3))?;
    let at = if options.absolute { time } else { time.saturating_add(keys.now_ms as i64) };
    if time != 0 && at <= keys.now_ms as i64 {
        keys.remove(key);
    } else {
        let expiry = if time == 0 { Expiry::Never } else { Expiry::At(at as u64) };
        keys.set(key, value, expiry);
    }
    reply.extend_from_slice(encode::OK);
    Ok(())
}

struct RestoreOptions {
    replace: bool,
    absolute: bool,
}

impl RestoreOptions {
    /// Idle time and frequency are checked, and not kept.
    fn parse(request: &Request) -> Result<Self, Fault> {
        let mut options = Self { replace: false, absolute: false };
        let (mut idle, mut frequency) = (false, false);
        let mut args = Options::new(request, 4);
        while let Some(arg) = args.next() {
            if is(arg, "REPLACE") {
                options.replace = true;
            } else if is(arg, "ABSTTL") {
                options.absolute = true;
            } else if is(arg, "IDLETIME") && args.left() > 0 && !frequency {
                let index = args.next_index().ok_or(Fault::SYNTAX)?;
                if integer_arg(request, index)? < 0 {
                    return Err(Fault::new("ERR Invalid IDLETIME value, must be >= 0"));
                }
                idle = true;
            } else if is(arg, "FREQ") && args.left() > 0 && !idle {
                let index = args.next_index().ok_or(Fault::SYNTAX)?;
                if !(0..=255).contains(&integer_arg(request, index)?) {
                    return Err(Fault::new("ERR Invalid FREQ value, must be >= 0 and <= 255"));
                }
                frequency = true;
            } else {
                return Err(Fault::SYNTAX);
            }
        }
        Ok(options)
    }
}

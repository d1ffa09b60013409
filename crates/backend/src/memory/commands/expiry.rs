//! When keys expire.

use bytes::BytesMut;
use dynomite_codec::{Request, encode};

use super::options::{Options, is};
use crate::memory::fault::{Answer, Fault};
use crate::memory::keyspace::Keyspace;
use crate::memory::number::integer_arg;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Milliseconds,
}

/// The moment that a positive time argument of `command` means.
pub(crate) fn expires_at(
    now_ms: u64,
    time: i64,
    unit: Unit,
    absolute: bool,
    command: &str,
) -> Result<u64, Fault> {
    let base = if absolute { 0 } else { now_ms as i64 };
    let at = if time <= 0 { None } else { moment(time, unit, base) };
    at.map(|at| at as u64).ok_or_else(|| Fault::expire_time(command))
}

pub(crate) fn expire(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    set_expiry(keys, request, reply, Unit::Seconds, false, "expire")
}

pub(crate) fn pexpire(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    set_expiry(keys, request, reply, Unit::Milliseconds, false, "pexpire")
}

pub(crate) fn expireat(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    set_expiry(keys, request, reply, Unit::Seconds, true, "expireat")
}

pub(crate) fn pexpireat(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    set_expiry(keys, request, reply, Unit::Milliseconds, true, "pexpireat")
}

pub(crate) fn persist(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let key = request.arg(1);
    let expires = matches!(keys.expiry(key), Some(Some(_)));
    if expires {
        keys.set_expiry(key, None);
    }
    encode::integer(reply, i64::from(expires));
    Ok(())
}

pub(crate) fn ttl(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let now_ms = keys.now_ms;
    write_expiry(keys, request, reply, |at| (at.saturating_sub(now_ms) + 500) / 1000)
}

pub(crate) fn pttl(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let now_ms = keys.now_ms;
    write_expiry(keys, request, reply, |at| at.saturating_sub(now_ms))
}

pub(crate) fn expiretime(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    write_expiry(keys, request, reply, |at| at.saturating_add(500) / 1000)
}

pub(crate) fn pexpiretime(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    write_expiry(keys, request, reply, |at| at)
}

fn write_expiry(
    keys: &mut Keyspace,
    request: &Request,
    reply: &mut BytesMut,
    shown: impl FnOnce(u64) -> u64,
) -> Answer {
    let value = match keys.expiry(request.arg(1)) {
        None => -2,
        Some(None) => -1,
        Some(Some(at)) => shown(at) as i64,
    };
    encode::integer(reply, value);
    Ok(())
}

fn set_expiry(
    keys: &mut Keyspace,
    request: &Request,
    reply: &mut BytesMut,
    unit: Unit,
    absolute: bool,
    command: &str,
) -> Answer {
    let condition = Condition::parse(request)?;
    let base = if absolute { 0 } else { keys.now_ms as i64 };
    let at = moment(integer_arg(request, 2)?, unit, base).ok_or_else(|| Fault::expire_time(command))?;
    let key = request.arg(1);
    let holds = keys.expiry(key).is_some_and(|old| condition.holds(old.map(|old| old as i64), at));
    if holds && at <= keys.now_ms as i64 {
        keys.remove(key);
    } else if holds {
        keys.set_expiry(key, Some(at as u64));
    }
    encode::integer(reply, i64::from(holds));
    Ok(())
}

/// `time` after `base_ms`, if it can be said in 64 bits.
fn moment(time: i64, unit: Unit, base_ms: i64) -> Option<i64> {
    let time_ms = match unit {
        Unit::Seconds => time.checked_mul(1000)?,
        Unit::Milliseconds => time,
    };
    time_ms.checked_add(base_ms)
}

/// The options of `EXPIRE` and its kin.
#[derive(Default)]
struct Condition {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl Condition {
    fn parse(request: &Request) -> Result<Self, Fault> {
        let mut condition = Self::default();
        let mut args = Options::new(request, 3);
        while let Some(arg) = args.next() {
            let flag = match arg {
                arg if is(arg, "NX") => &mut condition.nx,
                arg if is(arg, "XX") => &mut condition.xx,
                arg if is(arg, "GT") => &mut condition.gt,
                arg if is(arg, "LT") => &mut condition.lt,
                arg => {
                    let arg = Fault::quote(arg, 128);
                    return Err(Fault::owned(format!("ERR Unsupported option {arg}")));
                }
            };
            *flag = true;
        }
        if condition.nx && (condition.xx || condition.gt || condition.lt) {
            return Err(Fault::new("ERR NX and XX, GT or LT options at the same time are not compatible"));
        }
        if condition.gt && condition.lt {
            return Err(Fault::new("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(condition)
    }

    fn holds(&self, old: Option<i64>, new: i64) -> bool {
        match old {
            Some(old) => !(self.nx || self.gt && new <= old || self.lt && new >= old),
            // A key that never expires counts as one that expires last.
            None => !self.xx && !self.gt,
        }
    }
}

//! Makes commands safe to run again on another replica: relative times become absolute, random results become the
//! writes that they amount to.

use bytes::Bytes;
use dynomite_codec::{Call, Class, Command, ReplyView, Request, lookup};

use crate::KeyRequest;

/// The canonical form of an overwrite: `SET key value [PXAT ms]` or a deletion. `None` when the datastore would refuse it:
/// then it overwrites nothing, and must not be given a version of its own.
pub(crate) fn overwrite(command: &KeyRequest, wall_ms: u64) -> Option<KeyRequest> {
    let request = command.request();
    let (at_ms, value) = match command.call().command.name {
        "set" if request.arg_count() == 3 => return Some(command.clone()),
        "set" => (set_expiry(request, wall_ms)?, request.arg(2)),
        "setex" => (expires_at(request.arg(2), 1000, Some(wall_ms))?, request.arg(3)),
        "psetex" => (expires_at(request.arg(2), 1, Some(wall_ms))?, request.arg(3)),
        _ => return Some(command.clone()),
    };
    let mut digits = itoa::Buffer::new();
    let request =
        Request::from_args([b"SET", request.arg(1), value, b"PXAT", digits.format(at_ms).as_bytes()]);
    KeyRequest::new(Call { command: row(b"set"), class: Class::Overwrite }, request)
}

/// The same command, to be run by its primary like one that depends on what is there.
pub(crate) fn sequenced(command: KeyRequest) -> KeyRequest {
    let call = Call { class: Class::Sequenced, ..command.call() };
    KeyRequest::new(call, command.request().clone()).unwrap_or(command)
}

/// The same sequenced write with absolute times. One that is malformed stays as it is, for the datastore to refuse: that
/// changes no state, and the text is the datastore's own.
pub(crate) fn absolute(command: KeyRequest, wall_ms: u64) -> KeyRequest {
    let (call, request) = (command.call(), command.request());
    let at_a_time = Call { command: row(b"pexpireat"), ..call };
    let (call, rewritten) = match call.command.name {
        "set" | "getex" => (call, with_absolute_option(request, wall_ms)),
        "expire" => (at_a_time, with_absolute_argument(request, "PEXPIREAT", 1000, wall_ms)),
        "pexpire" => (at_a_time, with_absolute_argument(request, "PEXPIREAT", 1, wall_ms)),
        "restore" => (call, restore_with_absolute_time(request, wall_ms)),
        _ => (call, None),
    };
    rewritten.and_then(|request| KeyRequest::new(call, request)).unwrap_or(command)
}

fn row(name: &[u8]) -> &'static Command {
    lookup(name).expect("the table has every name of this file")
}

/// What an effect-class command amounts to, given its reply: a command that any replica can run with the same result.
/// `None` when it changed nothing.
pub(crate) fn effect(request: &Request, reply: &Bytes) -> Option<Request> {
    let key = request.arg(1);
    match (request.name().to_ascii_uppercase().as_slice(), ReplyView::parse(reply)?) {
        (b"SPOP", ReplyView::Bulk(member)) => Some(Request::from_args([b"SREM", key, member])),
        (b"SPOP", ReplyView::Array(members)) => {
            let mut args: Vec<&[u8]> = vec![b"SREM", key];
            for member in members {
                let ReplyView::Bulk(member) = member else { return None };
                args.push(member);
            }
            (args.len() > 2).then(|| Request::from_args(args))
        }
        (b"INCRBYFLOAT", ReplyView::Bulk(value)) => {
            Some(Request::from_args([b"SET", key, value, b"KEEPTTL"]))
        }
        (b"HINCRBYFLOAT", ReplyView::Bulk(value)) => {
            Some(Request::from_args([b"HSET", key, request.arg(2), value]))
        }
        _ => None,
    }
}

/// The expiry that the options of a `SET` ask for; `None` when they are anything but one valid expiry.
fn set_expiry(request: &Request, wall_ms: u64) -> Option<u64> {
    if request.arg_count() != 5 {
        return None;
    }
    let (unit_ms, relative_to) = match request.arg(3).to_ascii_uppercase().as_slice() {
        b"EX" => (1000, Some(wall_ms)),
        b"PX" => (1, Some(wall_ms)),
        b"EXAT" => (1000, None),
        b"PXAT" => (1, None),
        _ => return None,
    };
    expires_at(request.arg(4), unit_ms, relative_to)
}

/// A time argument as milliseconds since the epoch.
fn expires_at(argument: &[u8], unit_ms: i64, relative_to: Option<u64>) -> Option<u64> {
    let value = integer(argument).filter(|value| *value > 0)?;
    let at = value.checked_mul(unit_ms)?.checked_add(relative_to.unwrap_or(0) as i64)?;
    Some(at as u64)
}

/// Rewrites `EX n` and `PX n` of SET and GETEX into `PXAT ms`.
fn with_absolute_option(request: &Request, wall_ms: u64) -> Option<Request> {
    let first_option = if request.name().len() == 3 { 3 } else { 2 };
    let index = (first_option..request.arg_count())
        .find(|&index| matches!(request.arg(index).to_ascii_uppercase().as_slice(), b"EX" | b"PX"))?;
    let unit_ms = if request.arg(index).eq_ignore_ascii_case(b"EX") { 1000 } else { 1 };
    let value = (index + 1 < request.arg_count()).then(|| request.arg(index + 1))?;
    let at = expires_at(value, unit_ms, Some(wall_ms))?.to_string();
    Some(replaced(request, &[(index, b"PXAT"), (index + 1, at.as_bytes())]))
}

/// Rewrites `NAME key time …` into `name key absolute-time …`.
fn with_absolute_argument(request: &Request, name: &str, unit_ms: i64, wall_ms: u64) -> Option<Request> {
    let relative = integer(request.arg(2))?;
    let at = relative.checked_mul(unit_ms)?.checked_add(wall_ms as i64)?.to_string();
    Some(replaced(request, &[(0, name.as_bytes()), (2, at.as_bytes())]))
}

/// Gives `RESTORE` an absolute time, unless it has one or none is wanted.
fn restore_with_absolute_time(request: &Request, wall_ms: u64) -> Option<Request> {
    let is_absolute =
        (4..request.arg_count()).any(|index| request.arg(index).eq_ignore_ascii_case(b"ABSTTL"));
    let relative = integer(request.arg(2))?;
    if is_absolute || relative <= 0 {
        return None;
    }
    let at = relative.checked_add(wall_ms as i64)?.to_string();
    let replaced = replaced(request, &[(2, at.as_bytes())]);
    let mut args: Vec<&[u8]> = replaced.args().collect();
    args.push(b"ABSTTL");
    Some(Request::from_args(args))
}

fn replaced(request: &Request, changes: &[(usize, &[u8])]) -> Request {
    let mut args: Vec<&[u8]> = request.args().collect();
    for (index, argument) in changes {
        args[*index] = argument;
    }
    Request::from_args(args)
}

/// An integer as Redis reads one: no sign but `-`, no leading zeros, no spaces.
fn integer(argument: &[u8]) -> Option<i64> {
    let value: i64 = str::from_utf8(argument).ok()?.parse().ok()?;
    (value.to_string().as_bytes() == argument).then_some(value)
}

#[cfg(test)]
mod tests;

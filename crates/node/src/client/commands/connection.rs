//! `PING`, `HELLO` and their like, in Redis 7.0's words.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use dynomite_codec::{Request, encode};

use super::{Refusal, identity, is, text};
use crate::client::{Client, Stage};

const NO_PASSWORD: &str = "ERR AUTH <password> called without any password configured for the default user. \
                           Are you sure your configuration is correct?";
const WRONG_PASSWORD: &str = "WRONGPASS invalid username-password pair or user is disabled.";

/// The version of Redis that clients take a node for; its commands and replies are those of this version.
pub(super) const REDIS_VERSION: &str = "7.0.15";

pub(super) fn ok(out: &mut BytesMut) -> Result<(), Refusal> {
    encode::simple(out, "OK");
    Ok(())
}

pub(super) fn ping(request: &Request, out: &mut BytesMut) -> Result<(), Refusal> {
    match request.arg_count() {
        1 => encode::simple(out, "PONG"),
        2 => encode::bulk(out, request.arg(1)),
        _ => return Err("ERR wrong number of arguments for 'ping' command".to_owned()),
    }
    Ok(())
}

pub(super) fn echo(request: &Request, out: &mut BytesMut) -> Result<(), Refusal> {
    encode::bulk(out, request.arg(1));
    Ok(())
}

pub(super) fn quit(client: &mut Client, out: &mut BytesMut) -> Result<(), Refusal> {
    client.stage = Stage::Ending;
    ok(out)
}

pub(super) fn reset(client: &mut Client, out: &mut BytesMut) -> Result<(), Refusal> {
    client.session.reset();
    encode::simple(out, "RESET");
    Ok(())
}

pub(super) fn time(out: &mut BytesMut) -> Result<(), Refusal> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    encode::array(out, 2);
    encode::bulk(out, now.as_secs().to_string().as_bytes());
    encode::bulk(out, now.subsec_micros().to_string().as_bytes());
    Ok(())
}

pub(super) fn select(request: &Request, out: &mut BytesMut) -> Result<(), Refusal> {
    match text(request.arg(1)).parse::<i64>() {
        Ok(0) => ok(out),
        Ok(_) => Err("ERR DB index is out of range".to_owned()),
        Err(_) => Err("ERR value is not an integer or out of range".to_owned()),
    }
}

/// `AUTH [user] password`, as a Redis without a password answers.
pub(super) fn auth(request: &Request, out: &mut BytesMut) -> Result<(), Refusal> {
    match request.arg_count() {
        2 => Err(NO_PASSWORD.to_owned()),
        3 => {
            authenticate(request.arg(1))?;
            ok(out)
        }
        _ => Err("ERR syntax error".to_owned()),
    }
}

fn authenticate(user: &[u8]) -> Result<(), Refusal> {
    // The default user without a password takes any.
    if user == b"default" { Ok(()) } else { Err(WRONG_PASSWORD.to_owned()) }
}

/// `HELLO [protocol [AUTH user password] [SETNAME name]]`.
pub(super) fn hello(client: &mut Client, request: &Request, out: &mut BytesMut) -> Result<(), Refusal> {
    let mut is_resp3 = client.session.is_resp3;
    if request.arg_count() > 1 {
        is_resp3 = match text(request.arg(1)).parse::<i64>() {
            Ok(2) => false,
            Ok(3) => true,
            Ok(_) => return Err("NOPROTO unsupported protocol version".to_owned()),
            Err(_) => return Err("ERR Protocol version is not an integer or out of range".to_owned()),
        };
    }
    let (mut user, mut name) = (None, None);
    let mut at = 2;
    while at < request.arg_count() {
        let left = request.arg_count() - at - 1;
        if is(request, at, "AUTH") && left >= 2 {
            user = Some(request.arg(at + 1));
            at += 3;
        } else if is(request, at, "SETNAME") && left >= 1 {
            name = Some(request.arg(at + 1));
            at += 2;
        } else {
            return Err(format!("ERR Syntax error in HELLO option '{}'", text(request.arg(at))));
        }
    }
    user.map_or(Ok(()), authenticate)?;
    name.map_or(Ok(()), |name| identity::set_name(client, name))?;
    client.session.is_resp3 = is_resp3;
    encode::array(out, 14);
    for text in ["server", "redis", "version", REDIS_VERSION, "proto"] {
        encode::bulk(out, text.as_bytes());
    }
    encode::integer(out, if is_resp3 { 3 } else { 2 });
    encode::bulk(out, b"id");
    encode::integer(out, client.session.id as i64);
    for text in ["mode", "standalone", "role", "master", "modules"] {
        encode::bulk(out, text.as_bytes());
    }
    encode::array(out, 0);
    Ok(())
}

/// `CONTAINER HELP`: the subcommands that work here.
pub(super) fn help(name: &str, out: &mut BytesMut) -> Result<(), Refusal> {
    let container = name.split('|').next().unwrap_or(name);
    let prefix = format!("{container}|");
    let wired = dynomite_codec::command::commands().iter().filter(|row| {
        row.name.starts_with(&prefix) && row.support() == dynomite_codec::command::Support::Wired
    });
    let mut lines = vec![format!(
        "{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        container.to_ascii_uppercase()
    )];
    for row in wired {
        lines.push(row.name[prefix.len()..].to_ascii_uppercase());
        lines.push(format!("    {}.", row.summary.trim_end_matches('.')));
    }
    encode::array(out, lines.len());
    lines.iter().for_each(|line| encode::simple(out, line));
    Ok(())
}

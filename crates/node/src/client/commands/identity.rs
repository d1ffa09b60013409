//! `CLIENT`: what a connection says of itself. Redis shows all connections; a node shows each its own.

use bytes::BytesMut;
use dynomite_codec::{Request, encode};

use super::{Refusal, connection, is, text};
use crate::client::Client;

const BAD_NAME: &str = "ERR Client names cannot contain spaces, newlines or special characters.";
const SYNTAX: &str = "ERR syntax error";

pub(super) fn client(client: &mut Client, request: &Request, out: &mut BytesMut) -> Result<(), Refusal> {
    let subcommand = text(request.arg(1)).to_ascii_uppercase();
    match subcommand.as_str() {
        "ID" => encode::integer(out, client.session.id as i64),
        "GETNAME" if client.session.name.is_empty() => out.extend_from_slice(encode::NULL_BULK),
        "GETNAME" => encode::bulk(out, &client.session.name),
        "SETNAME" => {
            set_name(client, request.arg(2))?;
            connection::ok(out)?;
        }
        "INFO" => encode::bulk(out, line(client, "client|info").as_bytes()),
        "LIST" => {
            let shown = if is_listed(client, request)? { line(client, "client|list") } else { String::new() };
            encode::bulk(out, shown.as_bytes());
        }
        "NO-EVICT" => {
            client.session.no_evict = on_or_off(request)?;
            connection::ok(out)?;
        }
        "REPLY" if is(request, 2, "ON") => connection::ok(out)?,
        "REPLY" if is(request, 2, "OFF") || is(request, 2, "SKIP") => {
            return Err(
                "ERR Dynomite: every command is answered; CLIENT REPLY OFF and SKIP are not supported"
                    .to_owned(),
            );
        }
        "HELP" => connection::help("client|help", out)?,
        _ => return Err(SYNTAX.to_owned()),
    }
    Ok(())
}

/// `CLIENT SETINFO LIB-NAME name`, `CLIENT SETINFO LIB-VER version`, of Redis 7.2.
pub(super) fn set_info(client: &mut Client, request: &Request) -> Result<(), Refusal> {
    if request.arg_count() != 4 {
        return Err("ERR wrong number of arguments for 'client|setinfo' command".to_owned());
    }
    let value = request.arg(3);
    let (option, target) = if is(request, 2, "LIB-NAME") {
        ("LIB-NAME", &mut client.session.lib_name)
    } else if is(request, 2, "LIB-VER") {
        ("LIB-VER", &mut client.session.lib_version)
    } else {
        return Err(format!("ERR Unrecognized option '{}'", text(request.arg(2))));
    };
    if !is_plain(value) {
        return Err(format!("ERR {option} cannot contain spaces, newlines or special characters."));
    }
    *target = value.to_vec();
    Ok(())
}

pub(super) fn set_name(client: &mut Client, name: &[u8]) -> Result<(), Refusal> {
    if !is_plain(name) {
        return Err(BAD_NAME.to_owned());
    }
    client.session.name = name.to_vec();
    Ok(())
}

/// The third argument, `ON` or `OFF`.
pub(super) fn on_or_off(request: &Request) -> Result<bool, Refusal> {
    match request.arg_count() {
        3 if is(request, 2, "ON") => Ok(true),
        3 if is(request, 2, "OFF") => Ok(false),
        _ => Err(SYNTAX.to_owned()),
    }
}

/// Whether `CLIENT LIST`'s filters let this connection through.
fn is_listed(client: &Client, request: &Request) -> Result<bool, Refusal> {
    if request.arg_count() == 2 {
        return Ok(true);
    }
    if is(request, 2, "TYPE") && request.arg_count() == 4 {
        let kind = text(request.arg(3)).to_ascii_lowercase();
        return match kind.as_str() {
            "normal" => Ok(true),
            "master" | "replica" | "slave" | "pubsub" => Ok(false),
            _ => Err(format!("ERR Unknown client type '{}'", text(request.arg(3)))),
        };
    }
    if is(request, 2, "ID") && request.arg_count() > 3 {
        let mut found = false;
        for index in 3..request.arg_count() {
            let id = text(request.arg(index)).parse::<i64>().ok().filter(|id| *id > 0);
            found |= id.ok_or("ERR Invalid client ID")? as u64 == client.session.id;
        }
        return Ok(found);
    }
    Err(SYNTAX.to_owned())
}

/// Printable characters without blanks, so that they cannot break a line of `CLIENT LIST`.
fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| (b'!'..=b'~').contains(byte))
}

fn line(client: &Client, command: &str) -> String {
    let session = &client.session;
    format!(
        "id={} addr={} laddr={} fd=0 name={} age={} idle=0 flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf={} qbuf-free=0 \
         argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem={} tot-mem={} events=r cmd={command} user=default redir=-1 \
         resp={} lib-name={} lib-ver={}\n",
        session.id,
        session.address,
        session.local_address,
        text(&session.name),
        session.connected_at.elapsed().as_secs(),
        client.input.len(),
        client.output.len(),
        client.buffered_bytes(),
        if session.is_resp3 { 3 } else { 2 },
        text(&session.lib_name),
        text(&session.lib_version),
    )
}

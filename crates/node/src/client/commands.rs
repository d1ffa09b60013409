//! Commands that the node answers itself: about the connection, the node and the cluster.
//!
//! Each handler appends one RESP2 value; conversion to RESP3 is done in one place, by the table's shapes.

mod cluster;
mod config;
mod connection;
mod description;
mod identity;
mod info;
mod pattern;
mod repair;
mod table;
mod topology;

use bytes::{Bytes, BytesMut};
use dynomite_codec::{Call, CommandError, Request, encode, to_resp3};
use dynomite_replication::Level;

use super::Client;
use crate::worker::Core;

/// The name under which Netflix's Dynomite took a connection's consistency.
const LEGACY_CONSISTENCY: &[u8] = b"DYNO_CONFIG:CONN_CONSISTENCY";

/// What a handler says when it cannot do what was asked: the text of the error, with its code.
type Refusal = String;

/// Answers a command of class `Connection`.
pub(super) fn answer(client: &mut Client, call: Call, request: &Request, core: &mut Core) {
    let mut out = BytesMut::new();
    let answered = match call.command.name {
        "ping" => connection::ping(request, &mut out),
        "echo" => connection::echo(request, &mut out),
        "hello" => connection::hello(client, request, &mut out),
        "auth" => connection::auth(request, &mut out),
        "select" => connection::select(request, &mut out),
        "quit" => connection::quit(client, &mut out),
        "reset" => connection::reset(client, &mut out),
        "time" => connection::time(&mut out),
        "readonly" | "readwrite" | "asking" => connection::ok(&mut out),
        "info" => info::info(request, core, &mut out),
        "config|get" => config::read(request, core, &mut out),
        "config|set" => config::write(request, core, &mut out),
        "config|resetstat" => {
            Err("ERR Dynomite: CONFIG RESETSTAT is not supported here: counters only grow".to_owned())
        }
        "dynomite" => cluster::dynomite(client, request, core, &mut out),
        name if name.starts_with("client|") => identity::client(client, request, &mut out),
        name if name.starts_with("command") => table::command(request, &mut out),
        name if name.starts_with("cluster|") => {
            Err("ERR This instance has cluster support disabled".to_owned())
        }
        name if name.ends_with("|help") => connection::help(name, &mut out),
        name => Err(format!("ERR Dynomite: '{name}' is not supported here")),
    };
    if let Err(text) = answered {
        return client.refuse(&text);
    }
    let reply = out.freeze();
    client.answer(if client.session.is_resp3 { to_resp3(&call, request, reply) } else { reply });
}

/// Answers what the command table does not know but this node does; gives `false` for all else.
pub(super) fn answer_unlisted(client: &mut Client, request: &Request, error: &CommandError) -> bool {
    let answered = match error {
        // A browser that was lured into sending a form here must not get to the commands in it. As Redis does.
        CommandError::UnknownCommand { .. } if is(request, 0, "POST") || is(request, 0, "Host:") => {
            tracing::warn!(client = %client.address(), "client closed: it speaks HTTP");
            client.cut();
            return true;
        }
        CommandError::UnknownCommand { .. } if request.name().eq_ignore_ascii_case(LEGACY_CONSISTENCY) => {
            cluster::set_legacy_consistency(client, request)
        }
        // Newer than the table; client libraries send them without being asked.
        CommandError::UnknownSubcommand { .. } if is(request, 0, "CLIENT") && is(request, 1, "SETINFO") => {
            identity::set_info(client, request)
        }
        CommandError::UnknownSubcommand { .. } if is(request, 0, "CLIENT") && is(request, 1, "NO-TOUCH") => {
            identity::on_or_off(request).map(|_| ())
        }
        _ => return false,
    };
    match answered {
        Ok(()) => client.answer(Bytes::from_static(encode::OK)),
        Err(text) => client.refuse(&text),
    }
    true
}

/// Whether argument `index` is there and is `word`, in any case.
fn is(request: &Request, index: usize, word: &str) -> bool {
    index < request.arg_count() && request.arg(index).eq_ignore_ascii_case(word.as_bytes())
}

fn level_of(text: &[u8]) -> Result<Level, Refusal> {
    String::from_utf8_lossy(text).parse::<Level>().map_err(|error| format!("ERR {error}"))
}

fn text(argument: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(argument)
}

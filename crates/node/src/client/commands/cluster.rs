//! `DYNOMITE`: the cluster as this node sees it, and the consistency of this connection.

use bytes::BytesMut;
use dynomite_codec::{Request, encode};

use super::description::{ring_json, route_json};
use super::{Refusal, connection, is, level_of, text};
use crate::client::Client;
use crate::worker::Core;

const HELP: [&str; 13] = [
    "DYNOMITE <subcommand> [<arg> ...]. Subcommands are:",
    "RING",
    "    All nodes with their tokens and states, as JSON.",
    "ROUTE <key>",
    "    Which nodes hold a key, as JSON.",
    "CONSISTENCY",
    "    The levels that commands of this connection run at, unless the key's prefix has its own.",
    "CONSISTENCY [READ|WRITE] <level>",
    "    Sets this connection's levels: DC_ONE, DC_QUORUM, DC_SAFE_QUORUM or DC_EACH_SAFE_QUORUM.",
    "CONSISTENCY [READ|WRITE] DEFAULT",
    "    Goes back to the node's levels.",
    "HELP",
    "    This text.",
];

pub(super) fn dynomite(
    client: &mut Client,
    request: &Request,
    core: &Core,
    out: &mut BytesMut,
) -> Result<(), Refusal> {
    let subcommand = text(request.arg(1)).to_ascii_uppercase();
    match (subcommand.as_str(), request.arg_count()) {
        ("RING", 2) => encode::bulk(out, ring_json(&core.shared).as_bytes()),
        ("ROUTE", 3) => encode::bulk(out, route_json(&core.shared, request.arg(2)).as_bytes()),
        ("CONSISTENCY", 2..=4) => consistency(client, request, core, out)?,
        ("HELP", 2) => {
            encode::array(out, HELP.len());
            HELP.iter().for_each(|line| encode::simple(out, line));
        }
        ("RING" | "ROUTE" | "CONSISTENCY" | "HELP", _) => {
            let name = subcommand.to_ascii_lowercase();
            return Err(format!("ERR wrong number of arguments for 'dynomite|{name}' command"));
        }
        _ => return Err(format!("ERR unknown subcommand '{}'. Try DYNOMITE HELP.", text(request.arg(1)))),
    }
    Ok(())
}

/// `DYNO_CONFIG:CONN_CONSISTENCY level`: both levels of this connection.
pub(super) fn set_legacy_consistency(client: &mut Client, request: &Request) -> Result<(), Refusal> {
    if request.arg_count() != 2 {
        return Err("ERR wrong number of arguments for 'dyno_config:conn_consistency' command".to_owned());
    }
    let level = level_of(request.arg(1))?;
    client.session.read_level = Some(level);
    client.session.write_level = Some(level);
    Ok(())
}

fn consistency(
    client: &mut Client,
    request: &Request,
    core: &Core,
    out: &mut BytesMut,
) -> Result<(), Refusal> {
    let (read, write) = (is(request, 2, "READ"), is(request, 2, "WRITE"));
    let given = if read || write { 3 } else { 2 };
    let session = &mut client.session;
    if request.arg_count() > given + 1 {
        return Err("ERR syntax error".to_owned());
    }
    if request.arg_count() > given {
        let level = if is(request, given, "DEFAULT") { None } else { Some(level_of(request.arg(given))?) };
        if !write {
            session.read_level = level;
        }
        if !read {
            session.write_level = level;
        }
        return connection::ok(out);
    }
    let levels = &core.shared.levels;
    let read_level = session.read_level.unwrap_or_else(|| levels.read());
    let write_level = session.write_level.unwrap_or_else(|| levels.write());
    match (read, write) {
        (true, _) => encode::bulk(out, read_level.name().as_bytes()),
        (_, true) => encode::bulk(out, write_level.name().as_bytes()),
        _ => {
            encode::array(out, 4);
            for part in ["read", read_level.name(), "write", write_level.name()] {
                encode::bulk(out, part.as_bytes());
            }
        }
    }
    Ok(())
}

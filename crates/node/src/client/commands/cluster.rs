//! `DYNOMITE`: the cluster as this node sees it, and the consistency of this connection.

use bytes::BytesMut;
use dynomite_codec::{Request, encode};

use super::description::{ring_json, route_json};
use super::{Refusal, connection, is, level_of, repair, text, topology};
use crate::client::Client;
use crate::config::ByteSize;
use crate::membership::members_json;
use crate::worker::Core;

const HELP: [&str; 38] = [
    "DYNOMITE <subcommand> [<arg> ...]. Subcommands are:",
    "RING",
    "    All nodes with their tokens and states, as JSON.",
    "ROUTE <key>",
    "    Which nodes hold a key, as JSON.",
    "MEMBERS",
    "    All members as this node knows them: who is up, with which ring, load and datastore, as JSON.",
    "DATACENTERS",
    "    What is on its way from this node to each other datacenter, as JSON.",
    "PAUSE <datacenter>, RESUME <datacenter>",
    "    Sends nothing there from this node; what is written meanwhile is sent later.",
    "RATE <datacenter> <size per second>|UNLIMITED",
    "    Sends at most so much there from this node, such as 10MiB in each second.",
    "REPAIR START [PREVIEW] [FULL] [BUCKETS <first> <last> | TOKENS <first> <last>]",
    "    Compares this node's copies with all others and heals what differs; PREVIEW only counts, FULL compares values.",
    "REPAIR STATUS",
    "    How far that is, or how the last one ended, as JSON.",
    "REPAIR STOP",
    "    Ends it; what was healed stays so.",
    "TOPOLOGY",
    "    The ring's epoch, the change under way and how every node stands to it, as JSON.",
    "TOPOLOGY PLAN <change>",
    "    What a change would come to, as JSON: JOIN <node>, LEAVE <node>, REPLACE <dead node> <node>,",
    "    MOVE <node> <token> [<token> ...], REBALANCE <datacenter> <rack>.",
    "TOPOLOGY COMMIT <epoch> <change>",
    "    Begins a change that was planned at this epoch; TOPOLOGY tells how that comes out.",
    "TOPOLOGY ABORT",
    "    Goes back to where the change under way began.",
    "CLEANUP",
    "    Begins to remove keys from this node's datastore that other nodes have by now; INFO counts keys_cleaned.",
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
    core: &mut Core,
    out: &mut BytesMut,
) -> Result<(), Refusal> {
    let subcommand = text(request.arg(1)).to_ascii_uppercase();
    match (subcommand.as_str(), request.arg_count()) {
        ("RING", 2) => encode::bulk(out, ring_json(&core.shared).as_bytes()),
        ("ROUTE", 3) => encode::bulk(out, route_json(&core.shared, request.arg(2)).as_bytes()),
        ("MEMBERS", 2) => encode::bulk(out, members_json(&core.shared).as_bytes()),
        ("DATACENTERS", 2) => {
            let json = core.shared.flows.json(&core.shared.config.datacenter);
            encode::bulk(out, json.to_string().as_bytes());
        }
        ("PAUSE" | "RESUME", 3) => {
            core.shared.flows.pause(&other_dc(core, request)?, subcommand == "PAUSE");
            connection::ok(out)?;
        }
        ("RATE", 4) => {
            core.shared.flows.limit(&other_dc(core, request)?, rate(request)?);
            connection::ok(out)?;
        }
        ("TOPOLOGY", 2..) => topology::topology(request, core, out)?,
        ("CLEANUP", 2) => topology::clean_up(core, out)?,
        ("REPAIR", 3..) => repair::repair(request, core, out)?,
        ("CONSISTENCY", 2..=4) => consistency(client, request, core, out)?,
        ("HELP", 2) => {
            encode::array(out, HELP.len());
            HELP.iter().for_each(|line| encode::simple(out, line));
        }
        (
            "TOPOLOGY" | "CLEANUP" | "RING" | "ROUTE" | "MEMBERS" | "DATACENTERS" | "PAUSE" | "RESUME"
            | "RATE" | "REPAIR" | "CONSISTENCY" | "HELP",
            _,
        ) => {
            let name = subcommand.to_ascii_lowercase();
            return Err(format!("ERR wrong number of arguments for 'dynomite|{name}' command"));
        }
        _ => return Err(format!("ERR unknown subcommand '{}'. Try DYNOMITE HELP.", text(request.arg(1)))),
    }
    Ok(())
}

/// The datacenter that a command names, which is not the node's own.
fn other_dc(core: &Core, request: &Request) -> Result<String, Refusal> {
    let (name, own) = (text(request.arg(2)), &core.shared.config.datacenter);
    let ring = core.shared.ring();
    let others = || ring.dcs().iter().map(dynomite_ring::Dc::name).filter(|dc| dc != own);
    if others().any(|dc| dc == name) {
        return Ok(name.into_owned());
    }
    let others = others().collect::<Vec<_>>().join(", ");
    Err(format!("ERR '{name}' is none of the other datacenters ({others})"))
}

/// Bytes in each second; `None` is without a limit.
fn rate(request: &Request) -> Result<Option<u64>, Refusal> {
    if is(request, 3, "UNLIMITED") {
        return Ok(None);
    }
    let size: Result<ByteSize, _> = text(request.arg(3)).parse();
    match size.map(|size| size.bytes() as u64) {
        Ok(0) => Err("ERR a rate of 0 sends nothing: use DYNOMITE PAUSE".to_owned()),
        Ok(bytes) => Ok(Some(bytes)),
        Err(reason) => Err(format!("ERR {reason}")),
    }
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

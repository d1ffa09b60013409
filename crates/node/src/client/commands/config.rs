//! `CONFIG GET` and `CONFIG SET`: the consistency levels, and what tools of Redis ask for.

use bytes::BytesMut;
use dynomite_codec::{Request, encode};

use super::pattern::matches;
use super::{Refusal, connection, level_of, text};
use crate::config::Datastore;
use crate::shared::Shared;
use crate::worker::Core;

const READ: &str = "read-consistency";
const WRITE: &str = "write-consistency";

pub(super) fn read(request: &Request, core: &Core, out: &mut BytesMut) -> Result<(), Refusal> {
    let parameters = parameters(&core.shared);
    let mut found = Vec::new();
    for (name, value) in &parameters {
        let Some(pattern) = request.args().skip(2).find(|pattern| matches(pattern, name.as_bytes())) else {
            continue;
        };
        // A name that was asked for as it is comes back as it was spelled.
        let is_name = pattern.eq_ignore_ascii_case(name.as_bytes());
        found.push((if is_name { pattern } else { name.as_bytes() }, value));
    }
    encode::array(out, found.len() * 2);
    for (name, value) in found {
        encode::bulk(out, name);
        encode::bulk(out, value.as_bytes());
    }
    Ok(())
}

/// Sets all of the given parameters, or none.
pub(super) fn write(request: &Request, core: &mut Core, out: &mut BytesMut) -> Result<(), Refusal> {
    if !request.arg_count().is_multiple_of(2) {
        return Err("ERR wrong number of arguments for 'config|set' command".to_owned());
    }
    let levels = &core.shared.levels;
    let mut changes = Vec::new();
    for index in (2..request.arg_count()).step_by(2) {
        let name = text(request.arg(index)).to_ascii_lowercase();
        if name != READ && name != WRITE {
            let known = parameters(&core.shared).iter().any(|(known, _)| *known == name);
            return Err(if known {
                format!(
                    "ERR CONFIG SET failed (possibly related to argument '{name}') - can't set immutable config"
                )
            } else {
                format!("ERR Unknown option or number of arguments for CONFIG SET - '{name}'")
            });
        }
        let level = level_of(request.arg(index + 1)).map_err(|refusal| {
            let reason = refusal.trim_start_matches("ERR ");
            format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")
        })?;
        changes.push((name, level));
    }
    for (name, level) in changes {
        if name == READ {
            levels.set_read(level);
        } else {
            levels.set_write(level);
        }
        tracing::info!("{name} is now {level}");
    }
    connection::ok(out)
}

fn parameters(shared: &Shared) -> Vec<(&'static str, String)> {
    let limits = &shared.config.limits;
    let max_memory = match &shared.config.datastore {
        Datastore::Memory { max_memory: Some(size) } => size.bytes(),
        _ => 0,
    };
    vec![
        (READ, shared.levels.read().to_string()),
        (WRITE, shared.levels.write().to_string()),
        ("appendonly", "no".to_owned()),
        ("bind", shared.client_address.ip().to_string()),
        ("databases", "1".to_owned()),
        ("maxclients", limits.clients_max.to_string()),
        ("maxmemory", max_memory.to_string()),
        ("maxmemory-policy", if max_memory > 0 { "allkeys-lru" } else { "noeviction" }.to_owned()),
        ("port", shared.client_address.port().to_string()),
        ("proto-max-bulk-len", limits.bulk_max.bytes().to_string()),
        ("save", String::new()),
        ("timeout", "0".to_owned()),
    ]
}

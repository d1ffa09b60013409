//! `dynoctl route KEY`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use anyhow::Result;
use serde_json::Value;

use crate::answer::{flag, list, parse, shown, text};
use crate::connection::Connection;
use crate::table::{Table, plain, state};

pub(crate) fn run(
    connection: &mut Connection,
    key: &OsStr,
    is_json: bool,
    is_coloured: bool,
) -> Result<String> {
    let answer = connection.ask(&[b"DYNOMITE".as_slice(), b"ROUTE", key.as_bytes()])?;
    let route = parse(&answer)?;
    if is_json {
        return Ok(format!("{}\n", String::from_utf8_lossy(&answer)));
    }
    render(key, &route, is_coloured)
}

fn render(key: &OsStr, route: &Value, is_coloured: bool) -> Result<String> {
    let mut table = Table::new(&["DATACENTER", "RACK", "NODE", "STATE", "CLIENTS", ""], is_coloured);
    for replica in list(route, "replicas")? {
        table.row([
            plain(text(replica, "datacenter")?),
            plain(text(replica, "rack")?),
            plain(text(replica, "node")?),
            state(text(replica, "state")?),
            plain(text(replica, "client_address")?),
            plain(if flag(replica, "primary")? { "primary" } else { "" }),
        ]);
    }
    // Escaped, so that no byte of a key reaches the terminal as a command to it.
    let key = key.as_bytes().escape_ascii();
    Ok(format!("key {key}, token {}\n\n{}", shown(route, "token")?, table.render()))
}

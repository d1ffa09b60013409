//! `dynoctl ring`.

use anyhow::Result;
use serde_json::Value;

use crate::answer::{list, number, parse, shown, text};
use crate::connection::Connection;
use crate::table::{Table, plain, state};

pub(crate) fn run(connection: &mut Connection, is_json: bool, is_coloured: bool) -> Result<String> {
    let answer = connection.ask(&["DYNOMITE", "RING"])?;
    let ring = parse(&answer)?;
    if is_json {
        return Ok(format!("{}\n", String::from_utf8_lossy(&answer)));
    }
    render(&ring, is_coloured)
}

fn render(ring: &Value, is_coloured: bool) -> Result<String> {
    let headings = ["DATACENTER", "RACK", "NODE", "STATE", "OWNS", "TOKENS", "CLIENTS", "PEERS"];
    let mut table = Table::new(&headings, is_coloured);
    let (mut node_count, mut down_count) = (0, 0);
    for datacenter in list(ring, "datacenters")? {
        for rack in list(datacenter, "racks")? {
            for node in list(rack, "nodes")? {
                node_count += 1;
                down_count += usize::from(text(node, "state")? == "down");
                table.row([
                    plain(text(datacenter, "name")?),
                    plain(text(rack, "name")?),
                    plain(text(node, "name")?),
                    state(text(node, "state")?),
                    plain(format!("{:.1} %", number(node, "ownership")? * 100.0)),
                    plain(list(node, "tokens")?.len().to_string()),
                    plain(text(node, "client_address")?),
                    plain(text(node, "peer_address")?),
                ]);
            }
        }
    }
    Ok(format!(
        "{}\n{node_count} nodes, {down_count} down as {} sees it; hash {}, epoch {}, digest {}\n",
        table.render(),
        text(ring, "self")?,
        text(ring, "hash")?,
        shown(ring, "epoch")?,
        shown(ring, "digest")?,
    ))
}

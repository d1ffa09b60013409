//! `dynoctl gossip`.

use anyhow::Result;
use serde_json::Value;

use crate::answer::{if_known, shown, text};
use crate::connection::Connection;
use crate::members::Members;
use crate::table::{Table, plain, state};

pub(crate) fn run(connection: &mut Connection, is_json: bool, is_coloured: bool) -> Result<String> {
    let members = Members::ask(connection)?;
    if is_json { Ok(members.json()) } else { render(&members, is_coloured) }
}

fn render(members: &Members, is_coloured: bool) -> Result<String> {
    let headings = ["NODE", "STATUS", "PHI", "LATENCY", "GENERATION", "INCARNATION", "ITEMS", "PEERS"];
    let mut table = Table::new(&headings, is_coloured);
    for member in members.list()? {
        table.row([
            plain(if_known(member, "name")),
            state(text(member, "status")?),
            plain(if_known(member, "phi")),
            plain(latency(member)),
            plain(if_known(member, "generation")),
            plain(if_known(member, "incarnation")),
            plain(if_known(member, "items_version")),
            plain(if_known(member, "peer_address")),
        ]);
    }
    let gossip = &members.all["gossip"];
    let count = |field: &str| shown(gossip, field);
    Ok(format!(
        "{}\n{}; what it knows adds up to {}\n\
         sent {} messages, {} bytes; received {} messages, {} bytes; {} connections\n\
         {} messages dropped, {} malformed, {} refused; {} probes, {} verdicts, {} of others not followed\n",
        table.render(),
        members.summary()?,
        count("digest")?,
        count("messages_sent")?,
        count("bytes_sent")?,
        count("messages_received")?,
        count("bytes_received")?,
        count("connections")?,
        count("messages_dropped")?,
        count("messages_malformed")?,
        count("messages_refused")?,
        count("probes")?,
        count("verdicts")?,
        count("verdicts_not_followed")?,
    ))
}

fn latency(member: &Value) -> String {
    match member["latency_us"].as_f64() {
        Some(us) => format!("{:.2} ms", us / 1000.0),
        None => "-".to_owned(),
    }
}

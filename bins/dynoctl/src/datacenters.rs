//! `dynoctl datacenters`: what each node has on its way to other datacenters, and how much may be.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::answer::{flag, number, parse, text};
use crate::command_line::DatacenterChange;
use crate::connection::Connection;
use crate::nodes::{self, Node};
use crate::table::{Table, plain};

pub(crate) fn run(
    connection: &mut Connection,
    change: Option<&DatacenterChange>,
    is_json: bool,
    is_coloured: bool,
) -> Result<String> {
    let nodes = nodes::all(connection)?;
    if let Some(change) = change {
        make(change, &nodes)?;
    }
    let mut answers = Vec::new();
    for node in &nodes {
        answers.push((node, ask(node, &["DYNOMITE", "DATACENTERS"]).and_then(|answer| parse(&answer))));
    }
    if is_json {
        let all: Vec<Value> = answers.into_iter().map(|(node, answer)| to_json(node, answer)).collect();
        return Ok(format!("{}\n", Value::Array(all)));
    }
    render(&answers, is_coloured)
}

/// Makes a change at every node outside the datacenter. Those that cannot be reached are told of.
fn make(change: &DatacenterChange, nodes: &[Node]) -> Result<()> {
    let (datacenter, command) = match change {
        DatacenterChange::Pause { datacenter } => (datacenter, vec!["DYNOMITE", "PAUSE", datacenter]),
        DatacenterChange::Resume { datacenter } => (datacenter, vec!["DYNOMITE", "RESUME", datacenter]),
        DatacenterChange::Rate { datacenter, rate } => {
            (datacenter, vec!["DYNOMITE", "RATE", datacenter, rate])
        }
    };
    if !nodes.iter().any(|node| node.datacenter == *datacenter) {
        bail!("no node is in a datacenter `{datacenter}`");
    }
    let mut failed = Vec::new();
    for node in nodes.iter().filter(|node| node.datacenter != *datacenter) {
        if let Err(error) = ask(node, &command) {
            failed.push(format!("{}: {error:#}", node.name));
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    bail!("not changed everywhere; run it again when these answer:\n  {}", failed.join("\n  "))
}

fn ask(node: &Node, command: &[&str]) -> Result<bytes::Bytes> {
    let mut connection = Connection::open(&node.address)?;
    connection.ask(command).with_context(|| format!("node {}", node.name))
}

fn to_json(node: &Node, answer: Result<Value>) -> Value {
    match answer {
        Ok(datacenters) => json!({ "node": node.name, "datacenter": node.datacenter, "to": datacenters }),
        Err(error) => {
            json!({ "node": node.name, "datacenter": node.datacenter, "error": format!("{error:#}") })
        }
    }
}

fn render(answers: &[(&Node, Result<Value>)], is_coloured: bool) -> Result<String> {
    let headings =
        ["FROM", "NODE", "TO", "LAG", "ON ITS WAY", "BYTES", "KEYS WAITING", "TO COMPARE", "MAY SEND"];
    let mut table = Table::new(&headings, is_coloured);
    let mut silent = String::new();
    for (node, answer) in answers {
        let datacenters = match answer {
            Ok(datacenters) => datacenters,
            Err(error) => {
                silent.push_str(&format!("{} does not answer: {error:#}\n", node.name));
                continue;
            }
        };
        for to in datacenters.as_array().map(Vec::as_slice).unwrap_or_default() {
            let rate = match to["bytes_per_s"].as_u64() {
                _ if flag(to, "paused")? => "nothing".to_owned(),
                Some(bytes) => format!("{bytes} B/s"),
                None => "all".to_owned(),
            };
            table.row([
                plain(&*node.datacenter),
                plain(&*node.name),
                plain(text(to, "name")?),
                plain(format!("{} ms", number(to, "lag_ms")?)),
                plain(number(to, "in_flight")?.to_string()),
                plain(number(to, "in_flight_bytes")?.to_string()),
                plain(number(to, "waiting_keys")?.to_string()),
                plain(format!("{} buckets", number(to, "buckets_needing_repair")?)),
                plain(rate),
            ]);
        }
    }
    Ok(format!("{}{silent}", table.render()))
}

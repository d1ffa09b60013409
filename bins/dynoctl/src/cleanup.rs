//! `dynoctl cleanup`: has nodes remove what other nodes have by now, and counts what went.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;

use crate::connection::Connection;
use crate::form::{CLEARED, Form, drawn, write};
use crate::nodes;

/// How often a node is asked how many it has removed.
const INTERVAL: Duration = Duration::from_millis(500);
/// A node that has removed nothing for so long is taken to be done.
const QUIET: Duration = Duration::from_secs(3);

/// At the node, or at all nodes one after the other. One that fails does not keep the others from it.
pub(crate) fn run(mut connection: Connection, all: bool, form: Form) -> Result<()> {
    if !all {
        let name = connection.node().to_owned();
        return clean_up(&mut connection, &name, form);
    }
    let mut failed = Vec::new();
    for node in nodes::all(&mut connection)? {
        let done = Connection::open(&node.address)
            .and_then(|mut connection| clean_up(&mut connection, &node.name, form));
        if let Err(error) = done {
            failed.push(format!("{}: {error:#}", node.name));
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    bail!("not done everywhere; run it again when these answer:\n  {}", failed.join("\n  "))
}

fn clean_up(connection: &mut Connection, name: &str, form: Form) -> Result<()> {
    let before = keys_cleaned(connection)?;
    connection.ask(&["DYNOMITE", "CLEANUP"])?;
    let (mut cleaned, mut grew_at) = (0, Instant::now());
    while grew_at.elapsed() < QUIET {
        sleep(INTERVAL);
        // A node that was started anew counts from 0 again, and has ended its cleanup.
        let now = keys_cleaned(connection)?.saturating_sub(before);
        if now != cleaned {
            (cleaned, grew_at) = (now, Instant::now());
        }
        if form == Form::Terminal {
            write(&drawn(&format!("{name}: {cleaned} keys removed")))?;
        }
    }
    match form {
        Form::Json => write(&format!("{}\n", json!({ "node": name, "keys_cleaned": cleaned })))?,
        Form::Terminal => write(&format!("{CLEARED}{}\n", outcome(name, cleaned)))?,
        Form::Lines => write(&format!("{}\n", outcome(name, cleaned)))?,
    }
    Ok(())
}

fn outcome(name: &str, cleaned: u64) -> String {
    format!(
        "{name}: {cleaned} keys removed, and none in the last {} s; if more are found they go in the background",
        QUIET.as_secs()
    )
}

fn keys_cleaned(connection: &mut Connection) -> Result<u64> {
    let info = connection.ask(&["INFO"])?;
    match counter(&String::from_utf8_lossy(&info), "keys_cleaned") {
        Some(count) => Ok(count),
        None => bail!(
            "{} does not count `keys_cleaned` in INFO; it is of another version than dynoctl",
            connection.node()
        ),
    }
}

fn counter(info: &str, name: &str) -> Option<u64> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_found_by_its_whole_name() {
        let info = "# Healing\r\nkeys_cleaned_before:3\r\nkeys_cleaned:42\r\n";
        assert_eq!(counter(info, "keys_cleaned"), Some(42));
        assert_eq!(counter(info, "keys"), None);
    }
}

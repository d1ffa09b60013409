//! `dynoctl ping`.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::connection::Connection;

pub(crate) fn run(connection: &mut Connection, is_json: bool) -> Result<String> {
    let asked_at = Instant::now();
    let reply = connection.ask(&["PING"])?;
    let time = asked_at.elapsed();
    let reply = String::from_utf8_lossy(&reply);
    let node = connection.node();
    ensure!(reply == "PONG", "{node} answers \"{reply}\" to PING; it is no Dynomite node");
    if is_json {
        return Ok(format!("{}\n", json!({ "node": node, "reply": reply, "seconds": time.as_secs_f64() })));
    }
    Ok(format!("{reply} from {node} in {:.2} ms\n", time.as_secs_f64() * 1_000.0))
}

//! Has the nodes compare their copies, as an operator would: one node after the other, each with all others.

use std::ops::AddAssign;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use dynomite_testkit::request;
use serde_json::Value;

use super::cluster::Host;
use super::load::reply::{Connection, Reply};
use super::run::Run;

const ASK_MAX: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// What the comparisons of one node have found, or of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Comparison {
    /// A key is counted once for each other node that it differs from.
    pub(super) differing: u64,
    pub(super) healed: u64,
    pub(super) failed: u64,
    /// Other nodes that could not be compared with.
    pub(super) peers_failed: u64,
    /// Nodes whose comparison had not ended when it was waited for no more.
    pub(super) unended: u64,
}

impl Comparison {
    /// Whether everything was compared and nothing was different.
    pub(super) fn is_clean(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn shown(&self) -> String {
        let Self { differing, healed, failed, peers_failed, unended } = self;
        let mut shown = format!("{differing} differences, {healed} keys healed, {failed} not healed");
        if peers_failed + unended > 0 {
            shown.push_str(&format!(", {peers_failed} nodes not reached, {unended} comparisons not ended"));
        }
        shown
    }

    fn of(status: &Value) -> Result<Self> {
        let count =
            |name: &str| status[name].as_u64().with_context(|| format!("the status has no {name}: {status}"));
        Ok(Self {
            differing: count("keys_differing")?,
            healed: count("keys_healed")?,
            failed: count("keys_failed")?,
            peers_failed: count("peers_failed")?,
            unended: u64::from(status["state"] != "done"),
        })
    }
}

impl AddAssign for Comparison {
    fn add_assign(&mut self, other: Self) {
        self.differing += other.differing;
        self.healed += other.healed;
        self.failed += other.failed;
        self.peers_failed += other.peers_failed;
        self.unended += other.unended;
    }
}

/// Has all nodes compare, and heal what differs; waits for each until a moment.
///
/// # Errors
/// When the user wants no more.
pub(super) fn compare_all(run: &Run, until: Instant) -> Result<Comparison> {
    let mut all = Comparison::default();
    for host in &run.cluster.hosts {
        all += compare(host, until).unwrap_or_else(|error| {
            run.journal.line(&format!("{} does not compare: {error:#}", host.name));
            Comparison { unended: 1, ..Comparison::default() }
        });
        super::interrupt::check()?;
    }
    Ok(all)
}

fn compare(host: &Host, until: Instant) -> Result<Comparison> {
    let mut connection = Connection::open(host.client_address)?;
    let reply = ask(&mut connection, &["DYNOMITE", "REPAIR", "START"])?;
    ensure!(matches!(&reply, Reply::Simple(text) if text == "OK"), "REPAIR START: {}", reply.shown());
    loop {
        super::interrupt::check()?;
        let status = status(&mut connection)?;
        if status["state"] != "running" {
            return Comparison::of(&status);
        }
        if Instant::now() >= until {
            ask(&mut connection, &["DYNOMITE", "REPAIR", "STOP"])?;
            return Comparison::of(&status);
        }
        thread::sleep(POLL_INTERVAL);
    }
}

fn status(connection: &mut Connection) -> Result<Value> {
    match ask(connection, &["DYNOMITE", "REPAIR", "STATUS"])? {
        Reply::Bulk(Some(text)) => Ok(serde_json::from_slice(&text)?),
        other => bail!("REPAIR STATUS: {}", other.shown()),
    }
}

fn ask(connection: &mut Connection, words: &[&str]) -> Result<Reply> {
    connection.send(&request(words), ASK_MAX)?;
    Ok(connection.reply(Instant::now() + ASK_MAX)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(state: &str, differing: u64, peers_failed: u64) -> Value {
        json!({
            "state": state,
            "keys_differing": differing,
            "keys_healed": 1,
            "keys_failed": 0,
            "peers_failed": peers_failed,
        })
    }

    #[test]
    fn nothing_is_clean_that_was_not_compared() {
        let clean = |state: &str, differing, peers_failed| {
            let mut status = status(state, differing, peers_failed);
            status["keys_healed"] = json!(0);
            Comparison::of(&status).expect("all is told").is_clean()
        };
        assert!(clean("done", 0, 0));
        assert!(!clean("done", 1, 0) && !clean("done", 0, 1));
        assert!(!clean("running", 0, 0) && !clean("stopped", 0, 0));
    }

    #[test]
    fn what_nodes_found_is_summed() {
        let mut all = Comparison::default();
        for differing in [3, 4] {
            all += Comparison::of(&status("done", differing, 0)).expect("all is told");
        }
        assert_eq!(all.shown(), "7 differences, 2 keys healed, 0 not healed");
        all += Comparison::of(&status("running", 0, 2)).expect("all is told");
        assert!(all.shown().ends_with(", 2 nodes not reached, 1 comparisons not ended"), "{}", all.shown());
    }

    #[test]
    fn a_status_without_counts_is_none() {
        assert!(Comparison::of(&json!({ "state": "done" })).is_err());
    }
}

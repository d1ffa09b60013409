//! What a node says of itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use dynomite_testkit::RawClient;

const ANSWER_MAX: Duration = Duration::from_secs(2);

/// The lines of `INFO`.
#[derive(Debug)]
pub(super) struct Facts(BTreeMap<String, String>);

/// Asks a node.
///
/// # Errors
/// When it does not answer soon.
pub(super) fn facts(address: SocketAddr) -> Result<Facts> {
    let mut client = RawClient::try_connect(address)?.with_deadline(ANSWER_MAX);
    let reply = client.try_command(&["INFO", "dynomite"])?;
    ensure!(reply.starts_with(b"$"), "INFO is answered {}", reply.escape_ascii());
    Ok(Facts::parse(&String::from_utf8(reply)?))
}

impl Facts {
    fn parse(text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.split_once(':'));
        Self(pairs.map(|(name, value)| (name.to_owned(), value.trim_end().to_owned())).collect())
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A number; the greatest where there is none of this name, so that nobody takes it for zero.
    pub(super) fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or(u64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_not_zero() {
        let facts = Facts::parse("$20\r\n# Dynomite\r\nrecords:12\r\ndatastore_state:up\r\n");
        assert_eq!((facts.number("records"), facts.text("datastore_state")), (12, "up"));
        assert!(facts.number("hints_pending") > 0);
    }
}

//! The members of a cluster, as one of them knows them.

use anyhow::Result;
use bytes::Bytes;
use serde_json::Value;

use crate::answer::{list, parse, text};
use crate::connection::Connection;

/// What a node answers about its members, as it came and read.
pub(crate) struct Members {
    pub(crate) raw: Bytes,
    pub(crate) all: Value,
}

impl Members {
    /// Asks for them.
    pub(crate) fn ask(connection: &mut Connection) -> Result<Self> {
        let raw = connection.ask(&["DYNOMITE", "MEMBERS"])?;
        let all = parse(&raw)?;
        Ok(Self { raw, all })
    }

    /// As JSON, on a line.
    pub(crate) fn json(&self) -> String {
        format!("{}\n", String::from_utf8_lossy(&self.raw))
    }

    /// One for each member, by datacenter and rack.
    pub(crate) fn list(&self) -> Result<&[Value]> {
        list(&self.all, "members")
    }

    /// How many have this status, in words that begin with the number of all.
    pub(crate) fn summary(&self) -> Result<String> {
        let members = self.list()?;
        let mut summary = format!("{} members", members.len());
        for status in ["suspect", "down", "left", "unknown"] {
            let mut count = 0;
            for member in members {
                count += usize::from(text(member, "status")? == status);
            }
            if count > 0 {
                summary.push_str(&format!(", {count} {status}"));
            }
        }
        Ok(format!("{summary} as {} sees it", text(&self.all, "self")?))
    }

    /// The rings that members have, as epoch and digest, with the members that have each; those first that most have.
    pub(crate) fn rings(&self) -> Result<Vec<(String, Vec<&str>)>> {
        let mut rings: Vec<(String, Vec<&str>)> = Vec::new();
        for member in self.list()? {
            let (Some(epoch), Some(digest)) = (member["ring_epoch"].as_u64(), member["ring_digest"].as_str())
            else {
                continue;
            };
            let ring = format!("epoch {epoch}, digest {digest}");
            let name = member["name"].as_str().unwrap_or("-");
            match rings.iter_mut().find(|(known, _)| *known == ring) {
                Some((_, names)) => names.push(name),
                None => rings.push((ring, vec![name])),
            }
        }
        rings.sort_by_key(|(_, names)| std::cmp::Reverse(names.len()));
        Ok(rings)
    }
}

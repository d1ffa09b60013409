//! Error replies of the engine. Their wording is API: clients and operators match on it.
//!
//! `-ERR Dynomite: …` is the cluster's doing, `-ERR Peer: …` another node's, `-ERR Storage: …` the datastore's. Each
//! says whether the write was run: *not run* may be sent again, *the outcome is unknown* may have happened or may yet.

use std::fmt::Write;

use bytes::{Bytes, BytesMut};
use dynomite_codec::encode;
use dynomite_ring::Ring;

use crate::{
    Failure,
    operation::{
        overwrite::RemoteDc,
        replicas::{Replica, State},
    },
};

/// What became of a write that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was a read.
    Read,
    /// Nothing was run anywhere.
    NotRun,
    /// It may have been run, or may yet be.
    Unknown,
}

impl Outcome {
    fn text(self) -> &'static str {
        match self {
            Self::Read => "",
            Self::NotRun => "; not run",
            Self::Unknown => "; the outcome is unknown",
        }
    }
}

/// Wraps `text` as an error reply.
pub(crate) fn error(text: &str) -> Bytes {
    let mut out = BytesMut::with_capacity(text.len() + 8);
    encode::error(&mut out, text);
    out.freeze()
}

/// Too few replicas did what was asked.
pub(crate) fn quorum(
    ring: &Ring,
    needed: usize,
    replicas: &[Replica],
    dcs: &[RemoteDc],
    disagree: bool,
    outcome: Outcome,
) -> Bytes {
    let mut text = if needed == 1 && dcs.is_empty() {
        String::from("ERR Dynomite: No replica answered (")
    } else {
        format!("ERR Dynomite: Failed to achieve Quorum ({needed} of {} needed; ", replicas.len())
    };
    if disagree {
        text.push_str("replies disagree; ");
    }
    let racks = replicas.iter().map(|replica| (ring.rack(replica.rack).name(), &replica.state));
    let dcs = dcs.iter().map(|dc| (ring.dc(dc.dc).name(), &dc.state));
    for (index, (name, state)) in racks.chain(dcs).enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        let _ = write!(text, "{comma}{name} {}", StateText(state));
    }
    text.push(')');
    text.push_str(outcome.text());
    error(&text)
}

/// The only node that could do it did not: in a cluster of one rack, or a key's primary.
pub(crate) fn single(node: &str, rack: &str, failure: &Failure, outcome: Outcome) -> Bytes {
    let end = outcome.text();
    error(&match failure {
        Failure::Unreachable => format!("ERR Peer: Peer Node is not connected ({node} in {rack}){end}"),
        Failure::LinkLost => format!("ERR Peer: Peer Node's connection was lost ({node} in {rack}){end}"),
        Failure::Timeout => format!("ERR Dynomite: Timeout waiting for {node} in {rack}{end}"),
        Failure::DatastoreDown => format!("ERR Storage: Datastore is not connected ({node} in {rack}){end}"),
        Failure::DatastoreStalled => {
            format!("ERR Storage: Datastore is not answering ({node} in {rack}){end}")
        }
        Failure::Datastore(text) => format!("ERR Storage: {text} ({node} in {rack}){end}"),
        other => format!("ERR Dynomite: {node} in {rack}: {other}{end}"),
    })
}

struct StateText<'a>(&'a State);

impl std::fmt::Display for StateText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            State::Idle => f.write_str("not asked"),
            State::Asked => f.write_str("pending"),
            State::Ok => f.write_str("ok"),
            State::Newer => f.write_str("has a newer write"),
            State::Failed(failure) => write!(f, "{failure}"),
        }
    }
}

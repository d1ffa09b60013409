//! Dynamo-style replication as one pure engine: versions, records, quorums, primaries.
//!
//! Feed an [`Engine`] with what happened (a client's command, another node's message, the datastore's reply, time) and do
//! what comes out in [`Out`]. It opens no socket, reads no clock and starts no task, so the same code runs in a server
//! and in a simulator.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod clock;
mod engine;
mod level;
mod message;
mod operation;
mod record;
#[cfg_attr(
    not(test),
    expect(
        dead_code,
        unused_imports,
        reason = "claims, healing and the log of the engine are to use the rest"
    )
)]
mod records;
mod rewrite;
mod stats;
mod texts;
mod version;

/// The frames of a record log, for who keeps its files: what [`Engine`] appends and takes back.
pub mod record_log {
    pub use crate::records::log::{Frames, LogError, Torn, frame_number, frames};
}

pub use clock::{Clock, ClockTooFarAhead};
pub use engine::{ClientCommand, Engine, EngineConfig, Input, NotInRing, Now, Origin, Out, Ticket};
pub use level::{Level, UnknownLevel};
pub use message::{
    Failure, KeyRequest, ReplicaRequest, ReplicaResponse, RequestBody, ResponseBody, WireError,
};
pub use record::Record;
pub use stats::Stats;
pub use version::Version;

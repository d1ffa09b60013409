//! Dynamo-style replication as one pure engine: versions, records, quorums, primaries.
//!
//! Feed an [`Engine`] with what happened (a client's command, another node's message, the datastore's reply, time) and do
//! what comes out in [`Out`]. It opens no socket, reads no clock and starts no task, so the same code runs in a server
//! and in a simulator.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod bucket;
mod census;
mod clock;
mod engine;
pub mod frame;
mod heal;
mod hints;
mod level;
mod listing;
mod marks;
mod message;
mod operation;
pub mod planted;
mod presence;
mod record;
mod records;
mod rewrite;
mod sequencing;
mod stats;
mod texts;
mod version;

pub use bucket::{BUCKETS, Bucket, BucketSet};
pub use clock::{Clock, ClockTooFarAhead};
pub use engine::{
    CleanupBusy, CleanupStatus, ClientCommand, DcFlow, DcStatus, Engine, EngineConfig, Input, NotInRing, Now,
    Origin, Out, Recovery, RepairBusy, RepairConfig, RepairPhase, RepairRequest, RepairStatus, RingRefused,
    StoreSeen, Ticket,
};
pub use hints::{HintLogError, HintTarget, HintsFor};
pub use level::{Level, UnknownLevel};
pub use marks::Mark;
pub use message::{
    Content, Failure, KeyRequest, PieceSource, Position, PushPurpose, ReplicaRequest, ReplicaResponse,
    RequestBody, ResponseBody, Seats, Stamper, ValueDigest, WireError,
};
pub use record::Record;
pub use records::{LogError, Trust};
pub use sequencing::{Sequencing, SequencingRules};
pub use stats::Stats;
pub use version::Version;

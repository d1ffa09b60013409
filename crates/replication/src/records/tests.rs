use std::alloc::System;

use dynomite_ring::NodeId;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use super::*;
use crate::Version;

mod log_size;
mod memory;
mod recovery;
mod steps;
mod table;

/// Counts what all tests of this crate allocate.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn version(clock: u64) -> Version {
    Version { clock, node: NodeId(1) }
}

fn record(clock: u64) -> Record {
    Record::overwritten(version(clock))
}

/// Overwrites `key`, wherever it is.
fn write(records: &mut Records, key: &[u8], clock: u64, written_at: u64) -> RecordId {
    records.write(records.find(key), key, record(clock), written_at)
}

fn logged() -> Records {
    let mut records = Records::default();
    records.set_without_log(false);
    records
}

/// What of the datastore's state is in doubt when the write that left `record` was in flight.
fn doubt_of(record: &Record) -> Doubt {
    if record.ops == 0 { Doubt::Whole } else { Doubt::Step }
}

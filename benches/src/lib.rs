//! What the pure cores cost. Each thing is described once, as a [`Scenario`] in a list of [`Case`]s, and measured twice:
//! in nanoseconds by criterion ([`measure`]) and in instructions by callgrind (the bench target `instructions`).
//!
//! A scenario works in batches, and what is between two batches is not measured. All figures are for one element of a
//! batch: one request, one look-up, one command.

mod arrival;
mod case;
mod cluster;
pub mod framing;
pub mod memory;
mod numbers;
pub mod operation;
pub mod plan;
pub mod records;
pub mod ring;
mod timing;
pub mod wire;
pub mod write_queue;

pub use case::{Case, Scenario, selected};
pub use timing::measure;

/// That of `dynomited`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Every case, in the order in which it is reported.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    [
        framing::CASES,
        write_queue::CASES,
        ring::CASES,
        plan::CASES,
        operation::CASES,
        records::CASES,
        wire::CASES,
        memory::CASES,
    ]
    .into_iter()
    .flatten()
}

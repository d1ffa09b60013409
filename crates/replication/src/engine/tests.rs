//! Whole clusters of engines in one thread: simulated links and clocks, real memory stores.

mod cluster;
mod datacenters;
mod delegation;
mod failures;
mod handoff;
mod overwrites;
mod random;
mod reads;
mod sequenced;

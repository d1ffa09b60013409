//! Whole clusters of engines in one thread: simulated links and clocks, real memory stores.

mod cluster;
mod compare;
mod datacenters;
mod delegation;
mod digests;
mod failures;
mod forgetting;
mod handoff;
mod leaving;
mod nearness;
mod overwrites;
mod pieces;
mod random;
mod reads;
mod rebuild;
mod rings;
mod sequenced;
mod stopping;
mod strays;
mod upkeep;

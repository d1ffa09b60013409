//! Membership for clusters, as pure state machines: time comes in as an argument, nothing is sent and no clock is read.
//!
//! What is here: failure detection by phi accrual, [`PhiAccrual`].

mod phi;

pub use phi::{PhiAccrual, PhiConfig};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

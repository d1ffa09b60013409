//! The memcached adapter against real servers, and against servers that misbehave.

#![expect(clippy::panic, reason = "what is not expected fails the test")]

mod commands;
mod conversation;
mod expiry;
mod lane;
mod loss;
mod order;
mod scan;
mod scripted;
#[path = "../shared/conversation.rs"]
mod shared;
mod state;
mod too_large;

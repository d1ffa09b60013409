//! The Redis adapter against real servers, and against servers that misbehave.

#![expect(clippy::panic, reason = "what is not expected fails the test")]

mod conversation;
mod digest;
mod lane;
mod long_strings;
mod loss;
mod pieces;
mod piecewise;
mod scripted;
#[path = "../shared/conversation.rs"]
mod shared;
mod stages;
mod state;

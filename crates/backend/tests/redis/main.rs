//! The Redis adapter against real servers, and against servers that misbehave.

#![expect(clippy::panic, reason = "what is not expected fails the test")]

mod conversation;
mod lane;
mod loss;
mod scripted;
mod state;

//! Compares this crate with a real redis-server 7.0: texts, tables and RESP3 replies, byte for byte.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod command_errors;
mod command_table;
mod malformed_input;
mod resp3_replies;
mod server;

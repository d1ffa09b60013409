//! RESP framing and the Redis command table: pure, bounded, resumable, zero-copy.
#![doc = include_str!("../README.md")]

pub mod command;
pub mod encode;
mod frame_error;
mod line;
mod operation;
pub mod reply;
mod request;
mod resp3;
mod write_queue;

pub use command::{Call, Class, Command, CommandError, classify, lookup, replies_agree};
pub use frame_error::FrameError;
pub use operation::{DigestPart, Extent, KeyState, Operation, Output, Piece, Position, STAGE_COUNT};
pub use reply::{ReplyFramer, ReplyLimits, ReplyView};
pub use request::{ArgRange, ArgRanges, FrameLimits, Request, RequestFramer};
pub use resp3::to_resp3;
pub use write_queue::WriteQueue;

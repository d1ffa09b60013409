//! RESP framing and the Redis command table: pure, bounded, resumable, zero-copy.

pub mod encode;
mod frame_error;
mod line;
mod operation;
mod reply;
mod request;
mod write_queue;

pub use frame_error::FrameError;
pub use operation::{KeyState, Operation, Output};
pub use reply::{ReplyFramer, ReplyLimits};
pub use request::{ArgRange, ArgRanges, FrameLimits, Request, RequestFramer};
pub use write_queue::WriteQueue;

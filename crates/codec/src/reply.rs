//! Replies of a datastore: framing and reading them.

mod framer;

pub use framer::{ReplyFramer, ReplyLimits};

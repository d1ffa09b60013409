//! Replies of a datastore: framing and reading them.

mod framer;
mod view;

pub use framer::{ReplyFramer, ReplyLimits};
pub(crate) use view::flat_values;
pub use view::{Elements, ReplyView};

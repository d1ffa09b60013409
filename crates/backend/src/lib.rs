//! Datastores behind one small trait: Redis, and an embedded memory store.

mod lane;
mod sync;

pub use dynomite_codec::{KeyState, Operation, Output};
pub use lane::{Backend, Lane, LaneEvent, StoreIdentity};
pub use sync::{SyncBackend, SyncLane, SyncStore};

//! The number of files a process may have open, which bounds its connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Files beside client connections: links, lanes, logs, epoll.
const OTHER_FILES: u64 = 512;

/// Raises the soft limit as far as `clients_max` connections need, and warns when the hard limit is below that.
pub(crate) fn raise(clients_max: u32) {
    let needed = u64::from(clients_max) + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    if limit.current.is_some_and(|current| current < allowed) {
        let raised = Rlimit { current: Some(allowed), maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            warn!(%error, "the limit of open files could not be raised");
        }
    }
    if allowed < needed {
        warn!(allowed, needed, "the hard limit of open files is too low for limits.clients_max connections");
    }
}

//! Waiting for a fact instead of sleeping.

use std::thread;
use std::time::{Duration, Instant};

const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Returns as soon as `condition` holds; it is asked every few milliseconds.
///
/// # Panics
/// When `condition` does not hold within `deadline`; the text names `what` was awaited.
#[track_caller]
pub fn eventually(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let started_at = Instant::now();
    while !condition() {
        assert!(started_at.elapsed() < deadline, "waited {deadline:?} in vain for: {what}");
        thread::sleep(POLL_INTERVAL);
    }
}

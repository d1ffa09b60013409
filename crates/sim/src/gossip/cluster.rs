//! What figures are taken of: a cluster of any protocol, in virtual time.

use std::time::Duration;

use super::network::Link;

/// Members of some protocol, numbered from 0, that may be killed and tell each other values.
pub trait Cluster {
    /// Lets time pass.
    fn run(&mut self, duration: Duration);

    /// From now on messages fare like this.
    fn set_link(&mut self, link: Link);

    /// Stops a member without a word.
    fn kill(&mut self, place: usize);

    /// A member has something new to tell of itself.
    fn change(&mut self, place: usize, value: u64);

    /// How many members run.
    fn size(&self) -> usize;

    /// Whether all that run know each other.
    fn agree(&self) -> bool;

    /// How many of those that run call this member down.
    fn down_at(&self, place: usize) -> usize;

    /// How many of those that run know this value of a member, itself included.
    fn know(&self, place: usize, value: u64) -> usize;

    /// How often a member was called down so far, by whomever.
    fn down_count(&self) -> u64;

    /// Bytes sent and bytes received so far, by all together.
    fn byte_counts(&self) -> (u64, u64);

    /// How long it took until `is_so`, looking ten times in a second; `None`: longer than `limit`.
    fn run_until(&mut self, limit: Duration, is_so: impl Fn(&Self) -> bool) -> Option<Duration>
    where
        Self: Sized,
    {
        const STEP: Duration = Duration::from_millis(100);
        let mut time = Duration::ZERO;
        while !is_so(self) {
            if time >= limit {
                return None;
            }
            self.run(STEP);
            time += STEP;
        }
        Some(time)
    }
}

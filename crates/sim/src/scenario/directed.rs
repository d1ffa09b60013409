//! Scripts: one small story each, told by hand.

use super::Invariant;
use crate::plan::Plan;

/// A run that somebody wrote.
#[derive(Debug, Clone, Copy)]
pub struct Directed {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// What must hold.
    pub demands: &'static [Invariant],
    /// Its plan. The seed decides what the script leaves open.
    pub plan: fn(u64) -> Plan,
}

/// All scripts.
pub fn directed() -> &'static [Directed] {
    &[]
}

//! Versions: the total order in which writes supersede each other.

use std::fmt;

use dynomite_ring::NodeId;

/// When and by whom a write was stamped: a hybrid logical clock (48 bits of milliseconds, 16 bits of their
/// fraction and of counting), then the
/// node. Totally ordered, unique per key, and growing on each node. The default is older than every stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Milliseconds since the Unix epoch in the upper 48 bits, their fraction and a count in the lower 16.
    pub clock: u64,
    /// The node that stamped it; decides between equal clocks.
    pub node: NodeId,
}

impl Version {
    /// Older than every stamp: the version of what was never written.
    pub const ZERO: Self = Self { clock: 0, node: NodeId(0) };

    /// The wall-clock part, in milliseconds since the Unix epoch.
    pub fn millis(self) -> u64 {
        self.clock >> 16
    }

    /// Whether it was given to a sequenced write (rule R20).
    pub fn is_sequenced(self) -> bool {
        self.clock & 1 == 1
    }

    /// Whether this is the version of what was never written.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// The greatest version below this one.
    pub(crate) fn just_before(self) -> Self {
        match self.node.0.checked_sub(1) {
            Some(node) => Self { node: NodeId(node), ..self },
            None => Self { clock: self.clock.saturating_sub(1), node: NodeId(u32::MAX) },
        }
    }

    /// Whether no node stamped it: it is a [`crate::Mark`], up to which a key is known to be absent, or zero.
    pub(crate) fn is_mark(self) -> bool {
        self.node == NodeId(0)
    }
}

impl Default for Version {
    fn default() -> Self {
        Self::ZERO
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}@{:08x}", self.clock >> 16, self.clock & 0xffff, self.node.0)
    }
}

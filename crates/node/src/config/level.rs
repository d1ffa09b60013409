//! Names of the consistency levels.

use std::fmt;

/// How many replicas must answer before the client is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// One replica of the local datacenter.
    DcOne,
    /// A majority of the racks of the local datacenter.
    DcQuorum,
    /// A majority of the racks of the local datacenter, whose answers are equal.
    DcSafeQuorum,
    /// A majority of the racks of every datacenter.
    DcEachSafeQuorum,
}

impl Level {
    /// All levels, from the weakest on.
    pub const ALL: [Self; 4] = [Self::DcOne, Self::DcQuorum, Self::DcSafeQuorum, Self::DcEachSafeQuorum];
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DcOne => "DC_ONE",
            Self::DcQuorum => "DC_QUORUM",
            Self::DcSafeQuorum => "DC_SAFE_QUORUM",
            Self::DcEachSafeQuorum => "DC_EACH_SAFE_QUORUM",
        })
    }
}

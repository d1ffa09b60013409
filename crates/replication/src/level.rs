//! Consistency levels.

use std::{fmt, str::FromStr};

/// How many replicas must answer before the client does. The denominator is the number of racks, and never shrinks with
/// failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Level {
    /// Reads from the nearest replica that answers; writes acknowledged by one.
    #[default]
    DcOne,
    /// A majority of the racks of the local datacenter.
    DcQuorum,
    /// As `DcQuorum`, and the answers of that majority agree.
    DcSafeQuorum,
    /// As `DcSafeQuorum`; writes by a majority in every datacenter.
    DcEachSafeQuorum,
}

impl Level {
    /// All levels, weakest first.
    pub const ALL: [Self; 4] = [Self::DcOne, Self::DcQuorum, Self::DcSafeQuorum, Self::DcEachSafeQuorum];

    /// The level's name, as it stands in configurations and commands.
    pub fn name(self) -> &'static str {
        match self {
            Self::DcOne => "DC_ONE",
            Self::DcQuorum => "DC_QUORUM",
            Self::DcSafeQuorum => "DC_SAFE_QUORUM",
            Self::DcEachSafeQuorum => "DC_EACH_SAFE_QUORUM",
        }
    }

    /// How many of a datacenter's `racks` must answer.
    pub fn needed(self, racks: usize) -> usize {
        match self {
            Self::DcOne => 1,
            _ => racks / 2 + 1,
        }
    }

    /// Whether the answers must agree.
    pub fn is_safe(self) -> bool {
        matches!(self, Self::DcSafeQuorum | Self::DcEachSafeQuorum)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no consistency level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a consistency level; use DC_ONE, DC_QUORUM, DC_SAFE_QUORUM or DC_EACH_SAFE_QUORUM")]
pub struct UnknownLevel(pub String);

impl FromStr for Level {
    type Err = UnknownLevel;

    /// Reads a level's name in any case.
    fn from_str(name: &str) -> Result<Self, UnknownLevel> {
        Self::ALL
            .into_iter()
            .find(|level| level.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| UnknownLevel(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_in_any_case() {
        for level in Level::ALL {
            assert_eq!(level.name().to_lowercase().parse(), Ok(level));
        }
        assert!("DC_TWO".parse::<Level>().is_err());
    }

    #[test]
    fn a_majority_of_two_racks_is_both() {
        assert_eq!([1, 2, 3, 4, 5].map(|racks| Level::DcQuorum.needed(racks)), [1, 2, 2, 3, 3]);
        assert_eq!(Level::DcOne.needed(5), 1);
    }
}

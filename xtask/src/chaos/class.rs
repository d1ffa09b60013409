//! The classes of keys: what is done to them, from where, and how much of it.

use std::ops::Range;

/// What all keys of the run begin with; whatever else a datastore holds is not looked at.
pub(super) const PREFIX: &str = "chaos:";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Class {
    /// SET, SETEX, DEL from both datacenters.
    Overwrite,
    /// SET, DEL and APPEND from one datacenter.
    Text,
    /// INCR, INCRBY.
    Counter,
    /// RPUSH.
    List,
    /// HSET, HDEL.
    Hash,
    /// SADD, SPOP.
    Set,
    /// ZADD, ZREM.
    SortedSet,
    /// SET NX.
    Lock,
    /// SET PX, PEXPIRE with short times.
    Expiry,
    /// As `Overwrite`, at `DC_ONE`.
    Weak,
}

impl Class {
    pub(super) const ALL: [Self; 10] = [
        Self::Overwrite,
        Self::Text,
        Self::Counter,
        Self::List,
        Self::Hash,
        Self::Set,
        Self::SortedSet,
        Self::Lock,
        Self::Expiry,
        Self::Weak,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Overwrite => "overwrite",
            Self::Text => "text",
            Self::Counter => "counter",
            Self::List => "list",
            Self::Hash => "hash",
            Self::Set => "set",
            Self::SortedSet => "sorted set",
            Self::Lock => "lock",
            Self::Expiry => "expiry",
            Self::Weak => "weak",
        }
    }

    /// What the names of its keys begin with.
    pub(super) fn prefix(self) -> String {
        format!("{PREFIX}{}:", self.name().replace(' ', "-"))
    }

    /// Its share of all requests, in hundredths.
    pub(super) fn share(self) -> u64 {
        match self {
            Self::Overwrite => 24,
            Self::Text | Self::Counter => 12,
            Self::List => 10,
            Self::Hash | Self::Set | Self::SortedSet | Self::Weak => 8,
            Self::Lock | Self::Expiry => 5,
        }
    }

    /// Whether clients of every datacenter write the same keys. What is sequenced has one datacenter that does.
    pub(super) fn is_shared(self) -> bool {
        matches!(self, Self::Overwrite | Self::Weak)
    }

    /// How many of its keys are written at one time; where they have a home, by each datacenter.
    pub(super) fn key_count(self) -> usize {
        match self {
            Self::Overwrite => 40,
            Self::Weak => 20,
            Self::Text | Self::Counter | Self::Expiry => 10,
            Self::List | Self::Hash | Self::Set | Self::SortedSet => 8,
            Self::Lock => 4,
        }
    }

    /// After how many writes a key is left alone, and another takes its place. What was left alone while something was
    /// broken must become right without being written again.
    pub(super) fn writes(self) -> Range<u64> {
        match self {
            Self::Overwrite | Self::Weak | Self::Text | Self::Counter => 10..200,
            Self::List | Self::Hash | Self::Set | Self::SortedSet => 10..120,
            Self::Lock => 2..10,
            Self::Expiry => 1..20,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_hundredths() {
        assert_eq!(Class::ALL.iter().map(|class| class.share()).sum::<u64>(), 100);
    }

    #[test]
    fn no_prefix_begins_another() {
        for one in Class::ALL {
            for other in Class::ALL {
                assert!(one == other || !other.prefix().starts_with(&one.prefix()));
            }
        }
    }
}

//! The types of values that are read and installed in pieces.

/// A type whose values have elements. Its number is in positions and in payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    String = 1,
    List = 2,
    Hash = 3,
    Set = 4,
    SortedSet = 5,
}

impl Kind {
    const ALL: [Self; 5] = [Self::String, Self::List, Self::Hash, Self::Set, Self::SortedSet];

    /// The type of this number.
    pub(super) fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// The type that `TYPE` names so; `None` for a stream, or what a module brings.
    pub(super) fn of_name(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"string" => Self::String,
            b"list" => Self::List,
            b"hash" => Self::Hash,
            b"set" => Self::Set,
            b"zset" => Self::SortedSet,
            _ => return None,
        })
    }

    /// The command that adds elements.
    pub(super) fn adding(self) -> &'static [u8] {
        match self {
            Self::String => b"APPEND",
            Self::List => b"RPUSH",
            Self::Hash => b"HSET",
            Self::Set => b"SADD",
            Self::SortedSet => b"ZADD",
        }
    }

    /// The command that tells how much there is: elements, or bytes of a string.
    pub(super) fn counting(self) -> &'static [u8] {
        match self {
            Self::String => b"STRLEN",
            Self::List => b"LLEN",
            Self::Hash => b"HLEN",
            Self::Set => b"SCARD",
            Self::SortedSet => b"ZCARD",
        }
    }

    /// How many arguments an element takes.
    pub(super) fn arity(self) -> usize {
        match self {
            Self::String | Self::List | Self::Set => 1,
            Self::Hash | Self::SortedSet => 2,
        }
    }
}

//! What a key can hold.

use super::blob::Blob;
use super::hash::Hash;
use super::list::List;
use super::number::parse_integer;
use super::set::Set;
use super::sorted_set::SortedSet;

/// A key's value. Strings that are canonical integers are kept as such, as Redis does.
#[derive(Clone)]
pub(crate) enum Value {
    Integer(i64),
    Text(Blob),
    List(Box<List>),
    Hash(Box<Hash>),
    Set(Box<Set>),
    Sorted(Box<SortedSet>),
}

/// A collection type: can be found in a [`Value`], starts empty, and takes its key with it when it becomes empty.
pub(crate) trait Collection: Sized {
    fn empty() -> Value;
    fn of(value: &Value) -> Option<&Self>;
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    fn is_vacant(&self) -> bool;
}

impl Value {
    /// A string, as an integer where it is the canonical spelling of one.
    pub(crate) fn text(blob: Blob) -> Self {
        parse_integer(&blob).map_or(Self::Text(blob), Self::Integer)
    }

    /// About how many bytes the value owns outside of itself. O(1).
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Integer(_) => 0,
            Self::Text(blob) => blob.heap_bytes(),
            Self::List(list) => size_of::<List>() + list.bytes(),
            Self::Hash(hash) => size_of::<Hash>() + hash.bytes(),
            Self::Set(set) => size_of::<Set>() + set.bytes(),
            Self::Sorted(sorted) => size_of::<SortedSet>() + sorted.bytes(),
        }
    }

    /// The answer of `TYPE`.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Integer(_) | Self::Text(_) => "string",
            Self::List(_) => "list",
            Self::Hash(_) => "hash",
            Self::Set(_) => "set",
            Self::Sorted(_) => "zset",
        }
    }

    /// The answer of `OBJECT ENCODING` that Redis 7.0 would give.
    pub(crate) fn encoding(&self) -> &'static str {
        match self {
            Self::Integer(_) => "int",
            Self::Text(Blob::Growing(_)) => "raw",
            Self::Text(blob) if blob.len() <= 44 => "embstr",
            Self::Text(_) => "raw",
            Self::List(_) => "quicklist",
            Self::Hash(hash) => hash.encoding(),
            Self::Set(set) => set.encoding(),
            Self::Sorted(sorted) => sorted.encoding(),
        }
    }
}

macro_rules! collection {
    ($type:ident, $variant:ident) => {
        impl Collection for $type {
            fn empty() -> Value {
                Value::$variant(Box::new($type::new()))
            }

            fn of(value: &Value) -> Option<&Self> {
                match value {
                    Value::$variant(collection) => Some(collection),
                    _ => None,
                }
            }

            fn of_mut(value: &mut Value) -> Option<&mut Self> {
                match value {
                    Value::$variant(collection) => Some(collection),
                    _ => None,
                }
            }

            fn is_vacant(&self) -> bool {
                self.len() == 0
            }
        }
    };
}

collection!(List, List);
collection!(Hash, Hash);
collection!(Set, Set);
collection!(SortedSet, Sorted);

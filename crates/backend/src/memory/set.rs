//! A set of members.

use super::blob::Blob;
use super::dense_map::DenseMap;
use super::number::parse_integer;

/// Up to this many members, all of them integers, Redis keeps a set as an array of integers, and says so.
const INTSET_ENTRIES_MAX: usize = 512;

#[derive(Clone)]
pub(crate) struct Set {
    members: DenseMap<()>,
    /// Whether the set was ever more than a small set of integers; Redis doesn't convert back.
    general: bool,
}

impl Set {
    pub(crate) fn new() -> Self {
        Self { members: DenseMap::new(), general: false }
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.members.bytes()
    }

    pub(crate) fn contains(&self, member: &[u8]) -> bool {
        self.members.find(member).is_some()
    }

    /// The member at a position below `len`.
    pub(crate) fn at(&self, at: usize) -> &Blob {
        self.members.at(at).0
    }

    /// Adds a member; false when it is there already.
    pub(crate) fn add(&mut self, member: &[u8]) -> bool {
        if self.contains(member) {
            return false;
        }
        self.general |= parse_integer(member).is_none();
        self.members.push(Blob::new(member), ());
        self.general |= self.members.len() > INTSET_ENTRIES_MAX;
        true
    }

    /// Removes a member; false when it was absent.
    pub(crate) fn remove(&mut self, member: &[u8]) -> bool {
        self.members.find(member).map(|at| self.take(at)).is_some()
    }

    /// Takes out the member at a position below `len`.
    pub(crate) fn take(&mut self, at: usize) -> Blob {
        self.members.remove(at).0
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Blob> {
        self.members.iter().map(|(member, ())| member)
    }

    pub(crate) fn encoding(&self) -> &'static str {
        if self.general { "hashtable" } else { "intset" }
    }
}

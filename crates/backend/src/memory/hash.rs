//! A hash: fields and values.

use super::blob::Blob;
use super::dense_map::DenseMap;

/// Beyond these Redis keeps a hash in a hash table, and says so.
const LISTPACK_ENTRIES_MAX: usize = 512;
const LISTPACK_VALUE_MAX: usize = 64;

#[derive(Clone)]
pub(crate) struct Hash {
    fields: DenseMap<Blob>,
    value_heap_bytes: usize,
    /// Whether the hash was ever large; Redis doesn't convert back.
    large: bool,
}

impl Hash {
    pub(crate) fn new() -> Self {
        Self { fields: DenseMap::new(), value_heap_bytes: 0, large: false }
    }

    pub(crate) fn len(&self) -> usize {
        self.fields.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.fields.bytes() + self.value_heap_bytes
    }

    pub(crate) fn get(&self, field: &[u8]) -> Option<&Blob> {
        self.fields.get(field)
    }

    /// Field and value at a position below `len`.
    pub(crate) fn at(&self, at: usize) -> (&Blob, &Blob) {
        self.fields.at(at)
    }

    /// Sets a field; true when it is new.
    pub(crate) fn set(&mut self, field: &[u8], value: Blob) -> bool {
        self.large |= field.len() > LISTPACK_VALUE_MAX || value.len() > LISTPACK_VALUE_MAX;
        self.value_heap_bytes += value.heap_bytes();
        if let Some(at) = self.fields.find(field) {
            let old = std::mem::replace(self.fields.value_mut(at), value);
            self.value_heap_bytes -= old.heap_bytes();
            return false;
        }
        self.fields.push(Blob::new(field), value);
        self.large |= self.fields.len() > LISTPACK_ENTRIES_MAX;
        true
    }

    /// Removes a field; false when it was absent.
    pub(crate) fn remove(&mut self, field: &[u8]) -> bool {
        let Some(at) = self.fields.find(field) else { return false };
        let (_, value) = self.fields.remove(at);
        self.value_heap_bytes -= value.heap_bytes();
        true
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&Blob, &Blob)> {
        self.fields.iter()
    }

    pub(crate) fn encoding(&self) -> &'static str {
        if self.large { "hashtable" } else { "listpack" }
    }
}

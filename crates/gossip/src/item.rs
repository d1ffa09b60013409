//! What members tell of themselves besides being there.

/// One typed value of the embedder's, under a key. An enum with a variant for each key, usually.
pub trait Item: Sized {
    /// The key under which it is kept: one value for each.
    fn key(&self) -> u16;

    /// Appends the value's bytes.
    fn encode(&self, bytes: &mut Vec<u8>);

    /// The value under `key`; `None` for a key or a form that this build does not know. Such items are kept as they
    /// came and passed on, so that old and new builds live in one cluster.
    fn decode(key: u16, bytes: &[u8]) -> Option<Self>;
}

//! Links between nodes.

/// Who dials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {}

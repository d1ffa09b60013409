//! Who may sequence which keys, where that differs from the default.

use bytes::Bytes;
use dynomite_ring::DcIdx;

/// How the sequenced writes on some keys are ordered. By default each datacenter orders its own, and a majority of its
/// racks is needed whenever the sequencer changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sequencing {
    /// The one datacenter that sequences these keys; the others send there (rule R16).
    pub home: Option<DcIdx>,
    /// Whether any replica may sequence without a claim. Then fewer than a majority of racks is enough, and of two that
    /// sequence at once one loses its writes.
    pub available: bool,
}

/// [`Sequencing`] by key prefix.
#[derive(Debug, Clone, Default)]
pub struct SequencingRules {
    /// Longest prefix first.
    rules: Vec<(Bytes, Sequencing)>,
}

impl SequencingRules {
    /// Rules in any order; of two that fit a key, the longer prefix decides.
    pub fn new(rules: impl IntoIterator<Item = (Bytes, Sequencing)>) -> Self {
        let mut rules: Vec<_> = rules.into_iter().collect();
        rules.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Self { rules }
    }

    /// The rule for `key`.
    pub fn of(&self, key: &[u8]) -> Sequencing {
        let rule = self.rules.iter().find(|(prefix, _)| key.starts_with(prefix));
        rule.map(|(_, sequencing)| *sequencing).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_decides() {
        let available = Sequencing { available: true, ..Sequencing::default() };
        let home = Sequencing { home: Some(DcIdx(1)), ..Sequencing::default() };
        let prefix = Bytes::from_static;
        let rules = SequencingRules::new([(prefix(b"user:"), available), (prefix(b"user:cart:"), home)]);
        assert_eq!((rules.of(b"user:1"), rules.of(b"user:cart:1")), (available, home));
        assert_eq!(rules.of(b"use"), Sequencing::default());
    }
}

//! Which keys of a connection have a write in flight that later commands of the connection have to wait for.
//!
//! A sequenced write is run by its key's primary, which may be another node, while a read or an overwrite goes to the
//! replicas directly and could overtake it. Sequenced writes among themselves keep their order at the primary.

use dynomite_ring::Token;
use smallvec::SmallVec;

/// Tokens with sequenced writes in flight, and how many of each; empty for most connections at most times.
#[derive(Debug, Default)]
pub(crate) struct KeyOrder {
    tokens: SmallVec<[(Token, u32); 4]>,
}

impl KeyOrder {
    /// Whether a sequenced write on that token is in flight.
    pub(crate) fn is_busy(&self, token: Token) -> bool {
        self.tokens.iter().any(|(busy, _)| *busy == token)
    }

    /// A sequenced write went out.
    pub(crate) fn begin(&mut self, token: Token) {
        match self.tokens.iter_mut().find(|(busy, _)| *busy == token) {
            Some((_, count)) => *count += 1,
            None => self.tokens.push((token, 1)),
        }
    }

    /// A sequenced write was answered.
    pub(crate) fn end(&mut self, token: Token) {
        if let Some(at) = self.tokens.iter().position(|(busy, _)| *busy == token) {
            self.tokens[at].1 -= 1;
            if self.tokens[at].1 == 0 {
                self.tokens.swap_remove(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_busy_until_all_its_writes_are_answered() {
        let mut order = KeyOrder::default();
        order.begin(Token(1));
        order.begin(Token(1));
        order.begin(Token(2));
        order.end(Token(1));
        assert!(order.is_busy(Token(1)) && order.is_busy(Token(2)));
        order.end(Token(1));
        assert!(!order.is_busy(Token(1)) && order.is_busy(Token(2)));
        order.end(Token(1));
        assert!(!order.is_busy(Token(1)));
    }
}

//! Positions on the ring, ranges between them, and which positions a hash can reach.

use std::fmt;
use std::str::FromStr;

use crate::ParseTokenError;

/// Number of slots of Redis Cluster, and of [`crate::HashKind::RedisSlot`].
pub const SLOT_COUNT: u16 = 16384;

/// Bits of a token below its slot number.
const SLOT_SHIFT: u32 = 18;

/// A position on the ring: the hash of a key, or the end of a range that a node owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Token(pub u32);

impl Token {
    /// The token of a Redis Cluster slot, and the hash of every key in it: slot × 2^18.
    pub const fn from_slot(slot: u16) -> Self {
        Self((slot as u32 % SLOT_COUNT as u32) << SLOT_SHIFT)
    }

    /// The Redis Cluster slot that the token lies in; meaningful with [`crate::HashKind::RedisSlot`].
    pub const fn slot(self) -> u16 {
        (self.0 >> SLOT_SHIFT) as u16
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Token {
    type Err = ParseTokenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.trim().parse().map(Self).map_err(|_| ParseTokenError { text: text.to_owned() })
    }
}

/// The tokens `(after, upto]`, wrapping past the greatest. With both ends equal it is the whole ring; an empty range
/// cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenRange {
    /// The last token before the range.
    pub after: Token,
    /// The last token in the range.
    pub upto: Token,
}

impl TokenRange {
    /// The range `(after, upto]`.
    pub const fn new(after: Token, upto: Token) -> Self {
        Self { after, upto }
    }

    /// Whether the token lies in the range.
    pub const fn contains(&self, token: Token) -> bool {
        let (after, upto, token) = (self.after.0, self.upto.0, token.0);
        if after < upto { after < token && token <= upto } else { after < token || token <= upto }
    }

    /// How many tokens lie in the range: 1 to 2^32.
    pub const fn token_count(&self) -> u64 {
        match self.upto.0.wrapping_sub(self.after.0) {
            0 => 1 << 32,
            count => count as u64,
        }
    }
}

impl fmt::Display for TokenRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {}]", self.after, self.upto)
    }
}

/// The hash values that keys can have: `0, step, 2 × step, …`, `count` of them. Tokens are best placed on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenSpace {
    step: u32,
    count: u64,
}

impl TokenSpace {
    /// Every 32-bit value.
    pub const FULL: Self = Self { step: 1, count: 1 << 32 };
    /// One value for each Redis Cluster slot.
    pub const SLOTS: Self = Self { step: 1 << SLOT_SHIFT, count: SLOT_COUNT as u64 };
    /// The values below 2^15.
    pub(crate) const BITS_15: Self = Self { step: 1, count: 1 << 15 };

    /// Distance between neighbouring values.
    pub const fn step(&self) -> u32 {
        self.step
    }

    /// Number of values, and so of the tokens of a rack that can own anything.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// How many hash values are at most `token`.
    pub(crate) fn rank(&self, token: Token) -> u64 {
        (u64::from(token.0 / self.step) + 1).min(self.count)
    }

    /// The token of rank `rank`, which is 1 to `count`.
    pub(crate) fn token(&self, rank: u64) -> Token {
        debug_assert!((1..=self.count).contains(&rank), "a rank counts the token itself");
        Token(((rank - 1) * u64::from(self.step)) as u32)
    }

    /// How many hash values lie in the range.
    pub(crate) fn width(&self, range: TokenRange) -> u64 {
        let (after, upto) = (self.rank(range.after), self.rank(range.upto));
        if range.after < range.upto { upto - after } else { self.count - after + upto }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_excludes_its_start_and_includes_its_end() {
        let range = TokenRange::new(Token(10), Token(20));
        assert!(!range.contains(Token(10)) && range.contains(Token(11)));
        assert!(range.contains(Token(20)) && !range.contains(Token(21)));
        assert_eq!(range.token_count(), 10);
    }

    #[test]
    fn a_range_wraps_past_the_greatest_token() {
        let range = TokenRange::new(Token(u32::MAX - 1), Token(1));
        for inside in [u32::MAX, 0, 1] {
            assert!(range.contains(Token(inside)), "{inside}");
        }
        for outside in [2, 1000, u32::MAX - 1] {
            assert!(!range.contains(Token(outside)), "{outside}");
        }
        assert_eq!(range.token_count(), 3);
    }

    #[test]
    fn equal_ends_are_the_whole_ring() {
        let range = TokenRange::new(Token(7), Token(7));
        assert!(range.contains(Token(7)) && range.contains(Token(0)) && range.contains(Token(u32::MAX)));
        assert_eq!(range.token_count(), 1 << 32);
    }

    #[test]
    fn every_slot_has_its_own_token() {
        for slot in 0..SLOT_COUNT {
            assert_eq!(Token::from_slot(slot).slot(), slot);
        }
        assert_eq!(Token::from_slot(SLOT_COUNT - 1), Token(0xFFFC_0000));
    }

    #[test]
    fn width_counts_reachable_hashes_only() {
        let below_one_slot = TokenRange::new(Token::from_slot(3), Token(Token::from_slot(4).0 - 1));
        assert_eq!(TokenSpace::SLOTS.width(below_one_slot), 0);
        let wrapping = TokenRange::new(Token::from_slot(SLOT_COUNT - 2), Token::from_slot(0));
        assert_eq!(TokenSpace::SLOTS.width(wrapping), 2);
        assert_eq!(TokenSpace::BITS_15.width(TokenRange::new(Token(9), Token(u32::MAX))), (1 << 15) - 10);
        assert_eq!(TokenSpace::FULL.width(TokenRange::new(Token(5), Token(5))), 1 << 32);
    }

    #[test]
    fn tokens_are_read_as_whole_numbers() {
        assert_eq!(" 4294967295 ".parse(), Ok(Token(u32::MAX)));
        for wrong in ["", "-1", "4294967296", "1.5", "x"] {
            assert!(wrong.parse::<Token>().is_err(), "{wrong}");
        }
    }
}

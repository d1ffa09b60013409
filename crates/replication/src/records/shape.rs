//! Which parts of an entry differ from those of a key that was never written, in 16 bits.
//!
//! The slot keeps them, so that it is known without a look at the parts what there is; an item of the log begins with them.

use super::entry::{Claim, Entry, Trust};
use crate::{Record, Version};

/// Bits 0 to 3 are left to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Shape(pub(super) u16);

/// Of the three bits of trust, the highest is elsewhere.
const TRUST_SHIFT: u32 = 4;
const TRUST_HIGH: u16 = 1 << 14;
const CLAIM_SHIFT: u32 = 6;
const TWO_BITS: u16 = 0b11;
const CLAIM_VOID: u16 = 1;
const CLAIM_TERM: u16 = 2;

impl Shape {
    pub(super) const BASE: u16 = 1 << 8;
    /// The last version, where it is not the base.
    pub(super) const LAST: u16 = 1 << 9;
    /// Number and digest of the sequenced writes.
    pub(super) const OPS: u16 = 1 << 10;
    pub(super) const TERM: u16 = 1 << 11;
    pub(super) const PROMISED: u16 = 1 << 12;
    pub(super) const ABSENT_FROM: u16 = 1 << 13;
    const UNUSED: u16 = 1 << 15;

    pub(super) fn of(entry: &Entry) -> Self {
        let Record { base, term, ops, last, digest } = entry.record;
        let claim = match entry.claim {
            Claim::Birth => 0,
            Claim::Void => CLAIM_VOID,
            Claim::Term(_) => CLAIM_TERM,
        };
        let part = |is_there: bool, part: u16| if is_there { part } else { 0 };
        let trust = u16::from(entry.trust.code());
        Self(
            (trust & TWO_BITS) << TRUST_SHIFT
                | part(trust > TWO_BITS, TRUST_HIGH)
                | claim << CLAIM_SHIFT
                | part(!base.is_zero(), Self::BASE)
                | part(last != base, Self::LAST)
                | part(ops != 0 || digest != 0, Self::OPS)
                | part(!term.is_zero(), Self::TERM)
                | part(!entry.promised.is_zero(), Self::PROMISED)
                | part(entry.absent_from.is_some(), Self::ABSENT_FROM),
        )
    }

    /// The shape after an overwrite of a key that has no more than a slot holds.
    pub(super) fn overwritten(self) -> Self {
        Self(self.0 & TWO_BITS << CLAIM_SHIFT | Self::BASE)
    }

    /// Whether there is one of these parts.
    pub(super) fn has(self, parts: u16) -> bool {
        self.0 & parts != 0
    }

    pub(super) fn has_claim_term(self) -> bool {
        self.0 >> CLAIM_SHIFT & TWO_BITS == CLAIM_TERM
    }

    /// Whether a slot cannot hold it all.
    pub(super) fn needs_extension(self) -> bool {
        self.has(Self::LAST | Self::OPS) || self.needs_rarity()
    }

    /// Whether an extension cannot hold the rest.
    pub(super) fn needs_rarity(self) -> bool {
        self.has(Self::TERM | Self::PROMISED) || self.has_claim_term()
    }

    pub(super) fn trust(self) -> Trust {
        let high = if self.has(TRUST_HIGH) { TWO_BITS + 1 } else { 0 };
        let code = high | self.0 >> TRUST_SHIFT & TWO_BITS;
        Trust::from_code(code as u8).unwrap_or(Trust::Lost)
    }

    /// With `term`, if it is a claim that has one.
    pub(super) fn claim(self, term: Version) -> Claim {
        match self.0 >> CLAIM_SHIFT & TWO_BITS {
            0 => Claim::Birth,
            CLAIM_VOID => Claim::Void,
            _ => Claim::Term(term),
        }
    }

    /// Whether the bits are those of some entry.
    pub(super) fn is_valid(self) -> bool {
        let is_trust = !self.has(TRUST_HIGH) || self.0 >> TRUST_SHIFT & TWO_BITS == 0;
        is_trust && !self.has(Self::UNUSED) && self.0 >> CLAIM_SHIFT & TWO_BITS <= CLAIM_TERM
    }
}

//! Key hashes. Each gives 32 bits; the legacy ones give bit for bit what Netflix Dynomite's C code gives, quirks
//! included, so that clusters and token-aware clients can move over without moving a key.

mod crc;
mod jenkins;
mod simple;

use std::fmt;
use std::str::FromStr;

use crate::hasher::tagged_part;
use crate::{ParseHashError, SLOT_COUNT, Token, TokenSpace};

pub(crate) use simple::fnv1a_32;

/// A hash function for keys, by its name in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HashKind {
    /// `redis-slot`: CRC16/XMODEM of the key, or of its `{tag}` as in Redis Cluster, modulo 16384, times 2^18.
    RedisSlot,
    /// `murmur`: MurmurHash2 with a seed that depends on the length; the legacy default.
    Murmur,
    /// `murmur3`: MurmurHash3_x86_32 with seed 0. (The C code accepts the name and then leaves the token
    /// uninitialised, so there is nothing to be compatible with.)
    Murmur3,
    /// `one_at_a_time`: Bob Jenkins's, with bytes above 127 taken as negative.
    OneAtATime,
    /// `md5`: the first four bytes of the digest, little-endian.
    Md5,
    /// `crc16`: CRC16/XMODEM in a 32-bit register that is never cut to 16 bits.
    Crc16,
    /// `crc32`: bits 16 to 30 of the CRC-32, so only 2^15 different values.
    Crc32,
    /// `crc32a`: the usual CRC-32 (IEEE 802.3).
    Crc32a,
    /// `fnv1_64`: the low half of the 64-bit FNV-1.
    Fnv1_64,
    /// `fnv1a_64`: FNV-1a with 64-bit parameters, both cut to 32 bits.
    Fnv1a64,
    /// `fnv1_32`: FNV-1.
    Fnv1_32,
    /// `fnv1a_32`: FNV-1a.
    Fnv1a32,
    /// `hsieh`: Paul Hsieh's SuperFastHash started from 0.
    Hsieh,
    /// `jenkins`: Bob Jenkins's lookup3 (2006) with the initial value 13.
    Jenkins,
}

impl HashKind {
    /// Every hash, with the name that the configuration knows it by.
    pub const ALL: [(Self, &'static str); 14] = [
        (Self::RedisSlot, "redis-slot"),
        (Self::Murmur, "murmur"),
        (Self::Murmur3, "murmur3"),
        (Self::OneAtATime, "one_at_a_time"),
        (Self::Md5, "md5"),
        (Self::Crc16, "crc16"),
        (Self::Crc32, "crc32"),
        (Self::Crc32a, "crc32a"),
        (Self::Fnv1_64, "fnv1_64"),
        (Self::Fnv1a64, "fnv1a_64"),
        (Self::Fnv1_32, "fnv1_32"),
        (Self::Fnv1a32, "fnv1a_32"),
        (Self::Hsieh, "hsieh"),
        (Self::Jenkins, "jenkins"),
    ];

    /// The hash of `key`.
    pub fn hash(&self, key: &[u8]) -> u32 {
        match self {
            Self::RedisSlot => redis_slot(key),
            Self::Murmur => simple::murmur2(key),
            Self::Murmur3 => simple::murmur3(key),
            Self::OneAtATime => simple::one_at_a_time(key),
            Self::Md5 => simple::md5(key),
            Self::Crc16 => crc::crc16_wide(key),
            Self::Crc32 => crc::crc32(key) >> 16 & 0x7FFF,
            Self::Crc32a => crc::crc32(key),
            Self::Fnv1_64 => simple::fnv1_64(key),
            Self::Fnv1a64 => simple::fnv1a_64(key),
            Self::Fnv1_32 => simple::fnv1_32(key),
            Self::Fnv1a32 => fnv1a_32(key),
            Self::Hsieh => simple::hsieh(key),
            Self::Jenkins => jenkins::lookup3(key),
        }
    }

    /// The values that [`HashKind::hash`] can give, for the placement of tokens.
    pub const fn space(&self) -> TokenSpace {
        match self {
            Self::RedisSlot => TokenSpace::SLOTS,
            Self::Crc32 => TokenSpace::BITS_15,
            _ => TokenSpace::FULL,
        }
    }

    /// The name in the configuration.
    pub fn name(&self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| kind == self).map_or("", |(_, name)| name)
    }

    /// All names, for messages.
    pub(crate) fn names() -> String {
        Self::ALL.map(|(_, name)| name).join(", ")
    }
}

impl fmt::Display for HashKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for HashKind {
    type Err = ParseHashError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        found.map(|(kind, _)| *kind).ok_or_else(|| ParseHashError { name: name.to_owned() })
    }
}

/// See the Redis Cluster specification, "Key distribution model" and "Hash tags".
fn redis_slot(key: &[u8]) -> u32 {
    let hashed = tagged_part(key, (b'{', b'}')).unwrap_or(key);
    Token::from_slot(crc::crc16(hashed) % SLOT_COUNT).0
}

#[cfg(test)]
mod tests;

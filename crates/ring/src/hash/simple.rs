//! The hashes that fit a dozen lines.

use md5::{Digest, Md5};

const FNV_32_BASIS: u32 = 0x811C_9DC5;
const FNV_32_PRIME: u32 = 0x0100_0193;
const FNV_64_BASIS: u64 = 0xCBF2_9CE4_8422_2325;
const FNV_64_PRIME: u64 = 0x0100_0000_01B3;

pub(super) fn fnv1_32(key: &[u8]) -> u32 {
    key.iter().fold(FNV_32_BASIS, |hash, byte| hash.wrapping_mul(FNV_32_PRIME) ^ u32::from(*byte))
}

pub(crate) fn fnv1a_32(key: &[u8]) -> u32 {
    key.iter().fold(FNV_32_BASIS, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(FNV_32_PRIME))
}

pub(super) fn fnv1_64(key: &[u8]) -> u32 {
    key.iter().fold(FNV_64_BASIS, |hash, byte| hash.wrapping_mul(FNV_64_PRIME) ^ u64::from(*byte)) as u32
}

/// The low half of a product depends on the low halves of its factors alone, so this *is* the low half of FNV-1a 64.
pub(super) fn fnv1a_64(key: &[u8]) -> u32 {
    let (basis, prime) = (FNV_64_BASIS as u32, FNV_64_PRIME as u32);
    key.iter().fold(basis, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(prime))
}

pub(super) fn md5(key: &[u8]) -> u32 {
    let digest = Md5::digest(key);
    u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]])
}

/// Bob Jenkins's one-at-a-time; the C code reads `char`, which is signed on the machines it ran on.
pub(super) fn one_at_a_time(key: &[u8]) -> u32 {
    let mut hash = 0_u32;
    for byte in key {
        hash = hash.wrapping_add(signed(*byte));
        hash = hash.wrapping_add(hash << 10);
        hash ^= hash >> 6;
    }
    hash = hash.wrapping_add(hash << 3);
    hash ^= hash >> 11;
    hash.wrapping_add(hash << 15)
}

/// MurmurHash2 (Austin Appleby), seeded with the length times 0xDEADBEEF.
pub(super) fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5BD1_E995;
    let len = key.len() as u32;
    let mut hash = 0xDEAD_BEEF_u32.wrapping_mul(len) ^ len;
    let (blocks, tail) = key.as_chunks::<4>();
    for block in blocks {
        let mut word = u32::from_le_bytes(*block).wrapping_mul(M);
        word ^= word >> 24;
        hash = hash.wrapping_mul(M) ^ word.wrapping_mul(M);
    }
    if !tail.is_empty() {
        hash = (hash ^ little_endian(tail)).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 15
}

/// MurmurHash3_x86_32 (Austin Appleby), seed 0.
pub(super) fn murmur3(key: &[u8]) -> u32 {
    let scramble = |word: u32| word.wrapping_mul(0xCC9E_2D51).rotate_left(15).wrapping_mul(0x1B87_3593);
    let mut hash = 0_u32;
    let (blocks, tail) = key.as_chunks::<4>();
    for block in blocks {
        hash ^= scramble(u32::from_le_bytes(*block));
        hash = hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xE654_6B64);
    }
    // An empty tail scrambles to zero.
    hash ^= scramble(little_endian(tail));
    hash ^= key.len() as u32;
    hash = (hash ^ hash >> 16).wrapping_mul(0x85EB_CA6B);
    hash = (hash ^ hash >> 13).wrapping_mul(0xC2B2_AE35);
    hash ^ hash >> 16
}

/// Paul Hsieh's SuperFastHash started from 0.
pub(super) fn hsieh(key: &[u8]) -> u32 {
    let pair = |bytes: &[u8]| u32::from(bytes[0]) | u32::from(bytes[1]) << 8;
    let mut hash = 0_u32;
    let (blocks, tail) = key.as_chunks::<4>();
    for block in blocks {
        hash = hash.wrapping_add(pair(&block[..2]));
        hash = hash << 16 ^ (pair(&block[2..]) << 11 ^ hash);
        hash = hash.wrapping_add(hash >> 11);
    }
    match tail {
        [_, _, last] => {
            hash = hash.wrapping_add(pair(tail));
            hash ^= hash << 16;
            hash ^= u32::from(*last) << 18;
            hash = hash.wrapping_add(hash >> 11);
        }
        [_, _] => {
            hash = hash.wrapping_add(pair(tail));
            hash ^= hash << 11;
            hash = hash.wrapping_add(hash >> 17);
        }
        [byte] => {
            hash = hash.wrapping_add(u32::from(*byte));
            hash ^= hash << 10;
            hash = hash.wrapping_add(hash >> 1);
        }
        _ => {}
    }
    hash ^= hash << 3;
    hash = hash.wrapping_add(hash >> 5);
    hash ^= hash << 4;
    hash = hash.wrapping_add(hash >> 17);
    hash ^= hash << 25;
    hash.wrapping_add(hash >> 6)
}

/// A byte as C's signed `char` widened to 32 bits.
fn signed(byte: u8) -> u32 {
    i32::from(byte as i8) as u32
}

/// Up to three bytes as a number.
fn little_endian(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

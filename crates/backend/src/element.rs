//! What values are made of: how large ones are cut into pieces, and what their digests are sums of.
//!
//! Invariant: a value's elements do not depend on where its pieces begin, nor on how the store keeps it.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// From this size on a state is moved in pieces. A real server takes about 6 ms for `DUMP` of a value of this size that
/// does not compress.
pub const LARGE_BYTES_MIN: u64 = 1 << 20;
/// About how many bytes a piece holds. Strings are cut into exactly such blocks, but for the last one.
pub(crate) const PIECE_BYTES: usize = 256 << 10;

/// Seeds of the hashes of each type's elements, so that no list has the digest of a set.
const STRING: u64 = 1 << 56;
const LIST: u64 = 2 << 56;
const HASH: u64 = 3 << 56;
const SET: u64 = 4 << 56;
const SORTED_SET: u64 = 5 << 56;

/// A part of a value that is never divided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Element<'a> {
    /// [`PIECE_BYTES`] of a string, or what is left at its end. An empty string is one empty block.
    Block { number: u64, bytes: &'a [u8] },
    /// A list's element.
    Item { index: u64, value: &'a [u8] },
    /// A hash's field.
    Field { field: &'a [u8], value: &'a [u8] },
    /// A set's member.
    Member(&'a [u8]),
    /// A sorted set's member.
    Scored { member: &'a [u8], score: f64 },
}

impl Element<'_> {
    /// A hash of the element with its type and, where there is an order, its place. A value's digest is the sum of its
    /// elements', so that the order of what has none does not matter.
    pub(crate) fn digest(&self) -> u64 {
        match *self {
            Self::Block { number: 0, bytes } => match hyperloglog_parts(bytes) {
                Some((head, registers)) => xxh3_64_with_seed(registers, xxh3_64_with_seed(head, STRING)),
                None => xxh3_64_with_seed(bytes, STRING),
            },
            Self::Block { number, bytes } => xxh3_64_with_seed(bytes, STRING | number),
            Self::Item { index, value } => xxh3_64_with_seed(value, LIST | index),
            Self::Field { field, value } => xxh3_64_with_seed(value, xxh3_64_with_seed(field, HASH)),
            Self::Member(member) => xxh3_64_with_seed(member, SET),
            Self::Scored { member, score } => {
                // Small sorted sets keep no negative zero, large ones do.
                let score = if score == 0.0 { 0.0_f64 } else { score };
                xxh3_64_with_seed(&score.to_bits().to_le_bytes(), xxh3_64_with_seed(member, SORTED_SET))
            }
        }
    }

    /// Bytes of content.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Block { bytes, .. } => bytes.len(),
            Self::Item { value, .. } => value.len(),
            Self::Field { field, value } => field.len() + value.len(),
            Self::Member(member) => member.len(),
            Self::Scored { member, .. } => member.len() + size_of::<f64>(),
        }
    }
}

/// A HyperLogLog's magic, encoding and registers, without the count that `PFCOUNT`, a read, caches between them
/// (Redis, `hyperloglog.c`: `struct hllhdr`).
fn hyperloglog_parts(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    const MAGIC_BYTES: usize = 8;
    const CACHE_BYTES: usize = 8;
    const ENCODING_MAX: u8 = 1;
    let (magic, rest) = bytes.split_at_checked(MAGIC_BYTES)?;
    let (_cached, registers) = rest.split_at_checked(CACHE_BYTES)?;
    let is_magic = magic.starts_with(b"HYLL") && magic[4] <= ENCODING_MAX && magic[5..] == [0; 3];
    is_magic.then_some((magic, registers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_that_differ_in_anything_have_different_digests() {
        let elements = [
            Element::Block { number: 0, bytes: b"" },
            Element::Block { number: 0, bytes: b"ab" },
            Element::Block { number: 1, bytes: b"ab" },
            Element::Item { index: 0, value: b"ab" },
            Element::Item { index: 1, value: b"ab" },
            Element::Field { field: b"a", value: b"b" },
            Element::Field { field: b"ab", value: b"" },
            Element::Field { field: b"", value: b"ab" },
            Element::Member(b""),
            Element::Member(b"ab"),
            Element::Scored { member: b"ab", score: 0.0 },
            Element::Scored { member: b"ab", score: 1.0 },
            Element::Scored { member: b"ab", score: f64::NEG_INFINITY },
        ];
        for (number, one) in elements.iter().enumerate() {
            for other in &elements[..number] {
                assert_ne!(one.digest(), other.digest(), "{one:?} {other:?}");
            }
        }
        let zero = |score| Element::Scored { member: b"ab", score }.digest();
        assert_eq!(zero(-0.0), zero(0.0));
    }

    #[test]
    fn cached_count_of_a_hyperloglog_is_not_part_of_its_value() {
        let digest = |bytes: &[u8]| Element::Block { number: 0, bytes }.digest();
        let with_cache = |cache: u8| {
            let mut bytes = *b"HYLL\x01\0\0\0cccccccc registers";
            bytes[8..16].fill(cache);
            bytes
        };
        assert_eq!(digest(&with_cache(0)), digest(&with_cache(128)));
        let mut other = with_cache(0);
        other[16] = b'r';
        assert_ne!(digest(&with_cache(0)), digest(&other));
        other = with_cache(0);
        other[4] = 0;
        assert_ne!(digest(&with_cache(0)), digest(&other));
        assert_ne!(digest(b"HYLL text 1"), digest(b"HYLL text 2"));
        assert_ne!(digest(b"HYLL text is no count"), digest(b"HYLL text is no_count"));
    }
}

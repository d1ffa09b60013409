//! From a key to its token: the hash, and which part of the key it covers.

use crate::{HashKind, Token};

/// How a cluster turns keys into tokens. All nodes and topology-aware clients must agree on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyHasher {
    kind: HashKind,
    tag: Option<(u8, u8)>,
}

impl KeyHasher {
    /// A hasher. With `tag`, keys that hold the same text between its two characters share a token:
    /// `(b'{', b'}')` puts `{user1}.name` and `{user1}.age` together.
    ///
    /// [`HashKind::RedisSlot`] brings Redis Cluster's own tag rule along and ignores `tag`.
    pub const fn new(kind: HashKind, tag: Option<(u8, u8)>) -> Self {
        Self { kind, tag }
    }

    /// The hash.
    pub const fn kind(&self) -> HashKind {
        self.kind
    }

    /// The characters around the hashed part of a key, if configured.
    pub const fn tag(&self) -> Option<(u8, u8)> {
        self.tag
    }

    /// The token of `key`.
    ///
    /// The tag is what lies between the first opening character and the first closing one after it. A key without a
    /// tag, or with an empty one, is hashed whole. (Netflix Dynomite sent keys with an empty tag to whichever node
    /// coordinated, so that other nodes did not find them again.)
    pub fn token(&self, key: &[u8]) -> Token {
        let hashed = match (self.kind, self.tag) {
            (HashKind::RedisSlot, _) | (_, None) => key,
            (_, Some(tag)) => tagged_part(key, tag).unwrap_or(key),
        };
        Token(self.kind.hash(hashed))
    }
}

/// What lies between the first `open` and the first `close` after it, unless that is nothing.
pub(crate) fn tagged_part(key: &[u8], (open, close): (u8, u8)) -> Option<&[u8]> {
    let start = key.iter().position(|byte| *byte == open)? + 1;
    let len = key[start..].iter().position(|byte| *byte == close)?;
    (len > 0).then(|| &key[start..start + len])
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRACES: Option<(u8, u8)> = Some((b'{', b'}'));

    #[test]
    fn keys_with_the_same_tag_share_a_token() {
        for hasher in [KeyHasher::new(HashKind::Murmur, BRACES), KeyHasher::new(HashKind::RedisSlot, None)] {
            let expected = hasher.token(b"user1000");
            assert_eq!(hasher.token(b"{user1000}.following"), expected);
            assert_eq!(hasher.token(b"x{user1000}{other}"), expected);
            assert_ne!(hasher.token(b"user1000.following"), expected);
        }
    }

    #[test]
    fn the_tag_ends_at_the_first_closing_character() {
        let hasher = KeyHasher::new(HashKind::Murmur, BRACES);
        assert_eq!(hasher.token(b"foo{{bar}}zap"), hasher.token(b"{bar"));
        assert_eq!(hasher.token(b"}a{b}"), hasher.token(b"b"));
    }

    #[test]
    fn an_empty_or_open_tag_hashes_the_whole_key() {
        let hasher = KeyHasher::new(HashKind::Murmur, BRACES);
        let plain = KeyHasher::new(HashKind::Murmur, None);
        for key in [&b"foo{}{bar}"[..], b"foo{bar", b"foo}bar", b"{}", b""] {
            assert_eq!(hasher.token(key), plain.token(key), "{key:?}");
        }
    }

    #[test]
    fn opening_and_closing_character_may_be_equal() {
        let hasher = KeyHasher::new(HashKind::Murmur, Some((b'$', b'$')));
        assert_eq!(hasher.token(b"a$b$c"), hasher.token(b"b"));
    }
}

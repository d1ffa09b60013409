//! Keys as the protocol's words.

use std::borrow::Cow;

/// What memcached takes as a key's word, in bytes.
pub(super) const KEY_BYTES_MAX: usize = 250;

/// A key as the word that names it in a meta command.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KeyWord<'a> {
    /// The word itself.
    pub(super) word: Cow<'a, [u8]>,
    /// The flag that says how to read it, with a blank before it; empty when the word is the key.
    pub(super) flag: &'static [u8],
}

impl<'a> KeyWord<'a> {
    /// The word for `key`: itself where it can stand in a line, else in base64. Whichever it is, the server keeps the same key.
    ///
    /// # Errors
    /// When memcached cannot hold such a key; says why.
    pub(super) fn of(key: &'a [u8]) -> Result<Self, String> {
        if key.is_empty() {
            return Err("ERR memcached has no empty key".to_owned());
        }
        if key.len() > KEY_BYTES_MAX {
            let len = key.len();
            return Err(format!(
                "ERR memcached's keys have at most {KEY_BYTES_MAX} bytes, and this one {len}"
            ));
        }
        if is_word(key) {
            return Ok(Self { word: Cow::Borrowed(key), flag: b"" });
        }
        let word = base64(key);
        if word.len() > KEY_BYTES_MAX {
            let len = word.len();
            return Err(format!(
                "ERR memcached's keys have at most {KEY_BYTES_MAX} bytes, and this one {len} as base64, which its blanks or \
                 line ends need"
            ));
        }
        Ok(Self { word: Cow::Owned(word), flag: b" b" })
    }
}

/// Whether `text` is one word of a command line.
pub(super) fn is_word(text: &[u8]) -> bool {
    !text.is_empty() && !text.iter().any(|byte| matches!(byte, b' ' | b'\r' | b'\n' | b'\0'))
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for (place, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = DIGITS[(bits >> shift & 63) as usize];
            text.push(if place <= group.len() { digit } else { b'=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (bytes, text) in [
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("\u{ff}\u{ff}>", "w7/Dvz4="),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text.as_bytes(), "{bytes}");
        }
    }

    #[test]
    fn only_keys_that_cannot_stand_in_a_line_are_encoded() {
        let long = [b'k'; KEY_BYTES_MAX];
        for key in [&b"k"[..], b"caf\xc3\xa9", b"\xff\x01\x7f\t", &long] {
            assert_eq!(KeyWord::of(key), Ok(KeyWord { word: Cow::Borrowed(key), flag: b"" }));
        }
        for key in [&b"a b"[..], b"a\n", b"\r", b"\0", b" "] {
            assert_eq!(KeyWord::of(key), Ok(KeyWord { word: Cow::Owned(base64(key)), flag: b" b" }));
        }
    }

    #[test]
    fn keys_that_memcached_cannot_hold_are_refused() {
        assert!(KeyWord::of(b"").is_err());
        assert!(
            KeyWord::of(&[b'k'; KEY_BYTES_MAX + 1])
                .is_err_and(|text| text.contains("at most 250 bytes, and this one 251"))
        );
        assert!(KeyWord::of(&[b' '; 186]).is_ok(), "248 bytes as base64");
        assert!(KeyWord::of(&[b' '; 187]).is_err_and(|text| text.contains("this one 252 as base64")));
    }
}

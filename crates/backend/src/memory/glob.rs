//! Glob patterns as in `KEYS`: `*`, `?`, `[a-c]`, `[^x]`, `\` quotes.

/// Whether all of `text` matches. Takes time O(pattern · text) at most, whatever the pattern.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    // Behind the last star: what follows it in the pattern, and how much of the text it has swallowed.
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(at) == Some(&b'*') {
            at += 1;
            star = Some((at, seen));
            continue;
        }
        let step = match (pattern.get(at..), text.get(seen)) {
            (Some([]) | None, None) => return true,
            (Some([]) | None, Some(_)) | (_, None) => None,
            (Some(rest), Some(byte)) => match_one(rest, *byte),
        };
        match (step, star) {
            (Some(len), _) => {
                at += len;
                seen += 1;
            }
            (None, Some((after, swallowed))) if swallowed < text.len() => {
                star = Some((after, swallowed + 1));
                at = after;
                seen = swallowed + 1;
            }
            (None, _) => return false,
        }
    }
}

/// Matches one byte with the start of `pattern` (not a star, not empty); how much of the pattern that takes.
fn match_one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'[', class @ ..] => match_class(class, byte).map(|len| len + 1),
        [b'\\', quoted, ..] => (*quoted == byte).then_some(2),
        [literal, ..] => (*literal == byte).then_some(1),
        [] => None,
    }
}

/// Matches the inside of `[…]`; an unclosed class ends with the pattern.
fn match_class(class: &[u8], byte: u8) -> Option<usize> {
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
    loop {
        match &class[at.min(class.len())..] {
            [] => break,
            [b']', ..] => {
                at += 1;
                break;
            }
            [b'\\', quoted, _, ..] | [b'\\', quoted] => {
                found |= *quoted == byte;
                at += 2;
            }
            [from, b'-', to, ..] => {
                found |= (*from.min(to)..=*from.max(to)).contains(&byte);
                at += 3;
            }
            [literal, ..] => {
                found |= *literal == byte;
                at += 1;
            }
        }
    }
    (found != negated).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "abc", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbb", false),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h[ae]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("[\\]]", "]", true),
            ("a[b", "ab", true),
            ("**a**", "bab", true),
            ("*a*b", "aaab", true),
            ("*?", "", false),
            ("a\\", "a\\", true),
            ("[]", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        assert!(!matches("*a".repeat(50).as_bytes(), "a".repeat(49).as_bytes()));
        assert!(!matches(&[&b"*a".repeat(30)[..], b"b"].concat(), &b"a".repeat(5000)));
    }
}

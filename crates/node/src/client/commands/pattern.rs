//! Glob patterns as Redis has them: `*`, `?`, `[a-z]`, `[^a]` and `\` for the next character as it is.

/// Whether `text` matches, in any case.
///
/// Takes time proportional to the product of both lengths at most.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut pos) = (0, 0);
    // Where the last star was, and up to where it has been tried to reach.
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at + 1, pos));
            at += 1;
        } else if pos < text.len()
            && let Some(next) = match_one(&pattern[at..], text[pos])
        {
            at += next;
            pos += 1;
        } else if pos == text.len() && at == pattern.len() {
            return true;
        } else {
            let Some((after, reached)) = star.filter(|(_, reached)| *reached < text.len()) else {
                return false;
            };
            star = Some((after, reached + 1));
            (at, pos) = (after, reached + 1);
        }
    }
}

/// How much of the pattern stands for `byte`, if its first element does.
fn match_one(pattern: &[u8], byte: u8) -> Option<usize> {
    let same = |wanted: u8| wanted.eq_ignore_ascii_case(&byte);
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'\\', escaped, ..] => same(*escaped).then_some(2),
        [b'[', set @ ..] => {
            let end = set.iter().position(|byte| *byte == b']').unwrap_or(set.len());
            let (negated, members) = match &set[..end] {
                [b'^', members @ ..] => (true, members),
                members => (false, members),
            };
            let found =
                members.windows(3).any(|range| range[1] == b'-' && (range[0]..=range[2]).contains(&byte))
                    || members.iter().any(|member| same(*member));
            (found != negated).then_some((end + 2).min(pattern.len()))
        }
        [literal, ..] => same(*literal).then_some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("*", "abc"),
            ("a*c", "abbc"),
            ("a*b*c", "aXbbYc"),
            ("MAX*", "maxmemory"),
            ("a?c", "abc"),
            ("[a-c]x", "bx"),
            ("[^a]x", "bx"),
            (r"a\*", "a*"),
            ("*-consistency", "read-consistency"),
            ("**", "x"),
        ] {
            assert!(matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("a", ""),
            ("a*c", "ab"),
            ("?", ""),
            ("[^a]x", "ax"),
            (r"a\*", "ab"),
            ("a*", "ba"),
            ("[", "a"),
        ] {
            assert!(!matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = "a*".repeat(50) + "b";
        assert!(!matches(pattern.as_bytes(), "a".repeat(5_000).as_bytes()));
    }
}

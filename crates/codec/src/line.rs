//! Header lines of RESP: one type byte, a number, CR LF. Shared by the framers; never looks at a byte twice.

use memchr::memchr;

use crate::FrameError;

/// Where a line's end was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineEnd {
    /// The CR's offset; a LF follows it.
    At(usize),
    /// Not among the bytes so far.
    Missing,
}

/// Finds CR LF from `*scanned` on and moves `*scanned` over what holds none. A line that begins at `start` and is
/// longer than `line_max` gives `too_long`, however it arrives.
pub(crate) fn find_end(
    buf: &[u8],
    start: usize,
    scanned: &mut usize,
    line_max: usize,
    too_long: FrameError,
) -> Result<LineEnd, FrameError> {
    let from = (*scanned).max(start);
    let Some(found) = memchr(b'\r', &buf[from..]) else {
        *scanned = buf.len();
        return if buf.len() - start > line_max { Err(too_long) } else { Ok(LineEnd::Missing) };
    };
    let at = from + found;
    *scanned = at;
    if at - start > line_max {
        return Err(too_long);
    }
    match buf.get(at + 1) {
        Some(b'\n') => Ok(LineEnd::At(at)),
        Some(_) => Err(FrameError::ExpectedCrlf),
        None => Ok(LineEnd::Missing),
    }
}

/// Reads the line `<digits>CRLF` at `at`; gives the number and the offset after the LF. `None` says only that the
/// careful way has to be taken: the line is incomplete, unusual or wrong.
#[inline]
pub(crate) fn short_number(buf: &[u8], at: usize) -> Option<(usize, usize)> {
    let digits = buf.get(at..)?;
    if let [digit @ b'0'..=b'9', b'\r', b'\n', ..] = digits {
        return Some((usize::from(digit - b'0'), at + 3));
    }
    if !matches!(digits.first(), Some(b'1'..=b'9')) {
        return None;
    }
    let mut value = 0usize;
    for (index, &byte) in digits.iter().take(10).enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            let ended = byte == b'\r' && digits.get(index + 1) == Some(&b'\n');
            return ended.then_some((value, at + index + 2));
        }
        value = value * 10 + usize::from(digit);
    }
    None
}

/// Reads an integer as Redis does: no blanks, no plus sign, no leading zeros, within 64 bits.
pub(crate) fn strict_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut value: i64 = 0;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        let digit = i64::from(digit);
        value = value.checked_mul(10)?;
        value = if negative { value.checked_sub(digit)? } else { value.checked_add(digit)? };
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_as_strict_as_in_redis() {
        for (text, value) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("99999999999999999999", None),
            ("-0", None),
            ("00", None),
            ("01", None),
            ("+1", None),
            (" 1", None),
            ("1 ", None),
            ("", None),
            ("-", None),
            ("1x", None),
        ] {
            assert_eq!(strict_integer(text.as_bytes()), value, "{text:?}");
        }
    }

    #[test]
    fn the_short_way_takes_only_canonical_complete_lines() {
        assert_eq!(short_number(b"$12\r\nx", 1), Some((12, 5)));
        assert_eq!(short_number(b"0\r\n", 0), Some((0, 3)));
        for text in ["", "1", "1\r", "\r\n", "01\r\n", "-1\r\n", "1\rx", "12345678901\r\n"] {
            assert_eq!(short_number(text.as_bytes(), 0), None, "{text:?}");
        }
    }
}

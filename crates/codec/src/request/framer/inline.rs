//! Inline commands: one line of words, as a person types them into telnet. The quoting rules are those of Redis's
//! `sdssplitargs`.

use bytes::{Buf, BytesMut};
use memchr::memchr;

use crate::FrameError;

/// Takes one line off `buf`, without its LF or CR LF; `None` when its end is not there yet.
pub(super) fn take_line(
    buf: &mut BytesMut,
    scanned: &mut usize,
    inline_max: usize,
) -> Result<Option<BytesMut>, FrameError> {
    let Some(found) = memchr(b'\n', &buf[*scanned..]) else {
        *scanned = buf.len();
        return if buf.len() > inline_max { Err(FrameError::InlineTooLong) } else { Ok(None) };
    };
    let end = *scanned + found;
    if end > inline_max {
        return Err(FrameError::InlineTooLong);
    }
    *scanned = 0;
    let mut line = buf.split_to(end);
    buf.advance(1);
    if line.last() == Some(&b'\r') {
        line.truncate(end - 1);
    }
    Ok(Some(line))
}

/// Splits a line into its words.
pub(super) fn split_args(line: &[u8]) -> Result<Vec<Vec<u8>>, FrameError> {
    let mut args = Vec::new();
    let mut rest = line;
    loop {
        let blanks = rest.iter().take_while(|&&byte| is_blank(byte)).count();
        rest = &rest[blanks..];
        if rest.is_empty() {
            return Ok(args);
        }
        let (arg, after) = take_arg(rest)?;
        args.push(arg);
        rest = after;
    }
}

fn take_arg(text: &[u8]) -> Result<(Vec<u8>, &[u8]), FrameError> {
    let mut arg = Vec::new();
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return Ok((arg, rest)),
            [b' ' | b'\n' | b'\r' | b'\t', after @ ..] => return Ok((arg, after)),
            [b'"', after @ ..] => {
                let after = take_double_quoted(after, &mut arg)?;
                return Ok((arg, after));
            }
            [b'\'', after @ ..] => {
                let after = take_single_quoted(after, &mut arg)?;
                return Ok((arg, after));
            }
            [byte, after @ ..] => {
                arg.push(*byte);
                after
            }
        };
    }
}

fn take_double_quoted<'a>(text: &'a [u8], arg: &mut Vec<u8>) -> Result<&'a [u8], FrameError> {
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return Err(FrameError::UnbalancedQuotes),
            [b'\\', b'x', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                arg.push(hex_digit(*high) << 4 | hex_digit(*low));
                after
            }
            [b'\\', escaped, after @ ..] => {
                arg.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                after
            }
            [b'"', after @ ..] => return closed(after),
            [byte, after @ ..] => {
                arg.push(*byte);
                after
            }
        };
    }
}

fn take_single_quoted<'a>(text: &'a [u8], arg: &mut Vec<u8>) -> Result<&'a [u8], FrameError> {
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return Err(FrameError::UnbalancedQuotes),
            [b'\\', b'\'', after @ ..] => {
                arg.push(b'\'');
                after
            }
            [b'\'', after @ ..] => return closed(after),
            [byte, after @ ..] => {
                arg.push(*byte);
                after
            }
        };
    }
}

/// A closing quote ends its word: only a blank or the line's end may follow.
fn closed(after: &[u8]) -> Result<&[u8], FrameError> {
    match after.first() {
        Some(&byte) if !is_blank(byte) => Err(FrameError::UnbalancedQuotes),
        _ => Ok(after),
    }
}

/// C's `isspace`.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn hex_digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        _ => (byte | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_and_unquoted_as_in_redis() {
        let cases: [(&str, &[&[u8]]); 12] = [
            ("", &[]),
            ("  \t ", &[]),
            ("PING", &[b"PING"]),
            ("  SET  k   v ", &[b"SET", b"k", b"v"]),
            (r#"SET k "a b""#, &[b"SET", b"k", b"a b"]),
            (r#"SET k "" ''"#, &[b"SET", b"k", b"", b""]),
            (r#""\x41\x0a\n\r\t\b\a\"\\\q""#, &[b"A\n\n\r\t\x08\x07\"\\q"]),
            (r#""\x4g""#, &[b"x4g"]),
            (r"'it\'s \n'", &[br"it's \n"]),
            (r#"foo"bar""#, &[b"foobar"]),
            (r"a\b", &[br"a\b"]),
            ("a\x0bb \x0b\x0cc", &[b"a\x0bb", b"c"]),
        ];
        for (line, args) in cases {
            assert_eq!(split_args(line.as_bytes()).unwrap(), args, "{line:?}");
        }
    }

    #[test]
    fn quotes_must_close_and_end_their_word() {
        for line in [r#"""#, r#"SET k "v"#, "'", r#""a"b"#, "'a'b", r#""a""b""#, r#""\"#, r#"a"b"c"#] {
            assert_eq!(split_args(line.as_bytes()), Err(FrameError::UnbalancedQuotes), "{line:?}");
        }
    }
}

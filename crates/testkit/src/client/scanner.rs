//! Finds where a reply ends. Written apart from the product's framers, so that it can judge them.

use std::io;

/// Scans one reply as its bytes arrive; what was scanned is not scanned again.
#[derive(Debug)]
pub(super) struct ReplyScanner {
    offset: usize,
    /// How many values are still to come before the reply is whole.
    pending: u64,
}

impl ReplyScanner {
    /// For the reply that begins at `offset` of the buffer.
    pub(super) fn new(offset: usize) -> Self {
        Self { offset, pending: 1 }
    }

    /// The offset behind the reply, or `None` when `received` does not hold it all yet.
    pub(super) fn advance(&mut self, received: &[u8]) -> io::Result<Option<usize>> {
        while self.pending > 0 {
            let Some(line_end) = line_end(received, self.offset) else { return Ok(None) };
            let line = &received[self.offset..line_end - 2];
            let (kind, rest) = line.split_first().ok_or_else(|| invalid(line))?;
            match kind {
                b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => self.value_ends_at(line_end),
                b'$' | b'=' | b'!' => match count(line, rest)? {
                    None => self.value_ends_at(line_end),
                    Some(len) => {
                        let end = line_end + len as usize + 2;
                        if received.len() < end {
                            return Ok(None);
                        }
                        self.value_ends_at(end);
                    }
                },
                b'*' | b'~' | b'>' => self.aggregate(line_end, count(line, rest)?.unwrap_or(0)),
                b'%' => self.aggregate(line_end, 2 * count(line, rest)?.unwrap_or(0)),
                // An attribute stands in front of its value and does not count as one.
                b'|' => {
                    self.pending += 2 * count(line, rest)?.unwrap_or(0);
                    self.offset = line_end;
                }
                _ => return Err(invalid(line)),
            }
        }
        Ok(Some(self.offset))
    }

    fn value_ends_at(&mut self, end: usize) {
        self.pending -= 1;
        self.offset = end;
    }

    fn aggregate(&mut self, line_end: usize, values: u64) {
        self.pending += values;
        self.value_ends_at(line_end);
    }
}

fn line_end(received: &[u8], begin: usize) -> Option<usize> {
    received[begin..].windows(2).position(|pair| pair == b"\r\n").map(|at| begin + at + 2)
}

/// A header's count; `None` for the `-1` of an absent value.
fn count(line: &[u8], digits: &[u8]) -> io::Result<Option<u64>> {
    if digits == b"-1" {
        return Ok(None);
    }
    let text = std::str::from_utf8(digits).map_err(|_| invalid(line))?;
    match text.parse::<u32>() {
        Ok(count) => Ok(Some(u64::from(count))),
        Err(_) => Err(invalid(line)),
    }
}

fn invalid(line: &[u8]) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not a reply: {}", super::shown(line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLIES: &[&[u8]] = &[
        b"+OK\r\n",
        b"-ERR no\r\n",
        b":-5\r\n",
        b"$-1\r\n",
        b"*-1\r\n",
        b"$0\r\n\r\n",
        b"$4\r\na\r\nb\r\n",
        b"*0\r\n",
        b"*3\r\n:1\r\n*2\r\n$1\r\na\r\n*-1\r\n+x\r\n",
        b"%2\r\n+a\r\n_\r\n+b\r\n#t\r\n",
        b"~2\r\n,1.5\r\n(12\r\n",
        b"=7\r\ntxt:abc\r\n",
        b"|1\r\n+ttl\r\n:1\r\n*1\r\n!3\r\nERR\r\n",
        b">2\r\n+message\r\n+x\r\n",
    ];

    #[test]
    fn reply_ends_at_its_last_byte_and_not_before() {
        for reply in REPLIES {
            let mut scanner = ReplyScanner::new(0);
            for len in 0..reply.len() {
                assert_eq!(scanner.advance(&reply[..len]).unwrap(), None, "{}", reply.escape_ascii());
            }
            let mut with_more = reply.to_vec();
            with_more.extend_from_slice(b"+next\r\n");
            assert_eq!(scanner.advance(&with_more).unwrap(), Some(reply.len()), "{}", reply.escape_ascii());
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        for bytes in [&b"HTTP/1.1 200 OK\r\n"[..], b"$x\r\n", b"*-2\r\n", b"\r\n", b"$99999999999\r\n"] {
            assert!(ReplyScanner::new(0).advance(bytes).is_err(), "{}", bytes.escape_ascii());
        }
    }
}

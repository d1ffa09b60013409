//! A connection that speaks RESP2, and what comes back. Written apart from the product's framers, so that it can judge
//! them.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const CONNECT_MAX: Duration = Duration::from_secs(2);
const READ_BYTES: usize = 64 * 1024;
/// No reply of the run has more parts.
const ARRAY_MAX: usize = 1_000_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::chaos) enum Reply {
    Simple(String),
    Error(String),
    Integer(i64),
    Bulk(Option<Vec<u8>>),
    Array(Vec<Self>),
}

pub(in crate::chaos) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    /// How much of `received` was given out.
    taken: usize,
}

impl Connection {
    pub(in crate::chaos) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, CONNECT_MAX)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::new(), taken: 0 })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection breaks, or the other side does not take them in `within`.
    pub(in crate::chaos) fn send(&mut self, bytes: &[u8], within: Duration) -> io::Result<()> {
        self.stream.set_write_timeout(Some(within))?;
        self.stream.write_all(bytes)
    }

    /// The next reply.
    ///
    /// # Errors
    /// `TimedOut` when it is not there at `until`; otherwise the connection broke, or what came is no reply.
    pub(in crate::chaos) fn reply(&mut self, until: Instant) -> io::Result<Reply> {
        loop {
            let mut at = self.taken;
            if let Some(reply) = parse(&self.received, &mut at)? {
                self.taken = at;
                return Ok(reply);
            }
            self.receive(until)?;
        }
    }

    fn receive(&mut self, until: Instant) -> io::Result<()> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.received.drain(..self.taken);
        self.taken = 0;
        let old = self.received.len();
        self.received.resize(old + READ_BYTES, 0);
        let outcome = self.stream.read(&mut self.received[old..]);
        self.received.truncate(old + outcome.as_ref().copied().unwrap_or(0));
        match outcome {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(()),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => Ok(()),
                io::ErrorKind::WouldBlock => Err(io::ErrorKind::TimedOut.into()),
                _ => Err(error),
            },
        }
    }
}

impl Reply {
    /// The bytes of a bulk string that is there.
    pub(in crate::chaos) fn into_bulk(self) -> Option<Vec<u8>> {
        match self {
            Self::Bulk(bytes) => bytes,
            _ => None,
        }
    }

    /// For messages.
    pub(in crate::chaos) fn shown(&self) -> String {
        const SHOWN_MAX: usize = 200;
        let shown = match self {
            Self::Simple(text) => format!("+{text}"),
            Self::Error(text) => format!("-{text}"),
            Self::Integer(number) => format!(":{number}"),
            Self::Bulk(None) => "nil".to_owned(),
            Self::Bulk(Some(bytes)) => format!("\"{}\"", bytes.escape_ascii()),
            Self::Array(items) => format!("{items:?}"),
        };
        shown.chars().take(SHOWN_MAX).collect()
    }
}

/// The reply that begins at `at`, which moves behind it; `None` when not all of it is there.
fn parse(bytes: &[u8], at: &mut usize) -> io::Result<Option<Reply>> {
    let Some(len) = bytes[*at..].windows(2).position(|pair| pair == b"\r\n") else { return Ok(None) };
    let line = &bytes[*at..*at + len];
    *at += len + 2;
    let invalid = || io::Error::new(io::ErrorKind::InvalidData, line.escape_ascii().to_string());
    let (kind, rest) = line.split_first().ok_or_else(invalid)?;
    let rest = std::str::from_utf8(rest).map_err(|_| invalid())?;
    let number = || rest.parse::<i64>().map_err(|_| invalid());
    Ok(Some(match kind {
        b'+' => Reply::Simple(rest.to_owned()),
        b'-' => Reply::Error(rest.to_owned()),
        b':' => Reply::Integer(number()?),
        b'$' if number()? == -1 => Reply::Bulk(None),
        b'$' => {
            let end = *at + usize::try_from(number()?).map_err(|_| invalid())?;
            match bytes.get(end..end + 2) {
                None => return Ok(None),
                Some(b"\r\n") => {}
                Some(_) => return Err(invalid()),
            }
            let bulk = bytes[*at..end].to_vec();
            *at = end + 2;
            Reply::Bulk(Some(bulk))
        }
        b'*' => {
            let count = usize::try_from(number()?).ok().filter(|count| *count <= ARRAY_MAX);
            let mut items = Vec::new();
            for _ in 0..count.ok_or_else(invalid)? {
                let Some(item) = parse(bytes, at)? else { return Ok(None) };
                items.push(item);
            }
            Reply::Array(items)
        }
        _ => return Err(invalid()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[u8] = b"+OK\r\n-ERR no\r\n:-3\r\n$-1\r\n$0\r\n\r\n*2\r\n$3\r\na\r\n\r\n*1\r\n:4\r\n";

    #[test]
    fn replies_are_told_apart() {
        let mut at = 0;
        let mut replies = Vec::new();
        while let Some(reply) = parse(ALL, &mut at).expect("valid") {
            replies.push(reply);
        }
        assert_eq!(at, ALL.len());
        assert_eq!(
            replies,
            [
                Reply::Simple("OK".into()),
                Reply::Error("ERR no".into()),
                Reply::Integer(-3),
                Reply::Bulk(None),
                Reply::Bulk(Some(vec![])),
                Reply::Array(vec![
                    Reply::Bulk(Some(b"a\r\n".to_vec())),
                    Reply::Array(vec![Reply::Integer(4)])
                ]),
            ]
        );
    }

    #[test]
    fn every_part_of_a_reply_is_not_yet_one() {
        let whole = b"*2\r\n$3\r\nabc\r\n*1\r\n:4\r\n";
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end], &mut 0).expect("not invalid"), None, "{end}");
        }
    }

    #[test]
    fn nonsense_is_an_error() {
        for bytes in [&b"?\r\n"[..], b"\r\n", b":x\r\n", b"$-2\r\n", b"*-1\r\n", b"$1\r\nabc\r\n"] {
            assert!(parse(bytes, &mut 0).is_err(), "{}", bytes.escape_ascii());
        }
    }
}

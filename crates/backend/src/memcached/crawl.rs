//! Reading the list of all keys that `lru_crawler metadump hash` gives.
//!
//! The server's crawler writes the list from a thread that holds a lock. While the reader is slow, that lock stops whoever
//! else wants the crawler, with all connections of the same thread; and after a second of waiting the crawler sends again
//! what it has sent already. So the list is always read to its end without a pause, and what there is no room
//! for is dropped here; and when it was not read for a while, it is read again.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use dynomite_codec::WriteQueue;
use memchr::memchr;
use tokio::time::{Instant, Sleep, sleep};

use super::found::{Collection, Found};
use crate::ReservedKeys;
use crate::address::unescape_bytes;
use crate::broken::Broken;
use crate::pipe::Pipe;

/// One poll reads no more often than this.
const READS_PER_POLL: usize = 8;
/// The server gives up waiting for the reader after a second, and what it sends then is no list.
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// The lane is polled at least as often as this, so that a server that has nothing to send is told from a worker that did not
/// read.
const BEAT: Duration = Duration::from_millis(100);
/// Longer than any line of a list.
const LINE_BYTES_MAX: usize = 8 << 10;

/// A list that is being read.
#[derive(Debug)]
pub(super) struct Crawl {
    collection: Collection,
    /// Whether the list cannot be trusted, or its keys are not wanted any more.
    is_void: bool,
    is_begun: bool,
    /// When it was last read as far as it had come, or as far as one poll reads.
    read_at: Instant,
    beat: Pin<Box<Sleep>>,
}

/// How reading a list ended.
#[derive(Debug)]
pub(super) enum CrawlEnd {
    Found(Found),
    /// It has to be read again.
    Void,
    /// The crawler has other work.
    Busy(String),
    /// The server does not list its keys.
    Refused(String),
}

impl Crawl {
    /// Queues the command that begins a list, for the keys that go into `collection`.
    pub(super) fn begin(collection: Collection, output: &mut WriteQueue) -> Self {
        output.append(b"lru_crawler metadump hash\r\n");
        Self {
            collection,
            is_void: false,
            is_begun: false,
            read_at: Instant::now(),
            beat: Box::pin(sleep(BEAT)),
        }
    }

    /// The hash from which on keys are collected; `None` when they are not wanted any more.
    pub(super) fn from(&self) -> Option<u64> {
        (!self.is_void).then(|| self.collection.from())
    }

    /// The rest of the list is read and dropped. Breaking it off could crash a server older than 1.6.26.
    pub(super) fn give_up(&mut self) {
        self.is_void = true;
    }

    /// Reads on. `Pending` when the list has not ended.
    pub(super) fn poll(
        &mut self,
        pipe: &mut Pipe,
        reserved: Option<&ReservedKeys>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<CrawlEnd, Broken>> {
        self.is_void |= self.read_at.elapsed() > PAUSE_MAX;
        if let Poll::Ready(Err(error)) = pipe.poll_flush(cx) {
            return Poll::Ready(Err(error.into()));
        }
        for _ in 0..READS_PER_POLL {
            match pipe.poll_fill(0, cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(broken)) => return Poll::Ready(Err(broken)),
                Poll::Pending => {
                    self.read_at = Instant::now();
                    self.beat.as_mut().reset(self.read_at + BEAT);
                    // Only so that it wakes the lane.
                    let _ = self.beat.as_mut().poll(cx);
                    return Poll::Pending;
                }
            }
            if let Some(end) = self.take_lines(pipe, reserved)? {
                return Poll::Ready(Ok(self.end(end)));
            }
        }
        self.read_at = Instant::now();
        // More may be there, and nothing else would say so.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes the lines that have wholly arrived; gives the last one.
    fn take_lines(
        &mut self,
        pipe: &mut Pipe,
        reserved: Option<&ReservedKeys>,
    ) -> Result<Option<Vec<u8>>, Broken> {
        let input = pipe.input();
        let mut taken = 0;
        let mut last = None;
        while let Some(len) = memchr(b'\n', &input[taken..]) {
            let line = input[taken..taken + len].trim_ascii_end();
            taken += len + 1;
            let is_first = !std::mem::replace(&mut self.is_begun, true);
            if line == b"END" || (is_first && !line.starts_with(b"key=")) {
                last = Some(line.to_vec());
                break;
            }
            match key(line) {
                Some(key) if reserved.is_some_and(|reserved| reserved.contains(&key)) => {}
                Some(key) => self.collection.add(&key),
                None => self.is_void = true,
            }
        }
        let _ = input.split_to(taken);
        if last.is_none() && input.len() > LINE_BYTES_MAX {
            return Err(Broken::Unreadable("a line is longer than any of memcached's"));
        }
        Ok(last)
    }

    fn end(&mut self, line: Vec<u8>) -> CrawlEnd {
        let text = || String::from_utf8_lossy(&line).into_owned();
        match &line[..] {
            b"END" if self.is_void => CrawlEnd::Void,
            b"END" => {
                let nothing = Collection::new(0, 0);
                CrawlEnd::Found(std::mem::replace(&mut self.collection, nothing).finish())
            }
            line if line.starts_with(b"BUSY") => CrawlEnd::Busy(text()),
            _ => CrawlEnd::Refused(text()),
        }
    }
}

/// The key in a line of the list: `key=<escaped as in URLs> exp=…`.
fn key(line: &[u8]) -> Option<Vec<u8>> {
    let rest = line.strip_prefix(b"key=")?;
    let end = memchr(b' ', rest)?;
    let is_whole = rest[end..].starts_with(b" exp=") && memchr(b'=', &rest[..end]).is_none();
    if is_whole { unescape_bytes(&rest[..end]) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_from_whole_lines() {
        for (line, expected) in [
            ("key=abc exp=-1 la=1 cas=2 fetch=no cls=1 size=63", Some("abc")),
            ("key=a%20b%25%0A exp=17 la=1", Some("a b%\n")),
            ("key=a%2 exp=17 la=1", None),
            ("key=abkey=abc exp=-1 la=1", None),
            ("key=abc", None),
            ("ey=abc exp=-1", None),
        ] {
            assert_eq!(key(line.as_bytes()), expected.map(|key| key.as_bytes().to_vec()), "{line}");
        }
    }
}

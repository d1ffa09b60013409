//! Cuts a datastore's byte stream into whole replies, of RESP2 and RESP3.
//!
//! Invariants: a reply's bytes are handed over as they came (`$-1` and `*-1` stay apart); no byte is searched twice
//! however the input is cut into reads; nesting costs eight bytes of memory a level and no stack.

#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

use crate::FrameError;
use crate::line::{LineEnd, find_end, short_number, strict_integer};

/// How much a datastore may send as one reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyLimits {
    /// How deep arrays may lie in each other.
    pub depth_max: usize,
    /// Longest string, in bytes.
    pub bulk_max: usize,
    /// Longest line: a status, an error, a number, in bytes.
    pub line_max: usize,
    /// Longest reply with all its framing, in bytes.
    pub total_max: usize,
}

impl Default for ReplyLimits {
    /// 128 levels, 512 MiB strings, 64 KiB lines, 512 MiB in all.
    fn default() -> Self {
        Self { depth_max: 128, bulk_max: 512 << 20, line_max: 64 << 10, total_max: 512 << 20 }
    }
}

/// Finds whole replies at the front of a connection's read buffer.
///
/// One framer belongs to one stream. It remembers how far it got in an incomplete reply, so between two calls the
/// buffer may only be appended to. A RESP3 attribute (`|`) is given together with the reply that follows it, as one
/// piece; a push (`>`) is given as a reply of its own. RESP3's streamed strings and arrays, which no server sends, are
/// refused.
#[derive(Debug)]
pub struct ReplyFramer {
    limits: ReplyLimits,
    state: State,
    /// Offset of the next byte to interpret, from the front of the buffer.
    pos: usize,
    /// Up to here the line that begins at `pos` holds no end.
    scanned: usize,
    open: SmallVec<[Open; 8]>,
    wanted: usize,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// At a value's type byte.
    Value,
    /// At a string's first byte.
    Body { kind: u8, len: usize },
    /// Out of step for good.
    Failed(FrameError),
}

/// An aggregate whose elements are not all there.
#[derive(Debug, Clone, Copy)]
struct Open {
    elements_left: usize,
    /// An attribute is no value: when it is complete, the value that it describes is still to come.
    is_attribute: bool,
}

/// What a step of the framer came to.
enum Step {
    /// Go on with the new state.
    On,
    /// A value ended at `pos`.
    Value,
    /// This many more bytes are needed at least.
    Wait(usize),
}

impl ReplyFramer {
    /// A framer at the beginning of a stream.
    pub fn new(limits: ReplyLimits) -> Self {
        Self { limits, state: State::Value, pos: 0, scanned: 0, open: SmallVec::new(), wanted: 1 }
    }

    /// Takes the next whole reply off the front of `buf`, or `None` when it is not all there.
    ///
    /// # Errors
    /// What the datastore sent is no RESP or over a limit. The stream is out of step: every later call gives the same
    /// error and leaves `buf` alone.
    pub fn next(&mut self, buf: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
        loop {
            let step = match self.state {
                State::Value => self.read_value(buf),
                State::Body { kind, len } => self.read_body(buf, kind, len),
                State::Failed(error) => return Err(error),
            };
            match step {
                Ok(Step::On) => {}
                Ok(Step::Value) if self.pos > self.limits.total_max => {
                    self.state = State::Failed(FrameError::ReplyTooLarge);
                }
                Ok(Step::Value) => {
                    if self.close_value() {
                        let reply = buf.split_to(self.pos).freeze();
                        self.restart();
                        return Ok(Some(reply));
                    }
                }
                Ok(Step::Wait(wanted)) => {
                    self.wanted = wanted;
                    return Ok(None);
                }
                Err(error) => {
                    self.state = State::Failed(error);
                    self.open = SmallVec::new();
                    return Err(error);
                }
            }
        }
    }

    /// How many more bytes the reply needs at least, as of the last call of [`ReplyFramer::next`] that gave `None`:
    /// what to reserve before the next read. Never more than the limits allow, never zero.
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    /// Whether the stream stands between two replies, as far as [`ReplyFramer::next`] has looked.
    pub fn is_between_replies(&self) -> bool {
        matches!(self.state, State::Value) && self.pos == 0 && self.scanned == 0
    }

    fn read_value(&mut self, buf: &[u8]) -> Result<Step, FrameError> {
        let Some(&kind) = buf.get(self.pos) else {
            return Ok(Step::Wait(1));
        };
        match kind {
            b'$' | b'*' | b'%' | b'~' | b'>' | b'|' | b'!' | b'=' => {}
            b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => return self.read_line(buf, kind),
            got => return Err(FrameError::UnknownType { got }),
        }
        let (count, next) = match short_number(buf, self.pos + 1) {
            Some(found) => found,
            None => match self.read_unusual_count(buf, kind)? {
                Some((Some(count), next)) => (count, next),
                Some((None, next)) => {
                    self.pos = next;
                    return Ok(Step::Value);
                }
                None => return Ok(Step::Wait(1)),
            },
        };
        match kind {
            b'$' | b'!' | b'=' => {
                if count > self.limits.bulk_max {
                    return Err(FrameError::InvalidBulkLength);
                }
                if count + 2 > self.limits.total_max.saturating_sub(next) {
                    return Err(FrameError::ReplyTooLarge);
                }
                self.pos = next;
                self.state = State::Body { kind, len: count };
                Ok(Step::On)
            }
            _ => self.open_aggregate(kind, count, next),
        }
    }

    fn open_aggregate(&mut self, kind: u8, count: usize, next: usize) -> Result<Step, FrameError> {
        let elements = if matches!(kind, b'%' | b'|') { count.saturating_mul(2) } else { count };
        // The shortest value is `_CRLF`.
        if elements.saturating_mul(3) > self.limits.total_max.saturating_sub(next) {
            return Err(FrameError::ReplyTooLarge);
        }
        let is_attribute = kind == b'|';
        self.pos = next;
        if elements == 0 {
            return Ok(if is_attribute { Step::On } else { Step::Value });
        }
        if self.open.len() >= self.limits.depth_max {
            return Err(FrameError::ReplyTooDeep);
        }
        self.open.push(Open { elements_left: elements, is_attribute });
        Ok(Step::On)
    }

    /// A count or length that is not plain digits: null (inner `None`), incomplete (outer `None`) or wrong.
    #[cold]
    fn read_unusual_count(
        &mut self,
        buf: &[u8],
        kind: u8,
    ) -> Result<Option<(Option<usize>, usize)>, FrameError> {
        let too_long = FrameError::ReplyLineTooLong;
        let LineEnd::At(end) = find_end(buf, self.pos, &mut self.scanned, self.limits.line_max, too_long)?
        else {
            return Ok(None);
        };
        let is_bulk = matches!(kind, b'$' | b'!' | b'=');
        let invalid =
            if is_bulk { FrameError::InvalidBulkLength } else { FrameError::InvalidMultibulkLength };
        let count = match strict_integer(&buf[self.pos + 1..end]) {
            Some(-1) if matches!(kind, b'$' | b'*') => None,
            Some(count) => Some(usize::try_from(count).map_err(|_| invalid)?),
            None => return Err(invalid),
        };
        Ok(Some((count, end + 2)))
    }

    fn read_line(&mut self, buf: &[u8], kind: u8) -> Result<Step, FrameError> {
        let too_long = FrameError::ReplyLineTooLong;
        let LineEnd::At(end) = find_end(buf, self.pos, &mut self.scanned, self.limits.line_max, too_long)?
        else {
            return Ok(Step::Wait(1));
        };
        let text = &buf[self.pos + 1..end];
        let valid = match kind {
            b':' => strict_integer(text).is_some(),
            b'_' => text.is_empty(),
            b'#' => matches!(text, b"t" | b"f"),
            b',' | b'(' => !text.is_empty(),
            _ => true,
        };
        if !valid {
            return Err(FrameError::InvalidValue { kind });
        }
        self.pos = end + 2;
        Ok(Step::Value)
    }

    fn read_body(&mut self, buf: &[u8], kind: u8, len: usize) -> Result<Step, FrameError> {
        let end = self.pos + len;
        match buf.get(end..end + 2) {
            Some(b"\r\n") => {}
            Some(_) => return Err(FrameError::ExpectedCrlf),
            None if buf.get(end).is_some_and(|&byte| byte != b'\r') => return Err(FrameError::ExpectedCrlf),
            None => return Ok(Step::Wait(end + 2 - buf.len())),
        }
        // A verbatim string begins with three bytes of format and a colon.
        if kind == b'=' && buf[self.pos..end].get(3) != Some(&b':') {
            return Err(FrameError::InvalidValue { kind });
        }
        self.pos = end + 2;
        self.state = State::Value;
        Ok(Step::Value)
    }

    /// Counts a value that just ended in the aggregates around it; true when that ends the whole reply.
    fn close_value(&mut self) -> bool {
        while let Some(open) = self.open.last_mut() {
            open.elements_left -= 1;
            if open.elements_left > 0 {
                return false;
            }
            let was_attribute = open.is_attribute;
            self.open.pop();
            if was_attribute {
                return false;
            }
        }
        true
    }

    fn restart(&mut self) {
        self.state = State::Value;
        self.pos = 0;
        self.scanned = 0;
        self.wanted = 1;
    }
}

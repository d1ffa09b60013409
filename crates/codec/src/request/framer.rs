//! Cuts a client's byte stream into requests: RESP arrays of bulk strings, and inline commands.
//!
//! Invariants: no byte is searched twice however the input is cut into reads; nothing is allocated because of a number
//! that the input merely states; a complete RESP request is handed over without copying it.

mod inline;
#[cfg(test)]
mod tests;

use bytes::{Buf, BytesMut};

use super::{ArgRange, ArgRanges, Request};
use crate::FrameError;
use crate::line::{LineEnd, find_end, short_number, strict_integer};

/// How much a client may send as one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimits {
    /// Longest argument, in bytes. Redis: `proto-max-bulk-len`.
    pub bulk_max: usize,
    /// Most arguments of one request, the command's name included.
    pub args_max: usize,
    /// Longest inline command, and longest line that states a count or a length, in bytes.
    pub inline_max: usize,
    /// Longest request with all its framing, in bytes. At most `u32::MAX`, because ranges are 32-bit.
    pub request_max: usize,
}

impl Default for FrameLimits {
    /// 64 MiB arguments, 1 Mi arguments, 64 KiB inline, 256 MiB in all.
    fn default() -> Self {
        Self { bulk_max: 64 << 20, args_max: 1 << 20, inline_max: 64 << 10, request_max: 256 << 20 }
    }
}

/// Length of `$0\r\n\r\n`.
const SHORTEST_ARG: usize = 6;

/// Requests of up to so many arguments, which need no allocation, are first tried in one go.
const SHORT_ARGS_MAX: usize = 5;

/// Finds complete requests at the front of a connection's read buffer.
///
/// One framer belongs to one stream. It remembers how far it got in an incomplete request, so between two calls the
/// buffer may only be appended to.
#[derive(Debug)]
pub struct RequestFramer {
    limits: FrameLimits,
    state: State,
    /// Offset of the next byte to interpret, from the front of the buffer.
    pos: usize,
    /// Up to here the line that begins at `pos` holds no end.
    scanned: usize,
    args: ArgRanges,
    wanted: usize,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// At the first byte of a request, or inside its first line.
    Start,
    /// At an argument's `$`, with this many arguments to come.
    Header { args_left: usize },
    /// At an argument's first byte.
    Body { args_left: usize, len: usize },
    /// Out of step for good.
    Failed(FrameError),
}

/// What a step of the framer came to.
enum Step {
    /// Go on with the new state.
    On,
    /// A whole request lies before `pos`.
    Done,
    /// This many more bytes are needed at least.
    Wait(usize),
}

impl RequestFramer {
    /// A framer at the beginning of a stream.
    pub fn new(limits: FrameLimits) -> Self {
        let limits = FrameLimits { request_max: limits.request_max.min(u32::MAX as usize), ..limits };
        Self { limits, state: State::Start, pos: 0, scanned: 0, args: ArgRanges::new(), wanted: 1 }
    }

    /// Takes the next complete request off the front of `buf`, or `None` when it is not all there. Empty requests
    /// (`*0`, `*-1`, an empty line) are taken off and passed over, as in Redis.
    ///
    /// # Errors
    /// What the client sent is no request or over a limit. The stream is out of step: every later call gives the
    /// same error and leaves `buf` alone.
    pub fn next(&mut self, buf: &mut BytesMut) -> Result<Option<Request>, FrameError> {
        if let State::Start = self.state
            && self.scanned == 0
            && let Some(request) = self.take_short(buf)
        {
            return Ok(Some(request));
        }
        loop {
            let step = match self.state {
                State::Start if buf.is_empty() => Ok(Step::Wait(1)),
                State::Start if buf[0] != b'*' => match self.take_inline(buf) {
                    Ok(Some(args)) if args.is_empty() => Ok(Step::On),
                    Ok(Some(args)) => return Ok(Some(Request::from_args(args))),
                    Ok(None) => Ok(Step::Wait(1)),
                    Err(error) => Err(error),
                },
                State::Start => self.read_count(buf),
                State::Header { args_left } => self.read_length(buf, args_left),
                State::Body { args_left, len } => self.read_body(buf, args_left, len),
                State::Failed(error) => return Err(error),
            };
            match step {
                Ok(Step::On) => {}
                Ok(Step::Done) => return Ok(Some(self.finish(buf))),
                Ok(Step::Wait(wanted)) => {
                    self.wanted = wanted;
                    return Ok(None);
                }
                Err(error) => {
                    self.state = State::Failed(error);
                    self.args = ArgRanges::new();
                    return Err(error);
                }
            }
        }
    }

    /// How many more bytes the request needs at least, as of the last call of [`RequestFramer::next`] that gave
    /// `None`: what to reserve before the next read, so that a large argument is read in one piece. Never zero, and
    /// never more than `bulk_max + 2`, but it follows from what the client merely states: whoever has many clients
    /// holds it against a budget.
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    /// The usual case at the price of one look: a short request that is all there. Changes nothing when it is anything
    /// else; how often it looks in vain is bounded, because the first step of the careful way leaves the start.
    #[inline]
    fn take_short(&self, buf: &mut BytesMut) -> Option<Request> {
        if buf.first() != Some(&b'*') {
            return None;
        }
        let (count, mut pos) = short_number(buf, 1)?;
        if count == 0 || count > SHORT_ARGS_MAX.min(self.limits.args_max) {
            return None;
        }
        let mut args = ArgRanges::new();
        for _ in 0..count {
            if buf.get(pos) != Some(&b'$') {
                return None;
            }
            let (len, start) = short_number(buf, pos + 1)?;
            if len > self.limits.bulk_max || buf.get(start + len..start + len + 2)? != b"\r\n" {
                return None;
            }
            args.push(ArgRange { start: start as u32, len: len as u32 });
            pos = start + len + 2;
        }
        if pos > self.limits.request_max {
            return None;
        }
        Some(Request::from_parts(buf.split_to(pos).freeze(), args))
    }

    fn read_count(&mut self, buf: &mut BytesMut) -> Result<Step, FrameError> {
        if let Some((count, next)) = short_number(buf, 1)
            && count > 0
            && count <= self.limits.args_max
        {
            self.pos = next;
            self.state = State::Header { args_left: count };
            return Ok(Step::On);
        }
        let too_long = FrameError::MultibulkLineTooLong;
        let LineEnd::At(end) = find_end(buf, 0, &mut self.scanned, self.limits.inline_max, too_long)? else {
            return Ok(Step::Wait(1));
        };
        let count = strict_integer(&buf[1..end]).ok_or(FrameError::InvalidMultibulkLength)?;
        if count <= 0 {
            buf.advance(end + 2);
            self.restart();
            return Ok(Step::On);
        }
        let args_left = usize::try_from(count).unwrap_or(usize::MAX);
        if args_left > self.limits.args_max {
            return Err(FrameError::InvalidMultibulkLength);
        }
        self.pos = end + 2;
        self.state = State::Header { args_left };
        Ok(Step::On)
    }

    #[inline]
    fn read_length(&mut self, buf: &[u8], args_left: usize) -> Result<Step, FrameError> {
        match buf.get(self.pos) {
            None => return Ok(Step::Wait(SHORTEST_ARG)),
            Some(b'$') => {}
            Some(&got) => return Err(FrameError::ExpectedBulk { got }),
        }
        let (len, next) = match short_number(buf, self.pos + 1) {
            Some(found) => found,
            None => match self.read_unusual_length(buf)? {
                Some(found) => found,
                None => return Ok(Step::Wait(1)),
            },
        };
        if len > self.limits.bulk_max {
            return Err(FrameError::InvalidBulkLength);
        }
        if len + 2 > self.limits.request_max.saturating_sub(next) {
            return Err(FrameError::RequestTooLarge);
        }
        self.pos = next;
        self.state = State::Body { args_left, len };
        Ok(Step::On)
    }

    #[cold]
    fn read_unusual_length(&mut self, buf: &[u8]) -> Result<Option<(usize, usize)>, FrameError> {
        let too_long = FrameError::BulkLineTooLong;
        let LineEnd::At(end) = find_end(buf, self.pos, &mut self.scanned, self.limits.inline_max, too_long)?
        else {
            return Ok(None);
        };
        let len = strict_integer(&buf[self.pos + 1..end]).ok_or(FrameError::InvalidBulkLength)?;
        let len = usize::try_from(len).map_err(|_| FrameError::InvalidBulkLength)?;
        Ok(Some((len, end + 2)))
    }

    #[inline]
    fn read_body(&mut self, buf: &[u8], args_left: usize, len: usize) -> Result<Step, FrameError> {
        let end = self.pos + len;
        match buf.get(end..end + 2) {
            Some(b"\r\n") => {}
            Some(_) => return Err(FrameError::ExpectedCrlf),
            None if buf.get(end).is_some_and(|&byte| byte != b'\r') => return Err(FrameError::ExpectedCrlf),
            None => return Ok(Step::Wait(end + 2 - buf.len())),
        }
        self.args.push(ArgRange { start: self.pos as u32, len: len as u32 });
        self.pos = end + 2;
        if args_left == 1 {
            return Ok(Step::Done);
        }
        self.state = State::Header { args_left: args_left - 1 };
        Ok(Step::On)
    }

    /// The words of the inline command at the front; none for an empty line.
    #[cold]
    fn take_inline(&mut self, buf: &mut BytesMut) -> Result<Option<Vec<Vec<u8>>>, FrameError> {
        let line = inline::take_line(buf, &mut self.scanned, self.limits.inline_max)?;
        line.map(|line| inline::split_args(&line)).transpose()
    }

    fn finish(&mut self, buf: &mut BytesMut) -> Request {
        let raw = buf.split_to(self.pos).freeze();
        let args = std::mem::take(&mut self.args);
        self.restart();
        Request::from_parts(raw, args)
    }

    fn restart(&mut self) {
        self.state = State::Start;
        self.pos = 0;
        self.scanned = 0;
        self.wanted = 1;
    }
}

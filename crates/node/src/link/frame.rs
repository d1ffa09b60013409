//! The bytes of a link: frames with a length and a CRC, and messages that take one frame or several.
//!
//! A frame is `length: u32`, `crc: u32`, `kind: u8`, `body`, little-endian; the length counts kind and body, the CRC-32
//! covers them. A frame of requests or of responses carries one or more of them, each behind its length as `u32`. A
//! message that does not fit one frame comes as [`Kind::Chunk`]s and a [`Kind::LastChunk`], whose body begins with the
//! message's own kind; other messages may come between them. A frame whose kind is [`Kind::Compressed`] stands for
//! another: its body is that frame's kind, the length of its body as `u32`, and the body as one LZ4 block.
//!
//! Invariants: however the input is cut into reads, the same messages come out; memory grows with what has arrived and
//! never because of a number that the input states.

#[cfg(test)]
mod tests;

use bytes::{Buf, Bytes, BytesMut};
use dynomite_codec::WriteQueue;

/// A message has at most this size in one frame; larger ones are divided.
pub(crate) const BODY_MAX: usize = 64 << 10;
/// What a frame says after its CRC: the kind, and most often a message's length.
const FRAME_MAX: usize = 1 + LENGTH_BYTES + BODY_MAX;
/// In front of each message in a frame that may carry several.
const LENGTH_BYTES: usize = 4;
/// The last part of a message up to this size is copied to the rest of it.
const COPY_MAX: usize = 4 << 10;
/// Length, CRC and kind.
pub(crate) const HEADER_BYTES: usize = 9;
/// Shorter bodies are not worth the time.
const COMPRESSED_MIN: usize = 512;
/// In front of a compressed body: the kind and the body's length.
const COMPRESSED_HEADER_BYTES: usize = 1 + LENGTH_BYTES;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The dialer introduces itself.
    Hello = 1,
    /// The acceptor introduces itself: the link is up.
    Welcome = 2,
    /// The acceptor says why there is no link.
    Refused = 3,
    /// A request of the dialer.
    Request = 4,
    /// An answer to a request.
    Response = 5,
    /// A part of a large message.
    Chunk = 6,
    /// The last part of a large message.
    LastChunk = 7,
    /// A sign of life.
    Heartbeat = 8,
    /// The acceptor is stopping: no more requests, please.
    Goodbye = 9,
    /// Another frame, compressed.
    Compressed = 10,
    /// A message of the membership, on connections that were dialled for it.
    Gossip = 11,
    /// A part of a decision on the ring, on the same connections.
    Agreement = 12,
}

impl Kind {
    /// Whether frames of this kind carry several messages.
    fn is_batched(self) -> bool {
        matches!(self, Self::Request | Self::Response)
    }

    fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Hello,
            2 => Self::Welcome,
            3 => Self::Refused,
            4 => Self::Request,
            5 => Self::Response,
            6 => Self::Chunk,
            7 => Self::LastChunk,
            8 => Self::Heartbeat,
            9 => Self::Goodbye,
            10 => Self::Compressed,
            11 => Self::Gossip,
            12 => Self::Agreement,
            _ => return None,
        })
    }
}

/// A whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    pub(crate) body: Bytes,
}

/// What came is no frame. Whose fault: the other side, or the network. The link is out of step and must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("a frame of {0} bytes is over the limit")]
    FrameTooLong(usize),
    #[error("an empty frame")]
    Empty,
    #[error("a frame's CRC-32 is wrong: bytes were damaged on the way")]
    WrongCrc,
    #[error("the lengths of messages do not add up to their frame's")]
    WrongLength,
    #[error("a frame of unknown kind {0}")]
    UnknownKind(u8),
    #[error("a compressed frame cannot be read")]
    NotCompressed,
    #[error("a message of more than {0} bytes is over the limit")]
    MessageTooLong(usize),
}

/// Frames under construction: small messages of one kind share one, which is closed when the link is written to.
#[derive(Debug, Default)]
pub(super) struct FrameWriter {
    /// The open frame, with room for its header.
    open: Vec<u8>,
    /// Whether frames are compressed where that makes them smaller.
    compresses: bool,
    compressed: Vec<u8>,
}

impl FrameWriter {
    /// Compresses frames from now on.
    pub(super) fn compress(&mut self) {
        self.compresses = true;
    }

    /// Bytes of the open frame.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Appends one message whose body is `head` followed by `tail`.
    ///
    /// The body must not be longer than [`BODY_MAX`]; `super::queue` sees to it.
    pub(super) fn put(&mut self, queue: &mut WriteQueue, kind: Kind, head: &[u8], tail: Bytes) {
        let size = head.len() + tail.len();
        debug_assert!(size <= BODY_MAX, "larger messages are divided");
        let goes_on = kind.is_batched()
            && self.open.get(HEADER_BYTES - 1) == Some(&(kind as u8))
            && self.open.len() + LENGTH_BYTES + size <= HEADER_BYTES + LENGTH_BYTES + BODY_MAX;
        if !goes_on {
            self.close(queue);
            self.open.extend_from_slice(&[0; HEADER_BYTES - 1]);
            self.open.push(kind as u8);
        }
        if kind.is_batched() {
            self.open.extend_from_slice(&(size as u32).to_le_bytes());
        }
        self.open.extend_from_slice(head);
        if tail.len() <= COPY_MAX {
            self.open.extend_from_slice(&tail);
        } else {
            self.close_with(queue, tail);
        }
    }

    /// Puts the open frame, if there is one, into the queue.
    pub(super) fn close(&mut self, queue: &mut WriteQueue) {
        if !self.open.is_empty() {
            self.close_with(queue, Bytes::new());
        }
    }

    fn close_with(&mut self, queue: &mut WriteQueue, mut tail: Bytes) {
        if self.compresses && self.open.len() + tail.len() >= COMPRESSED_MIN && self.shrink(&tail) {
            tail = Bytes::new();
        }
        let covered = &self.open[HEADER_BYTES - 1..];
        let length = (covered.len() + tail.len()) as u32;
        let mut crc = crc32fast::Hasher::new();
        crc.update(covered);
        if !tail.is_empty() {
            crc.update(&tail);
        }
        self.open[..4].copy_from_slice(&length.to_le_bytes());
        self.open[4..8].copy_from_slice(&crc.finalize().to_le_bytes());
        queue.append(&self.open);
        queue.append_bytes(tail);
        self.open.clear();
    }
}

impl FrameWriter {
    /// Replaces the open frame, with `tail`, by a compressed one. Whether that is smaller; otherwise nothing is changed.
    fn shrink(&mut self, tail: &[u8]) -> bool {
        let kind = self.open[HEADER_BYTES - 1];
        let head_len = self.open.len();
        self.open.extend_from_slice(tail);
        let body = &self.open[HEADER_BYTES..];
        self.compressed.clear();
        self.compressed.resize(
            HEADER_BYTES + COMPRESSED_HEADER_BYTES + lz4_flex::block::get_maximum_output_size(body.len()),
            0,
        );
        self.compressed[HEADER_BYTES - 1] = Kind::Compressed as u8;
        self.compressed[HEADER_BYTES] = kind;
        self.compressed[HEADER_BYTES + 1..][..LENGTH_BYTES]
            .copy_from_slice(&(body.len() as u32).to_le_bytes());
        let block = &mut self.compressed[HEADER_BYTES + COMPRESSED_HEADER_BYTES..];
        let is_smaller = match lz4_flex::block::compress_into(body, block) {
            Ok(len) => {
                self.compressed.truncate(HEADER_BYTES + COMPRESSED_HEADER_BYTES + len);
                self.compressed.len() < self.open.len()
            }
            Err(_) => false,
        };
        if is_smaller {
            std::mem::swap(&mut self.open, &mut self.compressed);
        } else {
            self.open.truncate(head_len);
        }
        is_smaller
    }
}

/// The frame that a compressed one stands for.
fn expand(body: &[u8]) -> Result<Message, FrameError> {
    let (kind, rest) = body.split_first().ok_or(FrameError::NotCompressed)?;
    let kind =
        Kind::of(*kind).filter(|kind| *kind != Kind::Compressed).ok_or(FrameError::UnknownKind(*kind))?;
    let (len, block) = rest.split_first_chunk().ok_or(FrameError::NotCompressed)?;
    let len = u32::from_le_bytes(*len) as usize;
    if len > FRAME_MAX {
        return Err(FrameError::FrameTooLong(len));
    }
    let mut expanded = vec![0; len];
    match lz4_flex::block::decompress_into(block, &mut expanded) {
        Ok(written) if written == len => Ok(Message { kind, body: expanded.into() }),
        _ => Err(FrameError::NotCompressed),
    }
}

/// Appends a frame with one message alone.
pub(super) fn put_frame(queue: &mut WriteQueue, kind: Kind, head: &[u8], tail: Bytes) {
    let mut writer = FrameWriter::default();
    writer.put(queue, kind, head, tail);
    writer.close(queue);
}

/// A frame with a message of the membership, which must not be longer than [`BODY_MAX`].
pub(crate) fn member_frame(kind: Kind, message: &[u8]) -> Bytes {
    let mut queue = WriteQueue::new();
    put_frame(&mut queue, kind, message, Bytes::new());
    queue.copy_to_bytes(queue.len())
}

/// Finds messages at the front of a link's read buffer.
#[derive(Debug)]
pub(crate) struct Decoder {
    message_max: usize,
    /// What has come of a large message.
    partial: BytesMut,
    /// What is left of a frame of several messages, and their kind.
    batch: Option<(Kind, Bytes)>,
    wanted: usize,
}

impl Decoder {
    /// A decoder at the beginning of a link; `message_max` bounds a message's body.
    pub(crate) fn new(message_max: usize) -> Self {
        Self { message_max, partial: BytesMut::new(), batch: None, wanted: HEADER_BYTES }
    }

    /// Takes the next whole message off the front of `buf`, or `None` when it is not all there.
    ///
    /// # Errors
    /// What came is no frame, or over a limit.
    pub(crate) fn next(&mut self, buf: &mut BytesMut) -> Result<Option<Message>, FrameError> {
        loop {
            if let Some(message) = self.next_of_batch()? {
                return Ok(Some(message));
            }
            let Some(message) = self.next_frame(buf)? else { return Ok(None) };
            match message.kind {
                kind if kind.is_batched() => self.batch = Some((kind, message.body)),
                Kind::Chunk => self.add(&message.body)?,
                Kind::LastChunk => {
                    let mut body = message.body;
                    let byte = *body.first().ok_or(FrameError::Empty)?;
                    body.advance(1);
                    let kind = Kind::of(byte).ok_or(FrameError::UnknownKind(byte))?;
                    self.add(&body)?;
                    return Ok(Some(Message { kind, body: std::mem::take(&mut self.partial).freeze() }));
                }
                _ => return Ok(Some(message)),
            }
        }
    }

    fn next_of_batch(&mut self) -> Result<Option<Message>, FrameError> {
        let Some((kind, batch)) = &mut self.batch else { return Ok(None) };
        let Some((length, rest)) = batch.split_first_chunk::<LENGTH_BYTES>() else {
            let is_over = batch.is_empty();
            self.batch = None;
            return if is_over { Ok(None) } else { Err(FrameError::WrongLength) };
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length > rest.len() {
            return Err(FrameError::WrongLength);
        }
        batch.advance(LENGTH_BYTES);
        Ok(Some(Message { kind: *kind, body: batch.split_to(length) }))
    }

    /// How many more bytes the next frame needs at least, as of the last call that gave `None`.
    pub(crate) fn wanted(&self) -> usize {
        self.wanted
    }

    fn next_frame(&mut self, buf: &mut BytesMut) -> Result<Option<Message>, FrameError> {
        let Some((header, rest)) = buf.split_first_chunk::<HEADER_BYTES>() else {
            self.wanted = HEADER_BYTES - buf.len();
            return Ok(None);
        };
        let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let crc = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        let kind = header[8];
        if length > FRAME_MAX {
            return Err(FrameError::FrameTooLong(length));
        }
        let body_len = length.checked_sub(1).ok_or(FrameError::Empty)?;
        if rest.len() < body_len {
            self.wanted = body_len - rest.len();
            return Ok(None);
        }
        if crc32fast::hash(&buf[HEADER_BYTES - 1..HEADER_BYTES + body_len]) != crc {
            return Err(FrameError::WrongCrc);
        }
        let kind = Kind::of(kind).ok_or(FrameError::UnknownKind(kind))?;
        buf.advance(HEADER_BYTES);
        let body = buf.split_to(body_len).freeze();
        Ok(Some(if kind == Kind::Compressed { expand(&body)? } else { Message { kind, body } }))
    }

    fn add(&mut self, part: &[u8]) -> Result<(), FrameError> {
        if self.partial.len() + part.len() > self.message_max {
            return Err(FrameError::MessageTooLong(self.message_max));
        }
        self.partial.extend_from_slice(part);
        Ok(())
    }
}

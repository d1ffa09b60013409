//! The bytes of messages between nodes. Little-endian, fixed-width; the one large part of a message (a command's raw
//! bytes or a value's payload) always comes last, so that it can be sent and received without being copied.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use dynomite_codec::{
    ArgRange, ArgRanges, Call, Class, KeyState, Piece, Position as PiecePosition, Request, command::commands,
};
use dynomite_ring::{NodeId, RackIdx, Token};

use super::{
    Content, Failure, KeyRequest, PieceSource, Position, PushPurpose, ReplicaRequest, ReplicaResponse,
    RequestBody, ResponseBody, ValueDigest,
};
use crate::{BUCKETS, Bucket, Level, Mark, Record, Trust, Version};

/// A message that does not follow the format. Whose fault: the peer. The link is out of step and must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The message ended before its last field.
    #[error("message ends too early")]
    Truncated,
    /// A tag has no meaning in this version of the protocol.
    #[error("unknown tag {0}")]
    UnknownTag(u8),
    /// A field contradicts another.
    #[error("a length or index lies outside the message")]
    OutOfRange,
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    NotText,
}

impl ReplicaRequest {
    /// Appends all but the last part to `head`; the returned bytes must follow it directly.
    pub fn encode(&self, head: &mut BytesMut) -> Bytes {
        head.put_u64_le(self.id);
        head.put_u32_le(self.token.0);
        head.put_u64_le(self.clock);
        match &self.body {
            RequestBody::Execute(command) => {
                head.put_u8(1);
                put_command(head, command)
            }
            RequestBody::Read { command, value } => {
                head.put_u8(2);
                head.put_u8(u8::from(*value));
                put_command(head, command)
            }
            RequestBody::Overwrite { version, command, foreign } => {
                head.put_u8(3);
                put_version(head, *version);
                head.put_u8(u8::from(*foreign));
                put_command(head, command)
            }
            RequestBody::RelayOverwrite { version, command, ack, timeout_ms } => {
                head.put_u8(4);
                put_version(head, *version);
                head.put_u8(u8::from(*ack));
                head.put_u32_le(*timeout_ms);
                put_command(head, command)
            }
            RequestBody::Sequence { command, level, near, sender_applies, timeout_ms } => {
                head.put_u8(5);
                head.put_u8(*level as u8);
                head.put_u16_le(near.0);
                head.put_u8(u8::from(*sender_applies));
                head.put_u32_le(*timeout_ms);
                put_command(head, command)
            }
            RequestBody::Forward { prior, record, key, effect, reply_crc } => {
                head.put_u8(6);
                put_record(head, prior);
                put_record(head, record);
                put_bytes(head, key);
                head.put_u8(u8::from(reply_crc.is_some()));
                head.put_u32_le(reply_crc.unwrap_or(0));
                head.put_u8(u8::from(effect.is_some()));
                effect.as_ref().map_or_else(Bytes::new, |request| put_request(head, request))
            }
            RequestBody::Push { key, record, state, purpose } => {
                head.put_u8(7);
                put_bytes(head, key);
                put_record(head, record);
                head.put_u8(*purpose as u8);
                put_content(head, state)
            }
            RequestBody::Import { key, version, state } => {
                head.put_u8(8);
                put_bytes(head, key);
                put_version(head, *version);
                put_content(head, state)
            }
            RequestBody::RelayImport { key, version, state, again, timeout_ms } => {
                head.put_u8(9);
                put_bytes(head, key);
                put_version(head, *version);
                head.put_u8(u8::from(*again));
                head.put_u32_le(*timeout_ms);
                put_content(head, state)
            }
            RequestBody::Inspect { key } => {
                head.put_u8(10);
                key.clone()
            }
            RequestBody::Fetch { key, doubtful, whole } => {
                head.put_u8(11);
                head.put_u8(u8::from(*doubtful));
                head.put_u8(u8::from(*whole));
                key.clone()
            }
            RequestBody::Piece { key, record, position } => {
                head.put_u8(13);
                put_record(head, record);
                put_piece_position(head, *position);
                key.clone()
            }
            RequestBody::Claim { key, term } => {
                head.put_u8(12);
                put_version(head, *term);
                key.clone()
            }
            RequestBody::Value { key } => {
                head.put_u8(14);
                key.clone()
            }
            RequestBody::Digest { node, mark, first } => {
                head.put_u8(20);
                head.put_u32_le(node.0);
                head.put_u32_le(mark.0);
                head.put_u16_le(first.0);
                Bytes::new()
            }
            RequestBody::Differ { node, mark, bucket, from, upto, known } => {
                head.put_u8(21);
                head.put_u32_le(node.0);
                head.put_u32_le(mark.0);
                head.put_u16_le(bucket.0);
                head.put_u64_le(*from);
                head.put_u64_le(*upto);
                known.clone()
            }
            RequestBody::List { node, loss, from } => {
                head.put_u8(22);
                head.put_u32_le(node.0);
                head.put_u64_le(*loss);
                put_position(head, *from);
                Bytes::new()
            }
            RequestBody::Settle { node, runs } => {
                head.put_u8(23);
                head.put_u32_le(node.0);
                runs.clone()
            }
            RequestBody::Export { node, key } => {
                head.put_u8(24);
                head.put_u32_le(node.0);
                key.clone()
            }
        }
    }

    /// Reads what [`ReplicaRequest::encode`] wrote; values are views of `from`.
    ///
    /// # Errors
    /// Any [`WireError`] when `from` is not exactly one request.
    pub fn decode(from: Bytes) -> Result<Self, WireError> {
        let mut reader = Reader(from);
        let (id, token, clock) = (reader.u64()?, Token(reader.u32()?), reader.u64()?);
        let body = match reader.u8()? {
            1 => RequestBody::Execute(reader.command()?),
            2 => RequestBody::Read { value: reader.flag()?, command: reader.command()? },
            3 => RequestBody::Overwrite {
                version: reader.version()?,
                foreign: reader.flag()?,
                command: reader.command()?,
            },
            4 => RequestBody::RelayOverwrite {
                version: reader.version()?,
                ack: reader.flag()?,
                timeout_ms: reader.u32()?,
                command: reader.command()?,
            },
            5 => RequestBody::Sequence {
                level: reader.level()?,
                near: RackIdx(reader.u16()?),
                sender_applies: reader.flag()?,
                timeout_ms: reader.u32()?,
                command: reader.command()?,
            },
            6 => {
                let (prior, record, key) = (reader.record()?, reader.record()?, reader.bytes()?);
                let (has_crc, crc) = (reader.flag()?, reader.u32()?);
                let effect = if reader.flag()? { Some(reader.request()?) } else { None };
                RequestBody::Forward { prior, record, key, effect, reply_crc: has_crc.then_some(crc) }
            }
            7 => RequestBody::Push {
                key: reader.bytes()?,
                record: reader.record()?,
                purpose: reader.purpose()?,
                state: reader.content()?,
            },
            8 => RequestBody::Import {
                key: reader.bytes()?,
                version: reader.version()?,
                state: reader.content()?,
            },
            9 => RequestBody::RelayImport {
                key: reader.bytes()?,
                version: reader.version()?,
                again: reader.flag()?,
                timeout_ms: reader.u32()?,
                state: reader.content()?,
            },
            10 => RequestBody::Inspect { key: reader.rest() },
            11 => RequestBody::Fetch { doubtful: reader.flag()?, whole: reader.flag()?, key: reader.rest() },
            13 => RequestBody::Piece {
                record: reader.record()?,
                position: reader.piece_position()?,
                key: reader.rest(),
            },
            12 => RequestBody::Claim { term: reader.version()?, key: reader.rest() },
            14 => RequestBody::Value { key: reader.rest() },
            20 => RequestBody::Digest {
                node: NodeId(reader.u32()?),
                mark: Mark(reader.u32()?),
                first: reader.bucket()?,
            },
            21 => RequestBody::Differ {
                node: NodeId(reader.u32()?),
                mark: Mark(reader.u32()?),
                bucket: reader.bucket()?,
                from: reader.u64()?,
                upto: reader.u64()?,
                known: reader.rest(),
            },
            22 => RequestBody::List {
                node: NodeId(reader.u32()?),
                loss: reader.u64()?,
                from: reader.position()?,
            },
            23 => RequestBody::Settle { node: NodeId(reader.u32()?), runs: reader.rest() },
            24 => RequestBody::Export { node: NodeId(reader.u32()?), key: reader.rest() },
            tag => return Err(WireError::UnknownTag(tag)),
        };
        Ok(Self { id, token, clock, body })
    }
}

impl ReplicaResponse {
    /// Appends all but the last part to `head`; the returned bytes must follow it directly.
    pub fn encode(&self, head: &mut BytesMut) -> Bytes {
        head.put_u64_le(self.id);
        head.put_u64_le(self.clock);
        match &self.body {
            ResponseBody::Done { reply } => {
                head.put_u8(1);
                reply.clone()
            }
            ResponseBody::Read { record, reply } => {
                head.put_u8(2);
                put_record(head, record);
                put_reply(head, reply.as_ref())
            }
            ResponseBody::Applied { prior, reply } => {
                head.put_u8(3);
                put_record(head, prior);
                put_reply(head, reply.as_ref())
            }
            ResponseBody::Refused { record } => {
                head.put_u8(4);
                put_record(head, record);
                Bytes::new()
            }
            ResponseBody::Relayed { applied, racks } => {
                head.put_u8(5);
                head.put_u16_le(*applied);
                head.put_u16_le(*racks);
                Bytes::new()
            }
            ResponseBody::Accepted { record } => {
                head.put_u8(6);
                put_record(head, record);
                Bytes::new()
            }
            ResponseBody::Nacked { record, dirty } => {
                head.put_u8(7);
                put_record(head, record);
                head.put_u8(u8::from(*dirty));
                Bytes::new()
            }
            ResponseBody::Failed(failure) => {
                head.put_u8(8);
                head.put_u8(failure_tag(failure));
                match failure {
                    Failure::Datastore(text) => Bytes::copy_from_slice(text.as_bytes()),
                    _ => Bytes::new(),
                }
            }
            ResponseBody::Stamped { version, prior, reply } => {
                head.put_u8(9);
                put_version(head, *version);
                put_record(head, prior);
                reply.clone()
            }
            ResponseBody::Inspected { record, trust } => {
                head.put_u8(10);
                put_record(head, record);
                head.put_u8(*trust as u8);
                Bytes::new()
            }
            ResponseBody::Promised { record, trust } => {
                head.put_u8(11);
                put_record(head, record);
                head.put_u8(*trust as u8);
                Bytes::new()
            }
            ResponseBody::Outbid { term } => {
                head.put_u8(12);
                put_version(head, *term);
                Bytes::new()
            }
            ResponseBody::State { record, trust, state } => {
                head.put_u8(13);
                put_record(head, record);
                head.put_u8(*trust as u8);
                put_content(head, state)
            }
            ResponseBody::Piece(Piece { payload, expires_at_ms, next }) => {
                head.put_u8(14);
                head.put_u8(u8::from(expires_at_ms.is_some()));
                head.put_u64_le(expires_at_ms.unwrap_or(0));
                head.put_u8(u8::from(next.is_some()));
                put_piece_position(head, next.unwrap_or_default());
                payload.clone()
            }
            ResponseBody::Value { record, trust, digest } => {
                head.put_u8(15);
                put_record(head, record);
                head.put_u8(*trust as u8);
                head.put_u8(u8::from(digest.is_some()));
                let ValueDigest { hash, expires_at_ms } =
                    digest.unwrap_or(ValueDigest { hash: 0, expires_at_ms: None });
                head.put_u64_le(hash);
                head.put_u8(u8::from(expires_at_ms.is_some()));
                head.put_u64_le(expires_at_ms.unwrap_or(0));
                Bytes::new()
            }
            ResponseBody::Digests { digests } => {
                head.put_u8(20);
                digests.clone()
            }
            ResponseBody::Listed { upto, is_lost, lacking, page } => {
                head.put_u8(21);
                put_position(head, *upto);
                head.put_u8(u8::from(*is_lost));
                put_bytes(head, lacking);
                page.clone()
            }
            ResponseBody::NotReady { mark } => {
                head.put_u8(22);
                head.put_u32_le(mark.0);
                Bytes::new()
            }
            ResponseBody::Noted { upto } => {
                head.put_u8(23);
                head.put_u16_le(*upto);
                Bytes::new()
            }
        }
    }

    /// Reads what [`ReplicaResponse::encode`] wrote; values are views of `from`.
    ///
    /// # Errors
    /// Any [`WireError`] when `from` is not exactly one response.
    pub fn decode(from: Bytes) -> Result<Self, WireError> {
        let mut reader = Reader(from);
        let (id, clock) = (reader.u64()?, reader.u64()?);
        let body = match reader.u8()? {
            1 => ResponseBody::Done { reply: reader.rest() },
            2 => ResponseBody::Read { record: reader.record()?, reply: reader.reply()? },
            3 => ResponseBody::Applied { prior: reader.record()?, reply: reader.reply()? },
            4 => ResponseBody::Refused { record: reader.record()? },
            5 => ResponseBody::Relayed { applied: reader.u16()?, racks: reader.u16()? },
            6 => ResponseBody::Accepted { record: reader.record()? },
            7 => ResponseBody::Nacked { record: reader.record()?, dirty: reader.flag()? },
            8 => ResponseBody::Failed(reader.failure()?),
            9 => ResponseBody::Stamped {
                version: reader.version()?,
                prior: reader.record()?,
                reply: reader.rest(),
            },
            10 => ResponseBody::Inspected { record: reader.record()?, trust: reader.trust()? },
            11 => ResponseBody::Promised { record: reader.record()?, trust: reader.trust()? },
            12 => ResponseBody::Outbid { term: reader.version()? },
            13 => ResponseBody::State {
                record: reader.record()?,
                trust: reader.trust()?,
                state: reader.content()?,
            },
            14 => {
                let (expires, expires_at_ms) = (reader.flag()?, reader.u64()?);
                let (goes_on, next) = (reader.flag()?, reader.piece_position()?);
                let payload = reader.rest();
                let expires_at_ms = expires.then_some(expires_at_ms);
                ResponseBody::Piece(Piece { payload, expires_at_ms, next: goes_on.then_some(next) })
            }
            15 => {
                let (record, trust, is_there) = (reader.record()?, reader.trust()?, reader.flag()?);
                let (hash, expires, expires_at_ms) = (reader.u64()?, reader.flag()?, reader.u64()?);
                let digest = ValueDigest { hash, expires_at_ms: expires.then_some(expires_at_ms) };
                ResponseBody::Value { record, trust, digest: is_there.then_some(digest) }
            }
            20 => ResponseBody::Digests { digests: reader.rest() },
            21 => ResponseBody::Listed {
                upto: reader.position()?,
                is_lost: reader.flag()?,
                lacking: reader.bytes()?,
                page: reader.rest(),
            },
            22 => ResponseBody::NotReady { mark: Mark(reader.u32()?) },
            23 => ResponseBody::Noted { upto: reader.u16()? },
            tag => return Err(WireError::UnknownTag(tag)),
        };
        Ok(Self { id, clock, body })
    }
}

fn put_version(head: &mut BytesMut, version: Version) {
    head.put_u64_le(version.clock);
    head.put_u32_le(version.node.0);
}

fn put_record(head: &mut BytesMut, record: &Record) {
    put_version(head, record.base);
    put_version(head, record.term);
    head.put_u64_le(record.ops);
    put_version(head, record.last);
    head.put_u64_le(record.digest);
}

fn put_position(head: &mut BytesMut, position: Position) {
    head.put_u16_le(position.bucket);
    head.put_u64_le(position.hash);
}

fn put_bytes(head: &mut BytesMut, bytes: &[u8]) {
    head.put_u32_le(bytes.len() as u32);
    head.put_slice(bytes);
}

fn put_command(head: &mut BytesMut, command: &KeyRequest) -> Bytes {
    let Call { command: row, class } = command.call();
    head.put_u16_le(row.index);
    head.put_u8(class as u8);
    put_request(head, command.request())
}

fn put_request(head: &mut BytesMut, request: &Request) -> Bytes {
    head.put_u32_le(request.arg_count() as u32);
    for range in request.ranges() {
        head.put_u32_le(range.start);
        head.put_u32_le(range.len);
    }
    request.raw().clone()
}

fn put_content(head: &mut BytesMut, state: &Content) -> Bytes {
    match state {
        Content::Whole(None) => {
            head.put_u8(0);
            Bytes::new()
        }
        Content::Whole(Some(state)) => {
            head.put_u8(if state.expires_at_ms.is_some() { 2 } else { 1 });
            head.put_u64_le(state.expires_at_ms.unwrap_or(0));
            state.payload.clone()
        }
        Content::Pieces(source) => {
            head.put_u8(3);
            head.put_u32_le(source.node.0);
            put_record(head, &source.record);
            put_piece_position(head, source.start);
            Bytes::new()
        }
    }
}

fn put_piece_position(head: &mut BytesMut, position: PiecePosition) {
    head.put_u8(position.kind);
    head.put_u32_le(position.count);
    head.put_u64_le(position.cursor);
}

fn put_reply(head: &mut BytesMut, reply: Option<&Bytes>) -> Bytes {
    head.put_u8(u8::from(reply.is_some()));
    reply.cloned().unwrap_or_default()
}

fn failure_tag(failure: &Failure) -> u8 {
    match failure {
        Failure::Unreachable => 1,
        Failure::LinkLost => 2,
        Failure::Timeout => 3,
        Failure::Overloaded => 4,
        Failure::DatastoreDown => 5,
        Failure::DatastoreStalled => 6,
        Failure::Datastore(_) => 7,
        Failure::Untrusted => 8,
        Failure::NotOwner => 9,
        Failure::ClockAhead => 10,
        Failure::TooFewReplicas => 11,
        Failure::CopyLost => 12,
        Failure::Outbid => 13,
        Failure::LogFailed => 14,
        Failure::Changed => 15,
    }
}

struct Reader(Bytes);

impl Reader {
    fn need(&self, count: usize) -> Result<(), WireError> {
        if self.0.len() < count { Err(WireError::Truncated) } else { Ok(()) }
    }

    fn u8(&mut self) -> Result<u8, WireError> {
        self.need(1)?;
        Ok(self.0.get_u8())
    }

    fn flag(&mut self) -> Result<bool, WireError> {
        Ok(self.u8()? != 0)
    }

    fn u16(&mut self) -> Result<u16, WireError> {
        self.need(2)?;
        Ok(self.0.get_u16_le())
    }

    fn u32(&mut self) -> Result<u32, WireError> {
        self.need(4)?;
        Ok(self.0.get_u32_le())
    }

    fn u64(&mut self) -> Result<u64, WireError> {
        self.need(8)?;
        Ok(self.0.get_u64_le())
    }

    fn bytes(&mut self) -> Result<Bytes, WireError> {
        let count = self.u32()? as usize;
        self.need(count)?;
        Ok(self.0.split_to(count))
    }

    fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.0)
    }

    fn level(&mut self) -> Result<Level, WireError> {
        let tag = self.u8()?;
        Level::ALL.get(usize::from(tag)).copied().ok_or(WireError::UnknownTag(tag))
    }

    fn purpose(&mut self) -> Result<PushPurpose, WireError> {
        match self.u8()? {
            0 => Ok(PushPurpose::Acknowledge),
            1 => Ok(PushPurpose::Heal),
            2 => Ok(PushPurpose::Rebuild),
            3 => Ok(PushPurpose::Replace),
            tag => Err(WireError::UnknownTag(tag)),
        }
    }

    fn trust(&mut self) -> Result<Trust, WireError> {
        match self.u8()? {
            0 => Ok(Trust::Trusted),
            1 => Ok(Trust::Dirty),
            2 => Ok(Trust::DirtyOverwrite),
            3 => Ok(Trust::Lost),
            tag => Err(WireError::UnknownTag(tag)),
        }
    }

    fn version(&mut self) -> Result<Version, WireError> {
        Ok(Version { clock: self.u64()?, node: NodeId(self.u32()?) })
    }

    fn bucket(&mut self) -> Result<Bucket, WireError> {
        let bucket = self.u16()?;
        if usize::from(bucket) < BUCKETS { Ok(Bucket(bucket)) } else { Err(WireError::OutOfRange) }
    }

    fn position(&mut self) -> Result<Position, WireError> {
        Ok(Position { bucket: self.u16()?, hash: self.u64()? })
    }

    fn record(&mut self) -> Result<Record, WireError> {
        Ok(Record {
            base: self.version()?,
            term: self.version()?,
            ops: self.u64()?,
            last: self.version()?,
            digest: self.u64()?,
        })
    }

    fn command(&mut self) -> Result<KeyRequest, WireError> {
        let row = commands().get(usize::from(self.u16()?)).ok_or(WireError::OutOfRange)?;
        let class = self.u8()?;
        let class = Class::ALL.get(usize::from(class)).copied().ok_or(WireError::UnknownTag(class))?;
        KeyRequest::new(Call { command: row, class }, self.request()?).ok_or(WireError::OutOfRange)
    }

    fn request(&mut self) -> Result<Request, WireError> {
        let count = self.u32()? as usize;
        self.need(count.saturating_mul(8))?;
        let mut args = ArgRanges::with_capacity(count);
        for _ in 0..count {
            args.push(ArgRange { start: self.u32()?, len: self.u32()? });
        }
        let raw = self.rest();
        let inside = |range: &ArgRange| u64::from(range.start) + u64::from(range.len) <= raw.len() as u64;
        if args.is_empty() || !args.iter().all(inside) {
            return Err(WireError::OutOfRange);
        }
        Ok(Request::from_parts(raw, args))
    }

    fn content(&mut self) -> Result<Content, WireError> {
        match self.u8()? {
            0 => Ok(Content::Whole(None)),
            tag @ (1 | 2) => {
                let expires = self.u64()?;
                let state = KeyState { payload: self.rest(), expires_at_ms: (tag == 2).then_some(expires) };
                Ok(Content::Whole(Some(state)))
            }
            3 => Ok(Content::Pieces(PieceSource {
                node: NodeId(self.u32()?),
                record: self.record()?,
                start: self.piece_position()?,
            })),
            tag => Err(WireError::UnknownTag(tag)),
        }
    }

    fn piece_position(&mut self) -> Result<PiecePosition, WireError> {
        Ok(PiecePosition { kind: self.u8()?, count: self.u32()?, cursor: self.u64()? })
    }

    fn reply(&mut self) -> Result<Option<Bytes>, WireError> {
        Ok(if self.flag()? { Some(self.rest()) } else { None })
    }

    fn failure(&mut self) -> Result<Failure, WireError> {
        Ok(match self.u8()? {
            1 => Failure::Unreachable,
            2 => Failure::LinkLost,
            3 => Failure::Timeout,
            4 => Failure::Overloaded,
            5 => Failure::DatastoreDown,
            6 => Failure::DatastoreStalled,
            7 => {
                let text = self.rest();
                Failure::Datastore(str::from_utf8(&text).map_err(|_| WireError::NotText)?.to_owned())
            }
            8 => Failure::Untrusted,
            9 => Failure::NotOwner,
            10 => Failure::ClockAhead,
            11 => Failure::TooFewReplicas,
            12 => Failure::CopyLost,
            13 => Failure::Outbid,
            14 => Failure::LogFailed,
            15 => Failure::Changed,
            tag => return Err(WireError::UnknownTag(tag)),
        })
    }
}

#[cfg(test)]
mod tests;

//! The fields that messages are made of.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use dynomite_codec::{
    ArgRange, ArgRanges, Call, Class, KeyState, Position as PiecePosition, Request, command::commands,
};
use dynomite_ring::NodeId;

use super::WireError;
use crate::{
    BUCKETS, Bucket, Level, Record, Trust, Version,
    message::{Content, Failure, KeyRequest, PieceSource, Position, PushPurpose, Stamper},
};

pub(super) fn put_version(head: &mut BytesMut, version: Version) {
    head.put_u64_le(version.clock);
    head.put_u32_le(version.node.0);
}

pub(super) fn put_record(head: &mut BytesMut, record: &Record) {
    put_version(head, record.base);
    put_version(head, record.term);
    head.put_u64_le(record.ops);
    put_version(head, record.last);
    head.put_u64_le(record.digest);
}

pub(super) fn put_position(head: &mut BytesMut, position: Position) {
    head.put_u16_le(position.bucket);
    head.put_u64_le(position.hash);
}

pub(super) fn put_bytes(head: &mut BytesMut, bytes: &[u8]) {
    head.put_u32_le(bytes.len() as u32);
    head.put_slice(bytes);
}

pub(super) fn put_command(head: &mut BytesMut, command: &KeyRequest) -> Bytes {
    let Call { command: row, class } = command.call();
    head.put_u16_le(row.index);
    head.put_u8(class as u8);
    put_request(head, command.request())
}

pub(super) fn put_request(head: &mut BytesMut, request: &Request) -> Bytes {
    head.put_u32_le(request.arg_count() as u32);
    for range in request.ranges() {
        head.put_u32_le(range.start);
        head.put_u32_le(range.len);
    }
    request.raw().clone()
}

pub(super) fn put_content(head: &mut BytesMut, state: &Content) -> Bytes {
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

pub(super) fn put_piece_position(head: &mut BytesMut, position: PiecePosition) {
    head.put_u8(position.kind);
    head.put_u32_le(position.count);
    head.put_u64_le(position.cursor);
}

pub(super) fn put_reply(head: &mut BytesMut, reply: Option<&Bytes>) -> Bytes {
    head.put_u8(u8::from(reply.is_some()));
    reply.cloned().unwrap_or_default()
}

pub(super) fn failure_tag(failure: &Failure) -> u8 {
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
        Failure::RingChanged => 16,
    }
}

/// What is left of a message.
pub(super) struct Reader(pub(super) Bytes);

impl Reader {
    pub(super) fn need(&self, count: usize) -> Result<(), WireError> {
        if self.0.len() < count { Err(WireError::Truncated) } else { Ok(()) }
    }

    pub(super) fn u8(&mut self) -> Result<u8, WireError> {
        self.need(1)?;
        Ok(self.0.get_u8())
    }

    pub(super) fn flag(&mut self) -> Result<bool, WireError> {
        Ok(self.u8()? != 0)
    }

    pub(super) fn stamper(&mut self) -> Result<Stamper, WireError> {
        match self.u8()? {
            0 => Ok(Stamper::Local),
            1 => Ok(Stamper::Foreign),
            2 => Ok(Stamper::StandIn),
            tag => Err(WireError::UnknownTag(tag)),
        }
    }

    pub(super) fn u16(&mut self) -> Result<u16, WireError> {
        self.need(2)?;
        Ok(self.0.get_u16_le())
    }

    pub(super) fn u32(&mut self) -> Result<u32, WireError> {
        self.need(4)?;
        Ok(self.0.get_u32_le())
    }

    pub(super) fn u64(&mut self) -> Result<u64, WireError> {
        self.need(8)?;
        Ok(self.0.get_u64_le())
    }

    pub(super) fn bytes(&mut self) -> Result<Bytes, WireError> {
        let count = self.u32()? as usize;
        self.need(count)?;
        Ok(self.0.split_to(count))
    }

    pub(super) fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.0)
    }

    pub(super) fn level(&mut self) -> Result<Level, WireError> {
        let tag = self.u8()?;
        Level::ALL.get(usize::from(tag)).copied().ok_or(WireError::UnknownTag(tag))
    }

    pub(super) fn purpose(&mut self) -> Result<PushPurpose, WireError> {
        match self.u8()? {
            0 => Ok(PushPurpose::Acknowledge),
            1 => Ok(PushPurpose::Heal),
            2 => Ok(PushPurpose::Rebuild),
            3 => Ok(PushPurpose::Replace),
            tag => Err(WireError::UnknownTag(tag)),
        }
    }

    pub(super) fn trust(&mut self) -> Result<Trust, WireError> {
        let tag = self.u8()?;
        Trust::from_code(tag).ok_or(WireError::UnknownTag(tag))
    }

    pub(super) fn version(&mut self) -> Result<Version, WireError> {
        Ok(Version { clock: self.u64()?, node: NodeId(self.u32()?) })
    }

    pub(super) fn bucket(&mut self) -> Result<Bucket, WireError> {
        let bucket = self.u16()?;
        if usize::from(bucket) < BUCKETS { Ok(Bucket(bucket)) } else { Err(WireError::OutOfRange) }
    }

    pub(super) fn position(&mut self) -> Result<Position, WireError> {
        Ok(Position { bucket: self.u16()?, hash: self.u64()? })
    }

    pub(super) fn record(&mut self) -> Result<Record, WireError> {
        Ok(Record {
            base: self.version()?,
            term: self.version()?,
            ops: self.u64()?,
            last: self.version()?,
            digest: self.u64()?,
        })
    }

    pub(super) fn command(&mut self) -> Result<KeyRequest, WireError> {
        let row = commands().get(usize::from(self.u16()?)).ok_or(WireError::OutOfRange)?;
        let class = self.u8()?;
        let class = Class::ALL.get(usize::from(class)).copied().ok_or(WireError::UnknownTag(class))?;
        KeyRequest::new(Call { command: row, class }, self.request()?).ok_or(WireError::OutOfRange)
    }

    pub(super) fn request(&mut self) -> Result<Request, WireError> {
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

    pub(super) fn content(&mut self) -> Result<Content, WireError> {
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

    pub(super) fn piece_position(&mut self) -> Result<PiecePosition, WireError> {
        Ok(PiecePosition { kind: self.u8()?, count: self.u32()?, cursor: self.u64()? })
    }

    pub(super) fn reply(&mut self) -> Result<Option<Bytes>, WireError> {
        Ok(if self.flag()? { Some(self.rest()) } else { None })
    }

    pub(super) fn failure(&mut self) -> Result<Failure, WireError> {
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
            16 => Failure::RingChanged,
            tag => return Err(WireError::UnknownTag(tag)),
        })
    }
}

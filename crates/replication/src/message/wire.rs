//! The bytes of messages between nodes. Little-endian, fixed-width; the one large part of a message (a command's raw
//! bytes or a value's payload) always comes last, so that it can be sent and received without being copied.

mod fields;

use bytes::{BufMut, Bytes, BytesMut};
use dynomite_codec::Piece;
use dynomite_ring::{NodeId, RackIdx, Token, TokenRange};

use self::fields::{
    Reader, failure_tag, put_bytes, put_command, put_content, put_piece_position, put_position, put_record,
    put_reply, put_request, put_version,
};
use super::{
    Failure, ReplicaRequest, ReplicaResponse, RequestBody, ResponseBody, Seats, Stamper, ValueDigest,
};
use crate::Mark;

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
        head.put_u32_le(self.seats.epoch);
        head.put_u32_le(self.seats.digest);
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
            RequestBody::Overwrite { version, command, stamper } => {
                head.put_u8(3);
                put_version(head, *version);
                head.put_u8(match stamper {
                    Stamper::Local => 0,
                    Stamper::Foreign => 1,
                    Stamper::StandIn => 2,
                });
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
            RequestBody::Forward { prior, record, key, effect, reply_crc, expires_at_ms } => {
                head.put_u8(6);
                put_record(head, prior);
                put_record(head, record);
                put_bytes(head, key);
                head.put_u8(u8::from(reply_crc.is_some()));
                head.put_u32_le(reply_crc.unwrap_or(0));
                head.put_u8(u8::from(expires_at_ms.is_some()));
                head.put_i64_le(expires_at_ms.unwrap_or(0));
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
            RequestBody::List { node, loss, from, range } => {
                head.put_u8(22);
                head.put_u32_le(node.0);
                head.put_u64_le(*loss);
                put_position(head, *from);
                head.put_u32_le(range.after.0);
                head.put_u32_le(range.upto.0);
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
        let seats = Seats { epoch: reader.u32()?, digest: reader.u32()? };
        let body = match reader.u8()? {
            1 => RequestBody::Execute(reader.command()?),
            2 => RequestBody::Read { value: reader.flag()?, command: reader.command()? },
            3 => RequestBody::Overwrite {
                version: reader.version()?,
                stamper: reader.stamper()?,
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
                let (has_expiry, expires_at_ms) = (reader.flag()?, reader.u64()? as i64);
                let effect = if reader.flag()? { Some(reader.request()?) } else { None };
                let reply_crc = has_crc.then_some(crc);
                let expires_at_ms = has_expiry.then_some(expires_at_ms);
                RequestBody::Forward { prior, record, key, effect, reply_crc, expires_at_ms }
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
                range: TokenRange::new(Token(reader.u32()?), Token(reader.u32()?)),
            },
            23 => RequestBody::Settle { node: NodeId(reader.u32()?), runs: reader.rest() },
            24 => RequestBody::Export { node: NodeId(reader.u32()?), key: reader.rest() },
            tag => return Err(WireError::UnknownTag(tag)),
        };
        Ok(Self { id, token, clock, seats, body })
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
                head.put_u8(trust.code());
                Bytes::new()
            }
            ResponseBody::Promised { record, trust } => {
                head.put_u8(11);
                put_record(head, record);
                head.put_u8(trust.code());
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
                head.put_u8(trust.code());
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
                head.put_u8(trust.code());
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

#[cfg(test)]
mod tests;

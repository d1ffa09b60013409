//! Reading states for other nodes and other datacenters: small ones whole, large ones in pieces.
//!
//! Whether a state is large the datastore tells (`Measure`), but it is asked only about a state that is likely to be: one
//! that came with a large write or after many bytes of smaller ones, that was read before and found large, or that an
//! earlier process wrote, of which nothing is known. All others are read at once, and cost nothing more. A large state
//! that is read whole for want of such a sign is thrown away and measured.
//!
//! A large state is not sent but offered: the answer names this node and the record, and whoever takes the state asks for
//! its pieces, one after the other (`engine/transfers.rs`). Every piece is read under that record, or not at all; so what
//! was collected is one state.

use std::collections::BTreeSet;

use bytes::Bytes;
use dynomite_codec::{Extent, KeyState, Operation as LaneOperation, Piece, Position, Request};
use dynomite_ring::Token;

use super::{
    Engine, Now, Out, Requester,
    lane::JobKind,
    replica::{distrusted, told},
};
use crate::{
    Content, Failure, PieceSource, Record, ResponseBody, Version,
    planted::{self, Planted},
    records::{Entry, RecordId},
};

/// Keys that are noted as likely to be large. Those beyond are found out when they were read whole.
const LIKELY_MAX: usize = 1 << 16;
/// Of a state that was written in small steps every so many parts of what is large are one chance to be noted: one of four
/// times the size escapes with a probability of 10⁻⁷.
const CHANCES: u64 = 4;

/// Keys whose states are likely to be large.
#[derive(Debug, Default)]
pub(super) struct LikelyLarge(BTreeSet<RecordId>);

impl LikelyLarge {
    fn note(&mut self, copy: RecordId) {
        if self.0.len() < LIKELY_MAX && copy != RecordId::NONE {
            self.0.insert(copy);
        }
    }
}

/// How a state is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Whole, unless it is likely to be large.
    AsItSeems,
    /// It is to be measured first.
    Measured,
    /// Whole in any case.
    Whole,
}

impl Engine {
    /// A write of `bytes` bytes brings the whole state of a copy.
    pub(super) fn note_whole_size(&mut self, copy: RecordId, bytes: usize) {
        if bytes as u64 >= self.config.large_bytes_min {
            self.likely_large.note(copy);
        }
    }

    /// A write of `version` adds to the state of a copy. The bytes of single keys are not counted; instead a write is noted
    /// with a chance that grows with its size, so that whoever has written enough of them is found.
    pub(super) fn note_step_size(&mut self, copy: RecordId, request: &Request, version: Version) {
        const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
        let random = u64::from((version.clock.wrapping_mul(SPREAD) >> 32) as u32);
        let chance_bytes = self.config.large_bytes_min / CHANCES;
        if (request.raw().len() as u64) << 32 > random * chance_bytes {
            self.likely_large.note(copy);
        }
    }

    fn is_likely_large(&self, copy: RecordId, entry: &Entry) -> bool {
        let is_of_earlier_process = entry.written_at == 0 && !entry.record.is_blank();
        is_of_earlier_process || self.likely_large.0.contains(&copy)
    }

    /// Tells record and state.
    #[allow(clippy::too_many_arguments, reason = "the parts of one message")]
    pub(super) fn fetch(
        &mut self,
        now: Now,
        from: Requester,
        token: Token,
        key: Bytes,
        doubtful: bool,
        reading: Reading,
        out: &mut Out,
    ) {
        if self.is_refused(now, from, out) {
            return;
        }
        let (copy, entry) = self.look_up(&key, token);
        let Entry { record, trust, .. } = entry;
        if let Some(failure) = distrusted(trust)
            && (trust == crate::Trust::Lost || !doubtful)
        {
            return self.answer(from, ResponseBody::Failed(failure), out);
        }
        let is_measured = match reading {
            Reading::AsItSeems => !doubtful && self.is_likely_large(copy, &entry),
            Reading::Measured => !doubtful,
            Reading::Whole => false,
        };
        if is_measured {
            self.lane.push(now, from, JobKind::Measure { key: key.clone(), token });
            out.lane.push(LaneOperation::Measure { key });
        } else {
            let is_final = doubtful || reading != Reading::AsItSeems;
            self.lane.push(now, from, JobKind::Fetch { copy, record, doubtful, is_final });
            out.lane.push(LaneOperation::Dump { key });
        }
    }

    /// The datastore has told how large a state is; nothing when the key is absent, or it cannot tell.
    pub(super) fn measured(
        &mut self,
        now: Now,
        from: Requester,
        (key, token): (Bytes, Token),
        extent: Option<Extent>,
        out: &mut Out,
    ) {
        let (copy, Entry { record, trust, .. }) = self.look_up(&key, token);
        match extent {
            Some(Extent { is_large: true, start }) if trust.is_trusted() => {
                self.likely_large.note(copy);
                let source = PieceSource { node: self.config.node, record, start };
                let state = Content::Pieces(source);
                self.answer(from, ResponseBody::State { record, trust, state }, out);
            }
            _ => {
                self.likely_large.0.remove(&copy);
                self.fetch(now, from, token, key, false, Reading::Whole, out);
            }
        }
    }

    /// A state was read whole. One that proves too large for that is measured instead.
    #[allow(clippy::too_many_arguments, reason = "the parts of one message")]
    pub(super) fn fetched(
        &mut self,
        now: Now,
        from: Requester,
        copy: RecordId,
        record: Record,
        state: Option<KeyState>,
        doubtful: bool,
        is_final: bool,
        out: &mut Out,
    ) {
        let trust = self.records.get(copy).trust;
        let bytes = state.as_ref().map_or(0, |state| state.payload.len());
        if !is_final && bytes as u64 >= self.config.large_bytes_min && copy != RecordId::NONE {
            let key = self.key_of(copy);
            let token = self.ring.token(&key);
            return self.fetch(now, from, token, key, doubtful, Reading::Measured, out);
        }
        let done = match distrusted(trust) {
            Some(failure) if !doubtful => ResponseBody::Failed(failure),
            _ => ResponseBody::State { record, trust, state: Content::Whole(state) },
        };
        self.answer(from, done, out);
    }

    /// Another node wants a piece of the state that the copy had under `record`.
    pub(super) fn serve_piece(
        &mut self,
        now: Now,
        from: Requester,
        (key, token): (Bytes, Token),
        record: Record,
        position: Position,
        out: &mut Out,
    ) {
        if self.is_refused(now, from, out) {
            return;
        }
        let (copy, entry) = self.look_up(&key, token);
        if let Some(failure) = distrusted(entry.trust) {
            return self.answer(from, ResponseBody::Failed(failure), out);
        }
        if told(entry.record) != told(record) && !planted::has(Planted::MixesPieces) {
            return self.answer(from, ResponseBody::Failed(Failure::Changed), out);
        }
        self.stats.pieces_read += 1;
        self.lane.push(now, from, JobKind::ReadPiece { copy });
        out.lane.push(LaneOperation::DumpPiece { key, position });
    }

    /// The piece was read; `None` when the key is absent, or holds something else than when it was measured.
    pub(super) fn piece_read(
        &mut self,
        from: Requester,
        copy: RecordId,
        piece: Option<Piece>,
        out: &mut Out,
    ) {
        let done = match (piece, distrusted(self.records.get(copy).trust)) {
            (_, Some(failure)) => ResponseBody::Failed(failure),
            (None, None) => ResponseBody::Failed(Failure::Changed),
            (Some(piece), None) => ResponseBody::Piece(piece),
        };
        self.answer(from, done, out);
    }
}

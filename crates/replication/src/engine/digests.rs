//! Comparing values, though records say that they are equal: for operators who do not trust that (a datastore was written to
//! past this node, a disk lies).
//!
//! Every key of the buckets asked for is digested by all replicas of the datacenter, each under its record, which must not
//! change meanwhile. Values are compared only under equal records, and twice before they are called different, so that no
//! write and no expiry that is under way looks like a difference. A value that lost (`operation/check.rs`) is replaced under
//! the same record, on condition that the replica still has that. All this goes as slowly as repairing does.

use std::collections::VecDeque;

use bytes::Bytes;
use dynomite_codec::{DigestPart, Extent, Operation as LaneOperation, Position};
use dynomite_ring::Token;
use hashbrown::HashSet;
use smallvec::SmallVec;

use super::{Engine, Now, Out, Requester, lane::JobKind, replica::distrusted};
use crate::{
    Bucket, Content, Failure, PushPurpose, Record, RepairRequest, RequestBody, ResponseBody, ValueDigest,
    operation::{
        Kind, OperationId,
        check::{Attempt, CheckOperation, Finding, Phase, Value, compare},
        replicas::State,
    },
    records::RecordId,
};

/// Keys whose values are compared at the same time.
const CHECKING_MAX: usize = 32;
/// Records that are looked at in one go.
const SLICE: usize = 1024;
/// Values that differ, or change, are compared again after this.
const AGAIN_MS: u64 = 1000;
/// A value that changed so often while it was compared is left alone.
const CHANGES_MAX: u8 = 10;

/// How far the comparison of all values has come.
#[derive(Debug, Default)]
pub(super) struct ValueRound {
    /// The first record that was not looked at.
    upto: usize,
    /// Keys that are to be compared, and those that are compared again from a time on.
    due: VecDeque<Bytes>,
    again: VecDeque<(u64, Bytes, Attempt)>,
    checking: HashSet<Bytes>,
}

/// A value that is being digested, piece by piece.
#[derive(Debug)]
pub(super) struct Digesting {
    key: Bytes,
    token: Token,
    copy: RecordId,
    record: Record,
    hash: u64,
}

impl Engine {
    /// Goes on with comparing values. Whether all are compared.
    pub(super) fn compare_values(
        &mut self,
        now: Now,
        request: &RepairRequest,
        values: &mut ValueRound,
        out: &mut Out,
    ) -> bool {
        if !request.full {
            return true;
        }
        let slot_count = self.records.slot_count();
        if values.due.is_empty() && values.upto < slot_count {
            let slots = values.upto..slot_count.min(values.upto + SLICE);
            values.upto = slots.end;
            let is_wanted = |key: &[u8]| {
                let token = self.ring.token(key);
                self.is_replica(token) && request.has(Bucket::of(token))
            };
            let entries = self.records.slots(slots);
            let trusted =
                entries.filter(|(_, _, entry)| entry.trust.is_trusted() && !entry.record.is_blank());
            let keys = trusted.filter(|(_, key, _)| is_wanted(key));
            values.due.extend(keys.map(|(_, key, _)| Bytes::copy_from_slice(key)));
        }
        while values.checking.len() < CHECKING_MAX
            && !self.is_allowance_spent()
            && self.lane_refusal(now).is_none()
        {
            let again = values.again.pop_front_if(|(at_ms, ..)| *at_ms <= now.ms);
            let again = again.map(|(_, key, attempt)| (key, attempt));
            let first = || values.due.pop_front().map(|key| (key, Attempt::default()));
            let Some((key, attempt)) = again.or_else(first) else { break };
            if values.checking.insert(key.clone()) {
                self.spend_on_comparing(1, 0);
                self.begin_check(now, key, attempt, out);
            }
        }
        let is_idle = values.due.is_empty() && values.again.is_empty() && values.checking.is_empty();
        is_idle && values.upto >= slot_count
    }

    fn begin_check(&mut self, now: Now, key: Bytes, attempt: Attempt, out: &mut Out) {
        let token = self.ring.token(&key);
        let replicas = self.local_replicas(token, &State::Asked);
        let nodes: SmallVec<[_; 3]> = replicas.iter().map(|replica| replica.node).collect();
        let values = replicas.iter().map(|_| None).collect();
        let check =
            CheckOperation { key: key.clone(), token, replicas, values, phase: Phase::Asking, attempt };
        let timeout_ms = super::transfers::PATIENCE_MS;
        let id = self.insert(now, timeout_ms, Kind::Check(Box::new(check)));
        for (index, node) in nodes.into_iter().enumerate() {
            let body = RequestBody::Value { key: key.clone() };
            self.ask(now, node, token, id.of_replica(index), body, out);
        }
    }

    /// A replica has told the digest of its value, or has taken another, or will not.
    pub(super) fn check_answered(&mut self, now: Now, id: OperationId, body: ResponseBody, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Check(check) = &mut operation.kind else { return };
        let Some(replica) = check.replicas.get_mut(id.replica()) else { return };
        if replica.state != State::Asked {
            return;
        }
        replica.state = State::Ok;
        match (&mut check.phase, body) {
            (Phase::Asking, ResponseBody::Value { record, trust, digest }) => {
                check.values[id.replica()] = Some(Value { record, trust, digest });
            }
            (Phase::Fetching { record: wanted, others }, ResponseBody::State { record, state, .. })
                if record == *wanted =>
            {
                let others = std::mem::take(others);
                return self.replace_values(now, id, record, &others, &state, out);
            }
            (Phase::Replacing, ResponseBody::Accepted { .. }) => {}
            (_, ResponseBody::Failed(failure)) => replica.state = State::Failed(failure),
            // It has changed meanwhile.
            _ => replica.state = State::Newer,
        }
        if !check.is_open() {
            self.continue_check(now, id, out);
        }
    }

    fn continue_check(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(Kind::Check(check)) = self.operations.get(id).map(|operation| &operation.kind) else {
            return;
        };
        let (key, token, attempt) = (check.key.clone(), check.token, check.attempt);
        if check.has_changed() {
            return self.check_again(now, id, Attempt { change_count: attempt.change_count + 1, ..attempt });
        }
        if check.phase != Phase::Asking {
            let is_done = check.is_done();
            self.repair.status.keys_healed += u64::from(is_done);
            self.repair.status.keys_failed += u64::from(!is_done);
            return self.end_check(id);
        }
        let primary = self.ring.primary_rack(token, self.place.dc);
        let racks = check.replicas.len();
        let first = check.replicas.iter().position(|replica| replica.rack == primary).unwrap_or(0);
        match compare(&check.values, (0..racks).map(|step| (first + step) % racks)) {
            Finding::Equal => self.end_check(id),
            Finding::Records => {
                self.heal_soon(key);
                self.end_check(id);
            }
            Finding::TooFew => self.check_failed(id),
            Finding::Differs { .. } if !attempt.is_second => {
                self.check_again(now, id, Attempt { is_second: true, ..attempt });
            }
            Finding::Differs { winner, others } => {
                self.repair.status.keys_differing += 1;
                self.stats.values_differing += 1;
                if self.is_preview() {
                    return self.end_check(id);
                }
                self.fetch_winner(now, id, winner, others, out);
            }
        }
    }

    fn fetch_winner(
        &mut self,
        now: Now,
        id: OperationId,
        winner: usize,
        others: SmallVec<[usize; 3]>,
        out: &mut Out,
    ) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Check(check) = &mut operation.kind else { return };
        let Some(record) = check.values[winner].map(|value| value.record) else { return };
        check.phase = Phase::Fetching { record, others };
        let replica = &mut check.replicas[winner];
        replica.state = State::Asked;
        let (node, token, key) = (replica.node, check.token, check.key.clone());
        let body = RequestBody::Fetch { key, doubtful: false, whole: false };
        self.ask(now, node, token, id.of_replica(winner), body, out);
    }

    fn replace_values(
        &mut self,
        now: Now,
        id: OperationId,
        record: Record,
        others: &[usize],
        state: &Content,
        out: &mut Out,
    ) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Check(check) = &mut operation.kind else { return };
        check.phase = Phase::Replacing;
        let (key, token) = (check.key.clone(), check.token);
        let mut targets: SmallVec<[_; 3]> = SmallVec::new();
        for index in others.iter().copied() {
            check.replicas[index].state = State::Asked;
            targets.push((index, check.replicas[index].node));
        }
        for (index, node) in targets {
            self.spend_on_comparing(0, state.len());
            let (key, state, purpose) = (key.clone(), state.clone(), PushPurpose::Replace);
            let body = RequestBody::Push { key, record, state, purpose };
            self.ask(now, node, token, id.of_replica(index), body, out);
        }
    }

    /// A key is compared again a little later, unless it changes too often.
    fn check_again(&mut self, now: Now, id: OperationId, attempt: Attempt) {
        let Some(Kind::Check(check)) = self.operations.get(id).map(|operation| &operation.kind) else {
            return;
        };
        let key = check.key.clone();
        self.end_check(id);
        if attempt.change_count > CHANGES_MAX {
            self.repair.status.keys_failed += 1;
        } else if let Some(values) = self.value_round() {
            values.again.push_back((now.ms + AGAIN_MS, key, attempt));
        }
    }

    /// A key could not be compared.
    pub(super) fn check_failed(&mut self, id: OperationId) {
        self.repair.status.keys_failed += 1;
        self.end_check(id);
    }

    /// A key was compared, as far as that goes.
    fn end_check(&mut self, id: OperationId) {
        let Some(operation) = self.operations.remove(id) else { return };
        let Kind::Check(check) = operation.kind else { return };
        if let Some(values) = self.value_round() {
            values.checking.remove(&check.key);
        }
    }

    /// Another node wants the digest of a key's value.
    pub(super) fn serve_value(&mut self, now: Now, from: Requester, token: Token, key: Bytes, out: &mut Out) {
        if self.is_refused(now, from, out) {
            return;
        }
        let (copy, entry) = self.look_up(&key, token);
        if let Some(failure) = distrusted(entry.trust) {
            return self.answer(from, ResponseBody::Failed(failure), out);
        }
        let digesting = Digesting { key: key.clone(), token, copy, record: entry.record, hash: 0 };
        self.lane.push(now, from, JobKind::MeasureForDigest(Box::new(digesting)));
        out.lane.push(LaneOperation::Measure { key });
    }

    /// The datastore has told where a value begins.
    pub(super) fn measured_for_digest(
        &mut self,
        now: Now,
        from: Requester,
        digesting: Box<Digesting>,
        extent: Option<Extent>,
        out: &mut Out,
    ) {
        match extent {
            Some(Extent { start, .. }) => self.digest_piece(now, from, digesting, start, out),
            None => self.tell_value(from, &digesting, None, out),
        }
    }

    fn digest_piece(
        &mut self,
        now: Now,
        from: Requester,
        digesting: Box<Digesting>,
        position: Position,
        out: &mut Out,
    ) {
        if self.look_up(&digesting.key, digesting.token).1.record != digesting.record {
            return self.answer(from, ResponseBody::Failed(Failure::Changed), out);
        }
        if self.is_refused(now, from, out) {
            return;
        }
        let key = digesting.key.clone();
        self.lane.push(now, from, JobKind::Digest(digesting));
        out.lane.push(LaneOperation::Digest { key, position });
    }

    /// The datastore has digested a piece; `None` when the key is absent by now.
    pub(super) fn digested(
        &mut self,
        now: Now,
        from: Requester,
        mut digesting: Box<Digesting>,
        part: Option<DigestPart>,
        out: &mut Out,
    ) {
        let Some(DigestPart { digest, expires_at_ms, next }) = part else {
            return self.tell_value(from, &digesting, None, out);
        };
        digesting.hash = digesting.hash.wrapping_add(digest);
        match next {
            Some(position) => self.digest_piece(now, from, digesting, position, out),
            None => {
                let digest = ValueDigest { hash: digesting.hash, expires_at_ms };
                self.tell_value(from, &digesting, Some(digest), out);
            }
        }
    }

    fn tell_value(
        &mut self,
        from: Requester,
        digesting: &Digesting,
        digest: Option<ValueDigest>,
        out: &mut Out,
    ) {
        let Digesting { copy, record, .. } = *digesting;
        let trust = self.records.get(copy).trust;
        let body = match distrusted(trust) {
            Some(failure) => ResponseBody::Failed(failure),
            None => ResponseBody::Value { record, trust, digest },
        };
        self.answer(from, body, out);
    }
}

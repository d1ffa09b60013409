//! Claims: how a replica that may not sequence a key gets the right to (rules R5 to R7, R13).
//!
//! A majority promises the claim, the claimant adopts the greatest record that it told, and then runs what waits. Whoever
//! claimed before has lost its majority with that.

use bytes::Bytes;
use dynomite_codec::KeyState;
use dynomite_ring::Token;

use super::{Engine, Now, Out, coordinator::Sequenced};
use crate::{
    Content, Failure, PushPurpose, Record, RequestBody, ResponseBody, Trust, Version,
    heal::{Adoption, Copy, Taken, adoption},
    operation::{
        Kind, OperationId,
        claim::{ClaimOperation, Standing},
        replicas::State,
    },
    planted::{self, Planted},
    presence,
    records::{Claim, Entry},
};

/// A key is claimed anew at most so often for the same writes.
const RESTARTS_MAX: u8 = 3;

impl Engine {
    /// Claims the key of a write, which is run when that has succeeded.
    pub(super) fn claim(&mut self, now: Now, write: Sequenced, out: &mut Out) {
        let key = Bytes::copy_from_slice(write.command.key());
        if let Some(id) = self.claims.get(&key).copied()
            && let Some(Kind::Claim(claim)) = self.operations.find(id).map(|operation| &mut operation.kind)
        {
            claim.waiting.push(write);
            return;
        }
        let token = write.token;
        self.begin_claim(now, key, token, vec![write], 0, out);
    }

    /// Claims a key whose copies cannot be made equal otherwise (rule R13).
    pub(super) fn claim_to_heal(&mut self, now: Now, key: Bytes, token: Token, out: &mut Out) {
        if !self.claims.contains_key(&key) {
            self.begin_claim(now, key, token, Vec::new(), 0, out);
        }
    }

    fn begin_claim(
        &mut self,
        now: Now,
        key: Bytes,
        token: Token,
        waiting: Vec<Sequenced>,
        restarts: u8,
        out: &mut Out,
    ) {
        self.stats.claims += 1;
        // After the record log was lost, what this replica itself may have promised is above its clock.
        let promised = self.look_up(&key, token).1.promised;
        self.follows_clock(now, promised.clock);
        let term = self.clock.stamp(now.wall_us);
        let replicas = self.local_replicas(token, &State::Asked);
        let nodes: Vec<_> = replicas.iter().map(|replica| replica.node).collect();
        let copies = replicas.iter().map(|_| None).collect();
        let claim = ClaimOperation {
            key: key.clone(),
            token,
            term,
            replicas,
            copies,
            fetching: None,
            offered: None,
            restarts,
            waiting,
        };
        let until_ms = claim.waiting.iter().map(|write| write.deadline_ms).max();
        let timeout_ms =
            until_ms.map_or(self.config.request_timeout_ms, |until_ms| until_ms.saturating_sub(now.ms));
        let id = self.insert(now, timeout_ms, Kind::Claim(Box::new(claim)));
        self.claims.insert(key.clone(), id);
        for (index, node) in nodes.into_iter().enumerate() {
            let body = RequestBody::Claim { key: key.clone(), term };
            self.ask(now, node, token, id.of_replica(index), body, out);
        }
    }

    /// A replica has promised, or will not; or the state to adopt has come.
    pub(super) fn claim_answered(&mut self, now: Now, id: OperationId, body: ResponseBody, out: &mut Out) {
        if let ResponseBody::Outbid { term } = body {
            self.follows_clock(now, term.clock);
        }
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Claim(claim) = &mut operation.kind else { return };
        if let Some(fetching) = claim.fetching {
            if fetching.from == id.replica() {
                self.adoption_fetched(now, id, fetching, body, out);
            }
            return;
        }
        if claim.offered.is_some() {
            return self.offer_answered(now, id, &body, out);
        }
        let Some(replica) = claim.replicas.get_mut(id.replica()) else { return };
        replica.state = match body {
            ResponseBody::Promised { record, trust } => {
                claim.copies[id.replica()] = Some(Copy { record, trust });
                State::Ok
            }
            // It promises nothing, and what it once had may still be decisive.
            ResponseBody::Inspected { record, trust } => {
                claim.copies[id.replica()] = Some(Copy { record, trust });
                State::Failed(Failure::CopyLost)
            }
            ResponseBody::Failed(Failure::CopyLost) => {
                claim.copies[id.replica()] = Some(Copy::FORGOTTEN);
                State::Failed(Failure::CopyLost)
            }
            ResponseBody::Outbid { .. } => State::Failed(Failure::Outbid),
            ResponseBody::Failed(failure) => State::Failed(failure),
            _ => State::Failed(Failure::Datastore("unexpected answer".into())),
        };
        self.continue_claim(now, id, out);
    }

    fn continue_claim(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Claim(claim) = &mut operation.kind else { return };
        match claim.standing() {
            Standing::Wait => {}
            Standing::Denied(Failure::Outbid) if !claim.is_open() || claim.restarts > 0 => {
                self.claim_anew(now, id, Failure::Outbid, out);
            }
            Standing::Denied(failure) => self.end_claim(now, id, Err(failure), out),
            Standing::Granted if planted::has(Planted::ClaimAdoptsNothing) => self.hold(now, id, out),
            Standing::Granted => match adoption(&claim.copies) {
                Adoption::Take(Taken { from: 0, as_it_is: false, above: None, .. }) => {
                    self.hold(now, id, out);
                }
                Adoption::Take(taken) if taken.from == 0 && taken.above.is_none() => {
                    self.adopt_own(now, id, taken, out);
                }
                Adoption::Take(taken) => self.fetch_to_adopt(now, id, taken, out),
                Adoption::NeedsAll if claim.is_open() => {}
                Adoption::NeedsAll => self.end_claim(now, id, Err(Failure::Untrusted), out),
            },
        }
    }

    /// What this replica knows of a key that it has claimed with `term`, unless another claim came after.
    fn own_copy(&mut self, key: &[u8], token: Token, term: Version) -> Option<Entry> {
        let entry = self.look_up(key, token).1;
        (entry.promised == term && entry.trust != Trust::Lost).then_some(entry)
    }

    /// The own copy is the one to go on with.
    fn hold(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some((key, term, own)) = self.claimed(id) else { return };
        match own {
            Some(own) if own.trust.is_trusted() && own.record.term <= term => {
                let copy = self.records.find(&key);
                self.records.claim(copy, &key, Claim::Term(term));
                self.end_claim(now, id, Ok(()), out);
            }
            _ => self.claim_anew(now, id, Failure::Outbid, out),
        }
    }

    /// What the own datastore holds is the state to go on with, under a record above all that was told.
    fn adopt_own(&mut self, now: Now, id: OperationId, taken: Taken, out: &mut Out) {
        let Some((key, term, own)) = self.claimed(id) else { return };
        match own {
            Some(own) if own.record == taken.record && own.trust.is_trusted() != taken.as_it_is => {
                let record = self.adopted(now, &taken, term);
                let copy = self.records.find(&key);
                let mut adopted = Entry { record, trust: Trust::Trusted, claim: Claim::Term(term), ..own };
                if taken.as_it_is {
                    // What was known is known of what the write in flight would have left.
                    adopted.absent_from = presence::MAY_EXPIRE;
                }
                self.records.put(copy, &key, adopted);
                self.stats.copies_adopted += 1;
                self.heal_soon(key);
                self.end_claim(now, id, Ok(()), out);
            }
            // A write came meanwhile.
            Some(own) if own.trust.is_trusted() && own.record > taken.record => self.hold(now, id, out),
            _ => self.claim_anew(now, id, Failure::Outbid, out),
        }
    }

    /// The record of an adopted state that is to be above all that was told.
    fn adopted(&mut self, now: Now, taken: &Taken, term: Version) -> Record {
        if planted::has(Planted::AdoptsUnderFreshBase) {
            return Record::overwritten(self.clock.stamp_sequenced(now.wall_us));
        }
        // The state is that after the write that its record tells of, or an earlier one when it is taken as it is: then a
        // datacenter that has the write itself still has something later.
        let last = if taken.as_it_is { taken.record.last.just_before() } else { taken.record.last };
        Record::adopted(taken.above.unwrap_or(taken.record), term, last)
    }

    fn fetch_to_adopt(&mut self, now: Now, id: OperationId, taken: Taken, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Claim(claim) = &mut operation.kind else { return };
        claim.fetching = Some(taken);
        let replica = &mut claim.replicas[taken.from];
        replica.state = State::Asked;
        let (node, token, key) = (replica.node, claim.token, claim.key.clone());
        let body = RequestBody::Fetch { key, doubtful: taken.as_it_is, whole: true };
        self.ask(now, node, token, id.of_replica(taken.from), body, out);
    }

    /// The state of the greatest record has come, or will not.
    fn adoption_fetched(
        &mut self,
        now: Now,
        id: OperationId,
        taken: Taken,
        body: ResponseBody,
        out: &mut Out,
    ) {
        let Some((_, term, own)) = self.claimed(id) else { return };
        let (record, trust, state) = match body {
            ResponseBody::State { record, trust, state: Content::Whole(state) } => (record, trust, state),
            ResponseBody::Failed(failure) => return self.claim_anew(now, id, failure, out),
            _ => return self.claim_anew(now, id, Failure::Untrusted, out),
        };
        let is_as_told = record == taken.record && (trust.is_trusted() || taken.as_it_is);
        let is_above_all = trust.is_trusted() && record > taken.above.unwrap_or(taken.record);
        let record = match taken {
            _ if is_above_all => record,
            Taken { as_it_is: false, above: None, .. } if is_as_told => record,
            _ if is_as_told => self.adopted(now, &taken, term),
            _ => return self.claim_anew(now, id, Failure::Untrusted, out),
        };
        match own {
            Some(own) if can_take(&own, &record, term) => match taken.above {
                Some(_) if !is_above_all => self.offer(now, id, record, state, out),
                _ => self.adopt(now, id, record, state, out),
            },
            Some(own) if own.trust.is_trusted() => self.hold(now, id, out),
            _ => self.claim_anew(now, id, Failure::Outbid, out),
        }
    }

    /// Goes on with a state of another rack.
    fn adopt(&mut self, now: Now, id: OperationId, record: Record, state: Option<KeyState>, out: &mut Out) {
        let Some((key, term, _)) = self.claimed(id) else { return };
        if let Some(failure) = self.lane_refusal(now) {
            return self.end_claim(now, id, Err(failure), out);
        }
        self.stats.copies_adopted += 1;
        self.install_adopted(now, &key, record, term, state, out);
        self.heal_soon(key);
        self.end_claim(now, id, Ok(()), out);
    }

    /// Has a majority take an older state under the record of an overwrite that is taken back, before this replica trusts it: as long
    /// as it had it alone, another claim could go on without it, and what was acknowledged there would be below it.
    fn offer(&mut self, now: Now, id: OperationId, record: Record, state: Option<KeyState>, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Claim(claim) = &mut operation.kind else { return };
        let (key, token) = (claim.key.clone(), claim.token);
        claim.fetching = None;
        claim.offered = Some(Box::new((record, state.clone())));
        claim.replicas[0].state = State::Ok;
        let mut asked = Vec::new();
        for (index, replica) in claim.replicas.iter_mut().enumerate().skip(1) {
            if !matches!(replica.state, State::Failed(_)) {
                replica.state = State::Asked;
                asked.push((index, replica.node));
            }
        }
        for (index, node) in asked {
            let (key, state, purpose) =
                (key.clone(), Content::Whole(state.clone()), PushPurpose::Acknowledge);
            let body = RequestBody::Push { key, record, state, purpose };
            self.ask(now, node, token, id.of_replica(index), body, out);
        }
        self.continue_offer(now, id, out);
    }

    fn offer_answered(&mut self, now: Now, id: OperationId, body: &ResponseBody, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Claim(claim) = &mut operation.kind else { return };
        let Some(replica) = claim.replicas.get_mut(id.replica()).filter(|_| id.replica() > 0) else { return };
        replica.state = match body {
            ResponseBody::Accepted { .. } => State::Ok,
            ResponseBody::Failed(failure) => State::Failed(failure.clone()),
            ResponseBody::Nacked { .. } => State::Failed(Failure::Outbid),
            // It has promised, late.
            _ => return,
        };
        self.continue_offer(now, id, out);
    }

    fn continue_offer(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some((_, term, own)) = self.claimed(id) else { return };
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Claim(claim) = &mut operation.kind else { return };
        match claim.standing() {
            Standing::Wait => {}
            Standing::Denied(failure) => self.end_claim(now, id, Err(failure), out),
            Standing::Granted => {
                let Some(offered) = claim.offered.take() else { return };
                let (record, state) = *offered;
                match own {
                    Some(own) if can_take(&own, &record, term) => {
                        self.adopt(now, id, record, state, out);
                    }
                    _ => self.claim_anew(now, id, Failure::Outbid, out),
                }
            }
        }
    }

    fn claimed(&mut self, id: OperationId) -> Option<(Bytes, Version, Option<Entry>)> {
        let Kind::Claim(claim) = &self.operations.get(id)?.kind else { return None };
        let (key, token, term) = (claim.key.clone(), claim.token, claim.term);
        let own = self.own_copy(&key, token, term);
        Some((key, term, own))
    }

    /// Something changed while the key was claimed: begins again, if that was not tried too often.
    fn claim_anew(&mut self, now: Now, id: OperationId, failure: Failure, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Claim(claim) = &mut operation.kind else { return };
        if claim.restarts >= RESTARTS_MAX {
            return self.end_claim(now, id, Err(failure), out);
        }
        let (key, token, restarts) = (claim.key.clone(), claim.token, claim.restarts + 1);
        let waiting = std::mem::take(&mut claim.waiting);
        self.operations.remove(id);
        self.begin_claim(now, key, token, waiting, restarts, out);
    }

    /// Begins a claim again, whatever was heard.
    pub(super) fn claim_at_once(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.remove(id) else { return };
        let Kind::Claim(claim) = operation.kind else { return };
        self.begin_claim(now, claim.key, claim.token, claim.waiting, claim.restarts, out);
    }

    /// The claim has succeeded or failed: the writes that waited are run or refused.
    pub(super) fn end_claim(
        &mut self,
        now: Now,
        id: OperationId,
        outcome: Result<(), Failure>,
        out: &mut Out,
    ) {
        let Some(operation) = self.operations.remove(id) else { return };
        let Kind::Claim(claim) = operation.kind else { return };
        self.claims.remove(&claim.key);
        for write in claim.waiting {
            match &outcome {
                Ok(()) if write.deadline_ms > now.ms => self.run(now, write, out),
                Ok(()) => self.refuse_run(write.requester, Failure::TooFewReplicas, out),
                Err(failure) => self.refuse_run(write.requester, failure.clone(), out),
            }
        }
    }

    /// Too few have promised in time.
    pub(super) fn claim_overdue(&mut self, now: Now, id: OperationId, out: &mut Out) {
        self.end_claim(now, id, Err(Failure::TooFewReplicas), out);
    }
}

/// Whether a state under `record` may take the place of the own copy, under a claim `term`.
fn can_take(own: &Entry, record: &Record, term: Version) -> bool {
    record.term <= term && (*record > own.record || !own.trust.is_trusted())
}

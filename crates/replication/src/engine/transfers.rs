//! Large states on their way into this node: fetched piece by piece, collected in a stage of the lane, and put into their
//! place at once.
//!
//! A request that brings a large state ([`Content::Pieces`]) is decided twice: when it comes, so that nothing is fetched
//! that would not be taken, and when every piece is in the stage. That second time it is the same request with the same
//! conditions as for a state that came whole, and only then it is answered.
//!
//! A transfer that fails, or of which nothing is heard for a request's timeout, is answered as failed; its stage is cleared.
//! It began because somebody wants the copies equal, and so that somebody begins again. One piece of a transfer is asked for
//! at a time, and at most [`STAGING_MAX`] are with the lane: that is what either side holds in memory. There are
//! [`STAGE_COUNT`] transfers at a time, and one of a key; further ones wait, in their order.

use std::collections::VecDeque;

use bytes::Bytes;
use dynomite_codec::{Operation as LaneOperation, Output, Piece, STAGE_COUNT};
use dynomite_ring::Token;
use hashbrown::HashSet;

use super::{
    Engine, Now, Out, Requester,
    lane::JobKind,
    replica::{Offer, Ready},
};
use crate::{
    Content, Failure, RequestBody, ResponseBody,
    operation::{
        Kind, OperationId,
        transfer::{Errand, TransferOperation, Wanted},
    },
    planted::{self, Planted},
};

/// Pieces of one transfer that are with the lane at a time; no more are asked for.
const STAGING_MAX: usize = 2;
/// How long those wait who want a large state to arrive somewhere. It is the transfer itself that gives up when it makes no
/// progress; this is for when nobody is there to say so.
pub(super) const PATIENCE_MS: u64 = 10 * 60_000;

/// The lane's stages, and what waits for one.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    stages: [Stage; STAGE_COUNT as usize],
    /// Keys that are on their way.
    keys: HashSet<Bytes>,
    waiting: VecDeque<Wanted>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Empty,
    Taken,
    /// To be cleared.
    LeftOver,
}

impl Transfers {
    /// Takes a stage, if one is empty.
    fn take(&mut self) -> Option<u8> {
        let place = self.stages.iter().position(|stage| *stage == Stage::Empty)?;
        self.stages[place] = Stage::Taken;
        u8::try_from(place).ok()
    }

    /// Whether something is to be done as soon as the lane takes it.
    pub(super) fn is_due(&self) -> bool {
        self.stages.contains(&Stage::LeftOver)
            || !self.waiting.is_empty() && self.stages.contains(&Stage::Empty)
    }
}

impl Engine {
    /// Fetches a large state, or lets it wait for its turn.
    pub(super) fn want_pieces(&mut self, now: Now, wanted: Wanted, out: &mut Out) {
        if self.transfers.keys.contains(&wanted.key) {
            self.transfers.waiting.push_back(wanted);
            return;
        }
        let Some(stage) = self.transfers.take() else {
            self.transfers.waiting.push_back(wanted);
            return;
        };
        self.transfers.keys.insert(wanted.key.clone());
        self.stats.transfers += 1;
        let next = Some(wanted.source.start);
        let transfer =
            TransferOperation { wanted, stage, next, is_asked: false, staging: 0, expires_at_ms: None };
        let id = self.insert(now, self.config.request_timeout_ms, Kind::Transfer(Box::new(transfer)));
        self.ask_for_piece(now, id, out);
    }

    /// Asks for the next piece, unless there is none, or enough is under way.
    fn ask_for_piece(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(Kind::Transfer(transfer)) = self.operations.find(id).map(|operation| &mut operation.kind)
        else {
            return;
        };
        let Some(position) = transfer.next.filter(|_| !transfer.is_asked && transfer.staging < STAGING_MAX)
        else {
            return;
        };
        transfer.is_asked = true;
        let Wanted { key, token, source, .. } = &transfer.wanted;
        let (node, token, key, record) = (source.node, *token, key.clone(), source.record);
        self.ask(now, node, token, id, RequestBody::Piece { key, record, position }, out);
    }

    /// The piece has come, or will not.
    pub(super) fn transfer_answered(&mut self, now: Now, id: OperationId, body: ResponseBody, out: &mut Out) {
        let lane_refusal = self.lane_refusal(now);
        let timeout_ms = self.config.request_timeout_ms;
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Transfer(transfer) = &mut operation.kind else { return };
        let Piece { payload, expires_at_ms, next } = match (body, lane_refusal) {
            (ResponseBody::Piece(piece), None) => piece,
            (ResponseBody::Failed(failure), _) | (_, Some(failure)) => {
                return self.end_transfer(now, id, Some(failure), out);
            }
            (_, None) => return self.end_transfer(now, id, Some(Failure::Changed), out),
        };
        operation.deadline_ms = now.ms + timeout_ms;
        transfer.is_asked = false;
        transfer.staging += 1;
        transfer.next = next;
        transfer.expires_at_ms = expires_at_ms;
        let stage = transfer.stage;
        self.lane.push(now, Requester::Nobody, JobKind::StagePiece(id));
        out.lane.push(LaneOperation::StagePiece { stage, payload });
        self.ask_for_piece(now, id, out);
    }

    /// The stage has taken a piece, or will not.
    pub(super) fn piece_staged(&mut self, now: Now, id: OperationId, output: Output, out: &mut Out) {
        let timeout_ms = self.config.request_timeout_ms;
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Transfer(transfer) = &mut operation.kind else { return };
        operation.deadline_ms = now.ms + timeout_ms;
        transfer.staging = transfer.staging.saturating_sub(1);
        match output {
            Output::Staged if transfer.is_whole() => self.end_transfer(now, id, None, out),
            Output::Staged => self.ask_for_piece(now, id, out),
            Output::Failed(text) => self.end_transfer(now, id, Some(Failure::Datastore(text)), out),
            _ => {
                let text = "unexpected output of the datastore".to_owned();
                self.end_transfer(now, id, Some(Failure::Datastore(text)), out);
            }
        }
    }

    /// Every piece is in the stage, or the transfer has failed: the request that brought it is done, or answered so.
    pub(super) fn end_transfer(
        &mut self,
        now: Now,
        id: OperationId,
        failure: Option<Failure>,
        out: &mut Out,
    ) {
        let Some(operation) = self.operations.remove(id) else { return };
        let Kind::Transfer(transfer) = operation.kind else { return };
        let TransferOperation { wanted, stage, expires_at_ms, .. } = *transfer;
        self.transfers.keys.remove(&wanted.key);
        match failure {
            None => self.decide(now, wanted, Some(Ready::Staged { stage, expires_at_ms }), out),
            Some(failure) => {
                self.stats.transfers_failed += 1;
                self.answer(wanted.requester, ResponseBody::Failed(failure), out);
            }
        }
        // After an installation, too: one that fails may leave something behind.
        self.transfers.stages[usize::from(stage)] =
            if self.lane.is_up() { Stage::LeftOver } else { Stage::Empty };
        self.pump_transfers(now, out);
    }

    /// Does what the request asks that brought a large state; without the state as if it had just come.
    fn decide(&mut self, now: Now, wanted: Wanted, ready: Option<Ready>, out: &mut Out) {
        let Wanted { requester, key, token, source, errand } = wanted;
        let offer = ready.map_or(Offer::Pieces(source), Offer::Ready);
        match errand {
            Errand::Push { record, purpose } => {
                self.take_push(now, requester, token, key, record, offer, purpose, out);
            }
            Errand::Import { version } => self.import(now, requester, token, key, version, offer, out),
        }
    }

    /// Clears stages that hold what nobody wants any more, and begins what waits.
    pub(super) fn pump_transfers(&mut self, now: Now, out: &mut Out) {
        for place in 0..STAGE_COUNT {
            let stage = &mut self.transfers.stages[usize::from(place)];
            if *stage != Stage::LeftOver {
                continue;
            }
            if self.lane_refusal(now).is_some() {
                return;
            }
            self.transfers.stages[usize::from(place)] = Stage::Empty;
            self.lane.push(now, Requester::Nobody, JobKind::ClearStage);
            out.lane.push(LaneOperation::ClearStage { stage: place });
        }
        while self.transfers.stages.contains(&Stage::Empty) {
            let Transfers { waiting, keys, .. } = &mut self.transfers;
            let next = waiting.iter().position(|wanted| !keys.contains(&wanted.key));
            let Some(wanted) = next.and_then(|place| waiting.remove(place)) else { return };
            self.decide(now, wanted, None, out);
        }
    }

    /// The lane broke, and its stages with it.
    pub(super) fn transfers_lost(&mut self, now: Now, out: &mut Out) {
        if planted::has(Planted::KeepsStages) {
            return;
        }
        let is_transfer = |kind: &Kind| matches!(kind, Kind::Transfer(_));
        let operations = self.operations.iter_mut();
        let lost: Vec<OperationId> =
            operations.filter(|(_, operation)| is_transfer(&operation.kind)).map(|(id, _)| id).collect();
        for id in lost {
            self.end_transfer(now, id, Some(Failure::DatastoreDown), out);
        }
        self.transfers.stages = Default::default();
        while let Some(wanted) = self.transfers.waiting.pop_front() {
            self.decide(now, wanted, None, out);
        }
    }

    /// Takes out of those that wait the ones whose tokens are meant; who asked for them.
    pub(super) fn take_waiting_transfers(&mut self, is_meant: impl Fn(Token) -> bool) -> Vec<Requester> {
        let waiting = std::mem::take(&mut self.transfers.waiting);
        let (meant, others): (VecDeque<Wanted>, VecDeque<Wanted>) =
            waiting.into_iter().partition(|wanted| is_meant(wanted.token));
        self.transfers.waiting = others;
        meant.into_iter().map(|wanted| wanted.requester).collect()
    }

    /// Whether a large state is on its way into this node.
    #[cfg(test)]
    pub(super) fn has_transfer(&self) -> bool {
        !self.transfers.keys.is_empty()
    }

    /// Whether one has its last piece on the lane.
    #[cfg(test)]
    pub(super) fn has_last_piece(&self) -> bool {
        self.operations.kinds().any(|kind| match kind {
            Kind::Transfer(transfer) => transfer.next.is_none() && !transfer.is_asked && transfer.staging > 0,
            _ => false,
        })
    }

    /// How long whoever sends a state waits until it has arrived.
    pub(super) fn patience_ms(&self, state: &Content) -> u64 {
        if state.is_in_pieces() { PATIENCE_MS } else { self.config.request_timeout_ms }
    }

    /// A large state is on its way, for which an operation waits: it may take long, and shall not hold up small ones.
    /// Whether there is room for one more of its kind.
    pub(super) fn wait_for_pieces(&mut self, now: Now, id: OperationId) -> bool {
        let Some(operation) = self.operations.find(id) else { return false };
        match &operation.kind {
            Kind::Handoff(handoff) => {
                let (target, key) = (handoff.target, handoff.key.clone());
                operation.deadline_ms = now.ms + PATIENCE_MS;
                self.hints.set_aside(target, &key)
            }
            Kind::ExportAgain(export) => {
                let waiting = export.waiting;
                operation.deadline_ms = now.ms + PATIENCE_MS;
                waiting.is_none_or(|waiting| self.wait_for_pieces(now, waiting))
            }
            Kind::Heal(_) => {
                operation.deadline_ms = now.ms + PATIENCE_MS;
                true
            }
            _ => false,
        }
    }
}

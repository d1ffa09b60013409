//! States that another datacenter may have missed, sent again, and taken in there (rules R18 to R20).
//!
//! The sender makes sure that a majority of its racks holds exactly what it sends. The receiver asks its own racks first, so
//! that nothing newer is replaced, and never takes back what it has sequenced itself: if it has lost that, it sequences a
//! write that changes nothing, and so sends what it holds.

use bytes::Bytes;
use dynomite_codec::{Call, Class, Request, lookup};
use dynomite_ring::{DcIdx, Token};
use smallvec::SmallVec;

use super::{Engine, Now, Out, Requester, heal::RESTARTS_IN_PIECES};
use crate::{
    Content, Failure, KeyRequest, Level, RequestBody, ResponseBody, Version,
    heal::Copy,
    operation::{
        Kind, OperationId,
        export::{AgainPhase, ExportAgainOperation},
        import::{ImportOperation, Step},
        relay::RelayOperation,
        replicas::State,
    },
};

/// It begins anew at most so often, because copies had to be healed or something changed.
const RESTARTS_MAX: u8 = 3;

/// A state from another datacenter.
pub(super) struct Import {
    pub(super) key: Bytes,
    pub(super) version: Version,
    pub(super) state: Content,
}

impl Engine {
    /// Sends the state of `key` to the datacenter `dc`, once a majority of this one holds it. `waiting` is told when that
    /// has ended, well or not.
    pub(super) fn export_again(
        &mut self,
        now: Now,
        key: Bytes,
        dc: DcIdx,
        waiting: Option<OperationId>,
        out: &mut Out,
    ) {
        let token = self.ring.token(&key);
        self.begin_export_again(now, (key, token), dc, waiting, 0, out);
    }

    fn begin_export_again(
        &mut self,
        now: Now,
        (key, token): (Bytes, Token),
        dc: DcIdx,
        waiting: Option<OperationId>,
        restarts: u8,
        out: &mut Out,
    ) {
        let replicas = self.local_replicas(token, &State::Asked);
        let nodes: SmallVec<[_; 3]> = replicas.iter().map(|replica| replica.node).collect();
        let export = ExportAgainOperation {
            key: key.clone(),
            token,
            dc,
            copies: replicas.iter().map(|_| None).collect(),
            replicas,
            phase: AgainPhase::Gathering,
            slow_at_ms: now.ms + self.config.failover_ms,
            is_large: false,
            restarts,
            waiting,
        };
        let id = self.insert(now, self.config.request_timeout_ms, Kind::ExportAgain(Box::new(export)));
        for (index, node) in nodes.into_iter().enumerate() {
            let body = RequestBody::Inspect { key: key.clone() };
            self.ask(now, node, token, id.of_replica(index), body, out);
        }
    }

    pub(super) fn export_again_answered(
        &mut self,
        now: Now,
        id: OperationId,
        body: ResponseBody,
        out: &mut Out,
    ) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::ExportAgain(export) = &mut operation.kind else { return };
        match (export.phase, body) {
            (AgainPhase::Gathering, ResponseBody::Inspected { record, trust }) => {
                export.copies[id.replica()] = Some(Copy { record, trust });
                export.replicas[id.replica()].state = State::Ok;
                self.continue_export_again(now, id, out);
            }
            (AgainPhase::Gathering, ResponseBody::Failed(failure)) => {
                export.replicas[id.replica()].state = State::Failed(failure);
                self.continue_export_again(now, id, out);
            }
            (AgainPhase::Fetching(wanted), ResponseBody::State { record, state, .. }) if record == wanted => {
                self.send_again(now, id, record.last, state, out);
            }
            (AgainPhase::Fetching(_), _) => self.export_anew(now, id, out),
            // Perhaps it changed meanwhile.
            (AgainPhase::Sending(_), ResponseBody::Relayed { applied: 0, .. }) if export.is_large => {
                self.export_anew(now, id, out);
            }
            (AgainPhase::Sending(_), ResponseBody::Relayed { applied, .. }) => {
                self.end_export_again(now, id, applied > 0, out);
            }
            (AgainPhase::Healing, _) => {}
            (AgainPhase::Gathering | AgainPhase::Sending(_), _) => self.end_export_again(now, id, false, out),
        }
    }

    /// Goes on when all were heard that are waited for.
    fn continue_export_again(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::ExportAgain(export) = &mut operation.kind else { return };
        if export.replicas.iter().any(|replica| replica.state == State::Asked) {
            return;
        }
        let (key, token) = (export.key.clone(), export.token);
        match export.settled() {
            Some((from, record)) => {
                let node = export.replicas[from].node;
                export.phase = AgainPhase::Fetching(record);
                export.replicas[from].state = State::Asked;
                let whole = export.restarts >= RESTARTS_IN_PIECES;
                let body = RequestBody::Fetch { key, doubtful: false, whole };
                self.ask(now, node, token, id.of_replica(from), body, out);
            }
            None => {
                export.phase = AgainPhase::Healing;
                self.heal(now, key, Some(id), out);
            }
        }
    }

    /// The copies of this datacenter were made equal, or could not be.
    pub(super) fn export_anew(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::ExportAgain(export) = &mut operation.kind else { return };
        if export.restarts >= RESTARTS_MAX {
            return self.end_export_again(now, id, false, out);
        }
        let (key, token, dc) = (export.key.clone(), export.token, export.dc);
        let (waiting, restarts) = (export.waiting.take(), export.restarts + 1);
        self.operations.remove(id);
        self.begin_export_again(now, (key, token), dc, waiting, restarts, out);
    }

    fn send_again(&mut self, now: Now, id: OperationId, version: Version, state: Content, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::ExportAgain(export) = &operation.kind else { return };
        let (key, token, dc) = (export.key.clone(), export.token, export.dc);
        let bytes = key.len() + state.len();
        let forwarder = self.open_forwarders(now, token, bytes).into_iter().find(|remote| remote.dc == dc);
        let Some(node) = forwarder.and_then(|remote| remote.node) else {
            return self.end_export_again(now, id, false, out);
        };
        self.stats.exports_again += 1;
        let timeout_ms = self.patience_ms(&state) as u32;
        if let Some(Kind::ExportAgain(export)) = self.operations.find(id).map(|operation| &mut operation.kind)
        {
            export.phase = AgainPhase::Sending(node);
            export.is_large = state.is_in_pieces();
        }
        if state.is_in_pieces() {
            self.wait_for_pieces(now, id);
        }
        let body = RequestBody::RelayImport { key, version, state, again: true, timeout_ms };
        self.ask(now, node, token, id, body, out);
    }

    /// Some replicas are silent: goes on without them.
    pub(super) fn export_again_slow(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::ExportAgain(export) = &mut operation.kind else { return };
        export.slow_at_ms = u64::MAX;
        if export.phase == AgainPhase::Gathering {
            super::replicas::time_out(&mut export.replicas);
            self.continue_export_again(now, id, out);
        }
    }

    pub(super) fn end_export_again(&mut self, now: Now, id: OperationId, is_sent: bool, out: &mut Out) {
        let Some(operation) = self.operations.remove(id) else { return };
        let Kind::ExportAgain(export) = operation.kind else { return };
        match export.waiting {
            Some(waiting) => self.ended_for(now, waiting, is_sent, out),
            None if !is_sent => self.missed_by_dc(now, export.dc, export.key),
            None => {}
        }
    }

    /// Another datacenter sends a state again: asks the racks of this one what they hold.
    pub(super) fn begin_import(
        &mut self,
        now: Now,
        requester: Requester,
        token: Token,
        import: Import,
        timeout_ms: u64,
        out: &mut Out,
    ) {
        let Import { key, version, state } = import;
        if !self.follows_clock(now, version.clock) {
            return self.answer(requester, ResponseBody::Failed(Failure::ClockAhead), out);
        }
        let replicas = self.local_replicas(token, &State::Asked);
        let nodes: SmallVec<[_; 3]> = replicas.iter().map(|replica| replica.node).collect();
        let timeout_ms = timeout_ms.min(self.patience_ms(&state));
        let import = ImportOperation {
            requester,
            key: key.clone(),
            token,
            version,
            state,
            copies: replicas.iter().map(|_| None).collect(),
            replicas,
            slow_at_ms: now.ms + self.config.failover_ms,
            timeout_ms,
        };
        let id = self.insert(now, timeout_ms, Kind::Import(Box::new(import)));
        for (index, node) in nodes.into_iter().enumerate() {
            let body = RequestBody::Inspect { key: key.clone() };
            self.ask(now, node, token, id.of_replica(index), body, out);
        }
    }

    pub(super) fn import_answered(&mut self, now: Now, id: OperationId, body: ResponseBody, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Import(import) = &mut operation.kind else { return };
        let Some(replica) = import.replicas.get_mut(id.replica()) else { return };
        replica.state = match body {
            ResponseBody::Inspected { record, trust } => {
                import.copies[id.replica()] = Some(Copy { record, trust });
                State::Ok
            }
            ResponseBody::Failed(failure) => State::Failed(failure),
            _ => State::Failed(Failure::Datastore("unexpected answer".into())),
        };
        self.continue_import(now, id, out);
    }

    /// Those that have not answered are not waited for any longer.
    pub(super) fn import_slow(&mut self, now: Now, id: OperationId, out: &mut Out) {
        if let Some(Kind::Import(import)) = self.operations.find(id).map(|operation| &mut operation.kind) {
            import.slow_at_ms = u64::MAX;
            super::replicas::time_out(&mut import.replicas);
        }
        self.continue_import(now, id, out);
    }

    fn continue_import(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Import(import) = &mut operation.kind else { return };
        let step = import.next_step();
        if step == Step::Wait {
            return;
        }
        let Some(operation) = self.operations.remove(id) else { return };
        let Kind::Import(import) = operation.kind else { return };
        let racks = import.replicas.len() as u16;
        match step {
            Step::Drop => self.answer(import.requester, ResponseBody::Relayed { applied: racks, racks }, out),
            Step::Apply if self.is_sequenced_here(import.version) && import.is_known() => {
                self.answer(import.requester, ResponseBody::Relayed { applied: racks, racks }, out);
                self.outdo_other_dcs(now, &import.key, import.token, out);
            }
            Step::Apply => self.hand_out(now, *import, out),
            Step::TooFew | Step::Wait => {
                self.answer(import.requester, ResponseBody::Relayed { applied: 0, racks }, out);
            }
        }
    }

    /// Hands a state to every rack of this datacenter.
    fn hand_out(&mut self, now: Now, import: ImportOperation, out: &mut Out) {
        let ImportOperation { requester, key, token, version, state, timeout_ms, .. } = import;
        let replicas = self.local_replicas(token, &State::Asked);
        let nodes: SmallVec<[_; 3]> = replicas.iter().map(|replica| replica.node).collect();
        let relay = RelayOperation { requester, key: key.clone(), replicas };
        let id = self.insert(now, timeout_ms, Kind::Relay(relay));
        for (index, node) in nodes.into_iter().enumerate() {
            let body = RequestBody::Import { key: key.clone(), version, state: state.clone() };
            self.ask(now, node, token, id.of_replica(index), body, out);
        }
    }

    pub(super) fn is_sequenced_here(&self, version: Version) -> bool {
        version.is_sequenced() && self.ring.dc_of(version.node) == Some(self.place.dc)
    }

    /// Has the key's primary run a write that changes nothing, so that what it holds is later than all that other
    /// datacenters know (rule R20).
    pub(super) fn outdo_other_dcs(&mut self, now: Now, key: &[u8], token: Token, out: &mut Out) {
        if self.ring.dcs().len() == 1 {
            return;
        }
        let Some(row) = lookup(b"exists") else { return };
        let request = Request::from_args([b"EXISTS", key]);
        let call = Call { command: row, class: Class::Sequenced };
        let Some(command) = KeyRequest::new(call, request) else { return };
        let Some((_, node)) = self.sequencer(key, token, 0) else { return };
        let timeout_ms = self.config.request_timeout_ms;
        let body = self.sequence(command, Level::DcQuorum, false, timeout_ms);
        self.ask(now, node, token, OperationId::NOBODY, body, out);
    }
}

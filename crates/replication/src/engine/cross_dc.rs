//! Between datacenters: the forwarder's part for writes from elsewhere, and the export of what was sequenced here
//! (rules R17 to R19).

use bytes::Bytes;
use dynomite_ring::{NodeId, Token};
use smallvec::SmallVec;

use super::{Engine, Now, Out, Requester};
use crate::{
    HintTarget, Record, RequestBody, ResponseBody, Version,
    operation::{
        Kind, OperationId,
        export::{Export, ExportOperation, Phase},
        relay::RelayOperation,
        replicas::{self, State},
    },
};

/// How long reading a state for an export may take. The lane answers or breaks before that.
const READING_MS: u64 = 3_600_000;

impl Engine {
    /// Hands a write of another datacenter to every rack of this one. Without a timeout the sender does not wait.
    pub(super) fn relay(
        &mut self,
        now: Now,
        from: Requester,
        token: Token,
        timeout_ms: Option<u64>,
        part: impl Fn(&Self) -> RequestBody,
        out: &mut Out,
    ) {
        let replicas = self.local_replicas(token, &State::Asked);
        let nodes: SmallVec<[NodeId; 3]> = replicas.iter().map(|replica| replica.node).collect();
        let mut requester = from;
        if timeout_ms.is_none() {
            let racks = replicas.len() as u16;
            self.answer(from, ResponseBody::Relayed { applied: 0, racks }, out);
            requester = Requester::Nobody;
        }
        let key = Bytes::copy_from_slice(part(self).key());
        let timeout_ms = timeout_ms.unwrap_or_else(|| self.linger_ms());
        let id = self.insert(now, timeout_ms, Kind::Relay(RelayOperation { requester, key, replicas }));
        for (index, node) in nodes.iter().enumerate() {
            let body = part(self);
            self.ask(now, *node, token, id.of_replica(index), body, out);
        }
    }

    pub(super) fn continue_relay(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Relay(relay) = &mut operation.kind else { return };
        if relay.requester != Requester::Nobody
            && let Some(outcome) = relay.outcome()
        {
            let requester = std::mem::replace(&mut relay.requester, Requester::Nobody);
            self.note_known(now, id);
            self.answer(requester, outcome, out);
        }
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Relay(relay) = &operation.kind else { return };
        if relay.is_finished() {
            self.end_relay(now, id, out);
        }
    }

    pub(super) fn relay_overdue(&mut self, now: Now, id: OperationId, out: &mut Out) {
        if let Some(Kind::Relay(relay)) = self.operations.find(id).map(|operation| &mut operation.kind) {
            replicas::time_out(&mut relay.replicas);
        }
        self.end_relay(now, id, out);
    }

    fn end_relay(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.remove(id) else { return };
        let Kind::Relay(relay) = operation.kind else { return };
        self.answer(relay.requester, relay.count(), out);
        for replica in relay.replicas.iter().filter(|replica| matches!(replica.state, State::Failed(_))) {
            self.missed(now, replica.node, relay.key.clone());
        }
    }

    /// A majority of this datacenter has the sequenced write that left `record`: the others shall have it too (rule R18).
    pub(super) fn export_settled(
        &mut self,
        now: Now,
        key: Bytes,
        token: Token,
        record: Record,
        waits: Option<(OperationId, Version)>,
        out: &mut Out,
    ) {
        let export = self.exports.entry(key.clone()).or_insert_with(|| Export {
            token,
            phase: Phase::Idle,
            settled: record,
            waiting: Vec::new(),
        });
        export.settled = export.settled.max(record);
        export.waiting.extend(waits);
        self.advance_export(now, key, out);
    }

    /// The write that left `record` ended without a majority: a state that was read for it must not be sent. Other datacenters
    /// get a hint, as heals may bring it to a majority later.
    pub(super) fn export_unsettled(&mut self, now: Now, key: &Bytes, record: &Record) {
        for dc in self.ring.other_dcs(self.place.dc) {
            self.hints.note(now, HintTarget::Dc(dc), key);
        }
        let Some(export) = self.exports.get_mut(key) else { return };
        if matches!(&export.phase, Phase::Holding(held, _) if held == record) {
            // What settled before it is sent with the next write that settles.
            self.end_export(key);
        }
    }

    /// Takes the next step of a key's export, if there is one.
    fn advance_export(&mut self, now: Now, key: Bytes, out: &mut Out) {
        let Some(export) = self.exports.get_mut(&key) else { return };
        match &export.phase {
            Phase::Idle => self.read_for_export(now, key, out),
            Phase::Holding(record, _) if export.settled.includes(record) => self.ship(now, key, out),
            Phase::Holding(record, _) if export.settled.base > record.base => {
                export.phase = Phase::Idle;
                self.read_for_export(now, key, out);
            }
            Phase::Reading | Phase::Holding(..) | Phase::Shipping => {}
        }
    }

    fn read_for_export(&mut self, now: Now, key: Bytes, out: &mut Out) {
        let entry = self.records.of(&key);
        // Overwritten since: that write was sent to every datacenter by its coordinator.
        let is_overwritten =
            self.exports.get(&key).is_none_or(|export| export.settled.base != entry.record.base);
        if is_overwritten || !entry.trust.is_trusted() || self.lane_refusal(now).is_some() {
            return self.end_export(&key);
        }
        if let Some(export) = self.exports.get_mut(&key) {
            export.phase = Phase::Reading;
        }
        let token = self.ring.token(&key);
        let id = self.insert(now, READING_MS, Kind::ReadForExport(key.clone()));
        let body = RequestBody::Fetch { key, doubtful: false, whole: false };
        self.serve(now, Requester::Operation(id), token, body, out);
    }

    /// The state was read, or could not be.
    pub(super) fn export_read(&mut self, now: Now, id: OperationId, body: ResponseBody, out: &mut Out) {
        let Some(operation) = self.operations.remove(id) else { return };
        let Kind::ReadForExport(key) = operation.kind else { return };
        let Some(export) = self.exports.get_mut(&key) else { return };
        let Phase::Reading = export.phase else { return };
        let ResponseBody::State { record, state, .. } = body else { return self.end_export(&key) };
        export.phase = Phase::Holding(record, state);
        self.advance_export(now, key, out);
    }

    fn ship(&mut self, now: Now, key: Bytes, out: &mut Out) {
        let Some(export) = self.exports.get_mut(&key) else { return };
        let token = export.token;
        let (record, state) = match std::mem::replace(&mut export.phase, Phase::Idle) {
            Phase::Holding(record, state) => (record, state),
            other => {
                export.phase = other;
                return;
            }
        };
        export.phase = Phase::Shipping;
        self.stats.exports += 1;
        let state_bytes = state.len();
        let dcs = self.open_forwarders(now, token, state_bytes + key.len());
        let operation = ExportOperation { key: key.clone(), record, state_bytes, dcs: dcs.clone() };
        let timeout_ms = self.patience_ms(&state);
        let id = self.insert(now, timeout_ms, Kind::Export(Box::new(operation)));
        for (index, dc) in dcs.iter().enumerate() {
            let (key, state) = (key.clone(), state.clone());
            let body = RequestBody::RelayImport {
                key,
                version: record.last,
                state,
                again: false,
                timeout_ms: timeout_ms as u32,
            };
            self.ask_forwarder(now, dc, token, id.of_replica(index), body, out);
        }
    }

    pub(super) fn continue_export(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let is_finished = self
            .operations
            .find(id)
            .is_some_and(|operation| matches!(&operation.kind, Kind::Export(export) if export.is_finished()));
        if is_finished {
            self.export_overdue(now, id, out);
        }
    }

    /// The datacenters have answered, or their time is over: tell the writes that waited, and send what came since.
    pub(super) fn export_overdue(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.remove(id) else { return };
        let Kind::Export(mut shipped) = operation.kind else { return };
        for dc in &mut shipped.dcs {
            dc.time_out();
        }
        for dc in shipped.dcs.iter().filter(|dc| matches!(dc.state, State::Failed(_))) {
            self.missed_by_dc(now, dc.dc, shipped.key.clone());
        }
        let Some(export) = self.exports.get_mut(&shipped.key) else { return };
        export.phase = Phase::Idle;
        let is_behind = export.settled > shipped.record;
        let (told, waiting) = export.waiting.drain(..).partition(|(_, last)| *last <= shipped.record.last);
        export.waiting = waiting;
        self.tell_exported(now, told, &shipped, out);
        if is_behind {
            self.advance_export(now, shipped.key, out);
        } else {
            self.end_export(&shipped.key);
        }
    }

    fn tell_exported(
        &mut self,
        now: Now,
        told: Vec<(OperationId, Version)>,
        shipped: &ExportOperation,
        out: &mut Out,
    ) {
        for (id, _) in told {
            if let Some(Kind::Run(run)) = self.operations.find(id).map(|operation| &mut operation.kind) {
                run.dcs.clone_from(&shipped.dcs);
                self.continue_run(now, id, out);
            }
        }
    }

    /// Forgets a key's export. Writes that still wait for it end at their deadline, with an unknown outcome.
    fn end_export(&mut self, key: &Bytes) {
        self.exports.remove(key);
    }
}

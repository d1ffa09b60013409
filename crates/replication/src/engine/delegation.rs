//! Overwrites that begin at another node than their primary.
//!
//! The primary stamps, because one clock then orders all overwrites of a key. At `DC_QUORUM` it need not gather what the
//! client's node brings itself: it answers with the version when enough others have executed the write, and the client's
//! node applies it to its own copy. That is one message out and one back for the client's node, and one for each other rack.

use bytes::Bytes;
use dynomite_ring::NodeId;

use super::{ClientCommand, Engine, Now, Out, Requester, overwriting::Overwrite};
use crate::{
    Failure, Level, RequestBody, ResponseBody, Stamper,
    operation::{
        Kind, OperationId,
        delegated::{DelegatedOverwrite, Stamp},
        replicas::State,
    },
};

impl Engine {
    /// Asks the primary to stamp and coordinate an overwrite.
    pub(super) fn delegate(&mut self, now: Now, primary: NodeId, command: ClientCommand, out: &mut Out) {
        let ClientCommand { token, level, .. } = command;
        let is_replica = self.is_replica(token);
        let applies_here = level == Level::DcQuorum && is_replica && self.lane_refusal(now).is_none();
        let timeout_ms = command.deadline_ms.saturating_sub(now.ms);
        let body = self.sequence(command.command.clone(), level, applies_here, timeout_ms);
        let delegated = DelegatedOverwrite {
            command,
            primary,
            stamp: None,
            is_given_up: false,
            waits_for_ring: false,
            has_ring_changed: false,
        };
        let delegated = self.operations.delegated.put(delegated);
        let id = self.insert(now, timeout_ms, Kind::Delegated(delegated));
        self.ask(now, primary, token, id, body, out);
    }

    /// The primary has answered, or will not; or the own datastore has executed what the primary stamped.
    pub(super) fn delegated_answered(
        &mut self,
        now: Now,
        id: OperationId,
        body: ResponseBody,
        out: &mut Out,
    ) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Delegated(delegated) = &mut operation.kind else { return };
        let token = delegated.command.token;
        match (&delegated.stamp, body) {
            (Some(stamp), ResponseBody::Applied { prior, reply }) => {
                let reply = match reply {
                    Some(reply) if prior >= stamp.prior => reply,
                    _ => stamp.reply.clone(),
                };
                self.end_delegated(id, reply, out);
            }
            // A later write of the same primary was here first. It began after this one, so nothing that was acknowledged
            // before this one began can be what it hides (rule R4).
            (Some(stamp), ResponseBody::Refused { record }) if record.base.node == stamp.version.node => {
                let reply = stamp.reply.clone();
                self.end_delegated(id, reply, out);
            }
            (Some(_), ResponseBody::Failed(failure)) => {
                self.complete_elsewhere(now, id, State::Failed(failure), out);
            }
            (Some(_), _) => self.complete_elsewhere(now, id, State::Newer, out),
            (None, ResponseBody::Stamped { version, .. }) if delegated.is_given_up => {
                let command = delegated.command.command.clone();
                self.operations.end(id);
                if !self.is_replica(token) {
                    return;
                }
                self.overwrite(now, Requester::Nobody, token, version, command, Stamper::Local, out);
            }
            (None, _) if delegated.is_given_up => self.operations.end(id),
            (None, ResponseBody::Stamped { version, prior, reply }) => {
                let slow_at_ms = now.ms + self.config.failover_ms;
                delegated.stamp = Some(Stamp { version, prior, reply, slow_at_ms });
                if delegated.has_ring_changed {
                    return self.complete_elsewhere(now, id, State::Idle, out);
                }
                let command = delegated.command.command.clone();
                self.overwrite(now, Requester::Operation(id), token, version, command, Stamper::Local, out);
            }
            (None, ResponseBody::Failed(Failure::RingChanged)) => delegated.waits_for_ring = true,
            (None, ResponseBody::Failed(failure)) if failure.not_run() => {
                let command = delegated.command.clone();
                self.operations.end(id);
                self.stats.primaries_bypassed += 1;
                self.overwrite_here(now, &command, out);
            }
            (None, body) => {
                let (requester, primary) = (Requester::Client(delegated.command.ticket), delegated.primary);
                let key = Bytes::copy_from_slice(delegated.command.command.key());
                self.operations.end(id);
                if matches!(body, ResponseBody::Failed(_)) {
                    // The primary may have told the version, and this copy will not hear of it.
                    self.heal_soon(key);
                }
                self.answer_or_explain(requester, primary, body, true, out);
            }
        }
    }

    fn end_delegated(&mut self, id: OperationId, reply: Bytes, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Delegated(delegated) = &operation.kind else { return };
        out.replies.push((delegated.command.ticket, reply));
        self.operations.end(id);
    }

    /// The own copy does not take what the primary stamped, or its answer does not count: the other racks are asked, which have
    /// it or get it now; the own one too, if its state is idle.
    pub(super) fn complete_elsewhere(&mut self, now: Now, id: OperationId, own: State, out: &mut Out) {
        let Some(operation) = self.operations.remove(id) else { return };
        let timeout_ms = operation.deadline_ms.saturating_sub(now.ms);
        let Kind::Delegated(mut delegated) = operation.kind else { return };
        let Some(Stamp { version, prior, reply, .. }) = delegated.stamp.take() else { return };
        let ClientCommand { ticket, ref command, token, level, .. } = delegated.command;
        let part = Overwrite {
            requester: Requester::Client(ticket),
            command,
            token,
            level,
            near: None,
            sender_applies: false,
            timeout_ms,
        };
        let mut replicas = self.local_replicas(token, &State::Idle);
        let first = (own == State::Idle).then_some(replicas[0].node);
        replicas[0].state = if first.is_some() { State::Asked } else { own };
        let mut overwrite = self.new_overwrite(now, &part, version, replicas);
        overwrite.replies.push((prior, reply));
        let overwrite = self.operations.overwrites.put(overwrite);
        let id = self.insert(now, timeout_ms, Kind::Overwrite(overwrite));
        if let Some(node) = first {
            let (command, stamper) = (command.clone(), Stamper::Local);
            let body = RequestBody::Overwrite { version, command, stamper };
            self.ask(now, node, token, id, body, out);
        }
        self.send_overwrite_to_racks(now, id, out);
        self.operations.delegated.give_back(delegated);
    }

    /// The client can wait no longer.
    pub(super) fn delegated_overdue(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        operation.deadline_ms = now.ms + self.config.request_timeout_ms;
        let Kind::Delegated(delegated) = &mut operation.kind else { return };
        if delegated.waits_for_ring {
            let (requester, primary) = (Requester::Client(delegated.command.ticket), delegated.primary);
            self.operations.end(id);
            let failed = ResponseBody::Failed(Failure::RingChanged);
            return self.answer_or_explain(requester, primary, failed, true, out);
        }
        let (is_stamped, was_given_up) = (delegated.stamp.is_some(), delegated.is_given_up);
        delegated.is_given_up = true;
        let silent = if is_stamped { self.config.node } else { delegated.primary };
        let requester = Requester::Client(delegated.command.ticket);
        if is_stamped || was_given_up {
            self.operations.end(id);
        }
        if !was_given_up {
            self.answer_or_explain(requester, silent, ResponseBody::Failed(Failure::Timeout), true, out);
        }
    }
}

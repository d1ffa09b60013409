//! What is under way when the ring changes.
//!
//! An answer counts if the node that gave it holds the key by the new ring too, or if all answers that count were given by the old one.
//! Where a request may still be sent, or sent again, an operation on what has moved begins anew: reads at once, overwrites
//! under the version that they have. What cannot be repeated ends, with an unknown outcome if it may have run.
//!
//! A node that is behind is refused by those that are not. What it has under way then waits until it has the ring too, or
//! its time is over.

use bytes::Bytes;
use dynomite_ring::Token;

use super::Moved;
use crate::{
    Failure, ResponseBody, Version,
    engine::{Engine, Now, Out, Requester, coordinator::Sequenced, overwriting::Overwrite},
    hints::Replay,
    operation::{
        Kind, Operation, OperationId,
        overwrite::OverwriteOperation,
        replicas::{self, State},
    },
};

/// When it is an operation's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// It brings something that others wait for, and ends first.
    Ends,
    BeginsAnew,
    /// A sequenced write of this version: they are forwarded in their order.
    GoesOn(Version),
}

impl Engine {
    /// Takes up by the new ring what was begun by the old one.
    pub(super) fn go_on_by_new_ring(&mut self, now: Now, moved: Option<Moved>, out: &mut Out) {
        let concerns = |token: Token| moved.is_some_and(|moved| moved.concerns(token));
        let ring = &self.ring;
        let all = self.operations.iter_mut();
        let turns = all.filter_map(|(id, operation)| {
            let is_concerned = operation.kind.token(|key| ring.token(key)).is_some_and(concerns);
            let turn = match operation.kind {
                Kind::Push(_) | Kind::Transfer(_) | Kind::ReadForExport(_) => Turn::Ends,
                Kind::Run(ref run) => Turn::GoesOn(run.record.last),
                _ => Turn::BeginsAnew,
            };
            (is_concerned || operation.kind.waits_for_ring()).then_some((turn, id))
        });
        let mut turns: Vec<(Turn, OperationId)> = turns.collect();
        turns.sort_by_key(|(turn, _)| *turn);
        self.refuse_transfers(now, moved, out);
        for (_, id) in turns {
            self.go_on(now, id, moved, out);
            self.take_own_answers(now, out);
        }
    }

    fn go_on(&mut self, now: Now, id: OperationId, moved: Option<Moved>, out: &mut Out) {
        let Some(operation) = self.operations.get(id) else { return };
        let changed = || ResponseBody::Failed(Failure::RingChanged);
        match &operation.kind {
            Kind::Read(_) => self.read_anew(now, id, out),
            Kind::Overwrite(_) => self.overwrite_anew(now, id, out),
            Kind::Run(_) => self.run_on(now, id, moved, out),
            Kind::Await(_) => self.ask_sequencer_anew(now, id, out),
            Kind::Delegated(_) => self.delegate_anew(now, id, out),
            Kind::Claim(_) => self.claim_by_new_ring(now, id, out),
            Kind::Heal(_) => self.heal_by_new_ring(now, id, out),
            Kind::Push(_) => self.push_answered(now, id, changed(), out),
            Kind::Transfer(_) => self.end_transfer(now, id, Some(Failure::RingChanged), out),
            Kind::ReadForExport(_) => self.export_read(now, id, changed(), out),
            Kind::ExportAgain(_) => self.end_export_again(now, id, false, out),
            Kind::Import(_) => self.give_import_up(id, out),
            Kind::Handoff(_) => self.end_handoff(now, id, Replay::Failed, out),
            Kind::Stray(_) => self.give_stray_up(now, id, out),
            // A forwarder has sent what it had to send; a question about whole buckets has ended; the rest rests on no seat.
            Kind::Relay(_) | Kind::Plain { .. } | Kind::Export(_) | Kind::Check(_) | Kind::Compare(_) => {}
        }
    }

    fn read_anew(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(Operation { began_ms, deadline_ms, kind: Kind::Read(mut read) }) =
            self.operations.remove(id)
        else {
            return;
        };
        let replicas = self.local_replicas(read.token, &State::Idle);
        read.begin_anew(replicas, now.ms + self.config.failover_ms);
        let id = self.operations.insert(Operation { began_ms, deadline_ms, kind: Kind::Read(read) });
        self.continue_read(now, id, out);
    }

    /// Sends an overwrite to those that hold its key now, under the version that it has. One whose requester was answered is left
    /// to those that got it: who gained the range has it from them.
    fn overwrite_anew(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(Kind::Overwrite(overwrite)) = self.operations.get(id).map(|operation| &operation.kind)
        else {
            return;
        };
        if overwrite.requester == Requester::Nobody {
            return;
        }
        if overwrite.tells_what_was_there() && !replicas::certainly_not_run(&overwrite.replicas) {
            // A replica that has deleted the key does not say once more whether it was there.
            return self.overwrite_failed(now, id, false, out);
        }
        let Some(operation) = self.operations.remove(id) else { return };
        let timeout_ms = operation.deadline_ms.saturating_sub(now.ms);
        let Kind::Overwrite(old) = operation.kind else { return };
        let OverwriteOperation { requester, version, stamper, ref command, token, level, .. } = *old;
        let part =
            Overwrite { requester, command, token, level, near: None, sender_applies: false, timeout_ms };
        let replicas = self.local_replicas(token, &State::Idle);
        self.begin_overwrite_of(now, &part, version, stamper, replicas, out);
        self.operations.overwrites.give_back(old);
    }

    /// Goes on with a sequenced write that this primary runs, unless it holds the key no more.
    fn run_on(&mut self, now: Now, id: OperationId, moved: Option<Moved>, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Run(run) = &mut operation.kind else { return };
        if let Some(moved) = moved.filter(|moved| moved.concerns(run.token)) {
            if moved.from == self.config.node {
                return self.run_moved_away(now, id, out);
            }
            for replica in run.replicas.iter_mut().filter(|replica| replica.rack == moved.rack) {
                replica.node = moved.to;
                if replica.state != State::Idle {
                    replica.state = State::Failed(Failure::NotOwner);
                }
            }
        }
        self.forward_again(now, id, out);
    }

    fn run_moved_away(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.remove(id) else { return };
        let Kind::Run(run) = operation.kind else { return };
        let failure = Failure::RingChanged;
        self.stats.quorum_failures += u64::from(run.requester != Requester::Nobody);
        let reply = self.explain(self.config.node, &failure, crate::texts::Outcome::Unknown);
        self.answer(run.requester, ResponseBody::Done { reply }, out);
        self.export_unsettled(now, &run.key, &run.record);
    }

    /// Asks for a sequenced write once more that everybody refused who was asked.
    fn ask_sequencer_anew(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Await(sent) = &mut operation.kind else { return };
        if std::mem::take(&mut sent.waits_for_ring) {
            sent.attempt = 0;
            self.ask_sequencer(now, id, Failure::Unreachable, out);
        }
    }

    fn delegate_anew(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Delegated(delegated) = &mut operation.kind else { return };
        if std::mem::take(&mut delegated.waits_for_ring) {
            let command = delegated.command.clone();
            self.operations.end(id);
            self.lead_overwrite(now, command, out);
        } else if delegated.stamp.is_some() {
            self.complete_elsewhere(now, id, State::Idle, out);
        } else {
            // What the primary counted need not be what this node would.
            delegated.has_ring_changed = true;
        }
    }

    /// Claims a key anew, or has others run what waits if it is theirs by now.
    fn claim_by_new_ring(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(Kind::Claim(claim)) = self.operations.find(id).map(|operation| &mut operation.kind) else {
            return;
        };
        if self.ring.replicas(claim.token).in_rack(self.place.rack) == self.place.index {
            return self.claim_at_once(now, id, out);
        }
        let waiting = std::mem::take(&mut claim.waiting);
        self.end_claim(now, id, Err(Failure::RingChanged), out);
        for write in waiting {
            self.pass_on(now, write, out);
        }
    }

    /// A write that has not run is another node's to run.
    fn pass_on(&mut self, now: Now, write: Sequenced, out: &mut Out) {
        let Sequenced { requester, command, token, level, deadline_ms, .. } = write;
        match requester {
            Requester::Client(ticket) => {
                let command = crate::ClientCommand { ticket, command, token, level, deadline_ms };
                self.begin_sequenced(now, command, out);
            }
            other => self.refuse_run(other, Failure::RingChanged, out),
        }
    }

    fn give_import_up(&mut self, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.remove(id) else { return };
        let Kind::Import(import) = operation.kind else { return };
        let racks = import.replicas.len() as u16;
        // It is sent again.
        self.answer(import.requester, ResponseBody::Relayed { applied: 0, racks }, out);
    }

    fn give_stray_up(&mut self, now: Now, id: OperationId, out: &mut Out) {
        if let Some(Kind::Stray(stray)) = self.operations.find(id).map(|operation| &mut operation.kind) {
            stray.copies.iter_mut().for_each(|copy| *copy = None);
        }
        self.end_stray(now, id, out);
    }

    /// Large states of what has moved that wait for their turn are not fetched.
    fn refuse_transfers(&mut self, now: Now, moved: Option<Moved>, out: &mut Out) {
        let Some(moved) = moved else { return };
        for requester in self.take_waiting_transfers(|token| moved.concerns(token)) {
            self.answer(requester, ResponseBody::Failed(Failure::RingChanged), out);
        }
        self.take_own_answers(now, out);
    }
}

impl Kind {
    /// The token of the key that it is about, if it is about one.
    fn token(&self, token_of: impl Fn(&Bytes) -> Token) -> Option<Token> {
        Some(match self {
            Self::Read(read) => read.token,
            Self::Overwrite(overwrite) => overwrite.token,
            Self::Run(run) => run.token,
            Self::Await(sent) => sent.command.token,
            Self::Delegated(delegated) => delegated.command.token,
            Self::Claim(claim) => claim.token,
            Self::Heal(heal) => heal.token,
            Self::Push(push) => push.token,
            Self::Transfer(transfer) => transfer.wanted.token,
            Self::ReadForExport(key) => token_of(key),
            Self::ExportAgain(export) => export.token,
            Self::Import(import) => import.token,
            Self::Handoff(handoff) => handoff.token,
            Self::Stray(stray) => stray.token,
            Self::Check(check) => check.token,
            Self::Relay(relay) => token_of(&relay.key),
            Self::Export(export) => token_of(&export.key),
            Self::Plain { .. } | Self::Compare(_) => return None,
        })
    }

    /// Whether somebody has refused it for another ring, which may come here too.
    fn waits_for_ring(&self) -> bool {
        match self {
            Self::Read(read) => replicas::await_ring(&read.replicas),
            Self::Overwrite(overwrite) => replicas::await_ring(&overwrite.replicas),
            Self::Run(run) => replicas::await_ring(&run.replicas),
            Self::Await(sent) => sent.waits_for_ring,
            Self::Delegated(delegated) => delegated.waits_for_ring,
            _ => false,
        }
    }
}

//! A round that is given up before its end.

use crate::{
    engine::{Engine, Now, RepairPhase},
    operation::{
        Kind, OperationId,
        compare::{CompareOperation, Question},
    },
};

impl Engine {
    /// The ring has changed: the round that is under way begins anew.
    pub(in crate::engine) fn restart_repair(&mut self, now: Now) {
        let request = self.repair.round.as_ref().map(|round| round.request.clone());
        self.stop_repair();
        if let Some(request) = request {
            // There is none now.
            let _ = self.start_repair(now, request);
        }
    }

    /// Ends the round that is under way. What it has found is not healed any more, but for heals that have begun; what it would
    /// have settled is for the next round. Whether there was one. Looks at all operations.
    pub fn stop_repair(&mut self) -> bool {
        if self.repair.round.take().is_none() {
            return false;
        }
        self.repair.status.phase = RepairPhase::Idle;
        // A later round must not take their answers for its own.
        let asked: Vec<OperationId> = self
            .operations
            .iter_mut()
            .filter(|(_, operation)| is_of_round(&operation.kind))
            .map(|(id, _)| id)
            .collect();
        for id in asked {
            self.operations.end(id);
        }
        true
    }
}

/// Whether a round waits for the answer, and nobody else.
fn is_of_round(kind: &Kind) -> bool {
    let CompareOperation { question, .. } = match kind {
        Kind::Compare(operation) => &**operation,
        Kind::Check(_) => return true,
        _ => return false,
    };
    match question {
        Question::Digests { .. } | Question::Differences { .. } | Question::Settle { .. } => true,
        Question::Keys { .. } | Question::Export => false,
    }
}

//! A worker's part in a repair that an operator asked for.

use dynomite_replication::{RepairPhase, RepairRequest, RepairStatus};

use super::Core;
use crate::repairs::{RepairOrder, Standing};

impl Core {
    /// Takes an operator's order.
    pub(super) fn follow(&mut self, order: &RepairOrder) {
        match order {
            RepairOrder::Start { number, .. } if !self.shared.repairs.is_wanted(*number) => {
                let nothing = RepairStatus::default();
                self.shared.repairs.note(*number, self.index, Standing::Stopped, nothing);
            }
            RepairOrder::Start { number, request } => {
                let now = self.now();
                // A comparison that the engine began by itself does not keep an operator waiting.
                self.engine.stop_repair();
                self.repair = Some(*number);
                // There is none now, so it begins.
                let _ = self.engine.start_repair(now, RepairRequest::clone(request));
                self.tell_repair();
            }
            RepairOrder::Stop { number } if self.repair == Some(*number) => {
                self.engine.stop_repair();
                self.repair = None;
                self.shared.repairs.note(*number, self.index, Standing::Stopped, self.engine.repair_status());
            }
            RepairOrder::Stop { .. } => {}
        }
    }

    /// Says how far the repair is, if there is one.
    pub(super) fn tell_repair(&self) {
        if let Some(number) = self.repair {
            let status = self.engine.repair_status();
            self.shared.repairs.note(number, self.index, Standing::Working, status);
        }
    }

    /// Says that the repair has ended, if so; once in a turn, before another comparison can begin.
    pub(super) fn end_repair(&mut self) {
        let Some(number) = self.repair else { return };
        let status = self.engine.repair_status();
        if status.phase == RepairPhase::Idle {
            self.repair = None;
            self.shared.repairs.note(number, self.index, Standing::Done, status);
        }
    }
}

//! Whom an operation waits for, and until when.

use dynomite_ring::NodeId;

use crate::operation::{
    Kind,
    export::AgainPhase,
    replicas::{Replica, State},
};

impl Kind {
    /// When something should have been heard of it, short of its deadline.
    pub(super) fn slow_at_ms(&self) -> Option<u64> {
        match self {
            Self::Read(read) => Some(read.failover_at_ms),
            Self::Overwrite(overwrite) => overwrite.slow_at_ms(),
            Self::Run(run) => run.slow_at_ms(),
            Self::Delegated(delegated) => delegated.slow_at_ms(),
            Self::Heal(heal) => Some(heal.slow_at_ms),
            Self::ExportAgain(export) => Some(export.slow_at_ms),
            Self::Import(import) => Some(import.slow_at_ms),
            Self::Await(_)
            | Self::Plain { .. }
            | Self::Transfer(_)
            | Self::ReadForExport(_)
            | Self::Check(_)
            | Self::Relay(_)
            | Self::Push(_)
            | Self::Export(_)
            | Self::Handoff(_)
            | Self::Compare(_)
            | Self::Stray(_)
            | Self::Claim(_) => None,
        }
    }

    /// Calls `lost` with the number of each replica that was asked on `node` and has not answered.
    pub(super) fn asked_of(&self, node: NodeId, mut lost: impl FnMut(usize)) {
        let mut replicas = |replicas: &[Replica]| {
            for (index, replica) in replicas.iter().enumerate() {
                if replica.node == node && replica.state == State::Asked {
                    lost(index);
                }
            }
        };
        match self {
            Self::Read(read) => replicas(&read.replicas),
            Self::Relay(relay) => replicas(&relay.replicas),
            Self::Run(run) => replicas(&run.replicas),
            Self::Overwrite(overwrite) => {
                replicas(&overwrite.replicas);
                for (index, dc) in overwrite.dcs.iter().enumerate() {
                    if dc.node == Some(node) && dc.state == State::Asked {
                        lost(overwrite.replicas.len() + index);
                    }
                }
            }
            Self::Export(export) => {
                for (index, dc) in export.dcs.iter().enumerate() {
                    if dc.node == Some(node) && dc.state == State::Asked {
                        lost(index);
                    }
                }
            }
            Self::Plain { node: owner, .. } if *owner == node => lost(0),
            Self::Await(sent) if sent.node == node => lost(0),
            Self::Claim(claim) => replicas(&claim.replicas),
            Self::Heal(heal) => replicas(&heal.replicas),
            Self::Stray(stray) => replicas(&stray.replicas),
            Self::Import(import) => replicas(&import.replicas),
            Self::Check(check) => replicas(&check.replicas),
            Self::ExportAgain(export) if export.phase == AgainPhase::Sending(node) => lost(0),
            Self::ExportAgain(export) => replicas(&export.replicas),
            Self::Delegated(delegated) if delegated.stamp.is_none() && delegated.primary == node => lost(0),
            Self::Push(push) if push.node == node => lost(0),
            Self::Handoff(handoff) if handoff.waits_for(node) => lost(0),
            Self::Transfer(transfer) if transfer.waits_for(node) => lost(0),
            Self::Compare(question) if question.node == node => lost(0),
            Self::Plain { .. }
            | Self::Await(_)
            | Self::Delegated(_)
            | Self::Push(_)
            | Self::Handoff(_)
            | Self::Transfer(_)
            | Self::ReadForExport(_)
            | Self::Compare(_) => {}
        }
    }
}

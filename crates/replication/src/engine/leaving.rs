//! The end of a process: who may not have got what is still under way.

use bytes::Bytes;
use smallvec::SmallVec;

use super::{Engine, Now};
use crate::{
    HintTarget,
    operation::{
        Kind, Operation,
        replicas::{Replica, State},
    },
};

/// Whoever may have missed a write, with its key.
type Missed = Vec<(HintTarget, Bytes)>;

impl Engine {
    /// The process is about to end, and no answer will come to what is under way: notes a hint for each replica and datacenter that
    /// has not said that it got a write, and for the own node where a key was to be healed. To be called before the last
    /// [`Engine::seal_hints`] and [`Engine::seal_clean`]. Looks at every operation.
    pub fn handle_stop(&mut self, now: Now) {
        let own = HintTarget::Node(self.config.node);
        let others = self.ring.other_dcs(self.place.dc);
        let others: SmallVec<[HintTarget; 2]> = others.map(HintTarget::Dc).collect();
        let mut missed = Missed::new();
        for (_, operation) in self.operations.iter_mut() {
            operation.missed(own, &others, &mut missed);
        }
        let mut exported: Vec<&Bytes> = self.exports.keys().collect();
        exported.sort_unstable();
        for key in exported {
            missed.extend(others.iter().map(|dc| (*dc, key.clone())));
        }
        missed.extend(self.heal_queue.keys().map(|key| (own, key.clone())));
        for (target, key) in missed {
            match target {
                HintTarget::Node(node) => self.missed(now, node, key),
                HintTarget::Dc(dc) => self.missed_by_dc(now, dc, key),
            }
        }
    }
}

impl Operation {
    /// Who may have missed what this is about, if it is a write of this node's or is one that it has to hand on. A write of
    /// which it has yet to answer another node, that other node takes care of.
    fn missed(&self, own: HintTarget, others: &[HintTarget], missed: &mut Missed) {
        match &self.kind {
            Kind::Overwrite(overwrite) => {
                let key = Bytes::copy_from_slice(overwrite.command.key());
                let left = overwrite.left_to_requester.as_slice();
                by_replicas(&key, overwrite.replicas.iter().chain(left), missed);
                // Until it is spread it has no datacenters.
                match overwrite.is_spread {
                    true => {
                        let dcs = overwrite.dcs.iter().filter(|dc| dc.state != State::Ok);
                        missed.extend(dcs.map(|dc| (HintTarget::Dc(dc.dc), key.clone())));
                    }
                    false => missed.extend(others.iter().map(|dc| (*dc, key.clone()))),
                }
            }
            Kind::Run(run) => {
                by_replicas(&run.key, &run.replicas, missed);
                if !run.is_settled {
                    missed.extend(others.iter().map(|dc| (*dc, run.key.clone())));
                }
            }
            Kind::Relay(relay) => by_replicas(&relay.key, &relay.replicas, missed),
            Kind::Export(export) => {
                let dcs = export.dcs.iter().filter(|dc| dc.state != State::Ok);
                missed.extend(dcs.map(|dc| (HintTarget::Dc(dc.dc), export.key.clone())));
            }
            Kind::ExportAgain(export) => missed.push((HintTarget::Dc(export.dc), export.key.clone())),
            // The primary may count on this node to apply what it stamps.
            Kind::Delegated(delegated) => {
                missed.push((own, Bytes::copy_from_slice(delegated.command.command.key())));
            }
            Kind::Heal(heal) => missed.push((own, heal.key.clone())),
            Kind::Transfer(transfer) => missed.push((own, transfer.wanted.key.clone())),
            Kind::ReadForExport(key) => missed.extend(others.iter().map(|dc| (*dc, key.clone()))),
            // Of a push and a handoff the write and the hint tell; the rest changes nothing, or its sender waits for it.
            Kind::Push(_)
            | Kind::Handoff(_)
            | Kind::Plain { .. }
            | Kind::Read(_)
            | Kind::Await(_)
            | Kind::Import(_)
            | Kind::Claim(_)
            | Kind::Check(_)
            | Kind::Stray(_)
            | Kind::Compare(_) => {}
        }
    }
}

fn by_replicas<'a>(key: &Bytes, replicas: impl IntoIterator<Item = &'a Replica>, missed: &mut Missed) {
    let open = replicas.into_iter().filter(|replica| replica.state != State::Ok);
    missed.extend(open.map(|replica| (HintTarget::Node(replica.node), key.clone())));
}

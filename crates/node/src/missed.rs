//! What is kept for each node and datacenter that may miss writes, as the workers say it, for `INFO`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use dynomite_replication::{Engine, HintTarget, HintsFor};
use dynomite_ring::Ring;

/// One for each node of the own datacenter and each other datacenter.
#[derive(Debug)]
pub(crate) struct Missed {
    worker_count: usize,
    targets: RwLock<Vec<Target>>,
}

/// By name: another ring may number datacenters otherwise.
#[derive(Debug)]
struct Target {
    /// How `INFO` calls it.
    name: String,
    /// What each worker has said last.
    workers: Vec<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    hints: AtomicU64,
    bytes: AtomicU64,
    buckets_needing_repair: AtomicU64,
}

impl Missed {
    /// Nothing is missed. `own` is the own datacenter.
    pub(crate) fn new(ring: &Ring, own: &str, worker_count: usize) -> Self {
        let missed = Self { worker_count, targets: RwLock::default() };
        missed.learn(ring, own);
        missed
    }

    /// Has the nodes and datacenters of `ring`, and no others; `own` is the own datacenter.
    pub(crate) fn learn(&self, ring: &Ring, own: &str) {
        let nodes = ring.nodes().iter().filter(|node| node.dc == own).map(|node| node.name.clone());
        let others = ring.dcs().iter().filter(|dc| dc.name() != own).map(|dc| name_of_dc(dc.name()));
        let mut targets = self.targets.write().unwrap_or_else(PoisonError::into_inner);
        let mut known = std::mem::take(&mut *targets);
        for name in nodes.chain(others) {
            let target = match known.iter().position(|target| target.name == name) {
                Some(at) => known.swap_remove(at),
                None => Target { name, workers: (0..self.worker_count).map(|_| Kept::default()).collect() },
            };
            targets.push(target);
        }
    }

    /// Takes what a worker's engine keeps.
    pub(crate) fn note(&self, worker: usize, engine: &Engine) {
        let targets = self.targets.read().unwrap_or_else(PoisonError::into_inner);
        let ring = engine.ring();
        for HintsFor { target, hints, bytes, buckets_needing_repair, .. } in engine.hint_targets() {
            let of_dc;
            let name = match target {
                HintTarget::Node(node) => ring.index_of(node).map(|index| &*ring.node(index).name),
                HintTarget::Dc(dc) => {
                    of_dc = name_of_dc(ring.dc(dc).name());
                    Some(&*of_dc)
                }
            };
            let Some(known) = targets.iter().find(|known| Some(&*known.name) == name) else { continue };
            let kept = &known.workers[worker];
            kept.hints.store(hints, Ordering::Relaxed);
            kept.bytes.store(bytes, Ordering::Relaxed);
            kept.buckets_needing_repair.store(buckets_needing_repair, Ordering::Relaxed);
        }
    }

    /// Name and value of a line for each.
    pub(crate) fn lines(&self) -> Vec<(String, String)> {
        let targets = self.targets.read().unwrap_or_else(PoisonError::into_inner);
        let line = |target: &Target| {
            let sum = |of: fn(&Kept) -> &AtomicU64| -> u64 {
                target.workers.iter().map(|kept| of(kept).load(Ordering::Relaxed)).sum()
            };
            let value = format!(
                "keys={},bytes={},buckets_needing_repair={}",
                sum(|kept| &kept.hints),
                sum(|kept| &kept.bytes),
                sum(|kept| &kept.buckets_needing_repair)
            );
            (format!("hints_for_{}", target.name), value)
        };
        targets.iter().map(line).collect()
    }
}

fn name_of_dc(name: &str) -> String {
    format!("datacenter_{name}")
}

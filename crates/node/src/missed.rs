//! What is kept for each node and datacenter that may miss writes, as the workers say it, for `INFO`.

use std::sync::atomic::{AtomicU64, Ordering};

use dynomite_replication::{Engine, HintTarget, HintsFor};
use dynomite_ring::Ring;

/// One for each node of the own datacenter and each other datacenter.
#[derive(Debug)]
pub(crate) struct Missed {
    targets: Vec<Target>,
}

#[derive(Debug)]
struct Target {
    target: HintTarget,
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
        let nodes = ring.nodes().iter().filter(|node| node.dc == own);
        let nodes = nodes.map(|node| (HintTarget::Node(node.id), node.name.clone()));
        let others = ring.dcs().iter().filter(|dc| dc.name() != own);
        let others = others.map(|dc| (HintTarget::Dc(dc.index()), format!("datacenter_{}", dc.name())));
        let workers = || (0..worker_count).map(|_| Kept::default()).collect();
        let targets = nodes.chain(others).map(|(target, name)| Target { target, name, workers: workers() });
        Self { targets: targets.collect() }
    }

    /// Takes what a worker's engine keeps.
    pub(crate) fn note(&self, worker: usize, engine: &Engine) {
        for HintsFor { target, hints, bytes, buckets_needing_repair, .. } in engine.hint_targets() {
            let Some(known) = self.targets.iter().find(|known| known.target == target) else { continue };
            let kept = &known.workers[worker];
            kept.hints.store(hints, Ordering::Relaxed);
            kept.bytes.store(bytes, Ordering::Relaxed);
            kept.buckets_needing_repair.store(buckets_needing_repair, Ordering::Relaxed);
        }
    }

    /// Name and value of a line for each.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (String, String)> {
        self.targets.iter().map(|target| {
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
        })
    }
}

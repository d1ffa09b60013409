//! What operators allow to be sent to other datacenters, and what the workers say is on its way there.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use dynomite_replication::{DcFlow, DcStatus, Engine, Now};
use dynomite_ring::Ring;
use serde_json::{Value, json};

/// One for each datacenter of the ring, the own one too, which nothing is sent to. By name: another ring may number them otherwise.
#[derive(Debug)]
pub(crate) struct Flows {
    worker_count: usize,
    dcs: RwLock<Vec<Arc<Flow>>>,
}

#[derive(Debug)]
struct Flow {
    name: String,
    is_paused: AtomicBool,
    /// Of the whole node; 0 is without a limit.
    bytes_per_s: AtomicU64,
    /// What each worker has said last.
    workers: Vec<OnTheWay>,
}

#[derive(Debug, Default)]
struct OnTheWay {
    in_flight: AtomicU64,
    bytes: AtomicU64,
    waiting: AtomicU64,
    buckets_needing_repair: AtomicU64,
    lag_ms: AtomicU64,
}

impl Flows {
    /// Nothing is held back.
    pub(crate) fn new(ring: &Ring, worker_count: usize) -> Self {
        let flows = Self { worker_count, dcs: RwLock::default() };
        flows.learn(ring);
        flows
    }

    /// Takes in the datacenters of a ring that are new.
    pub(crate) fn learn(&self, ring: &Ring) {
        let mut dcs = self.dcs.write().unwrap_or_else(PoisonError::into_inner);
        for name in ring.dcs().iter().map(dynomite_ring::Dc::name) {
            if !dcs.iter().any(|flow| flow.name == name) {
                dcs.push(Arc::new(Flow::to(name, self.worker_count)));
            }
        }
    }

    fn find(&self, name: &str) -> Option<Arc<Flow>> {
        let dcs = self.dcs.read().unwrap_or_else(PoisonError::into_inner);
        dcs.iter().find(|flow| flow.name == name).cloned()
    }

    /// Sends nothing to a datacenter, or something again.
    pub(crate) fn pause(&self, dc: &str, is_paused: bool) {
        if let Some(flow) = self.find(dc) {
            flow.is_paused.store(is_paused, Ordering::Relaxed);
        }
    }

    /// Sends at most so many bytes in each second to a datacenter.
    pub(crate) fn limit(&self, dc: &str, bytes_per_s: Option<u64>) {
        if let Some(flow) = self.find(dc) {
            flow.bytes_per_s.store(bytes_per_s.unwrap_or(0), Ordering::Relaxed);
        }
    }

    /// Tells a worker's engine what is allowed, and takes what it says. Looks at all of its operations.
    pub(crate) fn exchange(&self, worker: usize, engine: &mut Engine, now: Now) {
        let ring = Arc::clone(engine.ring());
        if ring.dcs().len() == 1 {
            return;
        }
        for dc in ring.dcs() {
            let Some(flow) = self.find(dc.name()) else { continue };
            let limit = flow.bytes_per_s.load(Ordering::Relaxed);
            let bytes_per_s = (limit > 0).then(|| (limit / self.worker_count as u64).max(1));
            let is_paused = flow.is_paused.load(Ordering::Relaxed);
            engine.set_flow(now, dc.index(), DcFlow { is_paused, bytes_per_s });
        }
        for status in engine.datacenters(now) {
            let DcStatus { dc, in_flight, in_flight_bytes, waiting, buckets_needing_repair, lag_ms } = status;
            let Some(flow) = self.find(ring.dc(dc).name()) else { continue };
            let shared = &flow.workers[worker];
            shared.in_flight.store(in_flight, Ordering::Relaxed);
            shared.bytes.store(in_flight_bytes, Ordering::Relaxed);
            shared.waiting.store(waiting, Ordering::Relaxed);
            shared.buckets_needing_repair.store(buckets_needing_repair, Ordering::Relaxed);
            shared.lag_ms.store(lag_ms, Ordering::Relaxed);
        }
    }

    /// The other datacenters, as JSON; `own` is left out.
    pub(crate) fn json(&self, own: &str) -> Value {
        let dcs = self.dcs.read().unwrap_or_else(PoisonError::into_inner);
        let others = dcs.iter().filter(|flow| flow.name != own);
        Value::Array(others.map(|flow| flow.json()).collect())
    }
}

impl Flow {
    fn to(name: &str, worker_count: usize) -> Self {
        Self {
            name: name.to_owned(),
            is_paused: AtomicBool::new(false),
            bytes_per_s: AtomicU64::new(0),
            workers: (0..worker_count).map(|_| OnTheWay::default()).collect(),
        }
    }

    fn json(&self) -> Value {
        let sum = |of: fn(&OnTheWay) -> &AtomicU64| -> u64 {
            self.workers.iter().map(|worker| of(worker).load(Ordering::Relaxed)).sum()
        };
        let lag_ms = self.workers.iter().map(|worker| worker.lag_ms.load(Ordering::Relaxed)).max();
        let limit = self.bytes_per_s.load(Ordering::Relaxed);
        json!({
            "name": self.name,
            "lag_ms": lag_ms,
            "in_flight": sum(|worker| &worker.in_flight),
            "in_flight_bytes": sum(|worker| &worker.bytes),
            "waiting_keys": sum(|worker| &worker.waiting),
            "buckets_needing_repair": sum(|worker| &worker.buckets_needing_repair),
            "paused": self.is_paused.load(Ordering::Relaxed),
            "bytes_per_s": (limit > 0).then_some(limit),
        })
    }
}

//! Repairs that operators ask for: each worker compares its part of the buckets, and says how far it is.
//!
//! There is one at a time. It takes the place of a comparison that a worker has begun by itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use dynomite_replication::{BUCKETS, Bucket, BucketSet, Mark, RepairPhase, RepairRequest, RepairStatus};
use dynomite_ring::{HashKind, Ring, SLOT_COUNT, Token};
use serde_json::{Value, json};

/// What a worker is told to do.
#[derive(Debug, Clone)]
pub(crate) enum RepairOrder {
    Start { number: u64, request: Arc<RepairRequest> },
    Stop { number: u64 },
}

/// How far a worker is with its part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It may not have heard of it yet.
    Ordered,
    Working,
    Done,
    Stopped,
}

/// The repair that was asked for last. Locked for moments, by operators' commands and a few times a second while there is one.
#[derive(Debug)]
pub(crate) struct Repairs {
    worker_count: usize,
    run: Mutex<Run>,
}

#[derive(Debug)]
struct Run {
    /// From 1 on; 0 when there was none yet.
    number: u64,
    began_at: Instant,
    request: Arc<RepairRequest>,
    is_to_stop: bool,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    standing: Standing,
    status: RepairStatus,
    /// When this was said.
    at: Instant,
}

impl Repairs {
    /// None was asked for.
    pub(crate) fn new(worker_count: usize) -> Self {
        let run = Run {
            number: 0,
            began_at: Instant::now(),
            request: Arc::default(),
            is_to_stop: false,
            parts: Vec::new(),
        };
        Self { worker_count, run: Mutex::new(run) }
    }

    /// Begins one, unless there is one: what is to be told to all workers.
    pub(crate) fn begin(&self, request: RepairRequest) -> Option<RepairOrder> {
        let mut run = self.run();
        if run.is_running() {
            return None;
        }
        let now = Instant::now();
        let part = Part { standing: Standing::Ordered, status: RepairStatus::default(), at: now };
        *run = Run {
            number: run.number + 1,
            began_at: now,
            request: Arc::new(request),
            is_to_stop: false,
            parts: vec![part; self.worker_count],
        };
        Some(RepairOrder::Start { number: run.number, request: Arc::clone(&run.request) })
    }

    /// Ends the one that is under way: what is to be told to all workers.
    pub(crate) fn stop(&self) -> Option<RepairOrder> {
        let mut run = self.run();
        if !run.is_running() {
            return None;
        }
        run.is_to_stop = true;
        Some(RepairOrder::Stop { number: run.number })
    }

    /// Whether an order to start is still to be followed: orders of two commands may overtake each other.
    pub(crate) fn is_wanted(&self, number: u64) -> bool {
        let run = self.run();
        run.number == number && !run.is_to_stop
    }

    /// A worker says how far it is.
    pub(crate) fn note(&self, number: u64, worker: usize, standing: Standing, status: RepairStatus) {
        let mut run = self.run();
        if run.number == number
            && let Some(part) = run.parts.get_mut(worker)
        {
            *part = Part { standing, status, at: Instant::now() };
        }
    }

    /// The sum of what all workers have said, as JSON. The shape is API: `dynoctl` and scripts read it.
    pub(crate) fn json(&self, node: &str) -> Value {
        let run = self.run();
        let sum = |of: fn(&RepairStatus) -> u64| run.parts.iter().map(|part| of(&part.status)).sum::<u64>();
        let is_over = |part: &&Part| matches!(part.standing, Standing::Done | Standing::Stopped);
        let said_at = run.parts.iter().map(|part| part.at).max();
        let ended_at = if run.is_running() { None } else { said_at };
        let marks = run.parts.iter().map(|part| part.status.mark).filter(|mark| *mark != Mark::default());
        let buckets = run.request.buckets.as_ref().map_or(BUCKETS, BucketSet::len);
        json!({
            "node": node,
            "repair": run.number,
            "state": run.state(),
            "phase": run.phase(),
            "preview": run.request.preview,
            "full": run.request.full,
            "buckets": buckets,
            "seconds": ended_at.unwrap_or_else(Instant::now).duration_since(run.began_at).as_secs_f64(),
            "workers": run.parts.len(),
            "workers_done": run.parts.iter().filter(is_over).count(),
            "compared_upto": marks.min().map(|mark| mark.0),
            "buckets_done": sum(|status| status.buckets_done),
            "buckets_total": sum(|status| status.buckets_total),
            "buckets_differing": sum(|status| status.buckets_differing),
            "buckets_settled": sum(|status| status.buckets_settled),
            "keys_compared": sum(|status| status.keys_compared),
            "keys_differing": sum(|status| status.keys_differing),
            "keys_healed": sum(|status| status.keys_healed),
            "keys_failed": sum(|status| status.keys_failed),
            // Workers miss the same nodes, for the most part.
            "peers_failed": run.parts.iter().map(|part| part.status.peers_failed).max().unwrap_or(0),
        })
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        // A worker that panics with it has written whole numbers at least, and the node ends.
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run {
    fn is_running(&self) -> bool {
        self.parts.iter().any(|part| matches!(part.standing, Standing::Ordered | Standing::Working))
    }

    fn state(&self) -> &'static str {
        match self.number {
            0 => "none",
            _ if self.is_running() => "running",
            _ if self.parts.iter().any(|part| part.standing == Standing::Stopped) => "stopped",
            _ => "done",
        }
    }

    /// What the worker does that is least far.
    fn phase(&self) -> &'static str {
        if !self.is_running() {
            return "idle";
        }
        let has = |phase| {
            self.parts.iter().any(|part| part.standing == Standing::Working && part.status.phase == phase)
        };
        if self.parts.iter().any(|part| part.standing == Standing::Ordered) || has(RepairPhase::Counting) {
            "counting"
        } else if has(RepairPhase::Comparing) {
            "comparing"
        } else {
            "settling"
        }
    }
}

/// The buckets that keys with tokens from `first` to `last` can be in: whole ones are compared.
pub(crate) fn buckets_of_tokens(ring: &Ring, first: u32, last: u32) -> BucketSet {
    let mut buckets = BucketSet::default();
    let is_between = |token: &Token| (first..=last).contains(&token.0);
    if ring.hasher().kind() == HashKind::RedisSlot {
        for token in (0..SLOT_COUNT).map(Token::from_slot).filter(is_between) {
            buckets.insert(Bucket::of(token));
        }
        return buckets;
    }
    // Tokens in sequence are spread so evenly that few more than there are buckets reach all of them.
    for token in (first..=last).map(Token) {
        buckets.insert(Bucket::of(token));
        if buckets.len() == BUCKETS {
            break;
        }
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(phase: RepairPhase, buckets_done: u64) -> RepairStatus {
        RepairStatus { phase, buckets_done, peers_failed: 1, ..RepairStatus::default() }
    }

    #[test]
    fn a_repair_is_over_when_every_worker_is() {
        let repairs = Repairs::new(2);
        assert_eq!(repairs.json("a")["state"], "none");
        assert!(repairs.stop().is_none());
        let Some(RepairOrder::Start { number, .. }) = repairs.begin(RepairRequest::default()) else {
            panic!("there is none yet")
        };
        assert!(repairs.begin(RepairRequest::default()).is_none(), "one at a time");
        repairs.note(number, 0, Standing::Done, status(RepairPhase::Idle, 5));
        assert_eq!(
            (&repairs.json("a")["state"], &repairs.json("a")["phase"]),
            (&json!("running"), &json!("counting"))
        );
        repairs.note(number, 1, Standing::Working, status(RepairPhase::Comparing, 2));
        assert_eq!(repairs.json("a")["phase"], "comparing");
        repairs.note(number, 1, Standing::Done, status(RepairPhase::Idle, 7));
        let json = repairs.json("a");
        assert_eq!((&json["state"], &json["phase"]), (&json!("done"), &json!("idle")));
        assert_eq!((&json["buckets_done"], &json["peers_failed"]), (&json!(12), &json!(1)));
        assert!(repairs.begin(RepairRequest::default()).is_some());
        repairs.note(number, 0, Standing::Done, status(RepairPhase::Idle, 99));
        assert_eq!(repairs.json("a")["buckets_done"], 0, "what is said of an earlier one counts no more");
    }

    #[test]
    fn a_start_that_a_stop_has_overtaken_is_not_followed() {
        let repairs = Repairs::new(1);
        let Some(RepairOrder::Start { number, .. }) = repairs.begin(RepairRequest::default()) else {
            panic!("there is none yet")
        };
        assert!(repairs.is_wanted(number) && !repairs.is_wanted(number + 1));
        assert!(repairs.stop().is_some());
        assert!(!repairs.is_wanted(number));
        repairs.note(number, 0, Standing::Stopped, RepairStatus::default());
        assert_eq!(repairs.json("a")["state"], "stopped");
    }
}

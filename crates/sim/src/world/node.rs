//! The life of a node: its process with the engines, and what outlives the process: disk, datastore and clock.
//!
//! Everything that begins, ends or resumes a life is here, and only here.

use std::{collections::BTreeMap, sync::Arc};

use dynomite_backend::{MemoryConfig, MemoryStore, PieceSizes, SyncStore};
use dynomite_codec::{Operation, Output, ReplyView, Request, STAGE_COUNT};
use dynomite_replication::{Engine, Now, Out, Recovery, Stats, StoreSeen};
use dynomite_ring::Ring;

use super::{World, clock::WallClock, disk::Disk, events::Event, lane::Lane};
use crate::{
    plan::{Loss, MS, Micros, Plan},
    random::Random,
};

pub(super) struct Node {
    number: usize,
    seed: u64,
    clock: WallClock,
    /// Counts the process's lives, from 1 on.
    pub(super) incarnation: u32,
    started_at: Micros,
    workers: Vec<Worker>,
    is_down: bool,
    /// Faults that hold the process.
    frozen_by: u32,
    /// Counts the times that it was frozen or thawed.
    pub(super) frozen_epoch: u32,
    deferred: Vec<Event>,
    pub(super) slow_us: Micros,
    pub(super) store: MemoryStore,
    /// What the datastore had when faults that set it back began.
    saves: BTreeMap<usize, MemoryStore>,
    piece_sizes: PieceSizes,
    /// Counts the datastore's lives.
    store_life: u64,
    /// The ring that it has, over restarts too.
    pub(super) ring: Arc<Ring>,
    /// Whether it is in the cluster: it has joined, and has not left.
    pub(super) is_member: bool,
    pub(super) store_frozen_by: u32,
    pub(super) store_down_by: u32,
    pub(super) store_slow_us: Micros,
    /// When it did not run, from and to.
    pub(super) absences: Vec<(Micros, Micros)>,
    absent_since: Option<Micros>,
    /// Whether it was seen with nothing in flight.
    pub(super) has_rested: bool,
    /// How often its workers were woken because they had asked for it.
    pub(super) wake_count: u64,
}

struct Worker {
    /// None while the process is down.
    engine: Option<Engine>,
    /// The last marker that the datastore has acknowledged, as far as the log tells.
    acknowledged: Option<u64>,
    lane: Lane,
    /// When the next timer fires.
    timer_at: Option<Micros>,
    /// The worker's record log.
    disk: Disk,
    /// Its hint log.
    hints: Disk,
}

impl Node {
    pub(super) fn new(plan: &Plan, number: usize, ring: &Arc<Ring>) -> Self {
        let mut node = Self {
            number,
            seed: plan.seed,
            clock: WallClock::new(plan.surroundings.skew_us[number], plan.surroundings.drift_ppm[number]),
            incarnation: 0,
            started_at: 0,
            workers: Vec::new(),
            is_down: true,
            frozen_by: 0,
            frozen_epoch: 0,
            deferred: Vec::new(),
            slow_us: 0,
            store: MemoryStore::new(0, MemoryConfig::default()),
            piece_sizes: plan.surroundings.piece_sizes,
            saves: BTreeMap::new(),
            store_life: 0,
            ring: Arc::clone(ring),
            is_member: plan.topology.is_first(number),
            store_frozen_by: 0,
            store_down_by: 0,
            store_slow_us: 0,
            absences: Vec::new(),
            absent_since: None,
            has_rested: false,
            wake_count: 0,
        };
        node.workers.resize_with(plan.topology.worker_count, || Worker {
            engine: None,
            acknowledged: None,
            lane: Lane::default(),
            timer_at: None,
            disk: Disk::default(),
            hints: Disk::default(),
        });
        node.empty_store();
        node
    }

    /// The present, as the node's clocks show it. To an engine, time 0 is before everything.
    pub(super) fn now(&self, now: Micros) -> Now {
        Now { ms: (now - self.started_at) / MS + 1, wall_us: self.clock.wall_us(now) }
    }

    pub(super) fn is_down(&self) -> bool {
        self.is_down
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.frozen_by > 0
    }

    pub(super) fn engine(&mut self, worker: usize) -> Option<&mut Engine> {
        self.workers[worker].engine.as_mut()
    }

    pub(super) fn lane(&mut self, worker: usize) -> &mut Lane {
        &mut self.workers[worker].lane
    }

    pub(super) fn worker_count(&self) -> usize {
        self.workers.len()
    }

    /// What its engines count; `None` while it is down.
    pub(super) fn stats(&self) -> Option<Stats> {
        let mut all = Stats::default();
        for worker in &self.workers {
            all.add(&worker.engine.as_ref()?.stats());
        }
        Some(all)
    }

    /// Notes whether nothing is in flight now; whether that was so at one time.
    pub(super) fn note_rest(&mut self) -> bool {
        let rests = |stats: Stats| stats.operations_in_flight == 0 && stats.lane_in_flight == 0;
        self.has_rested |= self.stats().is_none_or(rests);
        self.has_rested
    }

    /// The most operations that were ever on one of its lanes.
    pub(super) fn lane_peak(&self) -> usize {
        self.workers.iter().map(|worker| worker.lane.owed_peak()).max().unwrap_or(0)
    }

    /// What is to happen when the process runs again.
    pub(super) fn defer(&mut self, event: Event) {
        self.deferred.push(event);
    }

    /// Writes what the engine has for its log. Comes before what the same event sent to the lane, to clients and to
    /// other nodes.
    pub(super) fn seal(&mut self, worker: usize, now: Micros) {
        let Worker { engine: Some(engine), disk, hints, .. } = &mut self.workers[worker] else { return };
        let mut frames = Vec::new();
        if engine.seal_log(&mut frames).is_some() {
            disk.append(now, &frames, engine.log_floor());
        }
        frames.clear();
        if engine.seal_hints(&mut frames).is_some() {
            hints.append(now, &frames, engine.hints_floor());
        }
        self.workers[worker].acknowledged = engine.acknowledged_marker();
    }

    /// What the datastore tells of itself to a worker that connects: its life, and the worker's marker.
    fn seen(&mut self, worker: usize, now: Micros) -> (String, Option<u64>) {
        let get = Operation::Command(Request::from_args([&b"GET"[..], &super::marker_key(worker)]));
        let Output::Reply(reply) = self.run(worker, &get, now) else {
            return (self.store_life.to_string(), None);
        };
        let marker = match ReplyView::parse(&reply) {
            Some(ReplyView::Bulk(digits)) => {
                str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok())
            }
            _ => None,
        };
        (self.store_life.to_string(), marker)
    }

    /// A timer has fired, perhaps late because the process stood still. Whether it is this life's, and the one that counts: an
    /// earlier one may have been armed since.
    pub(super) fn disarm(&mut self, worker: usize, incarnation: u32, now: Micros) -> bool {
        let is_alive = self.incarnation == incarnation && !self.is_down;
        let is_due = is_alive && self.workers[worker].timer_at.is_some_and(|at| at <= now);
        if is_due {
            self.workers[worker].timer_at = None;
            self.wake_count += 1;
        }
        is_due
    }

    /// When the engine wants to hear of time again, unless that is known.
    pub(super) fn arm(&mut self, worker: usize, now: Micros) -> Option<Micros> {
        let started_at = self.started_at;
        let worker = &mut self.workers[worker];
        let at_ms = worker.engine.as_ref()?.next_deadline()?;
        // Deadlines are seen one millisecond after they begin at the latest.
        let at = (started_at + at_ms.saturating_sub(1) * MS).max(now + 1);
        if worker.timer_at.is_some_and(|earlier| earlier <= at) {
            return None;
        }
        worker.timer_at = Some(at);
        Some(at)
    }

    /// Runs an operation of a worker on the datastore, which all workers share.
    pub(super) fn run(&mut self, worker: usize, operation: &Operation, now: Micros) -> Output {
        let wall_ms = self.clock.wall_us(now) / 1000;
        let mut operation = operation.clone();
        if let Operation::StagePiece { stage, .. }
        | Operation::ClearStage { stage }
        | Operation::InstallStage { stage, .. } = &mut operation
        {
            *stage += first_stage(worker);
        }
        self.store.run(wall_ms, &operation, &mut bytes::BytesMut::new())
    }

    /// A worker has a new connection: its stages are empty.
    fn clear_stages(&mut self, worker: usize, now: Micros) {
        for stage in 0..STAGE_COUNT {
            self.run(worker, &Operation::ClearStage { stage }, now);
        }
    }

    pub(super) fn step_clock(&mut self, by_us: i64) {
        self.clock.step(by_us);
    }

    /// The datastore is a new process.
    pub(super) fn begin_store_life(&mut self) {
        self.store_life += 1;
    }

    /// The datastore saves all that it has.
    pub(super) fn save_store(&mut self, fault: usize) {
        self.saves.insert(fault, self.store.clone());
    }

    /// The datastore begins anew with what it saved then, if every worker will see whether something is missing; whether it does.
    pub(super) fn load_store(&mut self, fault: usize, now: Micros) -> bool {
        self.begin_store_life();
        let Some(saved) = self.saves.remove(&fault) else { return false };
        let present = std::mem::replace(&mut self.store, saved);
        let is_seen = (0..self.workers.len()).all(|worker| {
            let (_, marker) = self.seen(worker, now);
            let Worker { engine, acknowledged, .. } = &self.workers[worker];
            *acknowledged > marker
                || (*acknowledged == marker && engine.as_ref().is_some_and(Engine::is_all_marked))
        });
        if !is_seen {
            self.store = present;
        }
        is_seen
    }

    /// The datastore begins anew, without data.
    pub(super) fn empty_store(&mut self) {
        self.begin_store_life();
        let seed = self.seed ^ (self.number as u64) << 32 ^ self.store_life;
        let store = MemoryStore::new(Random::new(seed).draw(), MemoryConfig::default());
        self.store = store.with_pieces(self.piece_sizes, self.workers.len());
    }

    fn is_absent(&self) -> bool {
        self.is_down || self.is_frozen()
    }

    fn note_absence(&mut self, now: Micros) {
        match (self.is_absent(), self.absent_since) {
            (true, None) => self.absent_since = Some(now),
            (false, Some(since)) => {
                self.absent_since = None;
                self.absences.push((since, now));
            }
            _ => {}
        }
    }

    /// The process, which is dead, is not started again.
    pub(super) fn leave(&mut self, now: Micros) {
        self.is_member = false;
        self.absences.push((self.absent_since.unwrap_or(now), Micros::MAX));
    }

    /// The process dies.
    fn stop(&mut self, now: Micros, loss: Loss, random: &Random) {
        self.is_down = true;
        self.incarnation += 1;
        self.deferred.clear();
        for worker in &mut self.workers {
            worker.engine = None;
            worker.timer_at = None;
            match loss {
                Loss::Power => {
                    worker.disk.lose_power(random.clone());
                    worker.hints.lose_power(random.clone());
                    worker.acknowledged = None;
                }
                Loss::Log | Loss::LogAndStore => {
                    worker.disk.lose();
                    worker.hints.lose();
                    worker.acknowledged = None;
                }
                Loss::Nothing | Loss::Store => {}
            }
        }
        if matches!(loss, Loss::Store | Loss::LogAndStore | Loss::Power) {
            self.empty_store();
        }
        self.note_absence(now);
    }
}

impl World {
    /// A node's process starts, from what its disk has.
    pub(super) fn start_node(&mut self, node: usize) {
        self.start_node_with(node, None);
    }

    /// The same; what is known of the past is `recovery`, or what the disk tells.
    pub(super) fn start_node_with(&mut self, node: usize, recovery: Option<Recovery>) {
        let configs: Vec<_> =
            (0..self.plan.topology.worker_count).map(|worker| self.engine_config(node, worker)).collect();
        let state = &mut self.nodes[node];
        state.is_down = false;
        state.incarnation += 1;
        state.started_at = self.now;
        state.note_absence(self.now);
        let incarnation = state.incarnation;
        for (worker, config) in configs.into_iter().enumerate() {
            let mut engine = Engine::new(config, Arc::clone(&state.ring)).expect("the node is in the ring");
            let disk = &mut state.workers[worker].disk;
            let recovery = match recovery {
                Some(recovery) => recovery,
                None if disk.is_lost() => Recovery::LogLost,
                None => Recovery::Log,
            };
            for payload in disk.take_frames() {
                engine.recover_frame(&payload, |_| true).expect("a node reads what it wrote");
            }
            engine.finish_recovery(state.now(self.now), recovery);
            engine.keep_hint_log();
            let hints = &mut state.workers[worker].hints;
            if hints.is_lost() {
                engine.handle_hint_log_lost();
            }
            for payload in hints.take_frames() {
                engine.recover_hints_frame(&payload).expect("a node reads the hints that it wrote");
            }
            state.workers[worker].engine = Some(engine);
            self.events.push(self.now, Event::LaneOpens { node, worker, incarnation });
        }
        self.catch_up(node);
    }

    /// A worker's lane is connected to its datastore.
    pub(super) fn tell_lane_up(&mut self, node: usize, worker: usize) {
        self.nodes[node].clear_stages(worker, self.now);
        let (run_id, marker) = self.nodes[node].seen(worker, self.now);
        let seen = StoreSeen { run_id: &run_id, marker };
        self.feed(node, worker, |engine, now, out: &mut Out| engine.handle_lane_up(now, seen, out));
    }

    /// A node's process dies.
    pub(super) fn crash(&mut self, node: usize, loss: Loss) {
        let random = self.dice.of([QUESTION, node as u64, self.now]);
        if self.nodes[node].is_down() {
            return;
        }
        self.cut_lanes(node, random.clone().between(0, 100));
        self.nodes[node].stop(self.now, loss, &random);
        self.links_lose_process(node);
        self.clients_lose_node(node);
    }

    /// The dead process is started again.
    pub(super) fn restart(&mut self, node: usize) {
        if self.nodes[node].is_down() && self.nodes[node].is_member {
            self.start_node(node);
            self.dial_all_from(node);
        }
    }

    /// The process stands still.
    pub(super) fn freeze(&mut self, node: usize) {
        let state = &mut self.nodes[node];
        state.frozen_by += 1;
        state.note_absence(self.now);
        if state.frozen_by == 1 {
            state.frozen_epoch += 1;
            let epoch = state.frozen_epoch;
            self.expect_frozen_silence(node, epoch);
        }
    }

    /// The process goes on, with all that has come for it meanwhile.
    pub(super) fn thaw(&mut self, node: usize) {
        let state = &mut self.nodes[node];
        state.frozen_by -= 1;
        state.note_absence(self.now);
        if state.frozen_by == 0 {
            state.frozen_epoch += 1;
            for event in std::mem::take(&mut state.deferred) {
                self.events.push(self.now, event);
            }
        }
    }
}

/// The first of a worker's stages.
fn first_stage(worker: usize) -> u8 {
    worker as u8 * STAGE_COUNT
}

/// What dice are asked about.
const QUESTION: u64 = 20;

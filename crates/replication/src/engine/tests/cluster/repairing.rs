//! What tests of comparing, rebuilding and forgetting do to a cluster.

use std::collections::VecDeque;

use crate::hints::{Hints, Limits};

use super::{Cluster, Engine, Member, StoreSeen, WALL_MS};
use crate::{
    Bucket, Mark, Record, RepairPhase, RepairRequest, RepairStatus, RequestBody, Version,
    engine::Recovery,
    records::{Entry, RecordId},
};
use bytes::{Bytes, BytesMut};
use dynomite_backend::{MemoryConfig, MemoryStore, SyncStore};
use dynomite_codec::Request;

/// A round is over after this much time, however much it finds.
const ROUND_MS: u64 = 120_000;

impl Cluster {
    /// The same nodes, each with so many workers as `workers` says; each worker is a member.
    pub(in crate::engine::tests) fn with_workers(racks: &[usize]) -> Self {
        let mut cluster = Self::racks(&[racks.len()]);
        let ring = cluster.ring.clone();
        let mut members = Vec::new();
        for (member, workers) in cluster.members.drain(..).zip(racks) {
            for worker in 0..*workers {
                let mut config = member.config.clone();
                (config.worker, config.workers) = (worker, *workers);
                members.push(Member::of(config, &member.name, &ring));
            }
        }
        cluster.members = members;
        for a in 0..cluster.members.len() {
            for b in 0..cluster.members.len() {
                if cluster.members[a].id != cluster.members[b].id {
                    cluster.link_up(a, b);
                }
            }
        }
        cluster
    }

    /// The member that has `key`, of those that are workers of the same node as `member`.
    pub(in crate::engine::tests) fn worker_of(&self, member: usize, key: &str) -> usize {
        let bucket = Bucket::of(self.ring.token(key.as_bytes()));
        let has = |other: &Member| {
            other.id == self.members[member].id && bucket.worker(other.config.workers) == other.config.worker
        };
        self.members.iter().position(has).unwrap()
    }

    /// Changes the settings of every member; only before anything has happened.
    pub(in crate::engine::tests) fn configure(&mut self, change: impl Fn(&mut crate::EngineConfig)) {
        for member in &mut self.members {
            change(&mut member.config);
            change(&mut member.engine.config);
        }
    }

    /// From now on nobody has room for hints.
    pub(in crate::engine::tests) fn keep_no_hints(&mut self) {
        for member in &mut self.members {
            let limits = Limits { bytes_max: 0, window_ms: 1, handoff_max: 1 };
            let Engine { ring, place, config, .. } = &member.engine;
            let hints = Hints::new(limits, ring.clone(), place.dc, config.worker, config.workers);
            member.engine.hints = hints;
        }
    }

    /// Has a member compare its copies, to the end.
    pub(in crate::engine::tests) fn repair_with(
        &mut self,
        member: usize,
        request: RepairRequest,
    ) -> RepairStatus {
        let now = self.now(member);
        self.members[member].engine.start_repair(now, request).unwrap();
        let until_ms = self.now_ms + ROUND_MS;
        while self.members[member].engine.repair_status().phase != RepairPhase::Idle {
            assert!(self.now_ms < until_ms, "{:?}", self.members[member].engine.repair_status());
            self.advance(10);
        }
        self.members[member].engine.repair_status()
    }

    pub(in crate::engine::tests) fn repair(&mut self, member: usize) -> RepairStatus {
        self.repair_with(member, RepairRequest::default())
    }

    /// What was written so far is old enough to be compared, and the last censuses are over; then every member compares.
    pub(in crate::engine::tests) fn repair_all(&mut self) -> Vec<RepairStatus> {
        self.advance(20_000);
        (0..self.members.len()).map(|member| self.repair(member)).collect()
    }

    /// What a member knows of a key.
    pub(in crate::engine::tests) fn entry(&mut self, member: usize, key: &str) -> Entry {
        let token = self.ring.token(key.as_bytes());
        self.members[member].engine.look_up(key.as_bytes(), token).1
    }

    /// What each member knows of a key, without what was forgotten.
    pub(in crate::engine::tests) fn records_of(&mut self, key: &str) -> Vec<Record> {
        (0..self.members.len()).map(|member| self.entry(member, key).record).collect()
    }

    /// The records that each member keeps.
    pub(in crate::engine::tests) fn record_counts(&self) -> Vec<u64> {
        self.members.iter().map(|member| member.engine.stats().records).collect()
    }

    /// Puts a key's value and record at a member, as if it had been written there alone at `ms` of the test's time.
    pub(in crate::engine::tests) fn plant(&mut self, member: usize, key: &str, value: &str, ms: u64) {
        let version = Version { clock: (WALL_MS + ms) << 16, node: self.members[member].id };
        self.plant_version(member, key, value, version);
    }

    pub(in crate::engine::tests) fn plant_version(
        &mut self,
        member: usize,
        key: &str,
        value: &str,
        version: Version,
    ) {
        let state = &mut self.members[member];
        let request = Request::from_args(["SET", key, value]);
        state.store.execute(WALL_MS, &request, &mut BytesMut::new());
        let id = state.engine.records.find(key.as_bytes());
        let entry = Entry { record: Record::overwritten(version), ..state.engine.records.get(id) };
        state.engine.records.put(id, key.as_bytes(), entry);
    }

    /// A member's datastore comes back empty. Its records are kept.
    pub(in crate::engine::tests) fn lose_data(&mut self, member: usize) {
        self.break_lane(member);
        let state = &mut self.members[member];
        state.store = MemoryStore::new(7, MemoryConfig::default());
        // It is never the name of an earlier one.
        state.run_id.push('1');
        self.store_is_up(member, None);
    }

    /// A member claims a key that the primary cannot be asked about, and does nothing with it.
    pub(in crate::engine::tests) fn claim_without(&mut self, member: usize, primary: usize, key: &str) {
        self.link_down(member, primary);
        let (now, token) = (self.now(member), self.ring.token(key.as_bytes()));
        let key = Bytes::copy_from_slice(key.as_bytes());
        self.feed(member, |engine, out| {
            engine.claim_to_heal(now, key, token, out);
            engine.take_own_answers(now, out);
        });
        self.settle();
        self.link_up(member, primary);
    }

    /// A member's datastore ends, and comes back as it was long ago: before all that this process wrote, and with what
    /// `command` leaves of it.
    pub(in crate::engine::tests) fn set_back(&mut self, member: usize, command: &str) {
        self.break_lane(member);
        self.stored(member, command);
        let now = self.now(member);
        let seen = StoreSeen { run_id: "set back", marker: Some(0) };
        self.feed(member, |engine, out| engine.handle_lane_up(now, seen, out));
    }

    /// A member's datastore ends, and comes back with what is in it; its marker too.
    pub(in crate::engine::tests) fn start_store_anew(&mut self, member: usize, marker_key: &str) {
        self.break_lane(member);
        let marker = self.stored(member, &format!("GET {marker_key}"));
        let marker = marker.lines().nth(1).and_then(|number| number.parse().ok());
        self.members[member].run_id.push('1');
        self.store_is_up(member, marker);
    }

    /// A member's process is started anew, over the same datastore.
    pub(in crate::engine::tests) fn restart_with(&mut self, member: usize, recovery: Recovery) {
        self.break_lane(member);
        self.members[member].incarnation += 1;
        for other in 0..self.members.len() {
            self.links.remove(&(other, member));
            self.links.remove(&(member, other));
            if self.members[other].id != self.members[member].id && !self.members[other].is_frozen {
                self.link_down(other, member);
            }
        }
        let (now, ring) = (self.now(member), self.ring.clone());
        let state = &mut self.members[member];
        state.lane = VecDeque::new();
        let before = std::mem::replace(&mut state.engine, Engine::new(state.config.clone(), ring).unwrap());
        if recovery == Recovery::Log {
            let newest = before.clock.last();
            state.engine.records = before.records;
            state.engine.lane = before.lane;
            state.engine.clock.observe(now.wall_us, newest).unwrap();
        }
        state.engine.finish_recovery(now, recovery);
        state.is_frozen = false;
        self.store_is_up(member, None);
        for other in 0..self.members.len() {
            if self.members[other].id != self.members[member].id {
                self.link_up(member, other);
                self.link_up(other, member);
            }
        }
    }

    /// A member's node is started anew, with nothing left of what it had.
    pub(in crate::engine::tests) fn lose_all(&mut self, member: usize) {
        self.members[member].store = MemoryStore::new(7, MemoryConfig::default());
        self.restart_with(member, Recovery::LogLost);
    }

    /// How many of a member's buckets are lost.
    pub(in crate::engine::tests) fn lost(&self, member: usize) -> usize {
        self.members[member].engine.lost.buckets.len()
    }

    /// Nothing is known of what a restarted member may have promised.
    pub(in crate::engine::tests) fn promised(&self, member: usize) -> Version {
        self.members[member].engine.records.get(RecordId::NONE).promised
    }

    /// The mark up to which a member refuses overwrites.
    pub(in crate::engine::tests) fn floor(&self, member: usize) -> Mark {
        self.members[member].engine.floor
    }

    /// Waits until nothing is lost any more.
    pub(in crate::engine::tests) fn wait_for_rebuild(&mut self) {
        let until_ms = self.now_ms + ROUND_MS;
        while (0..self.members.len()).any(|member| self.members[member].engine.rebuild_due_ms().is_some()) {
            assert!(self.now_ms < until_ms, "copies stay lost");
            self.advance(10);
        }
    }

    /// Has a member heal a key.
    pub(in crate::engine::tests) fn heal(&mut self, member: usize, key: &str) {
        let (now, key) = (self.now(member), Bytes::copy_from_slice(key.as_bytes()));
        self.feed(member, |engine, out| {
            engine.heal(now, key, None, out);
            engine.take_own_answers(now, out);
        });
    }

    /// Whether a state is under way from one member to another.
    pub(in crate::engine::tests) fn has_push(&self, from: usize, to: usize) -> bool {
        let link = self.links.get(&(from, to));
        link.is_some_and(|link| {
            link.requests.iter().any(|request| matches!(request.body, RequestBody::Push { .. }))
        })
    }

    /// What a member has sent to another is lost, and it does not know.
    pub(in crate::engine::tests) fn drop_requests(&mut self, from: usize, to: usize) {
        if let Some(link) = self.links.get_mut(&(from, to)) {
            link.requests.clear();
        }
    }

    /// As [`Cluster::repair_all`], after rounds that are under way are over.
    pub(in crate::engine::tests) fn repair_idle(&mut self) -> Vec<RepairStatus> {
        let until_ms = self.now_ms + ROUND_MS;
        let is_idle = |member: &Member| member.engine.repair_status().phase == RepairPhase::Idle;
        while !self.members.iter().all(is_idle) {
            assert!(self.now_ms < until_ms, "a round does not end");
            self.advance(10);
        }
        self.repair_all()
    }

    /// Whether a member has lost copies.
    pub(in crate::engine::tests) fn is_rebuilding(&self, member: usize) -> bool {
        self.members[member].engine.rebuild_due_ms().is_some()
    }
}

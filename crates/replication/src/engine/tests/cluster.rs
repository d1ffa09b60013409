//! A cluster of engines whose links, lanes and clock the test holds in its hands. A member is a node of one worker, or one
//! worker of a node.

mod repairing;
mod ringing;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use dynomite_backend::{MemoryConfig, MemoryStore, SyncStore};
use dynomite_codec::{Operation as LaneOperation, Output, Request, STAGE_COUNT, classify};
use dynomite_ring::{DcIdx, HashKind, KeyHasher, Node, NodeId, Ring, Token};

use crate::{
    Bucket, ClientCommand, Engine, EngineConfig, KeyRequest, Level, Now, Origin, Out, RepairConfig,
    ReplicaRequest, ReplicaResponse, SequencingRules, StoreSeen, Ticket,
};

pub(super) const TIMEOUT_MS: u64 = 1000;
pub(super) const FAILOVER_MS: u64 = 100;
pub(super) const HINTS_BYTES_MAX: usize = 1 << 20;
/// From this size on states move in pieces.
pub(super) const LARGE_BYTES_MIN: u64 = 1 << 20;
pub(super) const HINT_WINDOW_MS: u64 = 3 * 3600 * 1000;

pub(super) struct Member {
    pub(super) name: String,
    pub(super) id: NodeId,
    config: EngineConfig,
    pub(super) engine: Engine,
    pub(super) store: MemoryStore,
    /// Names the datastore's present process.
    run_id: String,
    pub(super) lane: VecDeque<LaneOperation>,
    /// How often its datastore was asked for a key's expiry.
    pub(super) asked_for_expiry: usize,
    pub(super) lane_is_frozen: bool,
    pub(super) is_frozen: bool,
    /// How often its process was started anew: answers to what an earlier one asked reach nobody.
    pub(super) incarnation: u64,
    pub(super) clock_skew_ms: i64,
    /// The frames of its hint log that are needed, with their numbers.
    pub(super) hint_log: Vec<(u64, Vec<u8>)>,
}

#[derive(Debug, Default)]
struct Link {
    requests: VecDeque<ReplicaRequest>,
    responses: VecDeque<ReplicaResponse>,
}

pub(super) struct Cluster {
    pub(super) members: Vec<Member>,
    pub(super) ring: Arc<Ring>,
    /// Letters under way, by sender and receiver. Requests keep their order, and so do responses, but a response travels on
    /// the connection of its request, beside the requests of its sender.
    links: BTreeMap<(usize, usize), Link>,
    /// Links that deliver nothing for now.
    pub(super) held: BTreeSet<(usize, usize)>,
    /// Links that deliver no responses for now.
    pub(super) held_responses: BTreeSet<(usize, usize)>,
    pub(super) now_ms: u64,
    replies: BTreeMap<u64, Vec<Bytes>>,
    next_ticket: u64,
    /// What was done, in order: equal runs have equal logs.
    pub(super) log: Vec<String>,
    /// Messages that were delivered, and their bytes.
    pub(super) traffic: (u64, u64),
    /// Bytes of the longest of them.
    pub(super) longest: usize,
    /// How often a datastore was asked how large a state is.
    pub(super) measured: u64,
}

/// An origin is a member's number with that of its process.
const INCARNATION_SHIFT: u32 = 32;
const FIRST_RUN_ID: &str = "1";
const WALL_MS: u64 = 1_700_000_000_000;

impl Cluster {
    /// One node per rack.
    pub(super) fn racks(dcs: &[usize]) -> Self {
        Self::racks_with(dcs, &SequencingRules::default())
    }

    /// The same, with rules about who sequences which keys.
    pub(super) fn racks_with(dcs: &[usize], sequencing: &SequencingRules) -> Self {
        let mut nodes = Vec::new();
        for (dc, racks) in dcs.iter().enumerate() {
            for rack in 0..*racks {
                nodes.push((
                    format!("dc{dc}"),
                    format!("rack{rack}"),
                    format!("n{dc}{rack}"),
                    vec![Token(0)],
                ));
            }
        }
        Self::with_rules(nodes, sequencing)
    }

    pub(super) fn new(nodes: Vec<(String, String, String, Vec<Token>)>) -> Self {
        Self::with_rules(nodes, &SequencingRules::default())
    }

    fn with_rules(nodes: Vec<(String, String, String, Vec<Token>)>, sequencing: &SequencingRules) -> Self {
        let hasher = KeyHasher::new(HashKind::RedisSlot, None);
        let members: Vec<Node> = nodes
            .iter()
            .map(|(dc, rack, name, tokens)| Node {
                id: NodeId::from_name(name),
                name: name.clone(),
                dc: dc.clone(),
                rack: rack.clone(),
                tokens: tokens.clone(),
                client_address: String::new(),
                peer_address: String::new(),
            })
            .collect();
        let ring = Arc::new(Ring::build(hasher, 1, members).unwrap());
        let mut cluster = Self {
            members: nodes.iter().map(|(_, _, name, _)| Member::new(name, &ring, sequencing)).collect(),
            ring,
            links: BTreeMap::new(),
            held: BTreeSet::new(),
            held_responses: BTreeSet::new(),
            now_ms: 0,
            replies: BTreeMap::new(),
            next_ticket: 0,
            log: Vec::new(),
            traffic: (0, 0),
            longest: 0,
            measured: 0,
        };
        for a in 0..cluster.members.len() {
            for b in 0..cluster.members.len() {
                if cluster.members[a].id != cluster.members[b].id {
                    cluster.link_up(a, b);
                }
            }
        }
        cluster
    }

    pub(super) fn now(&self, member: usize) -> Now {
        let wall_ms = (WALL_MS + self.now_ms).wrapping_add_signed(self.members[member].clock_skew_ms);
        Now { ms: self.now_ms, wall_us: wall_ms * 1000 }
    }

    /// Gives a client's command to a node and lets nothing else happen yet.
    pub(super) fn submit(&mut self, member: usize, line: &str, level: Level) -> u64 {
        let request = Request::from_args(line.split(' ').collect::<Vec<_>>());
        let call = classify(&request).unwrap();
        let command = KeyRequest::new(call, request).unwrap();
        let token = self.ring.token(command.key());
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        let now = self.now(member);
        let deadline_ms = now.ms + TIMEOUT_MS;
        let command = ClientCommand { ticket, command, token, level, deadline_ms };
        self.feed(member, |engine, out| engine.handle_command(now, command, out));
        ticket.0
    }

    /// Runs a command to its end, the clock standing still unless it must go on.
    pub(super) fn run(&mut self, member: usize, line: &str, level: Level) -> String {
        let ticket = self.submit(member, line, level);
        self.settle();
        while self.reply(ticket).is_none() {
            self.advance(10);
        }
        self.reply(ticket).unwrap()
    }

    /// The reply to a command, once there is one.
    pub(super) fn reply(&self, ticket: u64) -> Option<String> {
        let replies = self.replies.get(&ticket)?;
        assert_eq!(replies.len(), 1, "one reply for ticket {ticket}: {replies:?}");
        Some(String::from_utf8_lossy(&replies[0]).into_owned())
    }

    /// Delivers letters and runs lanes until nothing moves.
    pub(super) fn settle(&mut self) {
        let mut first = |ready: &[Event]| usize::from(ready.is_empty());
        while self.step(&mut first) {}
    }

    /// Lets one of the things happen that can happen now; `choose` picks which.
    pub(super) fn step(&mut self, choose: &mut impl FnMut(&[Event]) -> usize) -> bool {
        let mut ready = Vec::new();
        for (&(from, to), link) in &self.links {
            if self.held.contains(&(from, to)) || self.members[to].is_frozen {
                continue;
            }
            if !link.requests.is_empty() {
                ready.push(Event::Deliver(from, to));
            }
            if !link.responses.is_empty() && !self.held_responses.contains(&(from, to)) {
                ready.push(Event::Answer(from, to));
            }
        }
        ready.extend(
            (0..self.members.len())
                .filter(|&m| !self.members[m].lane.is_empty())
                .filter(|&m| !self.members[m].lane_is_frozen && !self.members[m].is_frozen)
                .map(Event::Lane),
        );
        let Some(&event) = ready.get(choose(&ready)) else { return false };
        self.log.push(format!("{event:?}"));
        match event {
            Event::Deliver(from, to) => self.deliver_request(from, to),
            Event::Answer(from, to) => self.deliver_response(from, to),
            Event::Lane(member) => self.run_lane(member),
        }
        true
    }

    /// Time passes, in steps that let every deadline be seen.
    pub(super) fn advance(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(10) {
            self.now_ms += 10;
            for member in 0..self.members.len() {
                if !self.members[member].is_frozen {
                    let now = self.now(member);
                    self.feed(member, |engine, out| engine.handle_timeout(now, out));
                }
            }
            self.settle();
        }
    }

    /// Time passes, and nothing arrives meanwhile.
    pub(super) fn pass_without_delivery(&mut self, ms: u64) {
        self.now_ms += ms;
        for member in 0..self.members.len() {
            let now = self.now(member);
            self.feed(member, |engine, out| engine.handle_timeout(now, out));
        }
    }

    /// A node is called because time passes.
    pub(super) fn wake(&mut self, member: usize) {
        let now = self.now(member);
        if !self.members[member].is_frozen {
            self.feed(member, |engine, out| engine.handle_timeout(now, out));
        }
    }

    /// Time passes, and nodes are called when they want to be; how often that was.
    pub(super) fn sleep(&mut self, ms: u64) -> usize {
        let until_ms = self.now_ms + ms;
        for wakings in 0.. {
            let awake = (0..self.members.len()).filter(|&member| !self.members[member].is_frozen);
            let wanted =
                awake.filter_map(|member| Some((self.members[member].engine.next_deadline()?, member)));
            let Some((at_ms, member)) = wanted.min().filter(|(at_ms, _)| *at_ms <= until_ms) else {
                self.now_ms = until_ms;
                return wakings;
            };
            self.now_ms = self.now_ms.max(at_ms);
            let now = self.now(member);
            self.feed(member, |engine, out| engine.handle_timeout(now, out));
            self.settle();
        }
        unreachable!("time passes")
    }

    /// A member loses a key's record and its state, and does not know.
    pub(super) fn forget(&mut self, member: usize, key: &str) {
        self.members[member].engine.forget_for_test(key.as_bytes());
        self.stored(member, &format!("DEL {key}"));
    }

    /// Has a member send a key's state to another datacenter again.
    pub(super) fn export_again(&mut self, member: usize, key: &str, dc: u16) {
        let (key, now) = (Bytes::copy_from_slice(key.as_bytes()), self.now(member));
        self.feed(member, |engine, out| engine.export_again_now(now, key, DcIdx(dc), out));
    }

    pub(super) fn link_up(&mut self, at: usize, to: usize) {
        let id = self.members[to].id;
        self.members[at].engine.handle_peer_up(id);
    }

    /// The link from `at` to `to` breaks, as `at` sees it; what was under way on it is lost.
    pub(super) fn link_down(&mut self, at: usize, to: usize) {
        self.links.remove(&(at, to));
        let (id, now) = (self.members[to].id, self.now(at));
        self.feed(at, |engine, out| engine.handle_peer_down(now, id, out));
    }

    /// No link between two members, in either direction.
    pub(super) fn cut(&mut self, a: usize, b: usize) {
        self.link_down(a, b);
        self.link_down(b, a);
    }

    /// Links between two members again.
    pub(super) fn join(&mut self, a: usize, b: usize) {
        self.link_up(a, b);
        self.link_up(b, a);
    }

    /// The node is gone for everybody.
    pub(super) fn kill(&mut self, member: usize) {
        self.members[member].is_frozen = true;
        for other in (0..self.members.len()).filter(|&other| other != member) {
            self.link_down(other, member);
        }
    }

    /// The node that was killed is there again, with all it knew.
    pub(super) fn revive(&mut self, member: usize) {
        self.members[member].is_frozen = false;
        for other in (0..self.members.len()).filter(|&other| other != member) {
            self.link_up(other, member);
        }
    }

    /// The node's process is killed and starts again, with `change` in its settings. Its records it still has; its hints it
    /// reads from its log.
    pub(super) fn restart(&mut self, member: usize, change: impl FnOnce(&mut EngineConfig)) {
        assert!(self.members[member].lane.is_empty(), "only when its datastore has nothing to do");
        self.members[member].incarnation += 1;
        let others: Vec<usize> = (0..self.members.len()).filter(|&other| other != member).collect();
        for other in &others {
            self.links.remove(&(member, *other));
            self.link_down(*other, member);
        }
        let state = &mut self.members[member];
        let mut config = state.engine.config.clone();
        change(&mut config);
        let engine = Engine::new(config, Arc::clone(&self.ring)).unwrap();
        let before = std::mem::replace(&mut state.engine, engine);
        state.engine.take_over(before);
        state.engine.keep_hint_log();
        for (_, frame) in &state.hint_log {
            state.engine.recover_hints_frame(&frame[8..]).unwrap();
        }
        for other in others {
            self.link_up(other, member);
        }
    }

    /// The node's process ends in an orderly way, whatever is under way, and starts again.
    pub(super) fn stop_and_start(&mut self, member: usize) {
        let now = self.now(member);
        self.feed(member, |engine, _| engine.handle_stop(now));
        self.restart(member, |_| {});
    }

    pub(super) fn break_lane(&mut self, member: usize) {
        self.members[member].lane.clear();
        let now = self.now(member);
        self.feed(member, |engine, out| engine.handle_lane_down(now, "test", out));
    }

    pub(super) fn lane_up(&mut self, member: usize) {
        for stage in 0..STAGE_COUNT {
            self.members[member].store.clear_stage(stage).unwrap();
        }
        self.store_is_up(member, None);
    }

    /// A member's datastore takes operations, and says who it is.
    fn store_is_up(&mut self, member: usize, marker: Option<u64>) {
        let (now, run_id) = (self.now(member), self.members[member].run_id.clone());
        let seen = StoreSeen { run_id: &run_id, marker };
        self.feed(member, |engine, out| engine.handle_lane_up(now, seen, out));
    }

    /// What a node's datastore itself answers.
    pub(super) fn stored(&mut self, member: usize, line: &str) -> String {
        let request = Request::from_args(line.split(' ').collect::<Vec<_>>());
        let mut reply = BytesMut::new();
        let wall_ms = self.now(member).wall_ms();
        self.members[member].store.execute(wall_ms, &request, &mut reply);
        String::from_utf8_lossy(&reply).into_owned()
    }

    /// What every node's datastore answers.
    pub(super) fn stored_everywhere(&mut self, line: &str) -> Vec<String> {
        (0..self.members.len()).map(|member| self.stored(member, line)).collect()
    }

    /// Which member is the primary of `key` in the datacenter of member `near`.
    pub(super) fn primary_of(&self, key: &str, near: usize) -> usize {
        let dc = self.ring.dc_of(self.members[near].id).unwrap();
        let primary = self.ring.node(self.ring.primary(self.ring.token(key.as_bytes()), dc)).id;
        self.members.iter().position(|member| member.id == primary).unwrap()
    }

    /// A key whose primary in the datacenter of `member` is `member`.
    pub(super) fn key_of(&self, member: usize) -> String {
        (0..).map(|n| format!("key{n}")).find(|key| self.primary_of(key, member) == member).unwrap()
    }

    // Everything that crosses a link goes through its bytes.
    fn deliver_request(&mut self, from: usize, to: usize) {
        let link = self.links.get_mut(&(from, to));
        let Some(request) = link.and_then(|link| link.requests.pop_front()) else { return };
        let mut head = BytesMut::new();
        let tail = request.encode(&mut head);
        head.extend_from_slice(&tail);
        self.traffic.0 += 1;
        self.traffic.1 += head.len() as u64;
        self.longest = self.longest.max(head.len());
        let request = ReplicaRequest::decode(head.freeze()).unwrap();
        let origin = Origin(self.members[from].incarnation << INCARNATION_SHIFT | from as u64);
        let now = self.now(to);
        self.feed(to, |engine, out| engine.handle_request(now, origin, request, out));
    }

    fn deliver_response(&mut self, from: usize, to: usize) {
        let link = self.links.get_mut(&(from, to));
        let Some(response) = link.and_then(|link| link.responses.pop_front()) else { return };
        let mut head = BytesMut::new();
        let tail = response.encode(&mut head);
        head.extend_from_slice(&tail);
        self.traffic.0 += 1;
        self.traffic.1 += head.len() as u64;
        self.longest = self.longest.max(head.len());
        let response = ReplicaResponse::decode(head.freeze()).unwrap();
        let now = self.now(to);
        self.feed(to, |engine, out| engine.handle_response(now, response, out));
    }

    fn run_lane(&mut self, member: usize) {
        let now = self.now(member);
        let state = &mut self.members[member];
        let Some(operation) = state.lane.pop_front() else { return };
        self.measured += u64::from(matches!(operation, LaneOperation::Measure { .. }));
        let is_question =
            matches!(&operation, LaneOperation::Command(request) if request.name() == b"PEXPIRETIME");
        state.asked_for_expiry += usize::from(is_question);
        let output: Output = state.store.run(now.wall_ms(), &operation, &mut BytesMut::new());
        self.feed(member, |engine, out| engine.handle_output(now, output, out));
    }

    fn feed(&mut self, member: usize, event: impl FnOnce(&mut Engine, &mut Out)) {
        let mut out = Out::default();
        event(&mut self.members[member].engine, &mut out);
        self.members[member].write_hints();
        for (ticket, reply) in out.replies {
            self.log.push(format!("reply {} {reply:?}", ticket.0));
            self.replies.entry(ticket.0).or_default().push(reply);
        }
        self.members[member].lane.extend(out.lane);
        for (node, request) in out.requests {
            let is_worker = |other: &Member| {
                other.id == node
                    && Bucket::of(request.token).worker(other.config.workers) == other.config.worker
            };
            let to = self.members.iter().position(is_worker).unwrap();
            assert_ne!(self.members[to].id, self.members[member].id, "a node does not write to itself");
            self.links.entry((member, to)).or_default().requests.push_back(request);
        }
        for (origin, response) in out.responses {
            let (to, incarnation) = (origin.0 as u32 as usize, origin.0 >> INCARNATION_SHIFT);
            if self.members[to].incarnation != incarnation {
                continue;
            }
            let link = (member, to);
            self.links.entry(link).or_default().responses.push_back(response);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Deliver(usize, usize),
    Answer(usize, usize),
    Lane(usize),
}

impl Member {
    fn new(name: &str, ring: &Arc<Ring>, sequencing: &SequencingRules) -> Self {
        let config = EngineConfig {
            node: NodeId::from_name(name),
            worker: 0,
            workers: 1,
            request_timeout_ms: TIMEOUT_MS,
            failover_ms: FAILOVER_MS,
            operations_max: 10_000,
            lane_window_max: 10_000,
            clock_ahead_max_ms: 60_000,
            keeps_log: false,
            marker_key: None,
            reserved_prefix: Some(Bytes::from_static(b"own:")),
            sequencing: sequencing.clone(),
            hints_bytes_max: HINTS_BYTES_MAX,
            hint_window_ms: HINT_WINDOW_MS,
            handoff_max: 64,
            repair: RepairConfig { compare_interval_ms: 0, ..RepairConfig::default() },
            large_bytes_min: LARGE_BYTES_MIN,
        };
        Self::of(config, name, ring)
    }

    fn of(config: EngineConfig, name: &str, ring: &Arc<Ring>) -> Self {
        let mut engine = Engine::new(config.clone(), Arc::clone(ring)).unwrap();
        let now = Now { ms: 0, wall_us: WALL_MS * 1000 };
        engine.handle_lane_up(now, StoreSeen { run_id: FIRST_RUN_ID, marker: None }, &mut Out::default());
        engine.keep_hint_log();
        Self {
            name: name.to_owned(),
            id: config.node,
            config,
            engine,
            store: MemoryStore::new(7, MemoryConfig::default()),
            run_id: FIRST_RUN_ID.into(),
            lane: VecDeque::new(),
            asked_for_expiry: 0,
            lane_is_frozen: false,
            is_frozen: false,
            incarnation: 0,
            clock_skew_ms: 0,
            hint_log: Vec::new(),
        }
    }

    fn write_hints(&mut self) {
        let mut frame = Vec::new();
        if let Some(number) = self.engine.seal_hints(&mut frame) {
            self.hint_log.push((number, frame));
            let floor = self.engine.hints_floor();
            self.hint_log.retain(|(number, _)| *number >= floor);
        }
    }
}

impl Engine {
    /// See `export_again`.
    pub(super) fn export_again_now(&mut self, now: Now, key: Bytes, dc: DcIdx, out: &mut Out) {
        self.export_again(now, key, dc, None, out);
        self.take_own_answers(now, out);
    }

    /// As after a restart: what `before` knew of its copies and of the other nodes, but nothing that it was doing.
    fn take_over(&mut self, before: Self) {
        self.clock = before.clock;
        self.records = before.records;
        self.lane = before.lane;
        self.reachable = before.reachable;
        self.swept_at_ms = before.swept_at_ms;
    }

    pub(super) fn forget_for_test(&mut self, key: &[u8]) {
        let id = self.records.find(key);
        self.records.put(id, key, Default::default());
    }
}

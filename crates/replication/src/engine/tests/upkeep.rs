//! Comparing, rebuilding and forgetting go on while clients write and everything fails, in random runs.
//!
//! Each key has one client at a time, so what it is told can be foreseen exactly. A write with an unknown outcome ends the
//! key: the client goes on with another, and of the old one only its convergence is looked at.

use super::cluster::{Cluster, Event, FAILOVER_MS};
use crate::{Level, RepairRequest, engine::Recovery};

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

const KEYS: usize = 12;
/// Clocks differ by so much at most; what happens within it of an expiry cannot be foreseen.
const SKEW_MS: u64 = 20;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Write {
    Set(i64),
    SetExpiring(i64),
    SetIfAbsent(i64),
    Incr,
    Delete,
    GetAndDelete,
    Get,
}

impl Write {
    fn line(self, key: &str) -> String {
        match self {
            Self::Set(value) => format!("SET {key} {value}"),
            Self::SetExpiring(value) => format!("SET {key} {value} PX 400"),
            Self::SetIfAbsent(value) => format!("SET {key} {value} NX"),
            Self::Incr => format!("INCR {key}"),
            Self::Delete => format!("DEL {key}"),
            Self::GetAndDelete => format!("GETDEL {key}"),
            Self::Get => format!("GET {key}"),
        }
    }
}

/// A command that is not answered yet.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sent {
    ticket: u64,
    via: usize,
    at_ms: u64,
    write: Write,
}

/// A key as its client knows it.
#[derive(Debug, Clone)]
struct Key {
    name: String,
    value: Option<i64>,
    expires_at_ms: Option<u64>,
    under_way: Option<Sent>,
    has_expired: bool,
}

/// Steps of each run.
const STEPS: usize = 150;
/// Seeds that have found something.
const HAVE_FAILED: [u64; 12] = [322, 526, 738, 866, 2582, 2968, 2992, 4207, 4909, 5236, 6191, 7744];

struct Run {
    random: Random,
    cluster: Cluster,
    /// The members that clients use: those of the first datacenter.
    members: usize,
    keys: Vec<Key>,
    ended: Vec<String>,
    acknowledged: usize,
    /// When a datastore's answers were last lost, with its connection or its node.
    answers_lost_ms: Option<u64>,
}

fn bulk(value: Option<i64>) -> String {
    value.map_or("$-1\r\n".into(), |value| format!("${}\r\n{value}\r\n", value.to_string().len()))
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let racks: &[usize] = [&[3][..], &[3], &[3], &[5], &[3, 3], &[2, 1]][random.below(6)];
        let mut cluster = Cluster::racks(racks);
        cluster.configure(|config| config.repair.rebuild_wait_ms = 60_000);
        for member in &mut cluster.members {
            member.clock_skew_ms = random.below(SKEW_MS as usize) as i64;
        }
        let mut run = Self {
            random,
            cluster,
            members: racks[0],
            keys: Vec::new(),
            ended: Vec::new(),
            acknowledged: 0,
            answers_lost_ms: None,
        };
        for number in 0..KEYS {
            run.keys.push(Key::new(number, 0));
        }
        run
    }

    fn submit_some(&mut self) {
        for number in 0..KEYS {
            if self.keys[number].under_way.is_some() || !self.random.one_in(3) {
                continue;
            }
            let value = self.random.below(1000) as i64;
            let write = [
                Write::Set(value),
                Write::SetExpiring(value),
                Write::SetIfAbsent(value),
                Write::Incr,
                Write::Incr,
                Write::Delete,
                Write::GetAndDelete,
                Write::Get,
            ][self.random.below(8)];
            let via = self.random.below(self.members);
            if self.cluster.members[via].is_frozen {
                continue;
            }
            let line = write.line(&self.keys[number].name);
            let ticket = self.cluster.submit(via, &line, Level::DcQuorum);
            self.keys[number].under_way = Some(Sent { ticket, via, at_ms: self.cluster.now_ms, write });
        }
    }

    /// Looks at the replies that have come.
    fn collect(&mut self) {
        for number in 0..KEYS {
            let Some(Sent { ticket, at_ms: submitted_ms, write, .. }) = self.keys[number].under_way else {
                continue;
            };
            let Some(reply) = self.cluster.reply(ticket) else { continue };
            let now_ms = self.cluster.now_ms;
            // What a deletion found cannot be told by replicas that lost it, whose answers were lost, that are slow, or that hear of
            // a key when it has expired.
            let counts = !self.has_lost()
                && self.answers_lost_ms.is_none_or(|at_ms| at_ms < submitted_ms)
                && now_ms < submitted_ms + FAILOVER_MS;
            let key = &mut self.keys[number];
            key.under_way = None;
            if reply.starts_with("-ERR") {
                if write != Write::Get && !reply.contains("; not run") {
                    self.end(number);
                }
                continue;
            }
            let is_unclear = key
                .expires_at_ms
                .is_some_and(|at_ms| submitted_ms < at_ms + 2 * SKEW_MS && at_ms < now_ms + 2 * SKEW_MS);
            let expires_in = |at_ms: u64| at_ms..=at_ms + now_ms - submitted_ms;
            if is_unclear {
                self.end(number);
                continue;
            }
            if key.expires_at_ms.is_some_and(|at_ms| at_ms <= submitted_ms) {
                (key.value, key.expires_at_ms, key.has_expired) = (None, None, true);
            }
            let before = key.value;
            let context = format!("{write:?} on {key:?} at {now_ms}");
            self.acknowledged += 1;
            match write {
                Write::Get => assert_eq!(reply, bulk(before), "{context}"),
                Write::Set(value) | Write::SetExpiring(value) => {
                    assert_eq!(reply, "+OK\r\n", "{context}");
                    key.value = Some(value);
                    key.expires_at_ms = None;
                    if let Write::SetExpiring(_) = write {
                        // Its life began at some time since it was sent.
                        if expires_in(0).end() > &SKEW_MS {
                            self.end(number);
                        } else {
                            key.expires_at_ms = Some(submitted_ms + 400);
                        }
                    }
                }
                Write::SetIfAbsent(value) => {
                    let wanted = if before.is_some() { "$-1\r\n" } else { "+OK\r\n" };
                    assert_eq!(reply, wanted, "{context}");
                    if before.is_none() {
                        (key.value, key.expires_at_ms) = (Some(value), None);
                    }
                }
                Write::Incr => {
                    let value = before.unwrap_or(0) + 1;
                    assert_eq!(reply, format!(":{value}\r\n"), "{context}");
                    key.value = Some(value);
                }
                Write::Delete => {
                    let wanted = format!(":{}\r\n", i32::from(before.is_some()));
                    assert!(reply == wanted || !counts || key.has_expired, "{reply} to {context}");
                    (key.value, key.expires_at_ms) = (None, None);
                }
                Write::GetAndDelete => {
                    assert_eq!(reply, bulk(before), "{context}");
                    (key.value, key.expires_at_ms) = (None, None);
                }
            }
        }
    }

    /// What became of the key is not known.
    fn end(&mut self, number: usize) {
        let generation = self.ended.len() + 1;
        let ended = std::mem::replace(&mut self.keys[number], Key::new(number, generation));
        self.ended.push(ended.name);
    }

    /// The clients of a node that was started anew get no replies.
    fn hang_up(&mut self, member: usize) {
        self.collect();
        for number in 0..KEYS {
            if self.keys[number].under_way.is_some_and(|sent| sent.via == member) {
                self.end(number);
            }
        }
    }

    fn deliver_some(&mut self, count: usize) {
        for _ in 0..self.random.below(count) {
            let random = &mut self.random;
            let mut choose = |ready: &[Event]| if ready.is_empty() { 0 } else { random.below(ready.len()) };
            if !self.cluster.step(&mut choose) {
                break;
            }
            self.collect();
        }
    }

    fn break_something(&mut self) {
        let all = self.cluster.members.len();
        let (a, b) = (self.random.below(all), self.random.below(all));
        let kind = self.random.below(12);
        if matches!(kind, 6 | 8..=10) {
            self.answers_lost_ms = Some(self.cluster.now_ms);
        }
        match kind {
            0 | 1 if a != b => self.cluster.link_down(a, b),
            2 | 3 if a != b => self.cluster.link_up(a, b),
            // What is sent stays under way, for as long as it takes.
            4 if a != b => drop(self.cluster.held.insert((a, b))),
            5 => {
                self.cluster.held.clear();
            }
            6 => {
                self.cluster.break_lane(a);
                self.cluster.lane_up(a);
            }
            7 => self.cluster.members[a].lane_is_frozen ^= true,
            8 if !self.has_lost() => {
                self.cluster.restart_with(a, Recovery::Log);
                self.hang_up(a);
            }
            // No more than one rack of a datacenter at a time, and only while the others can be heard.
            9 if !self.has_lost() => {
                self.mend();
                self.cluster.lose_data(a);
            }
            10 if !self.has_lost() => {
                self.mend();
                self.cluster.lose_all(a);
                self.hang_up(a);
            }
            _ => {}
        }
        self.collect();
    }

    fn has_lost(&self) -> bool {
        let all = self.cluster.members.len();
        (0..all).any(|member| self.cluster.is_rebuilding(member))
    }

    fn mend(&mut self) {
        self.cluster.held.clear();
        let all = self.cluster.members.len();
        for a in 0..all {
            self.cluster.members[a].lane_is_frozen = false;
            (0..all).filter(|b| *b != a).for_each(|b| self.cluster.link_up(a, b));
        }
    }

    fn pass_time(&mut self) {
        let ms = match self.random.below(20) {
            0 => 5_000 + 1000 * self.random.below(20),
            1 | 2 => 500,
            3..=6 => 100,
            _ => 10,
        };
        // Long pauses in steps, so that replies are seen as they come.
        for _ in 0..ms.div_ceil(10) {
            self.cluster.advance(10);
            self.collect();
        }
    }

    fn go(&mut self, steps: usize) {
        for _ in 0..steps {
            self.submit_some();
            self.deliver_some(40);
            if self.random.one_in(4) {
                self.break_something();
            }
            if self.random.one_in(5) {
                let member = self.random.below(self.cluster.members.len());
                let now = self.cluster.now(member);
                let _ = self.cluster.members[member].engine.start_repair(now, RepairRequest::default());
            }
            if self.random.one_in(2) {
                self.pass_time();
            }
        }
        self.mend();
        for _ in 0..300 {
            self.cluster.advance(10);
            self.collect();
        }
        self.cluster.wait_for_rebuild();
        // Copies are equal after the first; who was told of which mark, after a few more.
        (0..4).for_each(|_| assert!(!self.cluster.repair_idle().is_empty()));
    }

    /// Everybody has the same, and what was acknowledged.
    fn check(&mut self, seed: u64) {
        let now_ms = self.cluster.now_ms;
        let last = self.cluster.repair_idle();
        assert!(
            last.iter().all(|status| (status.keys_differing, status.peers_failed) == (0, 0)),
            "seed {seed}: {last:?}"
        );
        let names: Vec<String> =
            self.ended.iter().cloned().chain(self.keys.iter().map(|key| key.name.clone())).collect();
        for name in names {
            let stored = self.cluster.stored_everywhere(&format!("GET {name}"));
            assert!(stored.iter().all(|value| *value == stored[0]), "seed {seed}: {name}: {stored:?}");
            // Records of absent keys are forgotten by and by.
            let records = self.cluster.records_of(&name);
            assert!(
                stored[0] == bulk(None) || records.iter().all(|record| record.last == records[0].last),
                "seed {seed}: {name}: {stored:?} {records:?}"
            );
        }
        for key in self.keys.clone() {
            assert_eq!(key.under_way, None, "seed {seed}: {key:?}");
            let value = key.value.filter(|_| key.expires_at_ms.is_none_or(|at_ms| at_ms > now_ms));
            let read = self.cluster.run(0, &format!("GET {}", key.name), Level::DcQuorum);
            assert_eq!(read, bulk(value), "seed {seed}: {key:?}");
        }
        let live = self.keys.len() + self.ended.len();
        let kept = self.cluster.record_counts();
        assert!(kept.iter().all(|count| *count <= live as u64), "seed {seed}: {kept:?}");
    }
}

impl Key {
    fn new(number: usize, generation: usize) -> Self {
        Self {
            name: format!("key{number}:{generation}"),
            value: None,
            expires_at_ms: None,
            under_way: None,
            has_expired: false,
        }
    }
}

fn run(seed: u64, steps: usize) -> Run {
    let mut run = Run::new(seed);
    run.go(steps);
    run.check(seed);
    run
}

#[test]
fn under_faults_and_losses_nothing_acknowledged_is_lost_and_all_become_equal() {
    // Others: `UPKEEP_SEEDS=1000..9000 cargo test --release -p dynomite-replication upkeep`.
    if let Ok(seeds) = std::env::var("UPKEEP_SEEDS") {
        let (from, upto) = seeds.split_once("..").unwrap();
        let seeds = from.parse::<u64>().unwrap()..upto.parse().unwrap();
        return seeds.for_each(|seed| drop(run(seed, STEPS)));
    }
    let (mut acknowledged, mut forgotten, mut rebuilt) = (0, 0, 0);
    for seed in (0..5).chain(HAVE_FAILED) {
        let run = run(seed, STEPS);
        acknowledged += run.acknowledged;
        for member in &run.cluster.members {
            let stats = member.engine.stats();
            forgotten += stats.records_forgotten;
            rebuilt += stats.copies_rebuilt;
        }
    }
    eprintln!("{acknowledged} acknowledged, {forgotten} forgotten, {rebuilt} rebuilt");
    assert!(acknowledged > 500 && forgotten > 10 && rebuilt > 10, "{acknowledged} {forgotten} {rebuilt}");
}

#[test]
fn equal_seeds_make_equal_runs() {
    for seed in 0..2 {
        assert_eq!(run(seed, 40).cluster.log, run(seed, 40).cluster.log);
    }
}

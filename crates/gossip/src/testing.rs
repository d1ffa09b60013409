//! A network of members in virtual time, for tests: delay, loss, duplicates, cuts, kills and restarts.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::rng::Rng;
use crate::{Config, Event, Gossip, Health, Identity, NodeId, Out};

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) fn addr(place: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, (place >> 8) as u8, place as u8], 7000))
}

pub(crate) fn id(place: usize) -> NodeId {
    NodeId(place as u64 + 1)
}

pub(crate) fn identity(place: usize, generation: u64) -> Identity {
    Identity { id: id(place), addr: addr(place), generation, nonce: generation as u32 ^ (place as u32) << 8 }
}

pub(crate) struct Net {
    pub(crate) now: Duration,
    pub(crate) config: Config,
    pub(crate) nodes: Vec<Node>,
    pub(crate) rng: Rng,
    pub(crate) loss_percent: u64,
    pub(crate) duplicate_percent: u64,
    /// One way: at least, and at random up to as much more.
    pub(crate) delay: (Duration, Duration),
    pub(crate) is_cut: fn(usize, usize) -> bool,
    queue: BinaryHeap<Reverse<(Duration, u64, What)>>,
    seq: u64,
    out: Out,
}

pub(crate) struct Node {
    pub(crate) gossip: Gossip,
    pub(crate) is_running: bool,
    pub(crate) events: Vec<(Duration, Event)>,
    pub(crate) sent_bytes: u64,
    pub(crate) received_bytes: u64,
    timer_at: Option<Duration>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Timer(usize),
    Packet { from: usize, to: usize, bytes: Vec<u8> },
}

impl Net {
    /// Nodes that all know node 0 as a seed, each started a little after the other.
    pub(crate) fn new(count: usize, seed: u64) -> Self {
        Self::with_config(count, seed, Config::new("test"))
    }

    pub(crate) fn with_config(count: usize, seed: u64, config: Config) -> Self {
        let mut net = Self {
            now: Duration::ZERO,
            config,
            nodes: Vec::new(),
            rng: Rng::new(seed),
            loss_percent: 0,
            duplicate_percent: 0,
            delay: (millis(1), millis(4)),
            is_cut: |_, _| false,
            queue: BinaryHeap::new(),
            seq: 0,
            out: Out::new(),
        };
        for place in 0..count {
            net.add(identity(place, 1));
        }
        net
    }

    /// Adds a node at the next place.
    pub(crate) fn add(&mut self, identity: Identity) -> usize {
        let place = self.nodes.len();
        let gossip = self.gossip(identity);
        let timer_at = None;
        let events = Vec::new();
        self.nodes.push(Node {
            gossip,
            is_running: true,
            events,
            sent_bytes: 0,
            received_bytes: 0,
            timer_at,
        });
        let begin = self.rng.duration(self.config.interval);
        self.nodes[place].timer_at = Some(self.now + begin);
        self.push(self.now + begin, What::Timer(place));
        place
    }

    fn gossip(&mut self, identity: Identity) -> Gossip {
        let mut gossip =
            Gossip::new(self.now, identity, self.config.clone(), self.rng.draw()).expect("it works");
        gossip.add_seed(addr(0)).expect("the first");
        gossip
    }

    pub(crate) fn kill(&mut self, place: usize) {
        self.nodes[place].is_running = false;
    }

    /// A new process at the place, with nothing remembered.
    pub(crate) fn restart(&mut self, place: usize, identity: Identity) {
        let gossip = self.gossip(identity);
        let node = &mut self.nodes[place];
        (node.gossip, node.is_running, node.timer_at) = (gossip, true, Some(self.now));
        self.push(self.now, What::Timer(place));
    }

    /// Calls a node now, and carries out what it says.
    pub(crate) fn call<T>(
        &mut self,
        place: usize,
        call: impl FnOnce(&mut Gossip, Duration, &mut Out) -> T,
    ) -> T {
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        let result = call(&mut self.nodes[place].gossip, self.now, &mut out);
        self.carry_out(place, &out);
        self.out = out;
        result
    }

    pub(crate) fn run_until(&mut self, until: Duration) {
        while let Some(Reverse((at, ..))) = self.queue.peek()
            && *at <= until
            && let Some(Reverse((at, _, what))) = self.queue.pop()
        {
            self.now = at;
            match what {
                What::Timer(place) if self.nodes[place].timer_at == Some(at) => {
                    self.nodes[place].timer_at = None;
                    if self.nodes[place].is_running {
                        self.call(place, Gossip::handle_timeout);
                    }
                }
                What::Packet { from, to, bytes } if self.nodes[to].is_running => {
                    self.nodes[to].received_bytes += bytes.len() as u64;
                    self.call(to, |gossip, now, out| gossip.handle_message(now, addr(from), &bytes, out));
                }
                What::Timer(_) | What::Packet { .. } => {}
            }
        }
        self.now = until;
    }

    pub(crate) fn run(&mut self, duration: Duration) {
        self.run_until(self.now + duration);
    }

    /// Runs until `is_so`, at most for `limit`; how long it took.
    pub(crate) fn run_until_so(
        &mut self,
        limit: Duration,
        is_so: impl Fn(&Self) -> bool,
    ) -> Option<Duration> {
        let start = self.now;
        while !is_so(self) {
            if self.now > start + limit {
                return None;
            }
            self.run(self.config.interval / 10);
        }
        Some(self.now - start)
    }

    fn carry_out(&mut self, place: usize, out: &Out) {
        for event in out.events() {
            self.nodes[place].events.push((self.now, event.clone()));
        }
        for (to, bytes) in out.sends() {
            assert!(bytes.len() <= self.config.message_bytes_max, "{} bytes", bytes.len());
            self.nodes[place].sent_bytes += bytes.len() as u64;
            let SocketAddr::V4(to) = to else { continue };
            let [_, _, high, low] = to.ip().octets();
            let to = usize::from(high) << 8 | usize::from(low);
            let copies = 1 + u64::from(self.rng.below(100) < self.duplicate_percent);
            for _ in 0..copies {
                let is_lost = self.rng.below(100) < self.loss_percent;
                if to >= self.nodes.len() || is_lost || (self.is_cut)(place, to) {
                    continue;
                }
                let at = self.now + self.delay.0 + self.rng.duration(self.delay.1);
                self.push(at, What::Packet { from: place, to, bytes: bytes.to_vec() });
            }
        }
        let node = &mut self.nodes[place];
        if let Some(at) = node.gossip.next_deadline()
            && node.timer_at.is_none_or(|timer| at < timer)
        {
            node.timer_at = Some(at);
            self.push(at, What::Timer(place));
        }
    }

    fn push(&mut self, at: Duration, what: What) {
        self.seq += 1;
        self.queue.push(Reverse((at, self.seq, what)));
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = (usize, &Node)> {
        self.nodes.iter().enumerate().filter(|(_, node)| node.is_running && !node.gossip.has_left())
    }

    /// All that run know all that run as alive, and know the same of everybody.
    pub(crate) fn agree(&self) -> bool {
        let count = self.running().count();
        let mut digests = self.running().map(|(_, node)| node.gossip.digest());
        let first = digests.next();
        digests.all(|digest| Some(digest) == first)
            && self.running().all(|(_, node)| {
                node.gossip.live_count() == count
                    && node.gossip.members().all(|member| member.health() != Health::Suspect)
            })
    }

    /// How many of those that run see a node so.
    pub(crate) fn seen_as(&self, place: usize, health: Health) -> usize {
        let sees = |gossip: &Gossip| gossip.member(id(place)).is_some_and(|seen| seen.health() == health);
        self.running().filter(|(_, node)| sees(&node.gossip)).count()
    }

    pub(crate) fn events(&self, place: usize) -> impl Iterator<Item = &Event> {
        self.nodes[place].events.iter().map(|(_, event)| event)
    }
}

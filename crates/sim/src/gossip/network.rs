//! Members, and what lies between them: delay, loss, cuts; kills, restarts and twins.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::Duration;

use dynomite_gossip::{Config, Event, Gossip, Health, Identity, NodeId, Out};

use crate::Random;

/// Members are in so many datacenters, in turn.
const DCS: usize = 3;

pub(super) struct Network {
    pub(super) now: Duration,
    pub(super) members: Vec<Simulated>,
    pub(super) random: Random,
    pub(super) loss_percent: u64,
    /// One way: at least, and at random up to so much more.
    pub(super) delay: (Duration, Duration),
    pub(super) cut: Cut,
    config: Config,
    queue: BinaryHeap<Reverse<(Duration, u64, Due)>>,
    due_count: u64,
    out: Out,
}

/// Between whom nothing passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    Nobody,
    /// This datacenter and the others.
    Dc(usize),
    /// Every second one from the others.
    Halves,
    /// One in so many pairs, each in one direction.
    Pairs(u64),
}

/// A place with a member, or where one was.
pub(super) struct Simulated {
    pub(super) gossip: Gossip,
    pub(super) state: State,
    pub(super) generation: u64,
    pub(super) down_count: u64,
    pub(super) sent_bytes: u64,
    pub(super) received_bytes: u64,
    pub(super) refused: bool,
    timer_at: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Running,
    Killed,
    Left,
    /// A second process with the identity of a member that runs.
    Twin,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Timer(usize),
    Packet { from: usize, to: usize, bytes: Vec<u8> },
}

pub(super) fn addr_of(place: usize) -> SocketAddr {
    SocketAddr::from(([10, (place >> 16) as u8, (place >> 8) as u8, place as u8], 7000))
}

pub(super) fn id_of(place: usize) -> NodeId {
    NodeId(place as u64 + 1)
}

impl Network {
    /// Members that all start within a second and know the first as a seed.
    pub(super) fn new(count: usize, seed: u64) -> Self {
        let mut network = Self {
            now: Duration::ZERO,
            members: Vec::with_capacity(count),
            random: Random::new(seed),
            loss_percent: 0,
            delay: (Duration::from_millis(1), Duration::from_millis(4)),
            cut: Cut::Nobody,
            config: Config::new("simulated"),
            queue: BinaryHeap::new(),
            due_count: 0,
            out: Out::new(),
        };
        for place in 0..count {
            network.add(Identity { id: id_of(place), addr: addr_of(place), generation: 1, nonce: 1 });
        }
        network
    }

    pub(super) fn add(&mut self, identity: Identity) -> usize {
        let place = self.members.len();
        let start_at = self.now + Duration::from_micros(self.random.below(1_000_000));
        let gossip = self.process(identity, start_at);
        self.members.push(Simulated {
            gossip,
            state: State::Running,
            generation: identity.generation,
            down_count: 0,
            sent_bytes: 0,
            received_bytes: 0,
            refused: false,
            timer_at: Some(start_at),
        });
        self.push(start_at, Due::Timer(place));
        place
    }

    pub(super) fn kill(&mut self, place: usize) {
        self.members[place].state = State::Killed;
    }

    /// A new process where one was killed, which remembers nothing but what it is told of its generation.
    pub(super) fn restart(&mut self, place: usize, generation: u64) {
        let nonce = self.random.draw() as u32;
        let identity = Identity { id: id_of(place), addr: addr_of(place), generation, nonce };
        let gossip = self.process(identity, self.now);
        let member = &mut self.members[place];
        (member.gossip, member.state, member.generation) = (gossip, State::Running, generation);
        member.timer_at = Some(self.now);
        self.push(self.now, Due::Timer(place));
    }

    /// Another process claims a member's identity at an address of its own.
    pub(super) fn add_twin(&mut self, of: usize, generation: u64) {
        let addr = addr_of(self.members.len());
        let nonce = self.random.draw() as u32;
        let place = self.add(Identity { id: id_of(of), addr, generation, nonce });
        self.members[place].state = State::Twin;
    }

    pub(super) fn leave(&mut self, place: usize) {
        self.call(place, Gossip::leave);
        self.members[place].state = State::Left;
    }

    pub(super) fn set(&mut self, place: usize, key: u16, bytes: &[u8]) {
        self.call(place, |gossip, now, _| {
            gossip.set_raw(now, key, bytes).expect("the simulator's items are few and short");
        });
    }

    pub(super) fn run(&mut self, duration: Duration) {
        let until = self.now + duration;
        while self.queue.peek().is_some_and(|Reverse((at, ..))| *at <= until) {
            let Some(Reverse((at, _, due))) = self.queue.pop() else { break };
            self.now = at;
            match due {
                Due::Timer(place) => {
                    if self.members[place].timer_at == Some(at) {
                        self.members[place].timer_at = None;
                        if self.members[place].is_process() {
                            self.call(place, Gossip::handle_timeout);
                        }
                    }
                }
                Due::Packet { from, to, bytes } => {
                    if self.members[to].is_process() {
                        self.members[to].received_bytes += bytes.len() as u64;
                        self.call(to, |gossip, now, out| {
                            gossip.handle_message(now, addr_of(from), &bytes, out);
                        });
                    }
                }
            }
        }
        self.now = until;
    }

    /// How long it took until `is_so`, looking ten times in a second; `None`: longer than `limit`.
    pub(super) fn run_until(&mut self, limit: Duration, is_so: impl Fn(&Self) -> bool) -> Option<Duration> {
        let start_at = self.now;
        while !is_so(self) {
            if self.now - start_at >= limit {
                return None;
            }
            self.run(Duration::from_millis(100));
        }
        Some(self.now - start_at)
    }

    pub(super) fn running(&self) -> impl Iterator<Item = (usize, &Simulated)> {
        self.members.iter().enumerate().filter(|(_, member)| member.state == State::Running)
    }

    pub(super) fn places(&self, state: State) -> Vec<usize> {
        let members = self.members.iter().enumerate();
        members.filter(|(_, member)| member.state == state).map(|(place, _)| place).collect()
    }

    /// How many of those that run see a member so.
    pub(super) fn seen_as(&self, place: usize, health: Health) -> usize {
        let sees = |gossip: &Gossip| gossip.member(id_of(place)).is_some_and(|seen| seen.health() == health);
        self.running().filter(|(_, member)| sees(&member.gossip)).count()
    }

    /// All that run know exactly each other as alive, and the same of everybody.
    pub(super) fn agree(&self) -> bool {
        let count = self.running().count();
        let mut digests = self.running().map(|(_, member)| member.gossip.digest());
        let first = digests.next();
        self.running().all(|(_, member)| member.gossip.live_count() == count)
            && digests.all(|digest| Some(digest) == first)
    }

    fn process(&mut self, identity: Identity, now: Duration) -> Gossip {
        let seed = self.random.draw();
        let mut gossip = Gossip::new(now, identity, self.config.clone(), seed).expect("the defaults work");
        gossip.add_seed(addr_of(0)).expect("it is the first");
        gossip
    }

    fn call(&mut self, place: usize, call: impl FnOnce(&mut Gossip, Duration, &mut Out)) {
        let mut out = std::mem::take(&mut self.out);
        call(&mut self.members[place].gossip, self.now, &mut out);
        for (to, bytes) in out.sends() {
            self.members[place].sent_bytes += bytes.len() as u64;
            self.carry(place, to, bytes);
        }
        let member = &mut self.members[place];
        for event in out.events() {
            match event {
                Event::Down { .. } => member.down_count += 1,
                Event::IdentityConflict { .. } => member.refused |= member.gossip.is_refused(),
                _ => {}
            }
        }
        out.clear();
        self.out = out;
        let deadline = self.members[place].gossip.next_deadline();
        if let Some(at) = deadline
            && self.members[place].timer_at.is_none_or(|timer| at < timer)
        {
            self.members[place].timer_at = Some(at);
            self.push(at, Due::Timer(place));
        }
    }

    fn carry(&mut self, from: usize, to: SocketAddr, bytes: &[u8]) {
        let SocketAddr::V4(to) = to else { return };
        let [_, high, middle, low] = to.ip().octets();
        let to = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        let is_lost = self.random.chance(self.loss_percent);
        if to >= self.members.len() || is_lost || self.cut.parts(from, to) {
            return;
        }
        let more = Duration::from_micros(self.random.below(self.delay.1.as_micros() as u64));
        self.push(self.now + self.delay.0 + more, Due::Packet { from, to, bytes: bytes.to_vec() });
    }

    fn push(&mut self, at: Duration, due: Due) {
        self.due_count += 1;
        self.queue.push(Reverse((at, self.due_count, due)));
    }
}

impl Simulated {
    fn is_process(&self) -> bool {
        matches!(self.state, State::Running | State::Twin)
    }
}

impl Cut {
    fn parts(self, from: usize, to: usize) -> bool {
        match self {
            Self::Nobody => false,
            Self::Dc(dc) => (from % DCS == dc) != (to % DCS == dc),
            Self::Halves => from % 2 != to % 2,
            Self::Pairs(one_in) => {
                let pair = (from as u64) << 32 | to as u64;
                Random::new(pair).below(one_in) == 0
            }
        }
    }
}

//! A network in virtual time for processes of any protocol: delay, loss, cuts; what is killed is silent.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::Random;

/// Places are in so many datacenters, in turn.
const DCS: usize = 3;

/// One process of a protocol, as a state machine.
pub trait Process {
    /// A message came. What is to be sent goes to `sends`.
    fn handle_message(&mut self, now: Duration, from: SocketAddr, bytes: &[u8], sends: &mut Sends);

    /// Time passed; harmless when nothing was due.
    fn handle_timeout(&mut self, now: Duration, sends: &mut Sends);

    /// When [`Process::handle_timeout`] is due.
    fn next_deadline(&self) -> Option<Duration>;
}

/// What a process wants sent, and where to.
pub type Sends = Vec<(SocketAddr, Vec<u8>)>;

/// Processes, and what lies between them.
pub struct Network<P> {
    pub(super) now: Duration,
    /// Decides all that is random in the network, and may decide more.
    pub random: Random,
    /// What passes between two that are not cut apart.
    pub link: Link,
    pub(super) cut: Cut,
    pub(super) places: Vec<Place<P>>,
    queue: BinaryHeap<Reverse<(Duration, u64, Due)>>,
    due_count: u64,
    sends: Sends,
}

/// How messages fare on their way.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    /// So many in a hundred are lost.
    pub loss_percent: u64,
    /// One way: at least.
    pub delay: Duration,
    /// At random up to so much more.
    pub jitter: Duration,
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

/// Where a process is, or was.
pub(super) struct Place<P> {
    pub(super) process: P,
    pub(super) is_running: bool,
    pub(super) sent_bytes: u64,
    pub(super) received_bytes: u64,
    timer_at: Option<Duration>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Timer(usize),
    Packet { from: usize, to: usize, bytes: Vec<u8> },
}

/// The address of a place.
pub fn addr_of(place: usize) -> SocketAddr {
    SocketAddr::from(([10, (place >> 16) as u8, (place >> 8) as u8, place as u8], 7000))
}

/// The place at an address.
pub fn place_of(addr: SocketAddr) -> Option<usize> {
    let SocketAddr::V4(addr) = addr else { return None };
    let [_, high, middle, low] = addr.ip().octets();
    Some(usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low))
}

impl<P: Process> Network<P> {
    /// Nobody is there yet.
    pub fn new(seed: u64) -> Self {
        Self {
            now: Duration::ZERO,
            random: Random::new(seed),
            link: Link::GOOD,
            cut: Cut::Nobody,
            places: Vec::new(),
            queue: BinaryHeap::new(),
            due_count: 0,
            sends: Vec::new(),
        }
    }

    /// Takes a process at the next place, which is woken at `start_at` first.
    pub fn add(&mut self, process: P, start_at: Duration) -> usize {
        let place = self.places.len();
        let timer_at = Some(start_at);
        self.places.push(Place { process, is_running: true, sent_bytes: 0, received_bytes: 0, timer_at });
        self.push(start_at, Due::Timer(place));
        place
    }

    /// Another process where one was.
    pub(super) fn replace(&mut self, place: usize, process: P) {
        let there = &mut self.places[place];
        (there.process, there.is_running, there.timer_at) = (process, true, Some(self.now));
        self.push(self.now, Due::Timer(place));
    }

    /// From now on the process at this place is silent and hears nothing.
    pub fn silence(&mut self, place: usize) {
        self.places[place].is_running = false;
    }

    /// All that run.
    pub fn running(&self) -> impl Iterator<Item = (usize, &P)> {
        let running = self.places.iter().enumerate().filter(|(_, place)| place.is_running);
        running.map(|(index, place)| (index, &place.process))
    }

    /// Bytes sent and bytes received, by all together.
    pub fn byte_counts(&self) -> (u64, u64) {
        let add =
            |sum: (u64, u64), place: &Place<P>| (sum.0 + place.sent_bytes, sum.1 + place.received_bytes);
        self.places.iter().fold((0, 0), add)
    }

    /// Lets time pass.
    pub fn run(&mut self, duration: Duration) {
        let until = self.now + duration;
        while self.queue.peek().is_some_and(|Reverse((at, ..))| *at <= until) {
            let Some(Reverse((at, _, due))) = self.queue.pop() else { break };
            self.now = at;
            match due {
                Due::Timer(place) => {
                    if self.places[place].timer_at == Some(at) {
                        self.places[place].timer_at = None;
                        if self.places[place].is_running {
                            self.call(place, P::handle_timeout);
                        }
                    }
                }
                Due::Packet { from, to, bytes } => {
                    if self.places[to].is_running {
                        self.places[to].received_bytes += bytes.len() as u64;
                        self.call(to, |process, now, sends| {
                            process.handle_message(now, addr_of(from), &bytes, sends);
                        });
                    }
                }
            }
        }
        self.now = until;
    }

    /// Calls a process, and does what it says.
    pub fn call(&mut self, place: usize, call: impl FnOnce(&mut P, Duration, &mut Sends)) {
        let mut sends = std::mem::take(&mut self.sends);
        call(&mut self.places[place].process, self.now, &mut sends);
        for (to, bytes) in sends.drain(..) {
            self.places[place].sent_bytes += bytes.len() as u64;
            self.carry(place, to, bytes);
        }
        self.sends = sends;
        let there = &mut self.places[place];
        if let Some(at) = there.process.next_deadline()
            && there.timer_at.is_none_or(|timer| at < timer)
        {
            there.timer_at = Some(at);
            self.push(at, Due::Timer(place));
        }
    }

    fn carry(&mut self, from: usize, to: SocketAddr, bytes: Vec<u8>) {
        let Some(to) = place_of(to) else { return };
        let arrives = self.link.carry(&mut self.random);
        if let Some(time) = arrives
            && to < self.places.len()
            && !self.cut.parts(from, to)
        {
            self.push(self.now + time, Due::Packet { from, to, bytes });
        }
    }

    fn push(&mut self, at: Duration, due: Due) {
        self.due_count += 1;
        self.queue.push(Reverse((at, self.due_count, due)));
    }
}

impl Link {
    /// A network in which nothing is wrong.
    pub const GOOD: Self =
        Self { loss_percent: 0, delay: Duration::from_millis(1), jitter: Duration::from_millis(4) };
    /// The network in which nobody may be called down wrongly.
    pub const BAD: Self =
        Self { loss_percent: 5, delay: Duration::from_millis(200), jitter: Duration::from_millis(1) };

    /// How long a message takes; `None`: it is lost.
    pub fn carry(&self, random: &mut Random) -> Option<Duration> {
        let is_lost = random.chance(self.loss_percent);
        let more = Duration::from_micros(random.below(self.jitter.as_micros() as u64));
        (!is_lost).then_some(self.delay + more)
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

//! Members of the gossip crate in the network; kills, restarts and twins.

use std::net::SocketAddr;
use std::time::Duration;

use dynomite_gossip::{Config, Event, Gossip, Health, Identity, NodeId, Out};

use super::cluster::Cluster;
use super::network::{Link, Network, Process, Sends, addr_of};

/// The members of a cluster, at the settings that the crate has by default.
pub type Members = Network<SimulatedMember>;

/// One member.
pub struct SimulatedMember {
    pub(super) gossip: Gossip,
    pub(super) state: State,
    pub(super) generation: u64,
    pub(super) refused: bool,
    down_count: u64,
    out: Out,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Running,
    Killed,
    Left,
    /// A second process with the identity of a member that runs.
    Twin,
}

pub(super) fn id_of(place: usize) -> NodeId {
    NodeId(place as u64 + 1)
}

impl Members {
    /// Members that all start within a second and know the first as a seed.
    pub fn start(count: usize, seed: u64) -> Self {
        let mut members = Self::new(seed);
        for place in 0..count {
            members.join(Identity { id: id_of(place), addr: addr_of(place), generation: 1, nonce: 1 });
        }
        members
    }

    fn join(&mut self, identity: Identity) -> usize {
        let start_at = self.now + Duration::from_micros(self.random.below(1_000_000));
        let member = self.member_of(identity, start_at);
        self.add(member, start_at)
    }

    /// A new process where one was killed, which remembers nothing but what it is told of its generation.
    pub(super) fn restart(&mut self, place: usize, generation: u64) {
        let nonce = self.random.draw() as u32;
        let identity = Identity { id: id_of(place), addr: addr_of(place), generation, nonce };
        let member = self.member_of(identity, self.now);
        self.replace(place, member);
    }

    /// Another process claims a member's identity at an address of its own.
    pub(super) fn add_twin(&mut self, of: usize, generation: u64) {
        let addr = addr_of(self.places.len());
        let nonce = self.random.draw() as u32;
        let place = self.join(Identity { id: id_of(of), addr, generation, nonce });
        self.places[place].process.state = State::Twin;
    }

    pub(super) fn leave(&mut self, place: usize) {
        self.call(place, |member, now, sends| member.call(now, sends, Gossip::leave));
        self.stop(place, State::Left);
    }

    pub(super) fn set_item(&mut self, place: usize, key: u16, bytes: &[u8]) {
        self.call(place, |member, now, sends| {
            member.call(now, sends, |gossip, now, _| {
                gossip.set_raw(now, key, bytes).expect("the simulator's items are few and short");
            });
        });
    }

    /// Those that are as they should be: neither gone nor twins.
    pub(super) fn live(&self) -> impl Iterator<Item = (usize, &SimulatedMember)> {
        self.running().filter(|(_, member)| member.state == State::Running)
    }

    pub(super) fn places_of(&self, state: State) -> Vec<usize> {
        let places = self.places.iter().enumerate();
        places.filter(|(_, place)| place.process.state == state).map(|(place, _)| place).collect()
    }

    pub(super) fn at(&self, place: usize) -> &SimulatedMember {
        &self.places[place].process
    }

    fn stop(&mut self, place: usize, state: State) {
        self.silence(place);
        self.places[place].process.state = state;
    }

    fn member_of(&mut self, identity: Identity, now: Duration) -> SimulatedMember {
        let (config, seed) = (Config::new("simulated"), self.random.draw());
        let mut gossip = Gossip::new(now, identity, config, seed).expect("the defaults work");
        gossip.add_seed(addr_of(0)).expect("it is the first");
        SimulatedMember {
            gossip,
            state: State::Running,
            generation: identity.generation,
            refused: false,
            down_count: 0,
            out: Out::new(),
        }
    }
}

impl SimulatedMember {
    fn call(&mut self, now: Duration, sends: &mut Sends, call: impl FnOnce(&mut Gossip, Duration, &mut Out)) {
        call(&mut self.gossip, now, &mut self.out);
        sends.extend(self.out.sends().map(|(to, bytes)| (to, bytes.to_vec())));
        for event in self.out.events() {
            match event {
                Event::Down { .. } => self.down_count += 1,
                Event::IdentityConflict { .. } => self.refused |= self.gossip.is_refused(),
                _ => {}
            }
        }
        self.out.clear();
    }
}

impl Process for SimulatedMember {
    fn handle_message(&mut self, now: Duration, from: SocketAddr, bytes: &[u8], sends: &mut Sends) {
        self.call(now, sends, |gossip, now, out| gossip.handle_message(now, from, bytes, out));
    }

    fn handle_timeout(&mut self, now: Duration, sends: &mut Sends) {
        self.call(now, sends, Gossip::handle_timeout);
    }

    fn next_deadline(&self) -> Option<Duration> {
        self.gossip.next_deadline()
    }
}

impl Cluster for Members {
    fn run(&mut self, duration: Duration) {
        self.run(duration);
    }

    fn set_link(&mut self, link: Link) {
        self.link = link;
    }

    fn kill(&mut self, place: usize) {
        self.stop(place, State::Killed);
    }

    fn change(&mut self, place: usize, value: u64) {
        self.set_item(place, 1, &value.to_le_bytes());
    }

    fn size(&self) -> usize {
        self.live().count()
    }

    /// All that run know exactly each other as alive, and the same of everybody.
    fn agree(&self) -> bool {
        let count = self.size();
        let mut digests = self.live().map(|(_, member)| member.gossip.digest());
        let first = digests.next();
        self.live().all(|(_, member)| member.gossip.live_count() == count)
            && digests.all(|digest| Some(digest) == first)
    }

    fn down_at(&self, place: usize) -> usize {
        let is_down =
            |gossip: &Gossip| gossip.member(id_of(place)).is_some_and(|seen| seen.health() == Health::Down);
        self.live().filter(|(_, member)| is_down(&member.gossip)).count()
    }

    fn know(&self, place: usize, value: u64) -> usize {
        let value = value.to_le_bytes();
        let knows = |gossip: &Gossip| {
            gossip.member(id_of(place)).and_then(|seen| seen.raw_item(1)) == Some(value.as_slice())
        };
        self.live().filter(|(_, member)| knows(&member.gossip)).count()
    }

    fn down_count(&self) -> u64 {
        self.live().map(|(_, member)| member.down_count).sum()
    }

    fn byte_counts(&self) -> (u64, u64) {
        self.byte_counts()
    }
}

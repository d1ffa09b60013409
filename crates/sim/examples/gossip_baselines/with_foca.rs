//! foca: SWIM as a state machine. Values are broadcasts of the embedder's, which it spreads beside its own.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use dynomite_sim::{Cluster, Link, Network, Process, Sends, addr_of};
use foca::{
    BroadcastHandler, Config, Foca, Invalidates, Notification, OwnedNotification, PostcardCodec, Runtime,
    State, Timer,
};
use rand::{SeedableRng, rngs::SmallRng};

/// A network of foca's members, with the settings for a local network of this size.
pub(crate) fn start(count: usize, seed: u64) -> FocaCluster {
    let mut network = Network::new(seed);
    let size = NonZeroU32::new(count as u32).expect("a cluster has members");
    for place in 0..count {
        let start_at = Duration::from_micros(network.random.below(1_000_000));
        let identity = Identity { addr: addr_of(place), bump: 0 };
        let rng = SmallRng::seed_from_u64(network.random.draw());
        let config = Config::new_lan(size);
        let values = Values::default();
        let foca = Foca::with_custom_broadcast(identity, config, rng, PostcardCodec, values.clone());
        let requests = Requests::default();
        let member = FocaMember { foca, values, requests, start_at: Some(start_at), down_count: 0 };
        network.add(member, start_at);
    }
    FocaCluster(network)
}

/// The members and their network.
pub(crate) struct FocaCluster(Network<FocaMember>);

/// One member.
struct FocaMember {
    foca: Foca<Identity, PostcardCodec, SmallRng, Values>,
    values: Values,
    requests: Requests,
    start_at: Option<Duration>,
    down_count: u64,
}

/// Comes back by itself with the next bump when it was called down.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Identity {
    addr: SocketAddr,
    bump: u16,
}

/// What foca wants done.
#[derive(Default)]
struct Requests {
    now: Duration,
    sends: Sends,
    timers: BinaryHeap<Reverse<Due>>,
    timer_count: u64,
    notifications: Vec<OwnedNotification<Identity>>,
}

struct Due {
    at: Duration,
    number: u64,
    timer: Timer<Identity>,
}

/// The value of each member that told one; foca keeps its handle to itself.
#[derive(Clone, Default)]
struct Values(Rc<RefCell<BTreeMap<u64, u64>>>);

struct ValueKey(u64);

impl FocaMember {
    fn call(
        &mut self,
        now: Duration,
        sends: &mut Sends,
        call: impl FnOnce(&mut Foca<Identity, PostcardCodec, SmallRng, Values>, &mut Requests),
    ) {
        self.requests.now = now;
        call(&mut self.foca, &mut self.requests);
        sends.append(&mut self.requests.sends);
        for notification in self.requests.notifications.drain(..) {
            self.down_count += u64::from(matches!(notification, OwnedNotification::MemberDown(_)));
        }
    }

    fn calls_down(&self, addr: SocketAddr) -> bool {
        let mut members = self.foca.iter_membership_state();
        members.any(|member| member.id().addr == addr && member.state() == State::Down)
    }
}

impl Process for FocaMember {
    fn handle_message(&mut self, now: Duration, _: SocketAddr, bytes: &[u8], sends: &mut Sends) {
        // What comes from those that were called down is answered and given as an error.
        self.call(now, sends, |foca, requests| drop(foca.handle_data(bytes, requests)));
    }

    fn handle_timeout(&mut self, now: Duration, sends: &mut Sends) {
        if self.start_at.is_some_and(|at| at <= now) {
            self.start_at = None;
            let seed = Identity { addr: addr_of(0), bump: 0 };
            self.call(now, sends, |foca, requests| drop(foca.announce(seed, requests)));
        }
        while self.requests.timers.peek().is_some_and(|Reverse(due)| due.at <= now) {
            let Some(Reverse(due)) = self.requests.timers.pop() else { break };
            self.call(now, sends, |foca, requests| drop(foca.handle_timer(due.timer, requests)));
        }
    }

    fn next_deadline(&self) -> Option<Duration> {
        let timer = self.requests.timers.peek().map(|Reverse(due)| due.at);
        self.start_at.into_iter().chain(timer).min()
    }
}

impl Cluster for FocaCluster {
    fn run(&mut self, duration: Duration) {
        self.0.run(duration);
    }

    fn set_link(&mut self, link: Link) {
        self.0.link = link;
    }

    fn kill(&mut self, place: usize) {
        self.0.silence(place);
    }

    fn change(&mut self, place: usize, value: u64) {
        let broadcast = [(place as u64).to_le_bytes(), value.to_le_bytes()].concat();
        self.0.call(place, |member, now, sends| {
            member.call(now, sends, |foca, _| drop(foca.add_broadcast(&broadcast)));
        });
    }

    fn size(&self) -> usize {
        self.0.running().count()
    }

    fn agree(&self) -> bool {
        let others = self.size() - 1;
        self.0.running().all(|(_, member)| member.foca.num_members() == others)
    }

    fn down_at(&self, place: usize) -> usize {
        self.0.running().filter(|(_, member)| member.calls_down(addr_of(place))).count()
    }

    fn know(&self, place: usize, value: u64) -> usize {
        let knows = |member: &FocaMember| member.values.0.borrow().get(&(place as u64)) == Some(&value);
        self.0.running().filter(|(_, member)| knows(member)).count()
    }

    fn down_count(&self) -> u64 {
        self.0.running().map(|(_, member)| member.down_count).sum()
    }

    fn byte_counts(&self) -> (u64, u64) {
        self.0.byte_counts()
    }
}

impl Runtime<Identity> for Requests {
    fn notify(&mut self, notification: Notification<'_, Identity>) {
        self.notifications.push(notification.to_owned());
    }

    fn send_to(&mut self, to: Identity, data: &[u8]) {
        self.sends.push((to.addr, data.to_vec()));
    }

    fn submit_after(&mut self, timer: Timer<Identity>, after: Duration) {
        self.timer_count += 1;
        let due = Due { at: self.now + after, number: self.timer_count, timer };
        self.timers.push(Reverse(due));
    }
}

impl foca::Identity for Identity {
    type Addr = SocketAddr;

    fn renew(&self) -> Option<Self> {
        Some(Self { bump: self.bump + 1, ..self.clone() })
    }

    fn addr(&self) -> SocketAddr {
        self.addr
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.bump > adversary.bump
    }
}

impl BroadcastHandler<Identity> for Values {
    type Key = ValueKey;
    type Error = Infallible;

    fn receive_item(&mut self, data: &[u8], _: Option<&Identity>) -> Result<Option<ValueKey>, Infallible> {
        let (Some((place, rest)), true) = (data.split_first_chunk(), data.len() == 16) else {
            return Ok(None);
        };
        let place = u64::from_le_bytes(*place);
        let value = rest.first_chunk().map(|value| u64::from_le_bytes(*value));
        let mut values = self.0.borrow_mut();
        let is_new = values.get(&place).copied() < value;
        if let (true, Some(value)) = (is_new, value) {
            values.insert(place, value);
        }
        Ok(is_new.then_some(ValueKey(place)))
    }
}

impl Invalidates for ValueKey {
    fn invalidates(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Due {}

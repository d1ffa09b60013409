//! How fast the membership is, and what it costs, at its default settings.

use std::time::Duration;

use dynomite_gossip::Health;

use super::network::{Network, addr_of, id_of};

/// After so long something is taken never to happen.
const LIMIT: Duration = Duration::from_secs(120);
/// So many nodes are killed, and so many changes made, one after the other; the slowest counts.
const TIMES: usize = 3;

/// What was measured at one size.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Members.
    pub count: usize,
    /// From the start of all of them until all know all.
    pub together: Option<Duration>,
    /// From the death of a node until 99 % of the others call it down; the slowest of three.
    pub down_for_most: Option<Duration>,
    /// The same for all others.
    pub down_for_all: Option<Duration>,
    /// From a change until all others have it; the slowest of three.
    pub change: Option<Duration>,
    /// What a member sends in a second when nothing happens, in bytes.
    pub sent_bytes: u64,
    /// What it receives in a second.
    pub received_bytes: u64,
    /// How long there was 5 % loss, with 200 ms from node to node.
    pub lossy_time: Duration,
    /// How often a live node was called down in that time, by whomever.
    pub false_down_count: u64,
}

/// Measures a cluster of `count`, with `lossy_time` of loss and delay at the end.
pub fn measure(count: usize, seed: u64, lossy_time: Duration) -> Figures {
    let mut network = Network::new(count, seed);
    let together = network.run_until(LIMIT, Network::agree);
    network.run(Duration::from_secs(20));
    let (sent_bytes, received_bytes) = traffic(&mut network, Duration::from_secs(20));
    let down: Vec<_> = (1..=TIMES).map(|place| time_to_down(&mut network, place)).collect();
    let change: Vec<_> = (0..TIMES).map(|time| time_to_change(&mut network, count - 1 - time)).collect();
    network.loss_percent = 5;
    network.delay = (Duration::from_millis(200), Duration::from_millis(1));
    let down_count = |network: &Network| network.running().map(|(_, member)| member.down_count).sum::<u64>();
    let before = down_count(&network);
    network.run(lossy_time);
    Figures {
        count,
        together,
        down_for_most: slowest(down.iter().map(|(most, _)| *most)),
        down_for_all: slowest(down.iter().map(|(_, all)| *all)),
        change: slowest(change.into_iter()),
        sent_bytes,
        received_bytes,
        lossy_time,
        false_down_count: down_count(&network) - before,
    }
}

impl Figures {
    /// What is asked for and was not reached.
    pub fn missed(&self) -> Vec<String> {
        let within =
            |time: Option<Duration>, secs| time.is_some_and(|time| time <= Duration::from_secs(secs));
        let bytes_max = if self.count <= 100 { 4000 } else { 25_000 };
        let demands = [
            (within(self.down_for_most, 8), "a dead node is called down by 99 % within 8 s"),
            (within(self.change, 12), "a change reaches all within 12 s"),
            (self.false_down_count == 0, "no live node is called down"),
            (self.sent_bytes + self.received_bytes <= bytes_max, "what it sends and receives is bounded"),
        ];
        let missed = demands.into_iter().filter(|(is_met, _)| !is_met);
        missed.map(|(_, what)| format!("{} members: {what}", self.count)).collect()
    }
}

fn slowest(times: impl Iterator<Item = Option<Duration>>) -> Option<Duration> {
    times.collect::<Option<Vec<_>>>()?.into_iter().max()
}

/// Bytes that a member sends and receives in a second.
fn traffic(network: &mut Network, time: Duration) -> (u64, u64) {
    let sum = |network: &Network| {
        let members = network.members.iter();
        members.fold((0, 0), |sum, member| (sum.0 + member.sent_bytes, sum.1 + member.received_bytes))
    };
    let before = sum(network);
    network.run(time);
    let after = sum(network);
    let per = network.members.len() as u64 * time.as_secs();
    ((after.0 - before.0) / per, (after.1 - before.1) / per)
}

fn time_to_down(network: &mut Network, place: usize) -> (Option<Duration>, Option<Duration>) {
    network.kill(place);
    let others = network.running().count();
    let most = network.run_until(LIMIT, |network| network.seen_as(place, Health::Down) * 100 >= others * 99);
    let rest = network.run_until(LIMIT, |network| network.seen_as(place, Health::Down) >= others);
    let all = most.and_then(|most| Some(most + rest?));
    network.run(Duration::from_secs(5));
    (most, all)
}

fn time_to_change(network: &mut Network, place: usize) -> Option<Duration> {
    debug_assert_eq!(network.members[place].gossip.myself().addr(), addr_of(place));
    let value = network.random.draw().to_le_bytes();
    network.set(place, 1, &value);
    let has_it = |network: &Network| {
        network.running().all(|(_, member)| {
            let seen = member.gossip.member(id_of(place));
            seen.and_then(|seen| seen.raw_item(1)) == Some(value.as_slice())
        })
    };
    network.run_until(LIMIT, has_it)
}

//! Things break at random, and afterwards everybody must agree on who is there.

use std::time::Duration;

use dynomite_gossip::Health;

use super::cluster::Cluster;
use super::members::{Members, State, id_of};
use super::network::{Cut, Link};

/// What breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GossipScenario {
    /// Loss and delay.
    Loss,
    /// Single paths are broken, each in one direction.
    Cuts,
    /// Datacenters are cut off from each other, and halves from halves.
    Partitions,
    /// Nodes are killed; some come back with nothing remembered.
    Restarts,
    /// They come back with a generation that they had long ago.
    OldGenerations,
    /// Second processes claim identities.
    Twins,
    /// Nodes leave.
    Departures,
    /// All of it but twins: where a partition parts two claimants, either may keep the place.
    Everything,
}

/// All scenarios.
pub const GOSSIP_SCENARIOS: [GossipScenario; 8] = [
    GossipScenario::Loss,
    GossipScenario::Cuts,
    GossipScenario::Partitions,
    GossipScenario::Restarts,
    GossipScenario::OldGenerations,
    GossipScenario::Twins,
    GossipScenario::Departures,
    GossipScenario::Everything,
];

/// So many faults, so far apart.
const ROUNDS: usize = 12;
const ROUND: Duration = Duration::from_secs(6);
/// When the last fault is over, all is to be well in this time.
const SETTLED_AFTER: Duration = Duration::from_secs(90);

/// Plays a scenario with `count` members; what does not hold afterwards.
pub fn play_gossip(scenario: GossipScenario, count: usize, seed: u64) -> Vec<String> {
    let mut network = Members::start(count, seed);
    network.run(Duration::from_secs(20));
    for round in 0..ROUNDS {
        harm(&mut network, scenario, round);
        network.run(ROUND);
    }
    (network.cut, network.link) = (Cut::Nobody, Link::GOOD);
    // Whoever heard a farewell may have been killed since: then one that left is down to all that run.
    let farewells_count = scenario != GossipScenario::Everything;
    let settled = network.run_until(SETTLED_AFTER, |network| wrong(network, farewells_count).is_empty());
    if settled.is_none() { wrong(&network, farewells_count) } else { Vec::new() }
}

fn harm(network: &mut Members, scenario: GossipScenario, round: usize) {
    use GossipScenario as S;
    let is = |one: S| scenario == one || scenario == S::Everything;
    if is(S::Loss) {
        network.link = Link {
            loss_percent: network.random.between(0, 20),
            delay: Duration::from_millis(1),
            jitter: Duration::from_millis(network.random.between(1, 400)),
        };
    }
    if is(S::Cuts) || is(S::Partitions) {
        let pairs = network.random.between(4, 20);
        let dc = network.random.index(3);
        let cuts: &[Cut] = match scenario {
            S::Cuts => &[Cut::Pairs(pairs), Cut::Pairs(pairs)],
            S::Partitions => &[Cut::Dc(dc), Cut::Halves],
            _ => &[Cut::Nobody, Cut::Pairs(pairs), Cut::Dc(dc), Cut::Halves],
        };
        network.cut = *network.random.pick(cuts);
    }
    if is(S::Restarts) || is(S::OldGenerations) {
        restart_some(network, scenario, round);
    }
    if scenario == S::Twins && round < 2 {
        let of = some_running(network);
        let generation = network.at(of).generation + network.random.below(2);
        network.add_twin(of, generation);
    }
    if is(S::Departures) && round.is_multiple_of(3) {
        let place = some_running(network);
        network.leave(place);
    }
    let place = some_running(network);
    network.set_item(place, round as u16 % 4, &[round as u8; 40]);
}

fn restart_some(network: &mut Members, scenario: GossipScenario, round: usize) {
    let killed = network.places_of(State::Killed);
    if round % 2 == 1 && !killed.is_empty() {
        let place = *network.random.pick(&killed);
        let before = network.at(place).generation;
        let is_old = scenario == GossipScenario::OldGenerations || network.random.chance(30);
        network.restart(place, if is_old { before.saturating_sub(1) } else { before + 100 });
    } else {
        let place = some_running(network);
        network.kill(place);
    }
}

/// One that runs, not the seed and not one whose identity is claimed twice.
fn some_running(network: &mut Members) -> usize {
    let claimed: Vec<_> = network.places_of(State::Twin);
    let claimed: Vec<_> = claimed.iter().map(|place| network.at(*place).gossip.id()).collect();
    let running = network.live().map(|(place, _)| place);
    let places: Vec<usize> =
        running.filter(|place| *place != 0 && !claimed.contains(&id_of(*place))).collect();
    *network.random.pick(&places)
}

/// What does not hold now, or the beginning of it.
fn wrong(network: &Members, farewells_count: bool) -> Vec<String> {
    const ENOUGH: usize = 20;
    let mut wrong = Vec::new();
    for (place, member) in network.live() {
        if wrong.len() >= ENOUGH {
            return wrong;
        }
        for (other, seen) in network.live() {
            let health = member.gossip.member(id_of(other)).map(|member| member.health());
            let is_live = matches!(health, Some(Health::Alive | Health::Suspect));
            if !is_live || seen.gossip.is_refused() {
                wrong.push(format!("{other} lives and {place} sees it as {health:?}"));
            }
        }
        for (state, demanded) in [(State::Killed, Health::Down), (State::Left, Health::Gone)] {
            for other in network.places_of(state) {
                let health = member.gossip.member(id_of(other)).map(|member| member.health());
                let may_be_down = state == State::Left && !farewells_count;
                if health != Some(demanded) && !(may_be_down && health == Some(Health::Down)) {
                    wrong.push(format!("{other} is {state:?} and {place} sees it as {health:?}"));
                }
            }
        }
    }
    for place in network.places_of(State::Twin) {
        if !network.at(place).refused {
            wrong.push(format!("{place} claims the identity of another and was not refused"));
        }
    }
    if wrong.is_empty() && !network.agree() {
        wrong.push("the members do not know the same of each other".to_owned());
    }
    wrong
}

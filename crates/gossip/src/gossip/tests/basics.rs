use crate::testing::{Net, addr, id, identity, millis, secs};
use crate::{Config, Event, Gossip, GossipError, Health, Item, Out, Status};

#[test]
fn members_find_each_other_through_one_seed() {
    for (count, limit) in [(1, 1), (2, 3), (3, 4), (10, 6), (100, 12)] {
        let mut net = Net::new(count, 7);
        net.run(millis(100));
        let took = net.run_until_so(secs(limit), Net::agree);
        assert!(took.is_some(), "{count} nodes do not agree in {limit} s");
        for (place, node) in net.running() {
            let joined = node.events.iter().filter(|(_, event)| matches!(event, Event::Joined { .. }));
            assert_eq!(joined.count(), count - 1, "at {place}");
        }
    }
}

#[test]
fn a_dead_node_is_called_down_by_all_and_is_up_again_after_its_restart() {
    for count in [2, 3, 10, 100] {
        let mut net = Net::new(count, 1);
        net.run(secs(20));
        net.kill(1);
        let took = net.run_until_so(secs(8), |net| net.seen_as(1, Health::Down) == count - 1);
        assert!(took.is_some_and(|took| took > secs(2)), "{count}: {took:?}");
        assert!(net.events(0).any(|event| *event == Event::Down { id: id(1) }));
        net.run(secs(300));
        assert_eq!(net.seen_as(1, Health::Down), count - 1);
        net.restart(1, identity(1, 2));
        let took = net.run_until_so(secs(5), Net::agree);
        assert!(took.is_some(), "{count}");
        assert!(net.events(0).any(|event| *event == Event::Restarted { id: id(1) }));
    }
}

#[test]
fn a_change_in_a_quiet_cluster_is_told_at_once() {
    let mut net = Net::new(6, 3);
    net.run(secs(20));
    net.call(4, |gossip, now, _| gossip.set_raw(now, 1, b"new").unwrap());
    net.run(millis(10));
    for (place, node) in net.running() {
        let seen = node.gossip.member(id(4)).and_then(|member| member.raw_item(1));
        assert_eq!(seen, Some(b"new".as_slice()), "at {place}");
    }
}

#[test]
fn same_seed_same_events() {
    let run = |seed| {
        let mut net = Net::new(12, seed);
        (net.loss_percent, net.delay) = (20, (millis(10), millis(400)));
        net.run(secs(10));
        net.kill(3);
        net.run(secs(20));
        net.nodes.iter().map(|node| (node.events.clone(), node.sent_bytes)).collect::<Vec<_>>()
    };
    let first = run(5);
    assert!(first.iter().all(|(events, _)| events.len() >= 11));
    assert_eq!(first, run(5));
    assert_ne!(first, run(6));
}

/// The embedder's items in these tests.
#[derive(Debug, PartialEq)]
enum Own {
    Load(u8),
    Name(String),
}

impl Item for Own {
    fn key(&self) -> u16 {
        match self {
            Self::Load(_) => 1,
            Self::Name(_) => 300,
        }
    }

    fn encode(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Load(load) => bytes.push(*load),
            Self::Name(name) => bytes.extend_from_slice(name.as_bytes()),
        }
    }

    fn decode(key: u16, bytes: &[u8]) -> Option<Self> {
        match (key, bytes) {
            (1, [load]) => Some(Self::Load(*load)),
            (300, name) => Some(Self::Name(String::from_utf8(name.to_vec()).ok()?)),
            _ => None,
        }
    }
}

#[test]
fn items_reach_all_and_unknown_ones_are_passed_on() {
    let mut net = Net::new(10, 2);
    net.run(secs(5));
    let now = net.now;
    let owner = &mut net.nodes[4].gossip;
    owner.set(now, &Own::Load(7)).unwrap();
    owner.set(now, &Own::Name("four".into())).unwrap();
    owner.set_raw(now, 9, b"of a later build").unwrap();
    assert!(net.run_until_so(secs(4), Net::agree).is_some());
    let later = net.add(identity(10, 1));
    assert!(net.run_until_so(secs(5), Net::agree).is_some());
    for (_, node) in net.running() {
        let member = node.gossip.member(id(4)).unwrap();
        assert_eq!(member.items::<Own>().collect::<Vec<_>>(), [Own::Load(7), Own::Name("four".into())]);
        assert_eq!(member.item::<Own>(9), None);
        assert_eq!(member.raw_item(9), Some(b"of a later build".as_slice()));
    }
    assert!(net.events(later).any(|event| *event == Event::ItemSet { id: id(4), key: 300 }));
    let now = net.now;
    net.nodes[4].gossip.remove(now, 300).unwrap();
    assert!(
        net.run_until_so(secs(4), |net| net
            .running()
            .all(|(_, node)| { node.gossip.member(id(4)).unwrap().item::<Own>(300).is_none() }))
            .is_some()
    );
    assert!(net.events(2).any(|event| *event == Event::ItemRemoved { id: id(4), key: 300 }));
}

#[test]
fn a_status_reaches_all() {
    let config = Config { status: Status::Joining, ..Config::new("test") };
    let mut net = Net::with_config(5, 3, config);
    net.run(secs(5));
    assert_eq!(net.nodes[0].gossip.member(id(2)).unwrap().status(), Status::Joining);
    let now = net.now;
    net.nodes[2].gossip.set_status(now, Status::Normal);
    net.run(secs(3));
    let status = Status::Normal;
    for place in [0, 1, 3, 4] {
        assert_eq!(net.nodes[place].gossip.member(id(2)).unwrap().status(), status);
        assert!(net.events(place).any(|event| *event == Event::StatusChanged { id: id(2), status }));
    }
}

#[test]
fn who_leaves_is_gone_at_once_never_down_and_does_not_return() {
    let mut net = Net::new(20, 3);
    net.run(secs(10));
    net.call(6, Gossip::leave);
    net.kill(6);
    let took = net.run_until_so(secs(3), |net| net.seen_as(6, Health::Gone) == 19);
    assert!(took.is_some());
    net.run(secs(600));
    assert_eq!(net.seen_as(6, Health::Gone), 19);
    let down = Event::Down { id: id(6) };
    assert!((0..20).all(|place| net.events(place).all(|event| *event != down)));
    assert_eq!(net.nodes[6].gossip.next_deadline(), None);
    let now = net.now;
    assert_eq!(net.nodes[6].gossip.set_raw(now, 1, b""), Err(GossipError::HasLeft));
}

#[test]
fn the_departed_are_forgotten_by_all_and_stay_so() {
    let config = Config { departed_grace: secs(120), ..Config::new("test") };
    let mut net = Net::with_config(8, 3, config);
    net.run(secs(10));
    net.call(6, Gossip::leave);
    net.kill(6);
    net.run(secs(40));
    // One that comes late hears of it, and forgets it with the others.
    net.add(identity(8, 1));
    net.run(secs(10));
    assert_eq!(net.seen_as(6, Health::Gone), 8);
    net.run(secs(30));
    // And one that comes later still does not hear of it.
    let later = net.add(identity(9, 1));
    net.run(secs(10));
    assert_eq!((net.seen_as(6, Health::Gone), net.nodes[later].gossip.member(id(6)).is_none()), (8, true));
    assert!(net.agree());
    net.run(secs(60));
    assert!(net.running().all(|(_, node)| node.gossip.member(id(6)).is_none()));
    net.add(identity(10, 1));
    net.run(secs(60));
    assert!(net.running().all(|(_, node)| node.gossip.member(id(6)).is_none()));
    assert!(net.agree());
    net.restart(6, identity(6, 2));
    assert!(net.run_until_so(secs(6), Net::agree).is_some());
}

#[test]
fn one_that_is_down_is_given_up_by_an_operator() {
    let mut net = Net::new(5, 3);
    net.run(secs(5));
    let give_up = |gossip: &mut Gossip, now, out: &mut Out| gossip.give_up(now, id(3), out);
    assert_eq!(net.call(0, give_up), Err(GossipError::NotDown { id: id(3) }));
    net.kill(3);
    net.run(secs(10));
    assert_eq!(net.call(0, give_up), Ok(()));
    net.run(secs(5));
    assert_eq!(net.seen_as(3, Health::Gone), 4);
    // It was not dead after all.
    net.restart(3, identity(3, 1));
    assert!(net.run_until_so(secs(8), Net::agree).is_some());
}

#[test]
fn unanswered_seeds_are_asked_for_ever_once_in_an_interval() {
    let mut net = Net::new(1, 1);
    for place in 50..53 {
        net.nodes[0].gossip.add_seed(addr(place)).unwrap();
    }
    let one = net.nodes[0].sent_bytes;
    net.run(secs(1));
    let in_a_second = net.nodes[0].sent_bytes - one;
    assert!(in_a_second > 0);
    net.run(secs(1000));
    let asked = (net.nodes[0].sent_bytes - one) as f64 / in_a_second as f64;
    assert!((900.0..1200.0).contains(&asked), "{asked}");
}

use std::collections::BTreeSet;

use super::*;
use crate::topology::Topology;

const LINK: LinkId = LinkId { from: 0, worker: 0, to: 1 };

fn network() -> (Network, Dice) {
    let topology = Topology::racks(1, 3);
    let surroundings = Surroundings { varies: true, ..Surroundings::even(&topology, 1000, 1000) };
    let plan = Plan {
        seed: 1,
        topology,
        surroundings,
        commands: Vec::new(),
        faults: Vec::new(),
        changes: Vec::new(),
    };
    let mut network = Network::new(&plan);
    network.establish(LINK, 1);
    (network, plan.dice())
}

#[test]
fn requests_keep_their_order_whatever_each_takes() {
    let (mut network, dice) = network();
    let sent: Vec<_> = (0..500).map(|now| network.send_request(dice, LINK, now * 10, 0).unwrap()).collect();
    assert!(sent.is_sorted_by_key(|(_, at, number)| (*at, *number)));
    assert!(sent.iter().all(|(generation, ..)| *generation == 1));
}

#[test]
fn a_broken_connection_loses_all_from_some_message_on() {
    let mut arrived = BTreeSet::new();
    for moment in 0..50 {
        let (mut network, dice) = network();
        for now in 0..10 {
            network.send_request(dice, LINK, now, 0).unwrap();
        }
        assert!(network.accepts_request(LINK, 1, 0, 1));
        assert_eq!(network.break_link(dice, LINK, moment), Some(1));
        let arrive: Vec<bool> = (1..10).map(|number| network.accepts_request(LINK, 1, number, 1)).collect();
        assert!(arrive.is_sorted_by(|earlier, later| earlier >= later), "{arrive:?}");
        arrived.insert(arrive.iter().filter(|arrives| **arrives).count());
        network.establish(LINK, 1);
        assert!(!network.accepts_request(LINK, 1, 9, 1), "never after the next connection");
    }
    assert!(arrived.len() > 3 && arrived.contains(&0) && arrived.contains(&9), "{arrived:?}");
}

#[test]
fn what_was_swallowed_arrives_in_order_when_it_can_pass() {
    let (mut network, dice) = network();
    network.swallow(0, 1);
    for number in 0..3 {
        let parcel = Parcel::Request { generation: 1, number, bytes: Bytes::new() };
        network.hold(LINK, parcel);
    }
    network.swallow(0, 1);
    assert!(network.let_pass(dice, 0, 1, 50).is_empty(), "another fault still swallows");
    let released = network.let_pass(dice, 0, 1, 60);
    let numbers: Vec<u64> = released
        .iter()
        .map(|(_, _, parcel)| match parcel {
            Parcel::Request { number, .. } | Parcel::Response { number, .. } => *number,
        })
        .collect();
    assert_eq!(numbers, [0, 1, 2]);
    let (_, at, _) = network.send_request(dice, LINK, 61, 0).unwrap();
    assert!(at >= released[2].0, "what is sent later arrives later");
}

#[test]
fn answers_go_back_on_the_connection_of_their_request() {
    let (mut network, dice) = network();
    let (link, generation) = link_of(origin(LINK, 1), 1).unwrap();
    assert_eq!((link, generation), (LINK, 1));
    assert!(network.send_response(dice, link, generation, 0, 0).is_some());
    network.establish(LINK, 2);
    assert!(network.send_response(dice, link, generation, 0, 0).is_none());
    assert!(!network.accepts_request(LINK, 2, 0, 1), "accepted by a process that is gone");
    assert_eq!(link_of(NOBODY, 1), None);
}

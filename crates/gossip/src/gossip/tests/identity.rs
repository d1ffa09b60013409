use crate::testing::{Net, addr, id, identity, secs};
use crate::{Config, Event, Health, Identity};

fn conflicts(net: &Net, place: usize) -> Vec<(Identity, Identity)> {
    let conflict = |event: &Event| match event {
        Event::IdentityConflict { kept, refused, .. } => Some((*kept, *refused)),
        _ => None,
    };
    net.events(place).filter_map(conflict).collect()
}

#[test]
fn a_restart_is_known_at_once_and_what_it_said_before_is_gone() {
    let mut net = Net::new(6, 4);
    net.run(secs(5));
    let now = net.now;
    net.nodes[3].gossip.set_raw(now, 1, b"of the first run").unwrap();
    net.run(secs(5));
    net.restart(3, identity(3, 2));
    assert!(net.run_until_so(secs(3), Net::agree).is_some());
    assert!(net.events(0).any(|event| *event == Event::Restarted { id: id(3) }));
    assert!(net.events(0).all(|event| *event != Event::Down { id: id(3) }));
    let member = net.nodes[0].gossip.member(id(3)).unwrap();
    assert_eq!((member.identity().generation, member.raw_item(1)), (2, None));
}

#[test]
fn an_old_generation_rises_above_what_the_cluster_remembers() {
    for (old, time_down) in [(5, 0), (5, 60), (9, 0), (9, 60)] {
        let mut net = Net::new(6, 4);
        net.restart(3, identity(3, 9));
        net.run(secs(5));
        net.kill(3);
        net.run(secs(time_down));
        net.restart(3, Identity { nonce: 77, ..identity(3, old) });
        let now = net.now;
        net.nodes[3].gossip.set_raw(now, 1, b"new").unwrap();
        assert!(net.run_until_so(secs(5), Net::agree).is_some(), "{old} {time_down}");
        let raised: Vec<_> =
            net.events(3).filter(|event| matches!(event, Event::GenerationRaised { .. })).collect();
        assert_eq!(raised, [&Event::GenerationRaised { from: old, to: 10 }]);
        let member = net.nodes[0].gossip.member(id(3)).unwrap();
        assert_eq!((member.identity().generation, member.raw_item(1)), (10, Some(b"new".as_slice())));
    }
}

#[test]
fn of_two_live_claimants_the_first_keeps_its_place_and_both_are_told() {
    for generation in [1, 2] {
        let mut net = Net::new(8, 4);
        net.run(secs(10));
        let twin = Identity { addr: addr(8), nonce: 99, ..identity(3, generation) };
        let place = net.add(twin);
        net.run(secs(300));
        let expected = [(identity(3, 1), twin)];
        assert_eq!(conflicts(&net, 3), expected, "generation {generation}");
        assert_eq!(conflicts(&net, place), expected);
        assert!(net.nodes[place].gossip.is_refused() && !net.nodes[3].gossip.is_refused());
        for other in [0, 1, 2, 4, 5, 6, 7] {
            let member = net.nodes[other].gossip.member(id(3)).unwrap();
            assert_eq!((member.identity(), member.health()), (identity(3, 1), Health::Alive));
            let flaps = net.events(other).filter(|event| match event {
                Event::Restarted { id: who } | Event::Down { id: who } | Event::Up { id: who } => {
                    *who == id(3)
                }
                _ => false,
            });
            assert_eq!(flaps.count(), 0);
        }
        // When the first goes, the other takes its place.
        net.kill(3);
        net.run(secs(30));
        assert!(!net.nodes[place].gossip.is_refused());
        assert!(net.agree());
        assert_eq!(net.nodes[0].gossip.member(id(3)).unwrap().addr(), addr(8));
    }
}

#[test]
fn a_twin_that_only_a_newcomer_believes_loses_it_too() {
    let mut net = Net::new(8, 4);
    net.run(secs(10));
    // Both know only each other at first: the newcomer's seed is the twin.
    net.is_cut = |from, to| (from >= 8) != (to >= 8);
    let twin = net.add(Identity { addr: addr(8), nonce: 99, ..identity(3, 2) });
    let newcomer = net.add(identity(9, 1));
    net.nodes[newcomer].gossip.add_seed(addr(8)).unwrap();
    net.run(secs(10));
    assert_eq!(net.nodes[newcomer].gossip.member(id(3)).unwrap().addr(), addr(8));
    net.is_cut = |_, _| false;
    net.run(secs(60));
    assert!(net.nodes[twin].gossip.is_refused());
    assert_eq!(net.nodes[newcomer].gossip.member(id(3)).unwrap().addr(), addr(3));
    net.kill(twin);
    net.run(secs(20));
    assert!(net.agree());
}

#[test]
fn a_node_that_moves_is_taken_when_the_old_place_is_found_dead() {
    let mut net = Net::new(8, 4);
    net.run(secs(10));
    net.kill(3);
    let moved = net.add(Identity { addr: addr(8), ..identity(3, 2) });
    let took = net.run_until_so(secs(8), Net::agree);
    assert!(took.is_some());
    assert!((0..=moved).all(|place| conflicts(&net, place).is_empty()));
    assert_eq!(net.nodes[0].gossip.member(id(3)).unwrap().addr(), addr(8));
}

#[test]
fn another_cluster_is_refused_and_reported() {
    let mut net = Net::new(3, 4);
    net.config = Config::new("another");
    let stranger = net.add(identity(3, 1));
    net.run(secs(25));
    assert_eq!(net.nodes[stranger].gossip.live_count(), 1);
    assert_eq!(net.nodes[0].gossip.live_count(), 3);
    let told = net.events(0).filter(|event| **event == Event::OtherCluster { from: addr(stranger) });
    assert_eq!(told.count(), 3);
    assert!(net.events(stranger).any(|event| *event == Event::OtherCluster { from: addr(0) }));
    assert!(net.nodes[0].gossip.counts().other_cluster_count > 3);
}

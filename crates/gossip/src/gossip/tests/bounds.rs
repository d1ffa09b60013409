use proptest::prelude::*;

use crate::testing::{Net, addr, id, identity, millis, secs};
use crate::{Config, Event, Gossip, GossipError, Out, Status};

#[test]
fn members_beyond_the_bound_are_refused_and_told_of_once() {
    let config = Config { members_max: 5, ..Config::new("test") };
    let mut net = Net::with_config(9, 4, config);
    net.run(secs(30));
    for (place, node) in net.running() {
        assert!(node.gossip.members().count() <= 5, "{place}");
    }
    assert_eq!(net.events(0).filter(|event| matches!(event, Event::MembersFull { .. })).count(), 1);
    assert!(net.nodes[0].gossip.counts().members_refused_count > 1);
}

#[test]
fn items_and_seeds_beyond_the_bounds_are_errors() {
    let config = Config { items_max: 2, seeds_max: 3, ..Config::new("test") };
    let mut net = Net::with_config(1, 4, config);
    let now = net.now;
    let gossip = &mut net.nodes[0].gossip;
    let max = gossip.config().item_bytes_max();
    let long = vec![0; max + 1];
    assert_eq!(
        gossip.set_raw(now, 1, &long),
        Err(GossipError::ItemTooLong { key: 1, byte_count: max + 1, max })
    );
    gossip.set_raw(now, 1, &long[1..]).unwrap();
    gossip.set_raw(now, 2, b"").unwrap();
    assert_eq!(gossip.set_raw(now, 3, b""), Err(GossipError::NoRoom { key: 3 }));
    gossip.set_raw(now, 2, b"x").unwrap();
    for place in 0..3 {
        gossip.add_seed(addr(place)).unwrap();
    }
    assert_eq!(gossip.add_seed(addr(3)), Err(GossipError::TooManySeeds { max: 3 }));
    gossip.add_seed(addr(2)).unwrap();
}

#[test]
fn the_longest_items_pass_in_the_shortest_messages() {
    // That no message is longer than it may be is checked for every one that is sent.
    for message_bytes_max in [512, 1400] {
        let config = Config { message_bytes_max, ..Config::new("test") };
        let mut net = Net::with_config(40, 4, config);
        for place in 0..40 {
            let gossip = &mut net.nodes[place].gossip;
            let longest = vec![place as u8; gossip.config().item_bytes_max()];
            for key in [1, 60_000] {
                gossip.set_raw(millis(0), key, &longest).unwrap();
            }
        }
        assert!(net.run_until_so(secs(60), Net::agree).is_some(), "{message_bytes_max}");
    }
}

#[test]
fn a_configuration_that_does_not_work_is_refused() {
    let wrong = [
        Config { fanout: 0, ..Config::new("test") },
        Config { interval: secs(0), ..Config::new("test") },
        Config { message_bytes_max: 100, ..Config::new("test") },
        Config { status: Status::Left, ..Config::new("test") },
    ];
    for config in wrong {
        let error = Gossip::new(secs(0), identity(0, 1), config, 1).expect_err("it does not work");
        assert!(matches!(error, GossipError::Config { .. }));
    }
}

/// A few nodes that know each other, and what they send in some seconds.
fn traffic() -> (Net, Vec<Vec<u8>>) {
    let mut net = Net::new(4, 4);
    net.run(secs(2));
    let now = net.now;
    net.nodes[1].gossip.set_raw(now, 1, b"value").unwrap();
    let mut messages = Vec::new();
    let mut out = Out::new();
    for step in 0..60 {
        let now = now + millis(100 * step);
        for place in 0..4 {
            let node = &mut net.nodes[place].gossip;
            node.handle_timeout(now, &mut out);
            let sends: Vec<_> = out.sends().map(|(to, bytes)| (to, bytes.to_vec())).collect();
            out.clear();
            for (_, bytes) in sends {
                // Some are answered, so that all kinds are among them.
                net.nodes[(place + 1) % 4].gossip.handle_message(now, addr(place), &bytes, &mut out);
                messages.push(bytes);
                messages.extend(out.sends().map(|(_, bytes)| bytes.to_vec()));
                out.clear();
            }
        }
    }
    (net, messages)
}

#[test]
fn bytes_that_are_no_message_are_counted_and_change_nothing() {
    let (mut net, _) = traffic();
    let gossip = &mut net.nodes[0].gossip;
    let before = (gossip.digest(), gossip.counts().malformed_count);
    let mut out = Out::new();
    for bytes in [b"".as_slice(), b"GET / HTTP/1.1", &[0xD1], &[0xD1; 70_000]] {
        gossip.handle_message(secs(3), addr(1), bytes, &mut out);
    }
    assert!(out.is_empty());
    assert_eq!((gossip.digest(), gossip.counts().malformed_count), (before.0, before.1 + 4));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn mutated_messages_are_borne(
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..400)
    ) {
        let (mut net, messages) = traffic();
        let mut now = secs(10);
        let mut out = Out::new();
        let config = net.config.clone();
        for (which, place, byte) in mutations {
            let mut bytes = which.get(&messages).clone();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            // Into a node that is none of the four too.
            let gossip = &mut net.nodes[usize::from(byte % 4)].gossip;
            gossip.handle_message(now, addr(7), &bytes, &mut out);
            gossip.handle_timeout(now, &mut out);
            prop_assert!(out.sends().all(|(_, bytes)| bytes.len() <= config.message_bytes_max));
            out.clear();
            now += millis(50);
        }
        // Nobody was kept from knowing itself.
        for place in 0..4 {
            let me = net.nodes[place].gossip.myself();
            prop_assert_eq!(me.id(), id(place));
        }
    }
}

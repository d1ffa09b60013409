use std::net::SocketAddr;

use crate::testing::{Net, addr, id, identity, millis, secs};
use crate::wire::{Body, decode};
use crate::{Config, Event, Gossip, Health, Out};

fn downs(net: &Net) -> usize {
    let events = net.nodes.iter().flat_map(|node| &node.events);
    events.filter(|(_, event)| matches!(event, Event::Down { .. })).count()
}

#[test]
fn loss_and_delay_take_nobody_down() {
    for count in [2, 3, 10, 40] {
        let mut net = Net::new(count, 9);
        (net.loss_percent, net.delay) = (5, (millis(200), millis(20)));
        net.run(secs(600));
        assert_eq!(downs(&net), 0, "{count}");
        assert!(net.agree());
    }
}

#[test]
fn a_partition_heals_by_itself_and_takes_nobody_down_who_is_heard() {
    let mut net = Net::new(20, 4);
    net.run(secs(10));
    net.is_cut = |from, to| (from < 8) != (to < 8);
    net.run(secs(30));
    assert_eq!((net.nodes[0].gossip.live_count(), net.nodes[19].gossip.live_count()), (8, 12));
    let now = net.now;
    net.nodes[0].gossip.set_raw(now, 1, b"said here").unwrap();
    net.nodes[19].gossip.set_raw(now, 1, b"said there").unwrap();
    let before = net.events(0).filter(|event| matches!(event, Event::Down { .. })).count();
    assert_eq!(before, 12);
    net.is_cut = |_, _| false;
    let took = net.run_until_so(secs(20), Net::agree);
    assert!(took.is_some());
    // The verdicts of the other side were refuted before anybody followed them.
    assert_eq!(net.events(0).filter(|event| matches!(event, Event::Down { .. })).count(), 12);
    assert_eq!(net.nodes[0].gossip.member(id(19)).unwrap().raw_item(1), Some(b"said there".as_slice()));
    assert_eq!(net.nodes[19].gossip.member(id(0)).unwrap().raw_item(1), Some(b"said here".as_slice()));
}

#[test]
fn a_partition_heals_without_a_seed() {
    let mut net = Net::new(12, 4);
    net.run(secs(10));
    net.kill(0);
    net.is_cut = |from, to| (from < 5) != (to < 5);
    net.run(secs(300));
    assert_eq!((net.nodes[1].gossip.live_count(), net.nodes[11].gossip.live_count()), (4, 7));
    net.is_cut = |_, _| false;
    assert!(net.run_until_so(secs(20), Net::agree).is_some());
}

/// Three that know each other, and a minute in which the first two may say what they like.
fn three() -> Net {
    let mut net = Net::new(3, 4);
    net.run(secs(10));
    net
}

/// What is in `out`, decoded, and nothing is left in it.
fn said(out: &mut Out) -> Vec<(SocketAddr, Vec<u8>)> {
    let said = out.sends().map(|(to, bytes)| (to, bytes.to_vec())).collect();
    out.clear();
    said
}

#[test]
fn a_probe_goes_through_others_too_and_once_more() {
    let mut net = three();
    let mut out = Out::new();
    let mut now = net.now;
    net.nodes[0].gossip.link_lost(now, id(1), &mut out);
    let is_ping = |bytes: &[u8]| matches!(decode(bytes).unwrap().body, Body::Ping { .. });
    assert!(said(&mut out).iter().any(|(to, bytes)| *to == addr(1) && is_ping(bytes)));
    now += millis(500);
    net.nodes[0].gossip.handle_timeout(now, &mut out);
    let asked = said(&mut out);
    let asked = asked.iter().find(|(_, bytes)| matches!(decode(bytes).unwrap().body, Body::ProbeFor { .. }));
    let (to, mut bytes) = asked.cloned().unwrap();
    assert_eq!(to, addr(2));
    // It goes to the relay, the suspect, the relay and back.
    for (from, to) in [(0, 2), (2, 1), (1, 2), (2, 0)] {
        assert_eq!(net.nodes[0].gossip.member(id(1)).unwrap().health(), Health::Suspect);
        net.nodes[to].gossip.handle_message(now, addr(from), &bytes, &mut out);
        bytes = said(&mut out).pop().map_or_else(Vec::new, |(_, bytes)| bytes);
    }
    assert_eq!(net.nodes[0].gossip.member(id(1)).unwrap().health(), Health::Alive);
}

#[test]
fn who_hears_a_member_tells_it_that_it_is_called_down_and_does_not_follow() {
    let mut net = three();
    let mut out = Out::new();
    let now = net.now;
    // The third calls the second down, as if it had probed it in vain, and tells the first.
    net.nodes[2].gossip.link_lost(now, id(1), &mut out);
    let mut verdict_at = now;
    while net.nodes[2].gossip.member(id(1)).unwrap().health() != Health::Down {
        verdict_at += millis(100);
        out.clear();
        net.nodes[2].gossip.handle_timeout(verdict_at, &mut out);
    }
    let told = said(&mut out).into_iter().find(|(to, _)| *to == addr(0));
    let told = told.map(|(_, bytes)| bytes).unwrap_or_else(|| {
        (0..20)
            .find_map(|step| {
                net.nodes[2].gossip.handle_timeout(verdict_at + millis(300 * step), &mut out);
                said(&mut out).into_iter().find(|(to, _)| *to == addr(0)).map(|(_, bytes)| bytes)
            })
            .unwrap()
    });
    net.nodes[0].gossip.handle_message(now, addr(2), &told, &mut out);
    assert_eq!(net.nodes[0].gossip.member(id(1)).unwrap().health(), Health::Alive);
    assert_eq!(net.nodes[0].gossip.counts().verdict_held_count, 1);
    let warning = said(&mut out).into_iter().find(|(to, _)| *to == addr(1)).unwrap().1;
    net.nodes[1].gossip.handle_message(now, addr(0), &warning, &mut out);
    assert_eq!(out.events(), [Event::Refuted { incarnation: 1 }]);
    // Told once more, it does not warn again.
    out.clear();
    net.nodes[0].gossip.handle_message(now, addr(2), &told, &mut out);
    assert!(said(&mut out).iter().all(|(to, _)| *to != addr(1)));
}

#[test]
fn a_deaf_node_takes_nobody_down_but_for_itself() {
    let mut net = Net::new(12, 4);
    net.run(secs(10));
    // It hears nothing, and all hear it.
    net.is_cut = |_, to| to == 5;
    net.run(secs(60));
    assert_eq!(net.nodes[5].gossip.live_count(), 1);
    for (place, node) in net.running().filter(|(place, _)| *place != 5) {
        assert_eq!(node.gossip.live_count(), 12, "{place}");
    }
    net.is_cut = |_, _| false;
    assert!(net.run_until_so(secs(15), Net::agree).is_some());
}

#[test]
fn one_broken_path_takes_nobody_down() {
    let mut net = Net::new(5, 4);
    net.run(secs(10));
    net.is_cut = |from, to| (from, to) == (1, 2) || (from, to) == (2, 1);
    net.run(secs(300));
    assert_eq!(downs(&net), 0);
}

#[test]
fn who_was_called_down_refutes_it() {
    let mut net = Net::new(6, 4);
    net.run(secs(10));
    net.is_cut = |from, to| from == 2 || to == 2;
    net.run(secs(10));
    assert_eq!(net.seen_as(2, Health::Down), 5);
    net.is_cut = |_, _| false;
    assert!(net.run_until_so(secs(5), Net::agree).is_some());
    assert!(net.events(2).any(|event| matches!(event, Event::Refuted { .. })));
    assert!(net.events(0).any(|event| *event == Event::Up { id: id(2) }));
    assert!(net.nodes[0].gossip.member(id(2)).unwrap().incarnation() > 0);
}

#[test]
fn who_paused_takes_nobody_down() {
    let mut net = Net::new(6, 4);
    net.run(secs(10));
    net.kill(2);
    net.run(secs(60));
    // The same process goes on; all others were silent to it for a minute.
    net.nodes[2].is_running = true;
    net.call(2, Gossip::handle_timeout);
    assert!(net.events(2).any(|event| matches!(event, Event::Paused { late } if *late > secs(50))));
    assert!(net.run_until_so(secs(5), Net::agree).is_some());
    assert!(net.events(2).all(|event| !matches!(event, Event::Down { .. })));
}

#[test]
fn a_lost_link_is_found_out_about_at_once() {
    let mut net = Net::new(10, 4);
    net.run(secs(10));
    net.kill(3);
    net.call(0, |gossip, now, out| gossip.link_lost(now, id(3), out));
    net.call(0, |gossip, now, out| gossip.link_lost(now, id(4), out));
    assert_eq!(net.nodes[0].gossip.member(id(4)).unwrap().health(), Health::Suspect);
    net.run(millis(1600));
    assert_eq!(net.nodes[0].gossip.member(id(3)).unwrap().health(), Health::Down);
    assert_eq!(net.nodes[0].gossip.member(id(4)).unwrap().health(), Health::Alive);
}

#[test]
fn the_embedders_own_evidence_counts() {
    let mut net = Net::new(2, 4);
    net.run(secs(10));
    net.is_cut = |_, _| true;
    for _ in 0..100 {
        net.run(millis(500));
        let now = net.now;
        net.nodes[0].gossip.heard_from(now, id(1));
    }
    assert_eq!(net.nodes[0].gossip.live_count(), 2);
    assert_eq!(net.nodes[1].gossip.live_count(), 1);
}

#[test]
fn all_converge_over_a_network_that_loses_repeats_and_reorders() {
    for seed in 0..8 {
        let mut net = Net::with_config(16, seed, Config { item_grace: secs(15), ..Config::new("test") });
        (net.loss_percent, net.duplicate_percent, net.delay) = (25, 20, (millis(1), millis(1500)));
        for round in 0..60 {
            let place = net.rng.index(16);
            let (key, now) = (net.rng.below(5) as u16, net.now);
            let gossip = &mut net.nodes[place].gossip;
            match net.rng.below(4) {
                0 => gossip.remove(now, key).unwrap(),
                _ => gossip.set_raw(now, key, &[round; 300]).unwrap(),
            }
            if round == 30 {
                net.restart(7, identity(7, 2));
            }
            net.run(millis(700));
        }
        (net.loss_percent, net.delay) = (0, (millis(1), millis(10)));
        assert!(net.run_until_so(secs(40), Net::agree).is_some(), "seed {seed}");
        for (place, node) in net.running() {
            for member in node.gossip.members() {
                let owner = &net.nodes[member.id().0 as usize - 1].gossip;
                let items: Vec<_> = owner.myself().raw_items().collect();
                assert_eq!(member.raw_items().collect::<Vec<_>>(), items, "seed {seed} at {place}");
            }
        }
    }
}

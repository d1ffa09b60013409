use std::time::Duration;

use crate::testing::{Net, id, millis, secs};
use crate::{Event, Health};

fn traffic(net: &mut Net, duration: Duration) -> (f64, f64) {
    let sum = |net: &Net| {
        let nodes = net.nodes.iter();
        nodes.fold((0, 0), |sum, node| (sum.0 + node.sent_bytes, sum.1 + node.received_bytes))
    };
    let before = sum(net);
    net.run(duration);
    let after = sum(net);
    let per = net.nodes.len() as f64 * duration.as_secs_f64() * 1000.0;
    ((after.0 - before.0) as f64 / per, (after.1 - before.1) as f64 / per)
}

#[test]
#[ignore = "minutes, and only with --release"]
fn figures() {
    let count = std::env::var("NODES").map_or(100, |count| count.parse().unwrap());
    let mut net = Net::new(count, 11);
    let began = net.run_until_so(secs(120), Net::agree);
    println!("{count} nodes agree after {began:?}");
    net.run(secs(20));
    println!("traffic KB/s: {:?}", traffic(&mut net, secs(20)));
    for kill in 0..3 {
        let place = 5 + kill;
        net.kill(place);
        let running = net.running().count();
        let start = net.now;
        let most = net.run_until_so(secs(20), |net| net.seen_as(place, Health::Down) * 100 >= running * 99);
        let all = net.run_until_so(secs(20), |net| net.seen_as(place, Health::Down) >= running);
        let first = net.nodes.iter().flat_map(|node| &node.events);
        let first = first
            .filter(|(_, event)| *event == Event::Down { id: id(place) })
            .map(|(at, _)| *at - start)
            .min();
        let suspect = net
            .nodes
            .iter()
            .flat_map(|node| &node.events)
            .filter(|(at, event)| *at > start && *event == Event::Suspected { id: id(place) })
            .map(|(at, _)| *at - start)
            .min();
        let probes: u64 = net.nodes.iter().map(|node| node.gossip.counts().probe_count).sum();
        println!(
            "suspect {suspect:?} down first {first:?} 99 % {most:?}, all +{all:?}, probes so far {probes}"
        );
        net.run(secs(5));
    }
    let place = 9;
    let now = net.now;
    net.nodes[place].gossip.set_raw(now, 1, b"new").unwrap();
    let all = net.run_until_so(secs(20), |net| {
        net.running().all(|(_, node)| {
            node.gossip.member(id(place)).is_some_and(|member| member.raw_item(1) == Some(b"new"))
        })
    });
    println!("a change reaches all in {all:?}");
    net.loss_percent = 5;
    net.delay = (millis(200), millis(1));
    net.run(secs(10));
    let seconds = std::env::var("SECONDS_OF_LOSS").map_or(60, |count| count.parse().unwrap());
    let downs = |net: &Net| {
        let events = net.nodes.iter().flat_map(|node| &node.events);
        let sum = |count: fn(&Event) -> bool| events.clone().filter(|(_, event)| count(event)).count();
        (
            sum(|event| matches!(event, Event::Down { .. })),
            sum(|event| matches!(event, Event::Suspected { .. })),
        )
    };
    let before = downs(&net);
    println!("traffic KB/s: {:?}", traffic(&mut net, secs(seconds)));
    let after = downs(&net);
    println!("{seconds} s of loss: downs {}, suspicions {}", after.0 - before.0, after.1 - before.1);
}

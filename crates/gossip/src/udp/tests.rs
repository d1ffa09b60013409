use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::*;
use crate::Health;

struct Load(u8);

impl Item for Load {
    fn key(&self) -> u16 {
        1
    }

    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.push(self.0);
    }

    fn decode(key: u16, bytes: &[u8]) -> Option<Self> {
        if key == 1 { Some(Self(*bytes.first()?)) } else { None }
    }
}

/// At a tenth of the usual interval.
async fn start(id: u64, listen: &str, seeds: &[&UdpGossip]) -> UdpGossip {
    let listen = listen.parse().expect("an address");
    let mut options = UdpOptions::new(NodeId(id), listen, "test");
    options.config = Config::with_interval("test", Duration::from_millis(100));
    options.seeds = seeds.iter().map(|seed| seed.identity().addr).collect();
    UdpGossip::start(options).await.expect("a free port")
}

/// Waits until a node sees its members so.
async fn sees(node: &UdpGossip, what: &str, is_so: impl Fn(&Snapshot) -> bool) {
    let mut members = node.watch_members();
    let wait = async {
        while !is_so(&members.borrow_and_update()) {
            members.changed().await.expect("it runs");
        }
    };
    assert!(timeout(Duration::from_secs(20), wait).await.is_ok(), "{what}: {:#?}", node.members());
}

async fn three_find_each_other_and_miss_one(listen: &str) {
    let one = start(1, listen, &[]).await;
    let two = start(2, listen, &[&one]).await;
    let three = start(3, listen, &[&one]).await;
    let mut events = one.events();
    for node in [&one, &two, &three] {
        sees(node, "three live", |members| members.count(Health::Alive) == 3).await;
    }
    two.set(&Load(7)).await.expect("there is room");
    let has_load = |members: &Snapshot| {
        members.member(NodeId(2)).and_then(|member| member.item::<Load>(1)).is_some_and(|load| load.0 == 7)
    };
    sees(&three, "the load", has_load).await;
    // Dropped without a word.
    drop(two);
    for node in [&one, &three] {
        sees(node, "one down", |members| members.count(Health::Down) == 1).await;
    }
    three.leave().await.expect("it runs");
    assert_eq!(three.set(&Load(1)).await, Err(GossipError::Stopped));
    sees(&one, "one gone", |members| members.count(Health::Gone) == 1).await;
    let mut seen = Vec::new();
    while let Ok(event) = events.try_recv() {
        seen.push(event);
    }
    assert!(seen.contains(&Event::Joined { id: NodeId(3) }), "{seen:?}");
    assert!(seen.contains(&Event::Down { id: NodeId(2) }), "{seen:?}");
}

#[tokio::test]
async fn three_drivers_find_each_other_and_miss_one() {
    three_find_each_other_and_miss_one("127.0.0.1:0").await;
}

#[tokio::test]
async fn three_drivers_find_each_other_over_ipv6() {
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        println!("this machine has no IPv6");
        return;
    }
    three_find_each_other_and_miss_one("[::1]:0").await;
}

#[tokio::test]
async fn a_seed_that_comes_late_is_found() {
    let late = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let late_addr = late.local_addr().expect("it is bound");
    drop(late);
    let early = start(1, "127.0.0.1:0", &[]).await;
    early.add_seed(late_addr).await.expect("the first");
    sleep(Duration::from_millis(500)).await;
    let _late = start(2, &late_addr.to_string(), &[]).await;
    sees(&early, "two live", |members| members.count(Health::Alive) == 2).await;
}

#[tokio::test]
async fn an_address_that_is_taken_or_reaches_nobody_is_an_error() {
    let one = start(1, "127.0.0.1:0", &[]).await;
    let options = UdpOptions::new(NodeId(2), one.identity().addr, "test");
    let error = UdpGossip::start(options).await.expect_err("it is taken");
    assert!(matches!(error, GossipError::Bind { kind: std::io::ErrorKind::AddrInUse, .. }));
    let all = UdpOptions::new(NodeId(2), "0.0.0.0:0".parse().expect("an address"), "test");
    let error = UdpGossip::start(all).await.expect_err("nobody reaches it");
    assert!(matches!(error, GossipError::Config { .. }));
}

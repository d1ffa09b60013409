//! Datastores that are not there, and defects.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use dynomite_backend::{Backend, Lane, LaneEvent, Operation, StoreIdentity};
use dynomite_node::config::{ByteSize, Datastore, HostPort, RedisAddress};
use dynomite_node::{Node, NodeFailed};
use dynomite_testkit::{RawClient, Redis, eventually, request};

use crate::support::{Running, block_on, single};

#[test]
fn a_datastore_that_comes_and_goes_is_said_to_clients_and_used_again() {
    let mut redis = Redis::start();
    let mut config = single(2);
    config.datastore = redis_at(&redis);
    let node = Running::start(config);
    let mut client = node.client();
    let set = |client: &mut RawClient| client.command(&["SET", "a", "1"]) == b"+OK\r\n";
    eventually(Duration::from_secs(5), "the datastore", || set(&mut client));
    redis.kill();
    eventually(Duration::from_secs(5), "the loss to be noticed", || {
        client.command(&["GET", "a"]).starts_with(b"-ERR Storage: Datastore is not connected")
    });
    assert_eq!(client.command(&["PING"]), b"+PONG\r\n");
    let info = String::from_utf8(client.command(&["INFO", "dynomite"])).unwrap();
    assert!(info.contains("datastore_state:down\r\n"), "{info}");
    redis.restart();
    eventually(Duration::from_secs(10), "the datastore again", || set(&mut client));
}

#[test]
fn a_datastore_that_does_not_answer_gives_errors_in_time() {
    let mut redis = Redis::start();
    let mut config = single(1);
    config.timeouts.request = Duration::from_millis(300);
    config.datastore = redis_at(&redis);
    let node = Running::start(config);
    let mut client = node.client();
    eventually(Duration::from_secs(5), "the datastore", || client.command(&["SET", "a", "1"]) == b"+OK\r\n");
    redis.freeze();
    let before = Instant::now();
    let reply = client.exchange(&b"INCR a\r\n".repeat(100), 100);
    assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
    assert!(reply.iter().all(|reply| reply.starts_with(b"-ERR")), "{}", reply[0].escape_ascii());
    redis.thaw();
    eventually(Duration::from_secs(5), "the datastore again", || {
        client.command(&["SET", "a", "1"]) == b"+OK\r\n"
    });
    assert_eq!(client.command(&["GET", "a"]), b"$1\r\n1\r\n");
}

#[test]
fn what_one_client_has_under_way_is_bounded_in_bytes() {
    let mut redis = Redis::start();
    let mut config = single(2);
    config.limits.client_output_max = ByteSize::mib(1);
    config.timeouts.request = Duration::from_secs(30);
    config.datastore = redis_at(&redis);
    let node = Running::start(config);
    let mut observer = node.client();
    eventually(Duration::from_secs(5), "the datastore", || {
        observer.command(&["SET", "a", "1"]) == b"+OK\r\n"
    });
    redis.freeze();
    let mut client = node.client().with_deadline(Duration::from_secs(20));
    let value = "v".repeat(100_000);
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            for number in 0..32 {
                client.send(&request(&["SET", &format!("k{number}"), &value]));
            }
            client.replies(32)
        });
        let mut in_flight = || {
            let info = String::from_utf8(observer.command(&["INFO", "dynomite"])).unwrap();
            let line = info.lines().find_map(|line| line.strip_prefix("lane_in_flight:")).unwrap();
            line.parse::<usize>().unwrap()
        };
        eventually(Duration::from_secs(5), "commands under way", || in_flight() >= 10);
        // Without the bound there would soon be all of them.
        std::thread::sleep(Duration::from_millis(300));
        assert!((10..=12).contains(&in_flight()), "{}", in_flight());
        redis.thaw();
        assert!(sender.join().unwrap().iter().all(|reply| reply == b"+OK\r\n"));
    });
}

/// A store with a defect.
struct Defective;

impl Backend for Defective {
    fn describe(&self) -> String {
        "defective".to_owned()
    }

    fn open_lane(&self, _: usize, _: usize) -> Box<dyn Lane> {
        Box::new(DefectiveLane { is_up: false })
    }

    fn has_parts(&self) -> bool {
        false
    }
}

struct DefectiveLane {
    is_up: bool,
}

impl Lane for DefectiveLane {
    fn submit(&mut self, _: u64, _: Operation) {
        unreachable!("a defect, as the test wants it");
    }

    fn poll(&mut self, _: &mut Context<'_>, events: &mut Vec<LaneEvent>) -> Poll<()> {
        if self.is_up {
            return Poll::Pending;
        }
        self.is_up = true;
        events.push(LaneEvent::Up(StoreIdentity::default()));
        Poll::Ready(())
    }
}

#[test]
fn a_panic_ends_the_whole_node_with_an_error() {
    let mut node = block_on(Node::start_with_backend(single(2), Arc::new(Defective))).unwrap();
    let mut client = RawClient::connect(node.client_address());
    client.send(b"SET a 1\r\n");
    assert_eq!(client.read_to_end(), b"");
    let NodeFailed { worker } = block_on(node.wait()).unwrap_err();
    assert!(worker < 2);
    let address = node.client_address();
    eventually(Duration::from_secs(5), "the port to be free", || RawClient::try_connect(address).is_err());
}

#[test]
fn stopping_waits_for_a_stuck_datastore_no_longer_than_it_may() {
    let mut redis = Redis::start();
    let mut config = single(2);
    config.timeouts.drain = Duration::from_millis(500);
    config.timeouts.request = Duration::from_secs(30);
    config.datastore = redis_at(&redis);
    let node = Running::start(config);
    let mut client = node.client();
    eventually(Duration::from_secs(5), "the datastore", || client.command(&["SET", "a", "1"]) == b"+OK\r\n");
    redis.freeze();
    client.send(b"INCR a\r\n");
    let mut other = node.client();
    eventually(Duration::from_secs(5), "the command is under way", || {
        String::from_utf8_lossy(&other.command(&["INFO"])).contains("operations_in_flight:1")
    });
    drop(other);
    let before = Instant::now();
    node.stop();
    let took = before.elapsed();
    assert!(took >= Duration::from_millis(400) && took < Duration::from_secs(3), "{took:?}");
    assert_eq!(client.read_to_end(), b"");
}

fn redis_at(redis: &Redis) -> Datastore {
    Datastore::Redis { address: RedisAddress::Tcp(HostPort::from(redis.address())), credentials: None }
}

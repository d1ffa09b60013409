//! Values of tens of megabytes: a node that missed them gets them in pieces, while everybody else is served as before.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use dynomite_testkit::{Cluster, RawClient, eventually};

use crate::shapes::{LONG, OK, at_level, integer, three_racks};

/// Elements of each collection, and their bytes.
const ELEMENT_COUNT: usize = 50_000;
const ELEMENT_BYTES: usize = 1000;
/// Elements that one command adds.
const BATCH: usize = 500;
const LARGE_BYTES: usize = ELEMENT_COUNT * ELEMENT_BYTES;
/// The whole of it must have arrived within this, on a busy machine.
const ARRIVAL: Duration = Duration::from_secs(120);
/// So many of a thousand small requests are answered within [`QUICK`] while large values are under way.
const QUICK_PER_MILLE: usize = 990;
const QUICK: Duration = Duration::from_millis(50);

#[test]
fn large_values_come_back_in_pieces_while_small_requests_are_quick() {
    let mut cluster = at_level(three_racks(1), "DC_QUORUM").start();
    assert_eq!(cluster.client(0).command(&["SET", "small", "v"]), OK);
    cluster.nodes_mut()[2].server.freeze();
    eventually(LONG, "the loss is noticed", || {
        cluster.nodes()[0].sees_up("node03").is_ok_and(|is_up| !is_up)
    });
    write_large(&cluster);
    cluster.nodes_mut()[2].server.thaw();
    let watched = [0, 2].map(|node| Watch::begin(cluster.nodes()[node].server.client_address()));
    let mut arrived = cluster.nodes()[2].redis.client();
    let begun_at = Instant::now();
    for (command, key, reply) in
        [("LLEN", "list", ELEMENT_COUNT), ("HLEN", "hash", ELEMENT_COUNT), ("STRLEN", "string", LARGE_BYTES)]
    {
        eventually(ARRIVAL, key, || arrived.command(&[command, key]) == integer(reply as i64));
    }
    println!("arrived after {:?}", begun_at.elapsed());
    for (watch, node) in watched.into_iter().zip(["the source", "the taker"]) {
        let mut took = watch.end();
        took.sort_unstable();
        assert!(took.len() > 100, "{} requests at {node} are too few to judge", took.len());
        let (quick, slowest) = (took[took.len() * QUICK_PER_MILLE / 1000], took[took.len() - 1]);
        println!("{node}: {} requests, 99% within {quick:?}, the slowest {slowest:?}", took.len());
        assert!(quick < QUICK, "99% within {quick:?} at {node}, the slowest took {slowest:?}");
    }
    let mut source = cluster.nodes()[0].redis.client();
    for command in [&["LRANGE", "list", "0", "-1"][..], &["GET", "string"], &["HGET", "hash", "f777"]] {
        assert!(source.command(command) == arrived.command(command), "{command:?} differs");
    }
}

/// 50 MB each of list, hash and string.
fn write_large(cluster: &Cluster) {
    let mut client = cluster.client(0).with_deadline(LONG);
    let element = "e".repeat(ELEMENT_BYTES);
    for batch in 0..ELEMENT_COUNT / BATCH {
        let mut push = vec!["RPUSH".to_owned(), "list".to_owned()];
        let mut set = vec!["HSET".to_owned(), "hash".to_owned()];
        for number in batch * BATCH..(batch + 1) * BATCH {
            push.push(format!("{number}{element}"));
            set.extend([format!("f{number}"), format!("{number}{element}")]);
        }
        assert_eq!(client.command(&push), integer(((batch + 1) * BATCH) as i64));
        assert_eq!(client.command(&set), integer(BATCH as i64));
    }
    assert_eq!(client.command(&["SET".to_owned(), "string".to_owned(), "s".repeat(LARGE_BYTES)]), OK);
}

/// A client that sends PING and GET, one after the other, and notes how long each took.
struct Watch {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Watch {
    fn begin(address: SocketAddr) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let mut client = RawClient::connect(address);
            let mut took = Vec::new();
            while !over.load(Ordering::Relaxed) {
                for request in [&["PING"][..], &["GET", "small"]] {
                    let begun_at = Instant::now();
                    client.command(request);
                    took.push(begun_at.elapsed());
                }
                thread::sleep(Duration::from_millis(1));
            }
            took
        });
        Self { is_over, thread }
    }

    fn end(self) -> Vec<Duration> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

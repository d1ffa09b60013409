//! In steady state a GET or a SET costs no allocation of its own: what is allocated is read buffers that many requests
//! share. A counting allocator sees all threads of this process, so the client here allocates nothing while it counts.

#![expect(clippy::unwrap_used, reason = "a test that lacks what it needs has failed")]

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dynomite_node::config::{Config, Datastore, HostPort, Level, RedisAddress};
use dynomite_testkit::{Redis, eventually, request};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use crate::support::{Running, racks, single, wait_linked};

#[expect(dead_code, reason = "the tests of whole nodes need more of it")]
#[path = "node/support.rs"]
mod support;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const KEYS: usize = 1_000;
/// Of each value, in bytes. Its first digits are the key's number, so that a reply to another request is seen.
const VALUE_BYTES: usize = 32;
/// Commands that are sent before their replies are read, and how many times each key is asked for so while it counts.
const PIPELINES: [(usize, usize); 2] = [(1, 3), (16, 10)];
/// The same before it counts: more commands are under way than ever later, so that all that grows has grown.
const WARM_UP: (usize, usize) = (256, 2);
/// Room for the replies to so many.
const REPLY_BUFFER_BYTES: usize = 16 << 10;
/// Allocations and reallocations for each request that shared buffers may cost: far less than the one that a request would cost
/// which allocates for itself. A write keeps the buffer that it came in until the last replica has answered, which on a busy machine
/// is some requests later, so that buffers are shared by fewer.
const SHARE_MAX: f64 = 0.2;
/// For so long it is counted what nodes do of themselves, such as telling each other that they are there.
const IDLE: Duration = Duration::from_secs(2);
/// So many keys that every worker has some of them.
const PROBED_KEYS: usize = 64;
/// The counters are the process's, and so is this: one test after the other.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One command on every key, and the reply to each.
struct Script {
    requests: Vec<u8>,
    request_bytes: usize,
    replies: Vec<u8>,
    reply_bytes: usize,
}

impl Script {
    fn set() -> Self {
        Self::new(|key, value| request(&["SET", key, value]), |_| "+OK\r\n".to_owned())
    }

    fn get() -> Self {
        Self::new(|key, _| request(&["GET", key]), |value| format!("${}\r\n{value}\r\n", value.len()))
    }

    fn new(request: impl Fn(&str, &str) -> Vec<u8>, reply: impl Fn(&str) -> String) -> Self {
        let (mut requests, mut replies) = (Vec::new(), Vec::new());
        for at in 0..KEYS {
            let value = format!("{at:04}{:v<1$}", "", VALUE_BYTES - 4);
            requests.extend(request(&format!("key:{at:04}"), &value));
            replies.extend(reply(&value).into_bytes());
        }
        Self { request_bytes: requests.len() / KEYS, reply_bytes: replies.len() / KEYS, requests, replies }
    }

    /// Sends all commands `rounds` times, `pipeline` at a time, and checks the replies. Allocates nothing.
    fn run(&self, stream: &mut TcpStream, (pipeline, rounds): (usize, usize)) {
        let mut buffer = [0; REPLY_BUFFER_BYTES];
        for _ in 0..rounds {
            let requests = self.requests.chunks(pipeline * self.request_bytes);
            for (requests, replies) in requests.zip(self.replies.chunks(pipeline * self.reply_bytes)) {
                stream.write_all(requests).unwrap();
                let buffer = &mut buffer[..replies.len()];
                stream.read_exact(buffer).unwrap();
                assert!(buffer == replies, "{}", String::from_utf8_lossy(buffer));
            }
        }
    }
}

/// Allocations and reallocations that one GET and one SET cost.
struct Cost {
    case: String,
    set: f64,
    get: f64,
}

impl Cost {
    #[track_caller]
    fn is_a_share(&self) {
        assert!(self.get < SHARE_MAX, "{}: {:.4} allocations for each GET", self.case, self.get);
        assert!(self.set < SHARE_MAX, "{}: {:.4} allocations for each SET", self.case, self.set);
    }
}

/// What requests to `address` cost with each depth of pipeline.
fn costs(case: &str, address: SocketAddr) -> [Cost; PIPELINES.len()] {
    let (set, get) = (Script::set(), Script::get());
    let mut stream = connect(address);
    let region = Region::new(ALLOCATOR);
    std::thread::sleep(IDLE);
    let by_themselves = region.change();
    let by_themselves = (by_themselves.allocations + by_themselves.reallocations) as f64 / IDLE.as_secs_f64();
    PIPELINES.map(|(pipeline, rounds)| {
        let case = format!("{case}, {pipeline} at a time");
        let [set, get] = [("SET", &set), ("GET", &get)].map(|(name, script)| {
            script.run(&mut stream, WARM_UP);
            let (region, began_at) = (Region::new(ALLOCATOR), Instant::now());
            script.run(&mut stream, (pipeline, rounds));
            let by_themselves = by_themselves * began_at.elapsed().as_secs_f64();
            let counted = region.change();
            let requests = (rounds * KEYS) as f64;
            let all = (counted.allocations + counted.reallocations) as f64;
            let share = (all - by_themselves).max(0.0) / requests;
            let bytes = counted.bytes_allocated as f64 / requests;
            println!("{case}: {name} {share:.4} allocations, {bytes:.0} bytes; {by_themselves:.0} of {all:.0} by themselves");
            share
        });
        Cost { case, set, get }
    })
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream
}

fn over(redis: &Redis, mut config: Config) -> Config {
    let address = RedisAddress::Tcp(HostPort::from(redis.address()));
    config.datastore = Datastore::Redis { address, credentials: None };
    config
}

/// Every worker has a lane of its own, and a key tells only of its own worker's: asked for are keys of all workers.
fn wait_for_datastores(nodes: &[Running]) {
    let mut client = nodes[0].client();
    for at in 0..PROBED_KEYS {
        let key = format!("probe:{at}");
        eventually(Duration::from_secs(10), "all datastores", || {
            client.command(&["SET", &key, "v"]) == b"+OK\r\n"
                && client.command(&["GET", &key]) == b"$1\r\nv\r\n"
        });
    }
}

/// What a replica missed while it started is replayed to it.
fn wait_for_handoff(nodes: &[Running]) {
    for node in nodes {
        let mut client = node.client();
        eventually(Duration::from_secs(10), "nothing that a replica has missed", || {
            let info = client.command(&["INFO", "dynomite"]);
            String::from_utf8(info).unwrap().contains("\nhints_pending:0\r\n")
        });
    }
}

#[test]
fn a_node_over_redis_allocates_nothing_per_request() {
    let _alone = alone();
    for workers in [1, 2] {
        let redis = Redis::start();
        let node = Running::start(over(&redis, single(workers)));
        wait_for_datastores(std::slice::from_ref(&node));
        costs(&format!("Redis, workers = {workers}"), node.address()).iter().for_each(Cost::is_a_share);
    }
}

/// The store itself allocates once for each value that is too long to lie in its table.
#[test]
fn a_node_over_its_memory_allocates_each_value_and_nothing_else() {
    let _alone = alone();
    for workers in [1, 2] {
        let node = Running::start(single(workers));
        for Cost { case, set, get } in costs(&format!("memory, workers = {workers}"), node.address()) {
            assert!(set >= 1.0, "{case}: {set:.4} allocations for each SET");
            Cost { case: format!("{case}, beside the value"), set: set - 1.0, get }.is_a_share();
        }
    }
}

#[test]
fn three_racks_allocate_nothing_per_request() {
    let _alone = alone();
    for (level, workers) in [(Level::DcOne, 1), (Level::DcQuorum, 1), (Level::DcQuorum, 2)] {
        let (configs, _leases) = racks(3, workers, level);
        let stores: Vec<Redis> = configs.iter().map(|_| Redis::start()).collect();
        let nodes =
            configs.into_iter().zip(&stores).map(|(config, redis)| Running::start(over(redis, config)));
        let nodes: Vec<Running> = nodes.collect();
        wait_linked(&nodes);
        wait_for_datastores(&nodes);
        // So that no link has its first message, which may be a heartbeat, while it counts.
        nodes.iter().for_each(|node| Script::set().run(&mut connect(node.address()), WARM_UP));
        wait_for_handoff(&nodes);
        let case = format!("three racks, {level}, workers = {workers}");
        costs(&case, nodes[0].address()).iter().for_each(Cost::is_a_share);
    }
}

//! The memory store, with 100,000 keys in no order, so that the processor's caches hold the smaller part.

use bytes::BytesMut;
use dynomite_backend::{MemoryConfig, MemoryStore, SyncStore};
use dynomite_codec::Request;

use crate::arrival::arrive;
use crate::case::{Case, Scenario, scenario};
use crate::numbers::Numbers;

const KEYS: usize = 100_000;
/// Commands of a batch on a store that stays as large as it is.
const BATCH: usize = 1024;
/// Commands whose replies leave together.
const TURN: usize = 128;
/// Hashes, and the fields of each.
const HASHES: usize = 1_000;
const FIELDS: usize = 100;
/// Members of the one sorted set.
const MEMBERS: usize = 10_000;
const VALUE: &[u8] = &[b'v'; 64];
/// Any day will do.
const WALL_MS: u64 = 1_700_000_000_000;

/// Commands of the store.
pub const CASES: &[Case] = &[
    Case { name: "memory/get_64", elements: BATCH, prepare: || on_known(sets(), gets()) },
    Case { name: "memory/get_absent", elements: BATCH, prepare: || on_known(Vec::new(), gets()) },
    Case { name: "memory/set_64/known", elements: BATCH, prepare: || on_known(sets(), sets()) },
    Case { name: "memory/set_64/new", elements: KEYS, prepare: || on_nothing(sets()) },
    Case { name: "memory/incr", elements: BATCH, prepare: || on_known(counters(), increments()) },
    Case { name: "memory/hset/known", elements: BATCH, prepare: || on_known(hash_sets(), hash_sets()) },
    Case { name: "memory/zadd/known", elements: BATCH, prepare: || on_known(scores(), scores()) },
];

struct Store {
    store: MemoryStore,
    replies: BytesMut,
}

impl Store {
    fn new() -> Self {
        Self { store: MemoryStore::new(1, MemoryConfig::default()), replies: BytesMut::new() }
    }

    fn run(&mut self, requests: &[Request]) {
        for turn in requests.chunks(TURN) {
            for request in turn {
                let start = self.replies.len();
                self.store.execute(WALL_MS, request, &mut self.replies);
                let is_good = self.replies.get(start).is_some_and(|kind| *kind != b'-');
                assert!(is_good, "the command succeeds");
            }
            self.replies.clear();
        }
    }
}

/// After `fill`, batches of `requests`, going round.
fn on_known(fill: Vec<Request>, requests: Vec<Request>) -> Box<dyn Scenario> {
    let mut store = Store::new();
    store.run(&fill);
    let mut next = 0;
    scenario(
        (store, Vec::new()),
        move |(_, batch)| {
            batch.clear();
            batch.extend(arrive(requests[next..next + BATCH].iter()));
            next = (next + BATCH) % (requests.len() / BATCH * BATCH);
        },
        |(store, batch)| store.run(batch),
    )
}

/// All `requests` on an empty store: its growth is part of the cost.
fn on_nothing(requests: Vec<Request>) -> Box<dyn Scenario> {
    scenario(
        (Store::new(), Vec::new()),
        move |(store, batch)| {
            *store = Store::new();
            batch.clear();
            batch.extend(arrive(requests.iter()));
        },
        |(store, batch)| store.run(batch),
    )
}

/// A command for each number below `count`, in no order.
fn shuffled(count: usize, command: impl Fn(usize) -> Request) -> Vec<Request> {
    let mut requests: Vec<Request> = (0..count).map(command).collect();
    Numbers::new(4).shuffle(&mut requests);
    requests
}

fn key(number: usize) -> String {
    format!("user:{}", 1_000_000 + number)
}

fn gets() -> Vec<Request> {
    shuffled(KEYS, |number| Request::from_args([b"GET", key(number).as_bytes()]))
}

fn sets() -> Vec<Request> {
    shuffled(KEYS, |number| Request::from_args([b"SET", key(number).as_bytes(), VALUE]))
}

fn counters() -> Vec<Request> {
    shuffled(KEYS, |number| Request::from_args([b"SET", key(number).as_bytes(), b"1000000"]))
}

fn increments() -> Vec<Request> {
    shuffled(KEYS, |number| Request::from_args([b"INCR", key(number).as_bytes()]))
}

fn hash_sets() -> Vec<Request> {
    shuffled(HASHES * FIELDS, |number| {
        let field = format!("field:{}", number / HASHES);
        Request::from_args([b"HSET", key(number % HASHES).as_bytes(), field.as_bytes(), VALUE])
    })
}

/// Every member comes several times with different scores, so that each command moves one.
fn scores() -> Vec<Request> {
    const TIMES: usize = 4;
    let mut numbers = Numbers::new(5);
    let mut requests = Vec::new();
    for _ in 0..TIMES {
        let mut members: Vec<usize> = (0..MEMBERS).collect();
        numbers.shuffle(&mut members);
        for member in members {
            let score = numbers.below(1 << 20).to_string();
            let member = format!("member:{member}");
            requests.push(Request::from_args([&b"ZADD"[..], b"board", score.as_bytes(), member.as_bytes()]));
        }
    }
    requests
}

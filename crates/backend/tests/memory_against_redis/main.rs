//! The memory store and a real redis-server run the same random commands and must give the same replies.
//!
//! Expiry times are either long gone or far ahead, so that the two clocks need not agree to the millisecond.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a broken expectation ends the test")]

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use dynomite_backend::{MemoryConfig, MemoryStore, SyncStore};
use dynomite_codec::Request;
use dynomite_testkit::{RawClient, Redis};

use generator::Generator;
use reply::{Comparison, Reply};

mod generator;
mod reply;

const BATCHES: usize = 40;
const BATCH_LEN: usize = 400;

/// Both sides, and what was said to them.
struct Pair {
    store: MemoryStore,
    real: RawClient,
    now_ms: u64,
    history: Vec<(Vec<Vec<u8>>, Vec<u8>)>,
}

/// A command for the real server and what its reply is held against.
struct Expected {
    request: Request,
    reply: Vec<u8>,
    comparison: Comparison,
}

impl Pair {
    fn new(redis: &Redis, seed: u64) -> Self {
        let mut real = redis.client();
        assert_eq!(real.command(&["FLUSHALL"]), b"+OK\r\n");
        let store = MemoryStore::new(seed, MemoryConfig::default());
        Self { store, real, now_ms: wall_clock_ms(), history: Vec::new() }
    }

    fn ask_store<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Vec<u8> {
        let mut reply = BytesMut::new();
        let args: Vec<&[u8]> = args.iter().map(AsRef::as_ref).collect();
        self.store.execute(self.now_ms, &Request::from_args(args), &mut reply);
        reply.to_vec()
    }

    /// Runs a command on the store, and appends what the real server must say to it.
    fn run(&mut self, args: Vec<Vec<u8>>, expected: &mut Vec<Expected>) {
        let comparison = Comparison::of(&args);
        if is_by_member(&args) && !self.has_one_score(&args[1]) {
            return;
        }
        if comparison == Comparison::Pages {
            let (once, all) = (args.clone(), self.scan_all(args));
            self.expect(once, all, comparison, expected);
            return;
        }
        if comparison != Comparison::Popped || args.len() < 2 {
            let reply = self.ask_store(&args);
            self.expect(args, reply, comparison, expected);
            return;
        }
        // The real server pops from a copy, then loses what the store has popped.
        let exact = Comparison::Exact;
        let (key, copy) = (args[1].clone(), b"{copy}".to_vec());
        let before = Reply::parse(&self.ask_store(&[&b"SMEMBERS"[..], &key])).texts();
        let reply = self.ask_store(&args);
        let popped = Reply::parse(&reply).texts();
        assert!(
            popped.iter().all(|member| before.contains(member)),
            "{args:?} popped {popped:?} of {before:?}"
        );
        let mut on_copy = args.clone();
        on_copy[1].clone_from(&copy);
        let copied = self.ask_store(&[&b"EXISTS"[..], &key]);
        let copied = if before.is_empty() && popped.is_empty() { copied } else { b":1\r\n".to_vec() };
        self.expect(vec![b"COPY".to_vec(), key.clone(), copy.clone()], copied, exact, expected);
        self.expect(on_copy, reply, comparison, expected);
        self.expect(vec![b"DEL".to_vec(), copy], Vec::new(), Comparison::Ignored, expected);
        if !popped.is_empty() {
            let removed = format!(":{}\r\n", popped.len()).into_bytes();
            let args = [b"SREM".to_vec(), key].into_iter().chain(popped).collect();
            self.expect(args, removed, exact, expected);
        }
    }

    /// Whether a sorted set has the same score throughout, so that its order is that of its members.
    fn has_one_score(&mut self, key: &[u8]) -> bool {
        let all = Reply::parse(&self.ask_store(&[&b"ZRANGE"[..], key, b"0", b"-1", b"WITHSCORES"])).texts();
        all.chunks(2).all(|pair| pair.get(1) == all.get(1))
    }

    /// Runs a command on both sides now.
    fn both(&mut self, args: &[&str]) {
        let args: Vec<Vec<u8>> = args.iter().map(|arg| arg.as_bytes().to_vec()).collect();
        let (ours, real) = (self.ask_store(&args), self.real.command(&args));
        let request = Request::from_args(&args);
        let same = Comparison::of(&args).holds(&Reply::parse(&ours), &Reply::parse(&real), &request);
        assert!(same, "{}; redis: {}", show(&args, &ours), real.escape_ascii());
    }

    /// All pages of a scan as one; the reply itself when it is an error.
    fn scan_all(&mut self, mut args: Vec<Vec<u8>>) -> Vec<u8> {
        let at = if args[0] == b"SCAN" { 1 } else { 2 };
        let mut found = Vec::new();
        for _ in 0..10_000 {
            let reply = self.ask_store(&args);
            let Reply::Array(Some(parts)) = Reply::parse(&reply) else { return reply };
            let Reply::Bulk(Some(cursor)) = &parts[0] else { panic!("{args:?}: {parts:?}") };
            found.extend(parts[1].texts());
            if cursor == b"0" {
                return Reply::page(found);
            }
            args[at].clone_from(cursor);
        }
        panic!("{args:?} never ends");
    }

    fn expect(
        &mut self,
        args: Vec<Vec<u8>>,
        reply: Vec<u8>,
        comparison: Comparison,
        expected: &mut Vec<Expected>,
    ) {
        let request = Request::from_args(&args);
        self.history.push((args, reply.clone()));
        expected.push(Expected { request, reply, comparison });
    }

    fn check(&mut self, expected: &[Expected], seed: u64) {
        let bytes: Vec<u8> = expected.iter().flat_map(|one| one.request.raw().to_vec()).collect();
        let replies = self.real.exchange(&bytes, expected.len());
        let first = self.history.len() - expected.len();
        for (number, (one, real)) in expected.iter().zip(&replies).enumerate() {
            let ours = Reply::parse(&one.reply);
            if one.comparison.holds(&ours, &Reply::parse(real), &one.request) {
                continue;
            }
            let key = one.request.args().nth(1).unwrap_or_default().to_vec();
            let same_key =
                self.history[..=first + number].iter().filter(|(args, _)| args.get(1) == Some(&key));
            let mut story: Vec<_> = same_key.rev().take(12).map(|(args, reply)| show(args, reply)).collect();
            story.reverse();
            panic!(
                "seed {seed}: {:?}\n  redis: {}\n  store: {}\nwhat led there:\n  {}",
                one.comparison,
                real.escape_ascii(),
                one.reply.escape_ascii(),
                story.join("\n  ")
            );
        }
    }
}

fn show(args: &[Vec<u8>], reply: &[u8]) -> String {
    let args: Vec<_> = args.iter().map(|arg| format!("\"{}\"", arg.escape_ascii())).collect();
    format!("{}  ->  {}", args.join(" "), reply.escape_ascii())
}

fn is_by_member(args: &[Vec<u8>]) -> bool {
    let word_is_by_member = |arg: &Vec<u8>| arg.to_ascii_uppercase().windows(3).any(|part| part == b"LEX");
    args.len() > 1 && args[0].to_ascii_uppercase().starts_with(b"Z") && args.iter().any(word_is_by_member)
}

fn wall_clock_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// Runs one script, and gives the encodings that values had in the course of it.
fn compare_random_commands(seed: u64) -> BTreeSet<Vec<u8>> {
    let redis = Redis::start();
    let mut pair = Pair::new(&redis, seed);
    let mut generator = Generator::new(seed, pair.now_ms);
    for _ in 0..BATCHES {
        pair.now_ms = wall_clock_ms();
        let mut expected = Vec::new();
        for _ in 0..BATCH_LEN {
            pair.run(generator.command(), &mut expected);
        }
        for key in generator.keys() {
            for command in ["TYPE", "PEXPIRETIME", "OBJECT ENCODING"] {
                let args = command.split(' ').map(|word| word.as_bytes().to_vec()).chain([key.clone()]);
                pair.run(args.collect(), &mut expected);
            }
        }
        pair.check(&expected, seed);
    }
    moved_state_is_the_same(&mut pair, &generator.keys());
    for key in generator.keys() {
        pair.ask_store(&[&b"DEL"[..], &key]);
    }
    assert_eq!(pair.store.stats().used_bytes, 0, "every byte was accounted for");
    let encodings = pair.history.iter().filter(|(args, _)| args[0] == b"OBJECT");
    encodings.flat_map(|(_, reply)| Reply::parse(reply).texts()).collect()
}

/// What comes out of a store goes into another one whole: every read of the copy gives what the original gives.
fn moved_state_is_the_same(pair: &mut Pair, keys: &[Vec<u8>]) {
    let mut copy = MemoryStore::new(1, MemoryConfig::default());
    for key in keys {
        let state = pair.store.dump(pair.now_ms, key).unwrap();
        copy.install(pair.now_ms, &Bytes::copy_from_slice(key), state.as_ref()).unwrap();
        assert_eq!(copy.dump(pair.now_ms, key).unwrap(), state);
    }
    for key in keys {
        let reads =
            ["GET", "HGETALL", "LRANGE 0 -1", "SMEMBERS", "ZRANGE 0 -1 WITHSCORES", "PEXPIRETIME", "TYPE"];
        for read in reads {
            let mut args: Vec<Vec<u8>> = read.split(' ').map(|word| word.as_bytes().to_vec()).collect();
            args.insert(1, key.clone());
            let ours = pair.ask_store(&args);
            let mut reply = BytesMut::new();
            let request = Request::from_args(&args);
            copy.execute(pair.now_ms, &request, &mut reply);
            let same = Comparison::of(&args).holds(&Reply::parse(&ours), &Reply::parse(&reply), &request);
            assert!(same, "{read} {}: {} {}", key.escape_ascii(), ours.escape_ascii(), reply.escape_ascii());
        }
    }
}

#[test]
fn random_commands_get_the_replies_of_redis() {
    let seeds = [0, 1].map(|seed| std::thread::spawn(move || compare_random_commands(seed)));
    let seen: BTreeSet<_> = seeds.into_iter().flat_map(|seed| seed.join().unwrap()).collect();
    let encodings = ["embstr", "hashtable", "int", "intset", "listpack", "quicklist", "raw", "skiplist"];
    for encoding in encodings {
        assert!(
            seen.contains(encoding.as_bytes()),
            "no value was ever a {encoding}: the commands are too tame"
        );
    }
}

#[test]
fn own_payloads_are_restored_as_redis_restores_its_own() {
    let redis = Redis::start();
    let mut pair = Pair::new(&redis, 0);
    let ahead = (pair.now_ms + 1_000_000_000).to_string();
    for (number, setup) in [
        "SET k 12345",
        "SET k text",
        "RPUSH k a b a",
        "HSET k f v g w",
        "SADD k 1 2 x",
        "ZADD k 1.5 a -inf b",
    ]
    .into_iter()
    .enumerate()
    {
        let setup: Vec<&str> = setup.split(' ').collect();
        pair.both(&["DEL", "k", "l"]);
        pair.both(&setup);
        let payloads = [pair.ask_store(&["DUMP", "k"]), pair.real.command(&["DUMP", "k"])];
        let payloads = payloads.map(|payload| Reply::parse(&payload).texts().remove(0));
        let mut restore = |key: &str, time: &str, options: &[&str]| {
            let [ours, theirs] = payloads.each_ref().map(|payload| {
                let args = [&b"RESTORE"[..], key.as_bytes(), time.as_bytes(), payload];
                args.into_iter().chain(options.iter().map(|option| option.as_bytes())).collect::<Vec<_>>()
            });
            let (ours, theirs) = (pair.ask_store(&ours), pair.real.command(&theirs));
            assert_eq!(
                ours.escape_ascii().to_string(),
                theirs.escape_ascii().to_string(),
                "{number} {key} {time} {options:?}"
            );
            for read in ["EXISTS", "TYPE", "GET", "SMEMBERS", "HGETALL", "LLEN", "ZCARD", "PEXPIRETIME"] {
                pair.both(&[read, key]);
            }
        };
        restore("k", "0", &[]);
        restore("l", "0", &[]);
        restore("l", "-1", &["REPLACE"]);
        restore("l", "1000000", &["REPLACE"]);
        restore("l", &ahead, &["ABSTTL", "REPLACE"]);
        restore("l", "0", &["replace", "IDLETIME", "10"]);
        restore("l", "0", &["replace", "FREQ", "256"]);
        restore("l", "0", &["REPLACE", "IDLETIME", "1", "FREQ", "1"]);
        restore("l", "1", &["ABSTTL", "REPLACE"]);
        restore("l", "1", &["ABSTTL"]);
    }
}

//! What a request costs before anything is done with it: framing and recognising; and framing a reply.

use std::hint::black_box;

use bytes::BytesMut;
use dynomite_codec::{FrameLimits, ReplyFramer, ReplyLimits, Request, RequestFramer, classify, lookup};

use crate::case::{Case, Scenario, scenario, steady};

/// As many as a busy pipeline brings in one read.
const PIPELINE: usize = 128;
/// Look-ups in a batch: they take nanoseconds, and reading the clock takes some too.
const LOOKUPS: usize = 1024;
/// A large request comes in reads of this size.
const READ_BYTES: usize = 8 << 10;
/// Pairs of a large request, and of one that is much larger: the cost of one pair must be about the same.
const LARGE_PAIRS: usize = 1_000;
const HUGE_PAIRS: usize = 64_000;

const KEY: &[u8] = b"user:1000000";
const VALUE: &[u8] = &[b'v'; 64];

/// Framing and recognising.
pub const CASES: &[Case] = &[
    Case { name: "framing/request/get", elements: PIPELINE, prepare: || requests(&get()) },
    Case { name: "framing/request/set_64", elements: PIPELINE, prepare: || requests(&set()) },
    Case { name: "framing/request/set_64_ex", elements: PIPELINE, prepare: || requests(&set_ex()) },
    Case { name: "framing/request/mget_10", elements: PIPELINE, prepare: || requests(&mget()) },
    Case {
        name: "framing/mset_in_8k_reads/1000_pairs",
        elements: LARGE_PAIRS,
        prepare: || mset(LARGE_PAIRS),
    },
    Case { name: "framing/mset_in_8k_reads/64000_pairs", elements: HUGE_PAIRS, prepare: || mset(HUGE_PAIRS) },
    Case { name: "framing/reply/ok", elements: PIPELINE, prepare: || replies("+OK\r\n") },
    Case { name: "framing/reply/integer", elements: PIPELINE, prepare: || replies(":1000000\r\n") },
    Case { name: "framing/reply/null", elements: PIPELINE, prepare: || replies("$-1\r\n") },
    Case { name: "framing/reply/bulk_64", elements: PIPELINE, prepare: || replies(&bulk()) },
    Case { name: "framing/reply/array_10", elements: PIPELINE, prepare: || replies(&array()) },
    Case { name: "command/lookup/get", elements: LOOKUPS, prepare: || lookups(b"GET") },
    Case { name: "command/lookup/zrangebyscore", elements: LOOKUPS, prepare: || lookups(b"ZRANGEBYSCORE") },
    Case { name: "command/lookup/unknown", elements: LOOKUPS, prepare: || lookups(b"NOSUCHCOMMAND") },
    Case { name: "command/classify/get", elements: LOOKUPS, prepare: || classified(get()) },
    Case { name: "command/classify/set_64", elements: LOOKUPS, prepare: || classified(set()) },
    Case { name: "command/classify/set_64_ex", elements: LOOKUPS, prepare: || classified(set_ex()) },
    Case { name: "command/classify/mget_10", elements: LOOKUPS, prepare: || classified(mget()) },
];

fn get() -> Request {
    Request::from_args([b"GET", KEY])
}

fn set() -> Request {
    Request::from_args([b"SET", KEY, VALUE])
}

fn set_ex() -> Request {
    Request::from_args([b"SET", KEY, VALUE, b"EX", b"3600"])
}

fn mget() -> Request {
    Request::from_args([&b"MGET"[..]].into_iter().chain([KEY; 10]).collect::<Vec<_>>())
}

fn bulk() -> String {
    format!("$64\r\n{}\r\n", "v".repeat(64))
}

fn array() -> String {
    format!("*10\r\n{}", bulk().repeat(10))
}

fn requests(request: &Request) -> Box<dyn Scenario> {
    let pipeline = request.raw().repeat(PIPELINE);
    scenario(
        (RequestFramer::new(FrameLimits::default()), BytesMut::new()),
        move |(_, buf)| *buf = BytesMut::from(&pipeline[..]),
        |(framer, buf)| {
            let mut count = 0;
            while let Ok(Some(request)) = framer.next(buf) {
                black_box(request);
                count += 1;
            }
            assert_eq!(count, PIPELINE, "every request is found");
        },
    )
}

/// A large request in many reads: the cost must be that of one pass.
fn mset(pairs: usize) -> Box<dyn Scenario> {
    let args = (0..=2 * pairs).map(|index| if index == 0 { "MSET".into() } else { format!("arg:{index}") });
    let raw = Request::from_args(args.collect::<Vec<_>>()).raw().clone();
    scenario(
        (RequestFramer::new(FrameLimits::default()), BytesMut::new()),
        {
            let capacity = raw.len();
            move |(_, buf)| *buf = BytesMut::with_capacity(capacity)
        },
        move |(framer, buf)| {
            let mut count = 0;
            for piece in raw.chunks(READ_BYTES) {
                buf.extend_from_slice(piece);
                count += usize::from(matches!(black_box(framer.next(buf)), Ok(Some(_))));
            }
            assert_eq!(count, 1, "the request is whole after its last piece");
        },
    )
}

fn replies(reply: &str) -> Box<dyn Scenario> {
    let pipeline = reply.repeat(PIPELINE);
    scenario(
        (ReplyFramer::new(ReplyLimits::default()), BytesMut::new()),
        move |(_, buf)| *buf = BytesMut::from(pipeline.as_bytes()),
        |(framer, buf)| {
            let mut count = 0;
            while let Ok(Some(reply)) = framer.next(buf) {
                black_box(reply);
                count += 1;
            }
            assert_eq!(count, PIPELINE, "every reply is found");
        },
    )
}

fn lookups(name: &'static [u8]) -> Box<dyn Scenario> {
    steady(move || {
        for _ in 0..LOOKUPS {
            black_box(lookup(black_box(name)));
        }
    })
}

fn classified(request: Request) -> Box<dyn Scenario> {
    steady(move || {
        for _ in 0..LOOKUPS {
            assert!(black_box(classify(black_box(&request))).is_ok(), "the command is known");
        }
    })
}

//! What a lane holds is bounded by what its caller has in flight. In a process of its own, to measure its memory.

use std::future::poll_fn;

use dynomite_backend::{Backend, LaneEvent, Operation, RedisBackend, RedisConfig};
use dynomite_codec::Request;
use dynomite_testkit::Redis;

const WINDOW: usize = 1000;
const VALUE_BYTES: usize = 10_000;
const MIB: usize = 1 << 20;

#[tokio::test]
async fn memory_follows_the_window_and_not_the_traffic() {
    let mut redis = Redis::start();
    let config = RedisConfig::from_url(&redis.unix_url()).unwrap();
    let mut lane = RedisBackend::new(config).open_lane(0, 1);
    let mut events = Vec::new();
    poll_fn(|cx| lane.poll(cx, &mut events)).await;
    assert!(matches!(events[..], [LaneEvent::Up(_)]), "{events:?}");
    let request = Request::from_args([&b"ECHO"[..], &[b'x'; VALUE_BYTES]]);
    let before = resident_bytes();

    let mut in_flight = 0;
    for round in 0..30 {
        // The server stands still while the window fills.
        redis.freeze();
        while in_flight < WINDOW {
            lane.submit(0, Operation::Command(request.clone()));
            in_flight += 1;
        }
        events.clear();
        for _ in 0..100 {
            let polled = poll_fn(|cx| std::task::Poll::Ready(lane.poll(cx, &mut events))).await;
            assert!(polled.is_pending(), "round {round}");
        }
        redis.thaw();
        while in_flight > 0 {
            events.clear();
            poll_fn(|cx| lane.poll(cx, &mut events)).await;
            in_flight -= events.len();
        }
        let grown = resident_bytes().saturating_sub(before);
        assert!(grown < 4 * WINDOW * VALUE_BYTES, "{} MiB more in round {round}", grown / MIB);
    }

    // A large reply's memory goes with the reply; one of many parts makes the read buffer grow step by step.
    let script =
        "local t = {} for i = 1, 1000000 do t[i] = 'forty bytes forty bytes forty bytes forty' end return t";
    lane.submit(0, Operation::Command(Request::from_args(["EVAL", script, "0"])));
    events.clear();
    while events.is_empty() {
        poll_fn(|cx| lane.poll(cx, &mut events)).await;
    }
    assert!(resident_bytes() - before > 45 * MIB, "the reply is held");
    events.clear();
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 4 * WINDOW * VALUE_BYTES, "{} MiB are left of the large reply", grown / MIB);
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages: usize = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    pages * 4096
}

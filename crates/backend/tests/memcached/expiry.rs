//! Times to live, of which memcached knows whole seconds.

use std::time::Duration;

use dynomite_backend::{KeyState, Operation, Output};
use dynomite_testkit::Memcached;
use tokio::time::sleep;

use crate::conversation::{Conversation, now_ms, state_of};

const DAY_MS: u64 = 24 * 3600 * 1000;
/// How late the server's clock may tick, and the test look, on a busy machine.
const SLACK_MS: u64 = 400;

/// How many milliseconds a dump says that `key` has left; `None` when it does not expire.
async fn remaining_ms(lane: &mut Conversation, key: &'static str) -> Option<u64> {
    let state = lane.dump(key).await.expect("it is there");
    state.expires_at_ms.map(|at_ms| at_ms.saturating_sub(now_ms()))
}

#[tokio::test]
async fn expiry_survives_a_move_within_seconds_near_and_far() {
    let memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    let state = state_of(&mut lane, b"v", 0, None).await;
    lane.install("k", Some(state.clone())).await;
    assert_eq!(remaining_ms(&mut lane, "k").await, None, "immortal stays so");
    for wanted_ms in [
        10_000,
        DAY_MS,
        30 * DAY_MS - 500,
        30 * DAY_MS,
        30 * DAY_MS + 500,
        30 * DAY_MS + 1000,
        31 * DAY_MS,
        365 * DAY_MS,
    ] {
        let state = KeyState { expires_at_ms: Some(now_ms() + wanted_ms), ..state.clone() };
        lane.install("k", Some(state)).await;
        let left_ms = remaining_ms(&mut lane, "k").await.expect("it expires");
        assert!(
            (wanted_ms.saturating_sub(4000)..=wanted_ms + 1000).contains(&left_ms),
            "{left_ms} of {wanted_ms}"
        );
    }
}

#[tokio::test]
async fn expiry_in_the_past_or_now_is_a_deletion() {
    let memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    let state = state_of(&mut lane, b"v", 0, None).await;
    for at_ms in [0, 1, now_ms() - 40 * DAY_MS, now_ms() - 1] {
        assert_eq!(lane.command(&["ms", "k", "old"]).await, "HD\r\n");
        lane.install("k", Some(KeyState { expires_at_ms: Some(at_ms), ..state.clone() })).await;
        assert_eq!(lane.dump("k").await, None, "{at_ms}");
    }
}

#[tokio::test]
async fn expiry_after_what_memcached_can_name_is_not_lost() {
    let memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    let state = state_of(&mut lane, b"v", 0, None).await;
    for at_ms in [i32::MAX as u64 * 1000, i32::MAX as u64 * 1000 + 5000, u64::MAX] {
        lane.install("k", Some(KeyState { expires_at_ms: Some(at_ms), ..state.clone() })).await;
        let told_ms = lane.dump("k").await.expect("it is there").expires_at_ms.expect("and not immortal");
        assert!(told_ms.abs_diff(i32::MAX as u64 * 1000) <= 3000, "{told_ms}");
    }
}

#[tokio::test]
async fn key_with_less_than_a_second_left_lives_and_dies_within_one_more() {
    let memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    let state = state_of(&mut lane, b"v", 0, None).await;
    for left_ms in [1, 400, 999, 1000, 1900] {
        let at_ms = now_ms() + left_ms;
        lane.submit(Operation::Install {
            key: "k".into(),
            state: Some(KeyState { expires_at_ms: Some(at_ms), ..state.clone() }),
        });
        lane.submit_command(&["mg", "k", "t"]);
        assert_eq!(lane.done().await, Output::Installed);
        // Between the two the server's clock may tick.
        let told = lane.done().await;
        let is_told = told == Output::Reply("HD t1\r\n".into()) || told == Output::Reply("EN\r\n".into());
        assert!(is_told, "{left_ms} ms: {told:?}");
        while lane.command(&["mg", "k"]).await == "HD\r\n" {
            assert!(
                now_ms() <= at_ms + 1000 + SLACK_MS,
                "{left_ms} ms: it lives {} ms too long",
                now_ms() - at_ms
            );
            sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn dump_tells_the_expiry_late_by_less_than_a_second_and_never_early() {
    let memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    assert_eq!(lane.command(&["ms", "k", "T3", "v"]).await, "HD\r\n");
    let mut told_ms = Vec::new();
    while let Some(state) = lane.dump("k").await {
        told_ms.push(state.expires_at_ms.expect("it expires"));
        sleep(Duration::from_millis(20)).await;
    }
    let died_ms = now_ms();
    assert!(told_ms.len() > 50);
    for told_ms in told_ms {
        let is_near = told_ms + SLACK_MS >= died_ms && told_ms <= died_ms + 1000 + SLACK_MS;
        assert!(is_near, "told {told_ms}, died {died_ms}");
    }
}

#[tokio::test]
async fn install_that_waited_for_a_stalled_server_says_that_the_expiry_may_be_late() {
    let mut memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    let state = state_of(&mut lane, b"v", 0, None).await;
    memcached.freeze();
    let expiring = KeyState { expires_at_ms: Some(now_ms() + 5000), ..state.clone() };
    lane.submit(Operation::Install { key: "expiring".into(), state: Some(expiring) });
    lane.submit(Operation::Install { key: "immortal".into(), state: Some(state) });
    assert_eq!(lane.event_within(Duration::from_millis(1200)).await, None);
    memcached.thaw();
    let Output::Failed(text) = lane.done().await else { panic!("it cannot be vouched for") };
    assert!(text.contains("may expire too late"), "{text}");
    assert_eq!(lane.done().await, Output::Installed);
}

//! The Redis lane against a real `redis-server`: order, large values, breaks and returns.

use std::time::Duration;

use dynomite_backend::{Backend, LaneEvent, Operation, Output, RedisBackend, RedisConfig};
use dynomite_testkit::Redis;

use crate::conversation::Conversation;

#[tokio::test]
async fn hundred_thousand_pipelined_commands_are_answered_in_order() {
    let redis = Redis::start();
    for url in [redis.url(), redis.unix_url()] {
        let mut lane = Conversation::open_up(&url).await;
        let long = "x".repeat(20_000);
        // Some arguments are long enough to travel by reference between the copied ones.
        let argument =
            |number: usize| format!("{number}{}", if number.is_multiple_of(1000) { &long } else { "" });
        for number in 0..100_000 {
            lane.submit_command(&["ECHO", &argument(number)]);
        }
        for number in 0..100_000 {
            let expected = argument(number);
            let expected = format!("${}\r\n{expected}\r\n", expected.len());
            assert!(lane.reply().await == expected.as_bytes(), "reply {number} over {url}");
        }
    }
}

#[tokio::test]
async fn value_of_64_mib_goes_through_unchanged() {
    let redis = Redis::start();
    let value: Vec<u8> =
        (0..64 << 20).map(|index: u32| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for url in [redis.url(), redis.unix_url()] {
        let mut lane = Conversation::open_up(&url).await;
        lane.submit_command(&[&b"SET"[..], b"large", &value]);
        lane.submit_command(&["GET", "large"]);
        lane.submit_command(&["PING"]);
        assert_eq!(lane.reply().await, b"+OK\r\n");
        let reply = lane.reply().await;
        let body = reply.strip_prefix(b"$67108864\r\n").and_then(|rest| rest.strip_suffix(b"\r\n"));
        assert!(body == Some(&value[..]), "over {url}");
        assert_eq!(lane.reply().await, b"+PONG\r\n");
    }
}

#[tokio::test]
async fn killed_server_is_one_down_and_its_successor_another_run_id() {
    let mut redis = Redis::start();
    for url in [redis.url(), redis.unix_url()] {
        redis.restart();
        let mut lane = Conversation::open(&url);
        let first = lane.up().await;
        assert!(first.kind.starts_with("redis "), "{first:?}");
        let submitted = 20_000;
        for _ in 0..submitted {
            lane.submit_command(&["INCR", "counter"]);
        }
        // Killed while most of the pipeline is under way.
        assert_eq!(lane.reply().await, b":1\r\n");
        redis.freeze();
        for _ in 0..submitted {
            lane.submit_command(&["INCR", "counter"]);
        }
        redis.kill();
        let mut done = 1;
        let reason = loop {
            match lane.event().await {
                LaneEvent::Done(Output::Reply(reply)) => {
                    done += 1;
                    assert_eq!(reply, format!(":{done}\r\n"));
                }
                LaneEvent::Down { reason } => break reason,
                other => panic!("{other:?}"),
            }
        };
        assert!(done < 2 * submitted);
        assert!(reason.contains("connection"), "{reason}");
        // The attempts that follow fail; that is no news.
        assert_eq!(lane.event_within(Duration::from_millis(300)).await, None);
        redis.restart();
        let second = lane.up().await;
        assert_ne!(second.run_id, first.run_id);
        // Another kind of operation than those that were lost: none of them takes its reply.
        assert_eq!(lane.run(Operation::Dump { key: "counter".into() }).await, Output::State(None));
        assert_eq!(lane.command(&["INCR", "counter"]).await, b":1\r\n", "nothing was sent again");
    }
}

#[tokio::test]
async fn frozen_server_loses_nothing() {
    let mut redis = Redis::start();
    for url in [redis.url(), redis.unix_url()] {
        let mut lane = Conversation::open_up(&url).await;
        redis.freeze();
        let padding = "x".repeat(1000);
        for number in 0..20_000 {
            lane.submit_command(&["ECHO", &format!("{number}{padding}")]);
        }
        assert_eq!(lane.event_within(Duration::from_millis(200)).await, None);
        redis.thaw();
        for number in 0..20_000 {
            let expected = format!("{number}{padding}");
            assert_eq!(lane.reply().await, format!("${}\r\n{expected}\r\n", expected.len()).as_bytes());
        }
    }
}

#[tokio::test]
async fn server_that_comes_late_is_found() {
    let mut redis = Redis::start();
    redis.kill();
    for (url, error) in [(redis.url(), "Connection refused"), (redis.unix_url(), "Connection refused")] {
        let mut lane = Conversation::open(&url);
        let reason = lane.down().await;
        assert!(
            reason.starts_with("cannot connect to the datastore: ") && reason.contains(error),
            "{reason}"
        );
        assert_eq!(lane.event_within(Duration::from_millis(200)).await, None);
        redis.restart();
        lane.up().await;
        assert_eq!(lane.command(&["PING"]).await, b"+PONG\r\n");
        redis.kill();
    }
}

#[tokio::test]
async fn wrong_password_is_named_and_tried_again() {
    let redis = Redis::builder().password("right").start();
    let mut lane = Conversation::open(&redis.url().replace("right", "other"));
    let reason = lane.down().await;
    assert!(reason.contains("refuses the credentials: WRONGPASS"), "{reason}");
    assert!(!reason.contains("other"), "no password in {reason}");
    assert_eq!(lane.event_within(Duration::from_millis(200)).await, None);
    redis.client().command(&["CONFIG", "SET", "requirepass", "other"]);
    lane.up().await;
    assert_eq!(lane.command(&["SET", "k", "v"]).await, b"+OK\r\n");
}

#[tokio::test]
async fn missing_password_is_named() {
    let redis = Redis::builder().password("secret").start();
    let mut lane = Conversation::open(&format!("redis://{}", redis.address()));
    let reason = lane.down().await;
    assert!(reason.contains("refuses the credentials: NOAUTH"), "{reason}");
}

#[tokio::test]
async fn lane_authenticates_as_the_named_user_and_names_itself() {
    let redis = Redis::start();
    redis.client().command(&["ACL", "SETUSER", "app", "on", ">p@ss", "~*", "+@all"]);
    let url = format!("redis+unix://app:p%40ss@{}", redis.socket_path().display());
    let mut lane = Conversation::open_up(&url).await;
    assert_eq!(lane.command(&["ACL", "WHOAMI"]).await, b"$3\r\napp\r\n");
    assert_eq!(lane.command(&["CLIENT", "GETNAME"]).await, b"$10\r\ndynomite-3\r\n");
    let described = RedisBackend::new(RedisConfig::from_url(&url).unwrap()).describe();
    assert_eq!(described, redis.unix_url());
}

#[tokio::test]
async fn operation_submitted_while_down_is_covered_by_another_down() {
    let mut redis = Redis::start();
    let mut lane = Conversation::open_up(&redis.url()).await;
    redis.kill();
    lane.down().await;
    lane.submit_command(&["SET", "k", "v"]);
    lane.down().await;
    redis.restart();
    lane.up().await;
    assert_eq!(lane.command(&["GET", "k"]).await, b"$-1\r\n");
}

#[tokio::test]
async fn connection_killed_by_the_server_comes_back_with_the_same_run_id() {
    let redis = Redis::start();
    let mut lane = Conversation::open(&redis.url());
    let first = lane.up().await;
    for _ in 0..3 {
        redis.client().command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        assert_eq!(lane.down().await, "the datastore closed the connection");
        assert_eq!(lane.up().await, first);
    }
}

#[tokio::test]
async fn frozen_server_does_not_hold_up_a_new_lane_for_ever() {
    let mut redis = Redis::start();
    redis.freeze();
    let mut config = RedisConfig::from_url(&redis.url()).unwrap();
    config.connect_timeout = Duration::from_millis(100);
    let mut lane = Conversation::open_with(config);
    assert_eq!(lane.down().await, "no answer from the datastore within 100ms");
    redis.thaw();
    lane.up().await;
}

#[tokio::test]
async fn error_replies_are_replies() {
    let redis = Redis::start();
    let mut lane = Conversation::open_up(&redis.url()).await;
    assert_eq!(
        lane.command(&["NOSUCH"]).await,
        b"-ERR unknown command 'NOSUCH', with args beginning with: \r\n"
    );
    lane.submit_command(&["SET", "k", "v"]);
    lane.submit_command(&["INCR", "k"]);
    lane.submit(Operation::Dump { key: "absent".into() });
    assert_eq!(lane.reply().await, b"+OK\r\n");
    assert_eq!(lane.reply().await, b"-ERR value is not an integer or out of range\r\n");
    assert_eq!(lane.done().await, Output::State(None));
}

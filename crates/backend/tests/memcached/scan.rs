//! Listing keys.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dynomite_backend::{MemcachedConfig, Operation, Output, ReservedKeys};
use dynomite_testkit::Memcached;
use tokio::time::sleep;

use crate::conversation::{Conversation, NODE, WORKER, ask, config};

const KEY_COUNT: usize = 20_000;
const PAGE: usize = 300;

async fn fill(lane: &mut Conversation, count: usize) {
    for number in 0..count {
        lane.submit_command(&["ms", &format!("key-{number}"), "v"]);
    }
    for _ in 0..count {
        assert_eq!(lane.done().await, Output::Reply("HD\r\n".into()));
    }
}

async fn page(lane: &mut Conversation, cursor: u64) -> (Vec<Bytes>, u64) {
    match lane.run(Operation::Scan { cursor, count: PAGE }).await {
        Output::Scanned { keys, cursor } => (keys, cursor),
        other => panic!("expected keys, got {other:?}"),
    }
}

/// How often each key came, and how many pages there were.
async fn scan(lane: &mut Conversation) -> (BTreeMap<Bytes, usize>, usize) {
    let mut seen = BTreeMap::new();
    let (mut cursor, mut page_count) = (0, 0);
    loop {
        let (keys, next) = page(lane, cursor).await;
        assert!(keys.len() <= PAGE, "{}", keys.len());
        page_count += 1;
        keys.into_iter().for_each(|key| *seen.entry(key).or_default() += 1);
        cursor = next;
        if cursor == 0 {
            return (seen, page_count);
        }
    }
}

fn assert_each_once(seen: &BTreeMap<Bytes, usize>, count: usize) {
    assert_eq!(seen.len(), count);
    assert!(seen.values().all(|times| *times == 1), "none comes twice");
    assert!((0..count).all(|number| seen.contains_key(format!("key-{number}").as_bytes())));
}

#[tokio::test]
async fn all_keys_come_in_pages_exactly_once_each() {
    let memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    assert_eq!(scan(&mut lane).await, (BTreeMap::new(), 1), "none, in one page");
    fill(&mut lane, KEY_COUNT).await;
    for _ in 0..3 {
        let (seen, page_count) = scan(&mut lane).await;
        assert_each_once(&seen, KEY_COUNT);
        assert_eq!(page_count, KEY_COUNT.div_ceil(PAGE));
    }
}

#[tokio::test]
async fn all_keys_come_exactly_once_each_with_room_for_few() {
    let memcached = Memcached::start();
    let tight = MemcachedConfig { scan_bytes_max: 0, ..config(&memcached) };
    let mut lane = Conversation::open_up_with(tight).await;
    fill(&mut lane, KEY_COUNT).await;
    let before = starts(&mut lane).await;
    let (seen, _) = scan(&mut lane).await;
    assert_each_once(&seen, KEY_COUNT);
    let list_count = starts(&mut lane).await - before;
    // Each list fills 64 KiB with keys of some nine bytes and 64 more.
    assert!((18..=30).contains(&list_count), "the server listed its keys {list_count} times");
}

/// How often the server's crawler was started.
async fn starts(lane: &mut Conversation) -> u64 {
    stat(lane, "lru_crawler_starts").await
}

/// One of the server's counts.
async fn stat(lane: &mut Conversation, name: &str) -> u64 {
    let stats = lane.command(&["stats"]).await;
    let field = format!("STAT {name} ");
    let digits = stats.lines().find_map(|line| line.strip_prefix(&field));
    digits.expect("the server counts").parse().expect("a number")
}

#[tokio::test]
async fn second_connection_is_closed_when_all_keys_are_there() {
    let memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    fill(&mut lane, PAGE * 2).await;
    let (connection_count, total_count) =
        (stat(&mut lane, "curr_connections").await, stat(&mut lane, "total_connections").await);
    page(&mut lane, 0).await;
    assert_eq!(stat(&mut lane, "total_connections").await, total_count + 1);
    let until = Instant::now() + Duration::from_secs(10);
    while stat(&mut lane, "curr_connections").await > connection_count {
        assert!(Instant::now() < until, "it stays open");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn operations_behind_a_scan_do_not_wait_for_it() {
    let memcached = Memcached::start_with(&["-o", "lru_crawler"]);
    let mut lane = Conversation::open_up(&memcached).await;
    fill(&mut lane, KEY_COUNT).await;
    lane.submit(Operation::Scan { cursor: 0, count: PAGE });
    lane.submit_command(&["mn"]);
    let Output::Scanned { keys, cursor } = lane.done().await else { panic!("keys") };
    assert_eq!(lane.done().await, Output::Reply("MN\r\n".into()));
    assert!(keys.is_empty() && cursor != 0, "an empty page, and the scan goes on");
    let mut seen = BTreeMap::new();
    let mut cursor = cursor;
    while cursor != 0 {
        lane.submit(Operation::Scan { cursor, count: PAGE });
        lane.submit_command(&["mn"]);
        let Output::Scanned { keys, cursor: next } = lane.done().await else { panic!("keys") };
        assert_eq!(lane.done().await, Output::Reply("MN\r\n".into()));
        keys.into_iter().for_each(|key| *seen.entry(key).or_default() += 1);
        cursor = next;
    }
    assert_each_once(&seen, KEY_COUNT);
}

#[tokio::test]
async fn keys_that_stay_come_while_others_are_written_and_deleted() {
    let memcached = Memcached::start();
    let tight = MemcachedConfig { scan_bytes_max: 256 << 10, ..config(&memcached) };
    let mut lane = Conversation::open_up_with(tight).await;
    fill(&mut lane, KEY_COUNT).await;
    let mut writer = memcached.client();
    let mut seen = BTreeMap::new();
    let (mut cursor, mut number) = (0, 0);
    loop {
        let (keys, next) = page(&mut lane, cursor).await;
        keys.into_iter().for_each(|key| *seen.entry(key).or_default() += 1);
        for _ in 0..50 {
            ask(&mut writer, &format!("set other-{number} 0 0 0\r\n"));
            ask(&mut writer, &format!("delete other-{}", number / 2));
            ask(&mut writer, &format!("touch key-{number} 0"));
            number += 1;
        }
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    seen.retain(|key, _| key.starts_with(b"key-"));
    assert_each_once(&seen, KEY_COUNT);
}

#[tokio::test]
async fn nodes_own_keys_are_left_out() {
    let memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    fill(&mut lane, 3).await;
    let marker = ReservedKeys::of_node(NODE).marker(WORKER);
    assert_eq!(lane.command(&[b"set", &marker[..], b"0", b"0", b"9"]).await, "STORED\r\n");
    assert_each_once(&scan(&mut lane).await.0, 3);
}

#[tokio::test]
async fn server_without_a_crawler_says_what_it_needs() {
    let memcached = Memcached::start_with(&["-o", "no_lru_crawler"]);
    let mut lane = Conversation::open_up(&memcached).await;
    let text = lane.failure(Operation::Scan { cursor: 0, count: PAGE }).await;
    assert_eq!(
        text,
        "CLIENT_ERROR lru crawler disabled: keys are listed by the crawler, start memcached with -o lru_crawler"
    );
    assert_eq!(lane.command(&["lru_crawler", "enable"]).await, "OK\r\n");
    fill(&mut lane, 3).await;
    assert_each_once(&scan(&mut lane).await.0, 3);
}

#[tokio::test]
async fn two_lanes_that_scan_at_once_share_the_crawler() {
    let memcached = Memcached::start();
    let mut first = Conversation::open_up(&memcached).await;
    let mut second = Conversation::open_up(&memcached).await;
    fill(&mut first, KEY_COUNT).await;
    let (first, second) = tokio::join!(scan(&mut first), scan(&mut second));
    assert_each_once(&first.0, KEY_COUNT);
    assert_each_once(&second.0, KEY_COUNT);
}

#[tokio::test]
async fn scan_that_was_left_off_is_followed_by_a_whole_one() {
    let memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    fill(&mut lane, KEY_COUNT).await;
    let (keys, cursor) = page(&mut lane, 0).await;
    assert!(keys.len() == PAGE && cursor != 0);
    assert_eq!(lane.command(&["ms", "key-20000", "v"]).await, "HD\r\n");
    assert_each_once(&scan(&mut lane).await.0, KEY_COUNT + 1);
}

#[tokio::test]
async fn list_that_nobody_took_a_page_from_is_not_that_of_the_next_scan() {
    let memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    fill(&mut lane, KEY_COUNT).await;
    lane.submit(Operation::Scan { cursor: 0, count: PAGE });
    lane.submit_command(&["mn"]);
    assert!(matches!(lane.done().await, Output::Scanned { .. }));
    assert_eq!(lane.done().await, Output::Reply("MN\r\n".into()));
    assert_eq!(lane.event_within(Duration::from_millis(500)).await, None, "the list comes meanwhile");
    assert_eq!(lane.command(&["ms", "key-20000", "v"]).await, "HD\r\n");
    assert_each_once(&scan(&mut lane).await.0, KEY_COUNT + 1);
}

#[tokio::test]
async fn cursor_from_before_a_restart_gives_no_keys_of_then() {
    let mut memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    fill(&mut lane, 1000).await;
    let (keys, cursor) = page(&mut lane, 0).await;
    assert!(keys.len() == PAGE && cursor != 0);
    memcached.restart();
    lane.down().await;
    lane.up().await;
    assert_eq!(page(&mut lane, cursor).await, (Vec::new(), 0));
}

/// More keys than the sockets' buffers take when they are listed, so that the server has to wait.
const MANY: usize = 120_000;

#[tokio::test]
async fn list_that_was_not_read_for_a_while_is_read_again() {
    let memcached = Memcached::start_with(&["-m", "200"]);
    let mut lane = Conversation::open_up(&memcached).await;
    fill(&mut lane, MANY).await;
    let before = starts(&mut lane).await;
    lane.submit(Operation::Scan { cursor: 0, count: PAGE });
    assert_eq!(lane.event_within(Duration::from_millis(5)).await, None, "the list is on its way");
    // The worker does something else for longer than the server waits.
    std::thread::sleep(Duration::from_millis(1500));
    let Output::Scanned { keys, cursor } = lane.done().await else { panic!("keys") };
    let mut seen = BTreeMap::new();
    keys.into_iter().for_each(|key| *seen.entry(key).or_default() += 1);
    let mut cursor = cursor;
    while cursor != 0 {
        let (keys, next) = page(&mut lane, cursor).await;
        keys.into_iter().for_each(|key| *seen.entry(key).or_default() += 1);
        cursor = next;
    }
    assert_each_once(&seen, MANY);
    assert_eq!(starts(&mut lane).await - before, 2);
}

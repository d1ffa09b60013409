//! A client that does not read its replies harms only itself.

use std::fs;
use std::time::{Duration, Instant};

use dynomite_testkit::{eventually, request};

use crate::shapes::{LONG, OK, at_level, bulk, single, three_racks, timed};

const VALUE_BYTES: usize = 1 << 20;
/// What the client asks for without reading it: far more than the node may keep for it.
const REQUEST_COUNT: usize = 600;
/// The limit of output (8 MiB), the largest single values on their way, and what an allocator keeps.
const GROWTH_MAX_KIB: u64 = 120 << 10;

#[test]
fn client_that_never_reads_is_bounded_and_closed_and_harms_nobody() {
    never_reads(single().set("limits.client_output_max=8MiB").set("timeouts.client_stall=2s").start());
}

#[test]
fn client_that_never_reads_from_other_nodes_is_bounded_and_closed() {
    let racks = at_level(three_racks(2), "DC_ONE");
    never_reads(racks.set("limits.client_output_max=8MiB").set("timeouts.client_stall=2s").start());
}

fn never_reads(cluster: dynomite_testkit::Cluster) {
    let process = cluster.nodes()[0].server.process_id().unwrap();
    let mut other = cluster.client(0);
    let keys: Vec<String> = (0..8).map(|number| format!("large:{number}")).collect();
    let value = vec![b'v'; VALUE_BYTES];
    for key in &keys {
        assert_eq!(other.command(&[b"SET", key.as_bytes(), &value]), OK);
    }
    assert_eq!(other.command(&["SET", "small", "v"]), OK);
    let before_kib = resident_kib(process);

    let mut lazy = cluster.client(0).with_deadline(LONG);
    let bytes: Vec<u8> = (0..REQUEST_COUNT).flat_map(|number| request(&["GET", &keys[number % 8]])).collect();
    lazy.send(&bytes);

    // While it is not read from, and until it is closed.
    let started_at = Instant::now();
    let (mut worst, mut most_kib, mut count) = (Duration::ZERO, 0, 0);
    loop {
        let (reply, took) = timed(&mut other, &["GET", "small"]);
        assert_eq!(reply, bulk("v"));
        worst = worst.max(took);
        most_kib = most_kib.max(resident_kib(process));
        count += 1;
        if count % 10 == 0 && client_count(&mut other) == 1 {
            break;
        }
        assert!(started_at.elapsed() < LONG, "it is never closed");
        std::thread::sleep(Duration::from_millis(5));
    }
    eprintln!(
        "worst {worst:?}, from {before_kib} KiB to {most_kib}, {count} requests in {:?}",
        started_at.elapsed()
    );
    assert!(started_at.elapsed() > Duration::from_secs(1), "closed after {:?}", started_at.elapsed());
    assert!(worst < Duration::from_millis(500), "another client waited {worst:?}");
    let growth_kib = most_kib.saturating_sub(before_kib);
    assert!(growth_kib < GROWTH_MAX_KIB, "grew from {before_kib} by {growth_kib} KiB");

    eventually(LONG, "a log line about it", || {
        let log = cluster.nodes()[0].server.log();
        log.contains("client closed: it takes none of its replies")
    });
    let received = lazy.read_to_end();
    assert!(received.len() < REQUEST_COUNT * VALUE_BYTES, "it got everything");
    assert_eq!(other.command(&["PING"]), b"+PONG\r\n");
}

fn client_count(client: &mut dynomite_testkit::RawClient) -> usize {
    let info = String::from_utf8(client.command(&["INFO", "clients"])).unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix("connected_clients:")).expect("INFO has it");
    line.trim().parse().unwrap()
}

fn resident_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel says it");
    line.split_whitespace().next().unwrap().parse().unwrap()
}

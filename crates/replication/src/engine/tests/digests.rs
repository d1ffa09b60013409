//! Values that differ under equal records.

use dynomite_backend::{MemoryConfig, MemoryStore, PieceSizes};

use super::cluster::{Cluster, TIMEOUT_MS};
use crate::{Level, RepairPhase, RepairRequest, RepairStatus};

/// What was written is old enough to be compared after this.
const AGE_MS: u64 = 20_000;

/// Three racks with so many keys.
fn cluster(keys: usize) -> Cluster {
    let mut cluster = Cluster::racks(&[3]);
    for key in 0..keys {
        assert_eq!(cluster.run(0, &format!("SET key:{key} right"), Level::DcQuorum), "+OK\r\n");
    }
    cluster.advance(AGE_MS);
    cluster
}

fn full() -> RepairRequest {
    RepairRequest { full: true, ..RepairRequest::default() }
}

fn counts(status: RepairStatus) -> (u64, u64, u64) {
    (status.keys_differing, status.keys_healed, status.keys_failed)
}

#[test]
fn a_value_that_differs_under_an_equal_record_is_found_and_replaced_by_the_majoritys() {
    let mut cluster = cluster(50);
    cluster.stored(1, "SET key:3 wrong");
    cluster.stored(2, "DEL key:4");
    cluster.stored(0, "PEXPIRE key:5 100000000");
    cluster.stored(0, "RPUSH key:6 x");
    cluster.stored(0, "DEL key:6");
    cluster.stored(0, "RPUSH key:6 another type");
    assert_eq!(counts(cluster.repair(0)), (0, 0, 0), "records are equal");
    let before = cluster.records_of("key:3");
    assert_eq!(counts(cluster.repair_with(0, full())), (4, 4, 0));
    for key in 3..7 {
        assert_eq!(cluster.stored_everywhere(&format!("GET key:{key}")), ["$5\r\nright\r\n"; 3]);
        assert_eq!(cluster.stored_everywhere(&format!("PTTL key:{key}")), [":-1\r\n"; 3]);
    }
    assert_eq!(cluster.records_of("key:3"), before, "nothing was written");
    cluster.advance(AGE_MS);
    assert_eq!(counts(cluster.repair_with(2, full())), (0, 0, 0));
}

#[test]
fn without_a_majority_the_primarys_value_wins() {
    let mut cluster = cluster(10);
    for (member, value) in ["a", "b", "c"].into_iter().enumerate() {
        cluster.stored(member, &format!("SET key:7 {value}"));
    }
    let primary = cluster.primary_of("key:7", 0);
    let wanted = cluster.stored(primary, "GET key:7");
    assert_eq!(counts(cluster.repair_with(0, full())), (1, 1, 0));
    assert!(cluster.stored_everywhere("GET key:7").iter().all(|value| *value == wanted));
}

#[test]
fn a_preview_only_counts() {
    let mut cluster = cluster(10);
    cluster.stored(1, "SET key:3 wrong");
    let request = RepairRequest { preview: true, ..full() };
    assert_eq!(counts(cluster.repair_with(0, request)), (1, 0, 0));
    assert_eq!(cluster.stored(1, "GET key:3"), "$5\r\nwrong\r\n");
}

#[test]
fn large_values_are_digested_and_replaced_in_pieces() {
    const SIZES: PieceSizes = PieceSizes { large_bytes_min: 4096, piece_bytes: 1024 };
    let mut cluster = Cluster::racks(&[3]);
    cluster.configure(|config| config.large_bytes_min = SIZES.large_bytes_min);
    for member in &mut cluster.members {
        member.store = MemoryStore::new(7, MemoryConfig::default()).with_pieces(SIZES, 1);
    }
    for number in 0..80 {
        cluster.run(0, &format!("RPUSH big {number:0100}"), Level::DcQuorum);
    }
    cluster.advance(AGE_MS);
    cluster.stored(1, "LSET big 77 wrong");
    assert_eq!(counts(cluster.repair_with(0, full())), (1, 1, 0));
    let stored = cluster.stored_everywhere("LRANGE big 0 -1");
    assert!(stored.iter().all(|value| *value == stored[0] && !value.contains("wrong")));
    assert_eq!(cluster.members[1].engine.stats().transfers, 1);
}

#[test]
fn writes_and_expiries_meanwhile_are_no_differences() {
    let mut cluster = cluster(200);
    let at_ms = cluster.now(0).wall_ms() + 300;
    for key in 0..100 {
        cluster.run(0, &format!("PEXPIREAT key:{key} {at_ms}"), Level::DcQuorum);
    }
    cluster.members[1].clock_skew_ms = 150;
    cluster.configure(|config| config.repair.keys_per_s = 400);
    let now = cluster.now(0);
    cluster.members[0].engine.start_repair(now, full()).unwrap();
    let (written_until_ms, until_ms) = (cluster.now_ms + 5_000, cluster.now_ms + 60_000);
    while cluster.members[0].engine.repair_status().phase != RepairPhase::Idle {
        assert!(cluster.now_ms < until_ms, "{:?}", cluster.members[0].engine.repair_status());
        for key in (100..110).filter(|_| cluster.now_ms < written_until_ms).collect::<Vec<_>>() {
            cluster.submit(2, &format!("APPEND key:{key} x"), Level::DcOne);
        }
        cluster.advance(10);
    }
    let status = cluster.members[0].engine.repair_status();
    assert_eq!((status.keys_differing, status.keys_failed), (0, 0));
    cluster.advance(TIMEOUT_MS);
    let stored = cluster.stored_everywhere("STRLEN key:105");
    assert!(stored.iter().all(|value| *value == stored[0]));
}

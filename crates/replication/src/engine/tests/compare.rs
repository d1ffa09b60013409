use super::cluster::Cluster;
use crate::{Bucket, BucketSet, Level, RepairPhase, RepairRequest};

/// Writes of every kind, the same ones everywhere.
fn fill(cluster: &mut Cluster, keys: usize) {
    for n in 0..keys {
        let line = match n % 5 {
            0 => format!("SET key{n} {n}"),
            1 => format!("SET key{n} {n} EX 100000"),
            2 => format!("INCR key{n}"),
            3 => format!("RPUSH key{n} a b c"),
            _ => format!("HSET key{n} field {n}"),
        };
        cluster.run(n % cluster.members.len(), &line, Level::DcQuorum);
    }
    cluster.settle();
}

fn assert_equal(cluster: &mut Cluster, keys: usize) {
    for n in 0..keys {
        let line = match n % 5 {
            0..=2 => format!("GET key{n}"),
            3 => format!("LRANGE key{n} 0 -1"),
            _ => format!("HGET key{n} field"),
        };
        let stored = cluster.stored_everywhere(&line);
        assert!(stored.iter().all(|value| *value == stored[0] && value != "$-1\r\n"), "{line}: {stored:?}");
        let records = cluster.records_of(&format!("key{n}"));
        assert!(records.iter().all(|record| record.last == records[0].last), "key{n}: {records:?}");
    }
}

#[test]
fn equal_copies_are_found_equal_with_one_message_for_each_node() {
    let mut cluster = Cluster::racks(&[3]);
    fill(&mut cluster, 100);
    cluster.advance(20_000);
    let before = cluster.traffic;
    let status = cluster.repair(0);
    assert_eq!((status.keys_compared, status.keys_differing, status.buckets_differing), (200, 0, 0));
    assert_eq!((status.buckets_done, status.buckets_total, status.peers_failed), (8192, 8192, 0));
    assert_eq!(
        (status.buckets_settled, cluster.traffic.0 - before.0),
        (4096, 8),
        "digests, and what follows from them"
    );
    assert_eq!(cluster.members[0].engine.stats().heals, 0);
}

#[test]
fn differences_of_every_kind_are_healed_in_one_round() {
    let mut cluster = Cluster::racks(&[3]);
    fill(&mut cluster, 60);
    // Missing here and there, older, and known to one only.
    (0..10).for_each(|n| cluster.forget(1, &format!("key{n}")));
    (10..20).for_each(|n| cluster.forget(0, &format!("key{n}")));
    (20..30).for_each(|n| {
        cluster.forget(0, &format!("key{n}"));
        cluster.forget(2, &format!("key{n}"));
    });
    (30..60).step_by(5).for_each(|n| cluster.plant(1, &format!("key{n}"), "old", 0));
    cluster.advance(20_000);
    let status = cluster.repair(0);
    // Those that this node misses are found with both others.
    assert!((36..=46).contains(&status.keys_healed) && status.keys_failed == 0, "{status:?}");
    assert_equal(&mut cluster, 60);
    let status = cluster.repair_all();
    assert!(
        status.iter().all(|status| status.keys_differing == 0 && status.buckets_settled == 4096),
        "{status:?}"
    );
}

#[test]
fn a_node_that_missed_writes_catches_up_in_its_own_round() {
    let mut cluster = Cluster::racks(&[3]);
    // As if there had been too many hints.
    cluster.keep_no_hints();
    for other in [0, 1] {
        cluster.cut(other, 2);
    }
    for n in 0..50 {
        cluster.run(n % 2, &format!("SET key{} {n}", n * 5), Level::DcQuorum);
    }
    for other in [0, 1] {
        cluster.link_up(other, 2);
        cluster.link_up(2, other);
    }
    cluster.advance(20_000);
    assert_eq!(cluster.stored(2, "GET key0"), "$-1\r\n");
    let status = cluster.repair(2);
    assert_eq!((status.keys_differing, status.keys_healed), (100, 50), "{status:?}");
    for n in 0..50 {
        assert_eq!(
            cluster.stored(2, &format!("GET key{}", n * 5)),
            cluster.stored(0, &format!("GET key{}", n * 5))
        );
    }
}

#[test]
fn a_deletion_that_one_replica_missed_is_brought_to_it() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.run(0, "SET k v", Level::DcQuorum);
    cluster.settle();
    let missed: Vec<_> = [0, 1].into_iter().flat_map(|other| [(other, 2), (2, other)]).collect();
    missed.iter().for_each(|(a, b)| cluster.link_down(*a, *b));
    assert_eq!(cluster.run(0, "DEL k", Level::DcQuorum), ":1\r\n");
    missed.iter().for_each(|(a, b)| cluster.link_up(*a, *b));
    cluster.advance(20_000);
    cluster.repair(1);
    assert_eq!(cluster.stored_everywhere("GET k"), ["$-1\r\n"; 3]);
}

#[test]
fn datacenters_send_each_other_what_they_have_later() {
    let mut cluster = Cluster::racks(&[3, 3]);
    fill(&mut cluster, 60);
    let between: Vec<_> = (0..3).flat_map(|a| (3..6).flat_map(move |b| [(a, b), (b, a)])).collect();
    between.iter().for_each(|(a, b)| cluster.link_down(*a, *b));
    for n in 0..30 {
        let side = if n % 2 == 0 { 0 } else { 3 };
        let line = match n % 5 {
            0 | 1 => format!("SET key{n} later"),
            2 => format!("INCR key{n}"),
            3 => format!("RPUSH key{n} later"),
            _ => format!("HSET key{n} field later"),
        };
        cluster.run(side + n % 3, &line, Level::DcQuorum);
    }
    cluster.run(1, "SET key60 new", Level::DcQuorum);
    cluster.advance(1000);
    between.iter().for_each(|(a, b)| cluster.link_up(*a, *b));
    cluster.advance(20_000);
    // One datacenter's nodes compare: for each key its primary acts.
    (0..3).for_each(|member| assert_eq!(cluster.repair(member).peers_failed, 0));
    cluster.advance(2000);
    assert_equal(&mut cluster, 61);
    let again: u64 = cluster.members.iter().map(|member| member.engine.stats().exports_again).sum();
    assert!((31..=35).contains(&again), "each state is sent about once: {again}");
    let status = cluster.repair_all();
    assert!(status.iter().all(|status| status.keys_differing == 0), "{status:?}");
}

#[test]
fn a_preview_counts_and_changes_nothing() {
    let mut cluster = Cluster::racks(&[3]);
    fill(&mut cluster, 20);
    (0..7).for_each(|n| cluster.forget(1, &format!("key{n}")));
    cluster.advance(20_000);
    let status = cluster.repair_with(0, RepairRequest { preview: true, ..RepairRequest::default() });
    assert_eq!((status.keys_differing, status.keys_healed, status.buckets_settled), (7, 0, 0), "{status:?}");
    assert_eq!(cluster.stored(1, "GET key0"), "$-1\r\n");
}

#[test]
fn only_what_was_asked_for_is_compared() {
    let mut cluster = Cluster::racks(&[3]);
    fill(&mut cluster, 20);
    (0..10).for_each(|n| cluster.forget(1, &format!("key{n}")));
    cluster.forget(2, "key11");
    cluster.advance(20_000);
    let mut buckets = BucketSet::default();
    (0..5).for_each(|n| {
        buckets.insert(Bucket::of(cluster.ring.token(format!("key{n}").as_bytes())));
    });
    let peers = Some(vec![cluster.members[1].id]);
    let request = RepairRequest { buckets: Some(buckets), peers, full: true, ..RepairRequest::default() };
    let status = cluster.repair_with(0, request);
    assert_eq!((status.buckets_total, status.keys_healed, status.buckets_settled), (5, 5, 0), "{status:?}");
    assert_eq!(cluster.stored(1, "GET key5"), "$-1\r\n");
    assert_eq!(cluster.stored(2, "GET key11"), "$-1\r\n");
}

#[test]
fn nodes_with_different_numbers_of_workers_are_compared() {
    let mut cluster = Cluster::with_workers(&[1, 3, 5]);
    for n in 0..200 {
        let member = cluster.worker_of(0, &format!("key{n}"));
        cluster.run(member, &format!("SET key{n} {n}"), Level::DcQuorum);
    }
    cluster.settle();
    for n in 0..40 {
        let member = cluster.worker_of(if n % 2 == 0 { 1 } else { 4 }, &format!("key{n}"));
        cluster.forget(member, &format!("key{n}"));
    }
    cluster.advance(20_000);
    let status = cluster.repair(0);
    assert_eq!((status.keys_compared, status.keys_healed, status.peers_failed), (400, 40, 0), "{status:?}");
    cluster.advance(20_000);
    let total: u64 = (1..4)
        .map(|member| cluster.repair(member))
        .map(|status| {
            assert_eq!((status.keys_differing, status.peers_failed), (0, 0), "{status:?}");
            status.keys_compared
        })
        .sum();
    assert_eq!(total, 400, "three workers have a slice each");
    for n in 0..200 {
        let key = format!("key{n}");
        for node in [0, 1, 4] {
            let member = cluster.worker_of(node, &key);
            assert_eq!(
                cluster.stored(member, &format!("GET {key}")),
                format!("${}\r\n{n}\r\n", n.to_string().len())
            );
        }
    }
    let settled: u64 = cluster.repair_all().iter().map(|status| status.buckets_settled).sum();
    assert_eq!(settled, 3 * 4096);
}

#[test]
fn a_bucket_larger_than_a_message_is_compared_in_parts() {
    let mut cluster = Cluster::racks(&[2]);
    // More prints than fit into a message, and more names.
    for n in 0..9000 {
        cluster.plant_version(0, &format!("{{tag}}{n}"), "v", version(n));
        if n % 9 != 0 {
            cluster.plant_version(1, &format!("{{tag}}{n}"), "v", version(n));
        }
    }
    let long = "x".repeat(2000);
    for n in 0..100 {
        cluster.plant_version(1, &format!("{{tag}}{long}{n}"), "v", version(n));
    }
    cluster.configure(|config| config.repair.keys_per_s = 100_000);
    cluster.advance(20_000);
    let status = cluster.repair(0);
    assert_eq!((status.keys_healed, status.buckets_differing), (1100, 1), "{status:?}");
    let status = cluster.repair_all();
    assert!(
        status.iter().all(|status| status.keys_differing == 0 && status.keys_compared == 9100),
        "{status:?}"
    );
}

fn version(n: u64) -> crate::Version {
    crate::Version { clock: (1_600_000_000_000 + n) << 16, node: dynomite_ring::NodeId(7) }
}

#[test]
fn keys_are_healed_at_the_rate_that_is_allowed() {
    let mut cluster = Cluster::racks(&[2]);
    for n in 0..300 {
        cluster.plant_version(0, &format!("key{n}"), "value", version(n));
    }
    cluster.configure(|config| config.repair.keys_per_s = 100);
    cluster.advance(20_000);
    let began_ms = cluster.now_ms;
    let status = cluster.repair(1);
    let took_ms = cluster.now_ms - began_ms;
    assert_eq!(status.keys_healed, 300);
    assert!((1900..3500).contains(&took_ms), "a second's share at once, then the rate: {took_ms} ms");

    let mut cluster = Cluster::racks(&[2]);
    let value = "v".repeat(1000);
    for n in 0..300 {
        cluster.plant_version(0, &format!("key{n}"), &value, version(n));
    }
    cluster.configure(|config| config.repair.bytes_per_s = 50_000);
    cluster.advance(20_000);
    let began_ms = cluster.now_ms;
    assert_eq!(cluster.repair(1).keys_healed, 300);
    assert!(cluster.now_ms - began_ms > 2000, "{} ms", cluster.now_ms - began_ms);
}

#[test]
fn writes_go_on_while_copies_are_compared() {
    let mut cluster = Cluster::racks(&[3]);
    fill(&mut cluster, 100);
    (0..20).for_each(|n| cluster.forget(1, &format!("key{n}")));
    cluster.advance(20_000);
    let now = cluster.now(0);
    cluster.members[0].engine.start_repair(now, RepairRequest::default()).unwrap();
    let mut step = 0;
    while cluster.members[0].engine.repair_status().phase != RepairPhase::Idle {
        for line in [format!("SET key{} x", step * 5 % 100), format!("INCR key{}", step * 5 % 100 + 2)] {
            let reply = cluster.run(step % 3, &line, Level::DcQuorum);
            assert!(!reply.starts_with('-'), "{line}: {reply}");
        }
        cluster.advance(10);
        step += 1;
    }
    assert!(step > 1);
    cluster.repair_all();
    assert_equal(&mut cluster, 100);
}

#[test]
fn a_node_that_cannot_be_reached_is_left_out_and_nothing_is_settled() {
    let mut cluster = Cluster::racks(&[3]);
    fill(&mut cluster, 20);
    (0..5).for_each(|n| cluster.forget(1, &format!("key{n}")));
    cluster.advance(20_000);
    cluster.kill(2);
    let status = cluster.repair(0);
    assert_eq!((status.peers_failed, status.keys_healed, status.buckets_settled), (1, 5, 0), "{status:?}");
}

#[test]
fn a_node_that_falls_silent_in_the_middle_is_given_up() {
    let mut cluster = Cluster::racks(&[3]);
    fill(&mut cluster, 20);
    cluster.advance(20_000);
    cluster.members[2].is_frozen = true;
    let status = cluster.repair(0);
    assert_eq!((status.peers_failed, status.buckets_settled), (1, 0), "{status:?}");
}

#[test]
fn rounds_begin_by_themselves_and_at_different_times() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.configure(|config| config.repair.compare_interval_ms = 60_000);
    fill(&mut cluster, 20);
    (0..10).for_each(|n| cluster.forget(1, &format!("key{n}")));
    let mut began = Vec::new();
    while began.len() < 3 {
        cluster.advance(50);
        let rounds = cluster.members.iter().filter(|member| member.engine.stats().repair_rounds == 1).count();
        began.resize(rounds.max(began.len()), cluster.now_ms);
    }
    assert!(began.iter().all(|ms| (60_000..=76_000).contains(ms)), "{began:?}");
    assert!(began[0] != began[2], "{began:?}");
    cluster.advance(10_000);
    assert_equal(&mut cluster, 20);
    // An engine with nothing to do waits for the next round.
    cluster.advance(5_000);
    let next = cluster.members[0].engine.next_deadline().unwrap();
    assert!(next > cluster.now_ms + 10_000, "{next} at {}", cluster.now_ms);
}

#[test]
fn rounds_that_begin_with_different_marks_agree_on_one() {
    let mut cluster = Cluster::racks(&[3]);
    fill(&mut cluster, 20);
    cluster.forget(1, "key0");
    cluster.advance(20_000);
    // Far enough from each other to have different marks, and while the first is at work.
    cluster.held.insert((0, 1));
    let now = cluster.now(0);
    cluster.members[0].engine.start_repair(now, RepairRequest::default()).unwrap();
    cluster.advance(500);
    cluster.members[0].is_frozen = true;
    cluster.advance(10_000);
    cluster.members[0].is_frozen = false;
    cluster.held.clear();
    let now = cluster.now(2);
    cluster.members[2].engine.start_repair(now, RepairRequest::default()).unwrap();
    cluster.advance(5_000);
    let status: Vec<_> = [0, 2].map(|member| cluster.members[member].engine.repair_status()).into();
    assert!(status.iter().all(|status| status.phase == RepairPhase::Idle), "{status:?}");
    assert_eq!((status[1].mark, status[1].peers_failed), (status[0].mark, 0), "{status:?}");
    assert_equal(&mut cluster, 20);
}

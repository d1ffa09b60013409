//! Large states, which move in pieces.

use dynomite_backend::{MemoryConfig, MemoryStore, PieceSizes, SyncStore};
use dynomite_codec::Operation as LaneOperation;

use super::cluster::{Cluster, Event, TIMEOUT_MS};
use crate::{Level, Stats, Trust};

const SIZES: PieceSizes = PieceSizes { large_bytes_min: 4096, piece_bytes: 1024 };
/// No message needs to be longer: a piece, and what is around it.
const LETTER_MAX: usize = 1500;
/// Enough for a few replays with their pauses.
const LONG_MS: u64 = 60_000;

fn cluster(racks: &[usize]) -> Cluster {
    let mut cluster = Cluster::racks(racks);
    cluster.configure(|config| config.large_bytes_min = SIZES.large_bytes_min);
    for member in &mut cluster.members {
        member.store = MemoryStore::new(7, MemoryConfig::default()).with_pieces(SIZES, 1);
    }
    cluster
}

/// Makes a list of `count` elements of 100 bytes.
fn fill(cluster: &mut Cluster, member: usize, key: &str, count: usize) {
    for number in 0..count {
        let reply = cluster.run(member, &format!("RPUSH {key} {number:0100}"), Level::DcQuorum);
        assert!(reply.starts_with(':'), "{reply}");
    }
}

/// Has node 2 miss `count` elements of a list, and be there again.
fn missed_by_node_2(key: &str, count: usize) -> Cluster {
    let mut cluster = cluster(&[3]);
    cluster.kill(2);
    fill(&mut cluster, 0, key, count);
    cluster.advance(TIMEOUT_MS + 100);
    cluster.longest = 0;
    cluster.revive(2);
    cluster
}

fn stats(cluster: &Cluster, member: usize) -> Stats {
    cluster.members[member].engine.stats()
}

fn assert_equal(cluster: &mut Cluster, key: &str) {
    let stored = cluster.stored_everywhere(&format!("LRANGE {key} 0 -1"));
    assert!(stored.iter().all(|value| *value == stored[0]), "{:?}", stored.iter().map(String::len));
    let records = cluster.records_of(key);
    assert!(records.iter().all(|record| record.last == records[0].last), "{records:?}");
}

fn assert_at_rest(cluster: &Cluster) {
    for member in &cluster.members {
        assert_eq!(member.engine.in_flight(), 0, "{}", member.name);
        assert!(!member.engine.transfers.is_due());
        assert_eq!(member.engine.large_heals, 0);
    }
}

/// Lets things happen, one after the other, until `is_so`.
fn step_until(cluster: &mut Cluster, mut is_so: impl FnMut(&Cluster) -> bool) {
    let until_ms = cluster.now_ms + LONG_MS;
    while !is_so(cluster) {
        assert!(cluster.now_ms < until_ms, "it does not happen");
        if !cluster.step(&mut |ready: &[Event]| usize::from(ready.is_empty())) {
            cluster.now_ms += 10;
            for member in 0..cluster.members.len() {
                cluster.wake(member);
            }
        }
    }
}

/// How many pieces the transfers of a member have in their stages, or on their way there.
fn is_transferring(cluster: &Cluster, member: usize) -> bool {
    stats(cluster, member).transfers > 0 && cluster.members[member].engine.has_transfer()
}

#[test]
fn a_large_state_reaches_a_node_that_was_away_in_pieces() {
    let mut cluster = missed_by_node_2("big", 80);
    cluster.advance(LONG_MS);
    assert_equal(&mut cluster, "big");
    assert_eq!(cluster.stored(2, "LLEN big"), ":80\r\n");
    let pieces: u64 = (0..3).map(|member| stats(&cluster, member).pieces_read).sum();
    assert!(pieces >= 8, "{pieces}");
    assert!(cluster.longest < LETTER_MAX, "{}", cluster.longest);
    assert_at_rest(&cluster);
}

#[test]
fn small_states_are_not_measured() {
    let mut cluster = cluster(&[3]);
    cluster.kill(2);
    for number in 0..100 {
        cluster.run(0, &format!("SET key:{number} v"), Level::DcQuorum);
        cluster.run(0, &format!("RPUSH list:{number} v"), Level::DcQuorum);
    }
    cluster.advance(TIMEOUT_MS + 100);
    cluster.revive(2);
    cluster.advance(LONG_MS);
    assert_eq!(cluster.stored(2, "GET key:99"), "$1\r\nv\r\n");
    // A write of 30 bytes is noted with a chance of 3 in 100.
    assert!(cluster.measured < 20, "{}", cluster.measured);
    assert_eq!(stats(&cluster, 2).transfers, 0);
}

#[test]
fn a_large_state_without_any_sign_of_it_is_found_large_when_it_was_read() {
    let mut cluster = cluster(&[3]);
    cluster.kill(2);
    cluster.run(0, "SET big v", Level::DcQuorum);
    let value = "x".repeat(9000);
    for member in 0..2 {
        // As if it had grown unnoticed.
        cluster.stored(member, &format!("SET big {value}"));
    }
    cluster.advance(TIMEOUT_MS + 100);
    cluster.revive(2);
    cluster.longest = 0;
    cluster.advance(LONG_MS);
    assert_eq!(cluster.stored(2, "STRLEN big"), ":9000\r\n");
    assert!(cluster.longest < LETTER_MAX, "{}", cluster.longest);
}

#[test]
fn a_state_that_changes_while_it_is_read_is_read_again() {
    let mut cluster = missed_by_node_2("big", 80);
    for round in 0..3 {
        step_until(&mut cluster, |cluster| is_transferring(cluster, 2) || round > 0);
        for _ in 0..20 {
            cluster.step(&mut |ready: &[Event]| usize::from(ready.is_empty()));
        }
        cluster.submit(0, "LSET big 0 changed", Level::DcQuorum);
        cluster.submit(0, "RPUSH big more", Level::DcQuorum);
    }
    cluster.settle();
    cluster.advance(LONG_MS);
    assert!(stats(&cluster, 2).transfers_failed > 0);
    assert_equal(&mut cluster, "big");
    assert_eq!(cluster.stored(2, "LINDEX big 0"), "$7\r\nchanged\r\n");
    assert_eq!(cluster.stored(2, "LLEN big"), ":83\r\n");
    assert_at_rest(&cluster);
}

#[test]
fn what_was_written_meanwhile_is_not_replaced() {
    let mut cluster = missed_by_node_2("big", 45);
    step_until(&mut cluster, |cluster| {
        cluster.members[2].lane.iter().any(|next| matches!(next, LaneOperation::StagePiece { .. }))
    });
    // All pieces come but the last, and it knows of a newer write before that.
    step_until(&mut cluster, |cluster| cluster.members[2].engine.has_last_piece());
    assert!(cluster.members[2].engine.has_transfer());
    cluster.held.extend([(2, 0), (2, 1)]);
    cluster.submit(2, "SET big newer", Level::DcOne);
    cluster.settle();
    assert_eq!(cluster.stored(2, "GET big"), "$5\r\nnewer\r\n");
    assert!(!cluster.members[2].engine.has_transfer());
    cluster.held.clear();
    cluster.settle();
    cluster.advance(LONG_MS);
    assert_eq!(cluster.stored_everywhere("GET big"), ["$5\r\nnewer\r\n"; 3]);
    assert_at_rest(&cluster);
}

#[test]
fn a_broken_lane_takes_its_stages_along() {
    let mut cluster = missed_by_node_2("big", 80);
    step_until(&mut cluster, |cluster| {
        cluster.members[2].lane.iter().any(|next| matches!(next, LaneOperation::StagePiece { .. }))
    });
    // The next piece is on its way, and the lane owes nothing.
    for source in 0..2 {
        cluster.members[source].lane_is_frozen = true;
    }
    cluster.settle();
    assert!(cluster.members[2].lane.is_empty());
    assert!(cluster.members[2].engine.has_transfer());
    cluster.break_lane(2);
    cluster.lane_up(2);
    for source in 0..2 {
        cluster.members[source].lane_is_frozen = false;
    }
    cluster.advance(LONG_MS);
    assert!(stats(&cluster, 2).transfers_failed > 0);
    assert_equal(&mut cluster, "big");
    assert_eq!(cluster.stored(2, "LLEN big"), ":80\r\n");
    assert_at_rest(&cluster);
}

#[test]
fn a_stage_that_is_lost_leaves_the_copy_in_doubt() {
    let mut cluster = missed_by_node_2("big", 80);
    let stage = |cluster: &Cluster| match cluster.members[2].lane.front() {
        Some(LaneOperation::InstallStage { stage, .. }) => Some(*stage),
        _ => None,
    };
    step_until(&mut cluster, |cluster| stage(cluster).is_some());
    let lost = stage(&cluster).unwrap();
    cluster.members[2].store.clear_stage(lost).unwrap();
    step_until(&mut cluster, |cluster| stage(cluster).is_none());
    assert_eq!(cluster.entry(2, "big").trust, Trust::DirtyOverwrite);
    cluster.advance(LONG_MS);
    assert_equal(&mut cluster, "big");
    assert_eq!(cluster.stored(2, "LLEN big"), ":80\r\n");
    assert_at_rest(&cluster);
}

#[test]
fn a_source_that_goes_away_is_not_waited_for() {
    let mut cluster = missed_by_node_2("big", 80);
    step_until(&mut cluster, |cluster| is_transferring(cluster, 2));
    cluster.held_responses.extend([(0, 2), (1, 2)]);
    cluster.advance(TIMEOUT_MS + 100);
    assert!(!cluster.members[2].engine.has_transfer());
    cluster.held_responses.clear();
    cluster.advance(LONG_MS);
    assert_equal(&mut cluster, "big");
    assert_at_rest(&cluster);
}

#[test]
fn many_large_states_wait_for_stages_and_small_ones_pass_them() {
    let mut cluster = cluster(&[3]);
    cluster.kill(2);
    for key in 0..30 {
        fill(&mut cluster, 0, &format!("big:{key}"), 60);
    }
    for key in 0..30 {
        cluster.run(0, &format!("SET small:{key} v"), Level::DcQuorum);
    }
    cluster.advance(TIMEOUT_MS + 100);
    cluster.revive(2);
    let has = |cluster: &mut Cluster, line: &str, reply: &str| {
        (0..30).filter(|key| cluster.stored(2, &format!("{line}:{key}")) == reply).count()
    };
    let mut late = None;
    for _ in 0..1_000_000 {
        if !cluster.step(&mut |ready: &[Event]| usize::from(ready.is_empty())) {
            cluster.now_ms += 10;
            (0..3).for_each(|member| cluster.wake(member));
        }
        if late.is_none() && has(&mut cluster, "GET small", "$1\r\nv\r\n") == 30 {
            late = Some(30 - has(&mut cluster, "LLEN big", ":60\r\n"));
        }
        if late.is_some() && has(&mut cluster, "LLEN big", ":60\r\n") == 30 {
            break;
        }
    }
    assert!(late.is_some_and(|late| late >= 5), "{late:?} large ones came after the small ones");
    cluster.advance(LONG_MS);
    for key in 0..30 {
        assert_equal(&mut cluster, &format!("big:{key}"));
    }
    assert_at_rest(&cluster);
}

#[test]
fn large_states_go_to_other_datacenters_in_pieces() {
    let mut cluster = cluster(&[3, 3]);
    cluster.kill(4);
    fill(&mut cluster, 0, "big", 60);
    cluster.advance(LONG_MS);
    cluster.longest = 0;
    cluster.run(0, "RPUSH big more", Level::DcQuorum);
    cluster.advance(LONG_MS);
    assert_eq!(cluster.stored(3, "LLEN big"), ":61\r\n");
    cluster.revive(4);
    cluster.advance(LONG_MS);
    assert_equal(&mut cluster, "big");
    assert_eq!(cluster.stored(4, "LLEN big"), ":61\r\n");
    assert!(cluster.longest < LETTER_MAX, "{}", cluster.longest);
    cluster.forget(5, "big");
    cluster.forget(4, "big");
    cluster.forget(3, "big");
    cluster.export_again(0, "big", 1);
    cluster.advance(LONG_MS);
    assert_equal(&mut cluster, "big");
    assert!(cluster.longest < LETTER_MAX, "{}", cluster.longest);
    assert_at_rest(&cluster);
}

#[test]
fn lost_copies_of_large_states_come_back_in_pieces() {
    let mut cluster = cluster(&[3]);
    fill(&mut cluster, 0, "big", 80);
    cluster.advance(TIMEOUT_MS + 100);
    cluster.longest = 0;
    cluster.lose_data(1);
    cluster.members[1].store = MemoryStore::new(7, MemoryConfig::default()).with_pieces(SIZES, 1);
    cluster.wait_for_rebuild();
    cluster.advance(LONG_MS);
    assert_equal(&mut cluster, "big");
    assert_eq!(cluster.stored(1, "LLEN big"), ":80\r\n");
    assert!(stats(&cluster, 1).transfers > 0);
    assert_at_rest(&cluster);
}

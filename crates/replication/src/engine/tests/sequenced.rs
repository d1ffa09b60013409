use super::cluster::{Cluster, FAILOVER_MS, TIMEOUT_MS};
use dynomite_ring::DcIdx;

use crate::{Level, Sequencing, SequencingRules};

#[test]
fn counters_are_distinct_through_every_node() {
    let mut cluster = Cluster::racks(&[3]);
    let replies: Vec<_> = (0..9).map(|n| cluster.run(n % 3, "INCR k", Level::DcQuorum)).collect();
    let wanted: Vec<_> = (1..=9).map(|n| format!(":{n}\r\n")).collect();
    assert_eq!(replies, wanted);
    cluster.settle();
    assert_eq!(cluster.stored_everywhere("GET k"), ["$1\r\n9\r\n"; 3]);
}

#[test]
fn one_set_nx_wins() {
    let mut cluster = Cluster::racks(&[3]);
    let tickets: Vec<_> =
        (0..3).map(|member| cluster.submit(member, &format!("SET k {member} NX"), Level::DcQuorum)).collect();
    cluster.settle();
    let replies: Vec<_> = tickets.iter().map(|ticket| cluster.reply(*ticket).unwrap()).collect();
    assert_eq!(replies.iter().filter(|reply| *reply == "+OK\r\n").count(), 1, "{replies:?}");
    assert_eq!(replies.iter().filter(|reply| *reply == "$-1\r\n").count(), 2, "{replies:?}");
}

#[test]
fn random_commands_have_one_result_on_all_replicas() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.run(0, "SADD k a b c d e f g h", Level::DcQuorum);
    cluster.run(1, "SPOP k 3", Level::DcQuorum);
    cluster.run(2, "INCRBYFLOAT f 0.1", Level::DcQuorum);
    cluster.run(0, "HINCRBYFLOAT h field 1.5", Level::DcQuorum);
    cluster.settle();
    for line in ["SCARD k", "GET f", "HGET h field"] {
        let stored = cluster.stored_everywhere(line);
        assert!(stored.iter().all(|value| *value == stored[0] && value != "$-1\r\n"), "{line}: {stored:?}");
    }
    for member in "abcdefgh".chars() {
        let stored = cluster.stored_everywhere(&format!("SISMEMBER k {member}"));
        assert!(stored.iter().all(|value| *value == stored[0]), "{member}: {stored:?}");
    }
}

#[test]
fn a_refused_write_advances_no_state_anywhere() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.run(0, "SET k text", Level::DcQuorum);
    let reply = cluster.run(1, "INCR k", Level::DcQuorum);
    assert!(reply.starts_with("-ERR value is not an integer"), "{reply}");
    cluster.settle();
    assert_eq!(cluster.run(2, "APPEND k s", Level::DcSafeQuorum), ":5\r\n");
    assert_eq!(cluster.stored_everywhere("GET k"), ["$5\r\ntexts\r\n"; 3]);
}

#[test]
fn without_its_primary_a_key_is_claimed_by_another_rack() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(1);
    assert_eq!(cluster.run(0, &format!("INCR {key}"), Level::DcQuorum), ":1\r\n");
    cluster.kill(1);
    assert_eq!(cluster.run(0, &format!("INCR {key}"), Level::DcQuorum), ":2\r\n");
    assert_eq!(cluster.run(2, &format!("INCR {key}"), Level::DcQuorum), ":3\r\n");
    let claims: u64 = cluster.members.iter().map(|member| member.engine.stats().claims).sum();
    assert_eq!(claims, 1, "the claim lasts");
}

#[test]
fn without_a_majority_nobody_sequences() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(1);
    cluster.kill(1);
    cluster.kill(2);
    let reply = cluster.run(0, &format!("INCR {key}"), Level::DcOne);
    assert!(reply.ends_with("not run\r\n"), "{reply}");
}

#[test]
fn a_primary_that_comes_back_claims_before_it_runs() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(1);
    cluster.run(0, &format!("INCR {key}"), Level::DcQuorum);
    // It is cut off, but does not know it.
    for other in [0, 2] {
        cluster.link_down(other, 1);
        cluster.held.extend([(1, other), (other, 1)]);
    }
    let alone = cluster.submit(1, &format!("INCR {key}"), Level::DcQuorum);
    cluster.settle();
    assert_eq!(cluster.run(0, &format!("INCR {key}"), Level::DcQuorum), ":2\r\n");
    cluster.advance(TIMEOUT_MS + 20);
    assert!(cluster.reply(alone).unwrap().ends_with("the outcome is unknown\r\n"));
    cluster.held.clear();
    for other in [0, 2] {
        cluster.link_up(other, 1);
    }
    cluster.settle();
    let reply = cluster.run(1, &format!("INCR {key}"), Level::DcQuorum);
    assert!(reply.ends_with("the outcome is unknown\r\n"), "it ran on a copy that was behind: {reply}");
    cluster.advance(50);
    assert_eq!(cluster.run(1, &format!("INCR {key}"), Level::DcQuorum), ":3\r\n");
    cluster.advance(50);
    assert_eq!(cluster.stored_everywhere(&format!("GET {key}")), ["$1\r\n3\r\n"; 3]);
}

#[test]
fn a_primary_that_learns_that_it_was_outbid_claims_before_it_runs_again() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(1);
    assert_eq!(cluster.run(1, &format!("INCR {key}"), Level::DcQuorum), ":1\r\n");
    cluster.settle();
    cluster.claim_without(0, 1, &key);
    let reply = cluster.run(1, &format!("INCR {key}"), Level::DcQuorum);
    assert!(reply.ends_with("the outcome is unknown\r\n"), "it did not know yet: {reply}");
    assert_eq!(cluster.run(1, &format!("INCR {key}"), Level::DcQuorum), ":3\r\n");
    cluster.settle();
    assert_eq!(cluster.stored_everywhere(&format!("GET {key}")), ["$1\r\n3\r\n"; 3]);
}

#[test]
fn a_primary_that_falls_silent_leaves_an_unknown_outcome() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(1);
    cluster.members[1].is_frozen = true;
    let ticket = cluster.submit(0, &format!("INCR {key}"), Level::DcOne);
    cluster.advance(TIMEOUT_MS + 20);
    let reply = cluster.reply(ticket).unwrap();
    assert_eq!(reply, "-ERR Dynomite: Timeout waiting for n01 in rack1; the outcome is unknown\r\n");
}

#[test]
fn a_local_run_without_a_majority_is_unknown() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(0);
    cluster.held.extend([(0, 1), (0, 2)]);
    let ticket = cluster.submit(0, &format!("INCR {key}"), Level::DcQuorum);
    cluster.advance(TIMEOUT_MS + 20);
    assert_eq!(
        cluster.reply(ticket).unwrap(),
        "-ERR Dynomite: Failed to achieve Quorum (2 of 3 needed; rack0 ok, rack1 timeout, rack2 timeout); \
         the outcome is unknown\r\n"
    );
}

#[test]
fn a_replica_that_missed_an_overwrite_is_helped_with_the_whole_state() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(0);
    cluster.link_down(0, 2);
    assert_eq!(cluster.run(0, &format!("SET {key} 10 EX 100"), Level::DcQuorum), "+OK\r\n");
    cluster.link_up(0, 2);
    assert_eq!(cluster.run(0, &format!("INCR {key}"), Level::DcQuorum), ":11\r\n");
    cluster.settle();
    assert_eq!(cluster.stored_everywhere(&format!("GET {key}")), ["$2\r\n11\r\n"; 3]);
    let expiries = cluster.stored_everywhere(&format!("PEXPIRETIME {key}"));
    assert!(expiries.iter().all(|at| *at == expiries[0] && at.len() > 10), "{expiries:?}");
    assert_eq!(cluster.members[0].engine.stats().pushes, 1);
}

#[test]
fn writes_that_wait_for_one_push_share_it() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(0);
    cluster.link_down(0, 2);
    cluster.run(0, &format!("SET {key} 0"), Level::DcQuorum);
    cluster.link_up(0, 2);
    cluster.held.insert((0, 1));
    let tickets: Vec<_> =
        (0..20).map(|_| cluster.submit(0, &format!("INCR {key}"), Level::DcQuorum)).collect();
    cluster.settle();
    for (n, ticket) in tickets.iter().enumerate() {
        assert_eq!(cluster.reply(*ticket), Some(format!(":{}\r\n", n + 1)), "acknowledged by the push alone");
    }
    assert!(cluster.members[0].engine.stats().pushes <= 2, "{:?}", cluster.members[0].engine.stats());
    assert_eq!(cluster.stored(2, &format!("GET {key}")), "$2\r\n20\r\n");
}

#[test]
fn a_greater_record_on_a_replica_acknowledges_nothing() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(0);
    // Both other racks have an overwrite that the primary has not seen.
    cluster.link_down(1, 0);
    cluster.held.insert((2, 0));
    assert_eq!(cluster.run(1, &format!("SET {key} 5"), Level::DcQuorum), "+OK\r\n");
    cluster.held.clear();
    let reply = cluster.run(0, &format!("INCR {key}"), Level::DcQuorum);
    assert!(
        reply.contains("rack1 has a newer write") && reply.ends_with("the outcome is unknown\r\n"),
        "{reply}"
    );
    assert_eq!(cluster.stored(1, &format!("GET {key}")), "$1\r\n5\r\n");
}

#[test]
fn a_follower_whose_state_had_rotted_is_caught_and_helped() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(0);
    cluster.run(0, &format!("SET {key} 5"), Level::DcQuorum);
    cluster.stored(2, &format!("SET {key} 500"));
    assert_eq!(cluster.run(0, &format!("INCR {key}"), Level::DcQuorum), ":6\r\n");
    cluster.settle();
    assert_eq!(cluster.stored_everywhere(&format!("GET {key}")), ["$1\r\n6\r\n"; 3]);
    assert_eq!(cluster.members[2].engine.stats().copies_doubted, 1);
}

#[test]
fn a_client_at_one_reads_its_own_sequenced_writes() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(1);
    for count in 1..20 {
        let ticket = cluster.submit(0, &format!("INCR {key}"), Level::DcOne);
        // As few steps as possible between the reply and the next read.
        let mut last = |ready: &[super::cluster::Event]| ready.len().saturating_sub(1);
        while cluster.reply(ticket).is_none() {
            assert!(cluster.step(&mut last));
        }
        let read = cluster.submit(0, &format!("GET {key}"), Level::DcOne);
        while cluster.reply(read).is_none() {
            assert!(cluster.step(&mut last));
        }
        let text = count.to_string();
        assert_eq!(cluster.reply(read), Some(format!("${}\r\n{text}\r\n", text.len())));
    }
}

#[test]
fn a_silent_replica_in_the_clients_rack_delays_the_reply_only_a_little() {
    for level in [Level::DcOne, Level::DcQuorum] {
        let mut cluster = Cluster::racks(&[3]);
        let key = cluster.key_of(1);
        cluster.members[0].lane_is_frozen = true;
        let ticket = cluster.submit(0, &format!("INCR {key}"), level);
        cluster.settle();
        assert_eq!(cluster.reply(ticket), None, "{level}");
        cluster.advance(FAILOVER_MS + 20);
        assert_eq!(cluster.reply(ticket).as_deref(), Some(":1\r\n"), "{level}");
    }
}

#[test]
fn a_key_with_a_home_is_sequenced_there_only() {
    let home = Sequencing { home: Some(DcIdx(1)), ..Sequencing::default() };
    let mut cluster = Cluster::racks_with(&[3, 3], &SequencingRules::new([("cart".into(), home)]));
    for (member, reply) in [(0, ":1\r\n"), (3, ":2\r\n"), (2, ":3\r\n"), (4, ":4\r\n")] {
        assert_eq!(cluster.run(member, "INCR cart", Level::DcQuorum), reply);
    }
    cluster.advance(50);
    assert_eq!(cluster.stored_everywhere("GET cart"), ["$1\r\n4\r\n"; 6]);
    for other in 3..6 {
        cluster.link_down(0, other);
    }
    let reply = cluster.run(0, "INCR cart", Level::DcOne);
    assert!(reply.ends_with("not run\r\n"), "{reply}");
    assert_eq!(cluster.run(0, "INCR other", Level::DcOne), ":1\r\n");
}

#[test]
fn an_available_key_is_sequenced_without_a_majority() {
    let available = Sequencing { available: true, ..Sequencing::default() };
    let mut cluster = Cluster::racks_with(&[3], &SequencingRules::new([("seen:".into(), available)]));
    cluster.run(0, "INCR seen:1", Level::DcOne);
    cluster.kill(1);
    cluster.kill(2);
    assert_eq!(cluster.run(0, "INCR seen:1", Level::DcOne), ":2\r\n");
    let reply = cluster.run(0, "INCR seen:1", Level::DcQuorum);
    assert!(reply.ends_with("not run\r\n"), "the level still counts: {reply}");
}

/// A set that expires at once for a node whose clock is ahead, and later for one whose clock is behind.
#[test]
fn a_write_near_an_expiry_finds_the_same_on_all_replicas() {
    for skews_ms in [[0, 300, -300], [300, -300, 0], [-300, 0, 300]] {
        for line in ["SADD k b", "SPOP k", "SREM k a", "PERSIST k", "EXPIRE k 100"] {
            let mut cluster = Cluster::racks(&[3]);
            cluster.run(0, "SADD k a", Level::DcQuorum);
            cluster.run(0, "PEXPIRE k 200", Level::DcQuorum);
            for (member, skew_ms) in cluster.members.iter_mut().zip(skews_ms) {
                member.clock_skew_ms = skew_ms;
            }
            cluster.run(0, line, Level::DcQuorum);
            for member in &mut cluster.members {
                member.clock_skew_ms = 0;
            }
            cluster.advance(1000);
            for question in ["SMEMBERS k", "PEXPIRETIME k"] {
                let stored = cluster.stored_everywhere(question);
                assert!(stored.iter().all(|value| *value == stored[0]), "{line}, {skews_ms:?}: {stored:?}");
            }
        }
    }
}

#[test]
fn the_datastore_is_asked_for_expiries_only_where_a_write_may_meet_one() {
    let mut cluster = Cluster::racks(&[3]);
    let mut questions = |lines: &[&str]| {
        let count = |cluster: &Cluster| cluster.members.iter().map(|member| member.asked_for_expiry).sum();
        let before: usize = count(&cluster);
        for line in lines {
            cluster.run(0, line, Level::DcQuorum);
        }
        cluster.settle();
        count(&cluster) - before
    };
    assert_eq!(questions(&["RPUSH q a", "LPOP q", "RPUSH q a", "LPOP q", "SADD s a", "EXPIRE s 1000"]), 0);
    assert_eq!(questions(&["SADD s b"]), 3, "its expiry is not known");
    assert_eq!(questions(&["SADD s c", "SADD s d", "EXPIRE s 10"]), 0, "and is far away");
    assert_eq!(questions(&["SADD s e", "SADD s f"]), 6, "it is near");
}

/// A write that somebody acknowledged in the primary's stead must not be hidden by the primary's next overwrite.
#[test]
fn what_was_written_in_the_primarys_stead_is_not_overlooked() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(0);
    assert_eq!(cluster.run(0, &format!("SET {key} 4"), Level::DcQuorum), "+OK\r\n");
    cluster.settle();
    cluster.link_down(1, 0);
    assert_eq!(cluster.run(1, &format!("SET {key} 5"), Level::DcQuorum), "+OK\r\n");
    cluster.settle();
    cluster.held.insert((0, 2));
    let read = cluster.submit(0, &format!("GETDEL {key}"), Level::DcQuorum);
    cluster.settle();
    assert_eq!(cluster.run(0, &format!("SET {key} 6"), Level::DcQuorum), "+OK\r\n");
    // Member 2 gets the overwrite another way, before what the primary sent it earlier.
    cluster.link_down(2, 0);
    cluster.heal(2, &key);
    cluster.settle();
    assert_eq!(cluster.stored(2, &format!("GET {key}")), "$1\r\n6\r\n");
    cluster.held.clear();
    cluster.advance(TIMEOUT_MS + 50);
    let reply = cluster.reply(read).unwrap();
    assert!(reply.ends_with("the outcome is unknown\r\n"), "{reply}");
}

#[test]
fn a_primary_that_was_stood_in_for_claims_the_key_when_it_hears_of_it() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(0);
    cluster.link_down(1, 0);
    assert_eq!(cluster.run(1, &format!("SET {key} 5"), Level::DcQuorum), "+OK\r\n");
    cluster.settle();
    cluster.link_up(1, 0);
    cluster.heal(0, &key);
    cluster.settle();
    assert_eq!(cluster.run(0, &format!("INCR {key}"), Level::DcQuorum), ":6\r\n");
}

#[test]
fn a_primary_whose_datastore_missed_a_write_claims_the_key_and_takes_it_over() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(0);
    assert_eq!(cluster.run(0, &format!("SET {key} 5"), Level::DcQuorum), "+OK\r\n");
    cluster.settle();
    cluster.break_lane(0);
    assert_eq!(cluster.run(0, &format!("SET {key} 6"), Level::DcQuorum), "+OK\r\n");
    cluster.lane_up(0);
    assert_eq!(cluster.run(0, &format!("INCR {key}"), Level::DcQuorum), ":7\r\n");
}

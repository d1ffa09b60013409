use super::cluster::{Cluster, TIMEOUT_MS};
use crate::{Level, Trust, engine::Recovery};

fn quorum(cluster: &mut Cluster, member: usize, line: &str) -> String {
    cluster.run(member, line, Level::DcQuorum)
}

fn fill(cluster: &mut Cluster, keys: usize) {
    for n in 0..keys {
        let line = match n % 3 {
            0 => format!("SET key{n} {n}"),
            1 => format!("INCRBY key{n} {n}"),
            _ => format!("APPEND key{n} {n}"),
        };
        let via = n % cluster.members.len();
        assert!(!quorum(cluster, via, &line).starts_with('-'));
    }
    cluster.settle();
}

fn assert_kept(cluster: &mut Cluster, keys: usize) {
    for n in 0..keys {
        let wanted = format!("${}\r\n{n}\r\n", n.to_string().len());
        let stored = cluster.stored_everywhere(&format!("GET key{n}"));
        assert!(stored.iter().all(|value| *value == wanted), "key{n}: {stored:?}");
        let records = cluster.records_of(&format!("key{n}"));
        assert!(records.iter().all(|record| record.last == records[0].last), "key{n}: {records:?}");
    }
}

#[test]
fn a_node_that_lost_its_data_or_all_gets_everything_back() {
    for with_log in [true, false] {
        let mut cluster = Cluster::racks(&[3]);
        fill(&mut cluster, 200);
        if with_log {
            cluster.lose_data(2);
        } else {
            cluster.lose_all(2);
        }
        assert_eq!(cluster.lost(2), 4096);
        assert_eq!(cluster.run(2, "GET key0", Level::DcOne), "$1\r\n0\r\n", "another rack answers");
        cluster.wait_for_rebuild();
        assert_eq!(cluster.lost(2), 0);
        assert_kept(&mut cluster, 200);
        let stats = cluster.members[2].engine.stats();
        assert_eq!((stats.copies_rebuilt, stats.rebuilt_without_majority), (200, 0));
        // Every one of them votes again.
        cluster.kill(0);
        for n in 0..200 {
            assert_eq!(
                quorum(&mut cluster, 1, &format!("GET key{n}")),
                format!("${}\r\n{n}\r\n", n.to_string().len())
            );
        }
    }
}

#[test]
fn rebuilding_from_one_rack_would_lose_a_write() {
    for with_log in [true, false] {
        let mut cluster = Cluster::racks(&[3]);
        quorum(&mut cluster, 0, "SET k old");
        cluster.settle();
        cluster.cut(0, 1);
        cluster.cut(2, 1);
        assert_eq!(quorum(&mut cluster, 0, "SET k new"), "+OK\r\n");
        cluster.settle();
        // The one that missed it is the first to be heard.
        cluster.cut(0, 2);
        cluster.join(1, 2);
        if with_log {
            cluster.lose_data(2);
        } else {
            cluster.lose_all(2);
        }
        cluster.cut(0, 2);
        cluster.cut(0, 1);
        cluster.advance(10_000);
        assert!(cluster.lost(2) > 0, "one other rack is no majority");
        let reply = quorum(&mut cluster, 1, "GET k");
        assert!(reply.starts_with("-ERR Dynomite: Failed to achieve Quorum"), "{reply}");
        cluster.join(0, 2);
        cluster.join(0, 1);
        cluster.wait_for_rebuild();
        cluster.kill(0);
        assert_eq!(quorum(&mut cluster, 1, "GET k"), "$3\r\nnew\r\n");
    }
}

#[test]
fn what_a_deletion_found_is_not_told_by_a_copy_that_was_lost() {
    for losing in 0..3 {
        let mut cluster = Cluster::racks(&[3]);
        assert_eq!(quorum(&mut cluster, 0, "SET k v"), "+OK\r\n");
        cluster.settle();
        // It is not rebuilt yet when the deletion comes, and is the last of the two that answer.
        cluster.kill((losing + 2) % 3);
        cluster.lose_data(losing);
        cluster.members[losing].lane_is_frozen = true;
        let ticket = cluster.submit((losing + 1) % 3, "DEL k", Level::DcQuorum);
        cluster.settle();
        cluster.members[losing].lane_is_frozen = false;
        cluster.settle();
        while cluster.reply(ticket).is_none() {
            cluster.advance(10);
        }
        assert_eq!(cluster.reply(ticket).unwrap(), ":1\r\n", "{losing} lost its data");
    }
}

#[test]
fn a_lost_node_is_rebuilt_while_writes_go_on_and_no_acknowledged_one_is_lost() {
    for with_log in [true, false] {
        for gone in 0..2 {
            let mut cluster = Cluster::racks(&[3]);
            fill(&mut cluster, 100);
            if with_log {
                cluster.lose_data(2);
            } else {
                cluster.lose_all(2);
            }
            let mut acknowledged = vec![None; 100];
            let mut tickets = Vec::new();
            for round in 0..40 {
                for step in 0..5 {
                    let n = (round * 5 + step) % 100;
                    let line = format!("SET key{n} {round}");
                    tickets.push((n, round, cluster.submit((n + round) % 3, &line, Level::DcQuorum)));
                }
                let mut step = 0;
                while cluster.step(&mut |ready: &[super::cluster::Event]| {
                    if ready.is_empty() { 1 } else { (round * 7) % ready.len() }
                }) {
                    step += 1;
                    if step > 30 {
                        break;
                    }
                }
                cluster.advance(10);
            }
            cluster.advance(2 * TIMEOUT_MS);
            for (n, round, ticket) in tickets {
                let reply = cluster.reply(ticket).unwrap();
                assert!(!reply.starts_with('-'), "two racks are a majority: {reply}");
                acknowledged[n] = Some(round);
            }
            cluster.wait_for_rebuild();
            cluster.kill(gone);
            for (n, round) in acknowledged.iter().enumerate() {
                let round = round.unwrap().to_string();
                let read = quorum(&mut cluster, 2, &format!("GET key{n}"));
                assert_eq!(
                    read,
                    format!("${}\r\n{round}\r\n", round.len()),
                    "key{n} without {gone}, log: {with_log}"
                );
            }
        }
    }
}

#[test]
fn a_copy_in_doubt_beside_a_lost_one_is_resolved() {
    for with_log in [true, false] {
        for reaches_both in [true, false] {
            let mut cluster = Cluster::racks(&[3]);
            quorum(&mut cluster, 0, "SET k old");
            cluster.settle();
            // An overwrite that the third has not heard of is under way at the first; the second, if it got it, executed it.
            cluster.cut(0, 2);
            if !reaches_both {
                cluster.cut(0, 1);
            }
            cluster.members[0].lane_is_frozen = true;
            cluster.submit(0, "SET k new", Level::DcOne);
            cluster.settle();
            cluster.break_lane(0);
            if with_log {
                cluster.lose_data(1);
            } else {
                cluster.lose_all(1);
            }
            cluster.members[0].lane_is_frozen = false;
            cluster.lane_up(0);
            (1..3).for_each(|other| cluster.join(0, other));
            cluster.wait_for_rebuild();
            cluster.advance(5_000);
            assert!((0..3).all(|member| cluster.entry(member, "k").trust.is_trusted()));
            let records = cluster.records_of("k");
            assert!(records.iter().all(|record| *record == records[0]), "{records:?}");
            assert_eq!(cluster.stored_everywhere("GET k"), ["$3\r\nold\r\n"; 3]);
        }
    }
}

#[test]
fn a_new_cluster_is_through_in_a_few_round_trips() {
    for dcs in [&[3][..], &[2, 2], &[1, 1]] {
        let mut cluster = Cluster::racks(dcs);
        (0..cluster.members.len()).for_each(|member| cluster.restart_with(member, Recovery::LogLost));
        let before = cluster.traffic.0;
        cluster.advance(50);
        let members = cluster.members.len();
        assert_eq!((0..members).map(|member| cluster.lost(member)).sum::<usize>(), 0, "{dcs:?}");
        assert!(
            cluster.traffic.0 - before <= (members * (members - 1) * 4) as u64,
            "{}",
            cluster.traffic.0 - before
        );
        assert!(
            (0..members).all(|member| cluster.promised(member).is_zero()),
            "nobody was promised anything"
        );
        let key = cluster.key_of(0);
        assert_eq!(quorum(&mut cluster, 0, &format!("INCR {key}")), ":1\r\n");
        assert_eq!(cluster.members[0].engine.stats().claims, 0);
    }
}

#[test]
fn a_node_that_joins_others_without_keys_late_is_through_at_once() {
    let mut cluster = Cluster::racks(&[3]);
    (0..3).for_each(|member| cluster.restart_with(member, Recovery::LogLost));
    [0, 1].into_iter().for_each(|other| cluster.cut(other, 2));
    cluster.advance(4_000);
    assert_eq!([0, 1, 2].map(|member| cluster.lost(member)), [4096; 3], "not all racks have been heard");
    [0, 1].into_iter().for_each(|other| cluster.join(other, 2));
    cluster.advance(500);
    assert_eq!([0, 1, 2].map(|member| cluster.lost(member)), [0; 3]);
}

#[test]
fn of_two_that_lost_all_each_takes_what_the_third_has() {
    for with_log in [true, false] {
        let mut cluster = Cluster::racks(&[3]);
        fill(&mut cluster, 60);
        for member in [0, 1] {
            if with_log { cluster.lose_data(member) } else { cluster.lose_all(member) }
        }
        cluster.wait_for_rebuild();
        assert_kept(&mut cluster, 60);
        let counted: u64 =
            cluster.members.iter().map(|member| member.engine.stats().rebuilt_without_majority).sum();
        assert!(counted > 0, "it can be seen");
    }
}

#[test]
fn racks_that_cannot_be_reached_are_waited_for_and_not_for_ever() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.configure(|config| config.repair.rebuild_wait_ms = 30_000);
    fill(&mut cluster, 30);
    cluster.kill(0);
    cluster.lose_all(2);
    cluster.cut(0, 2);
    cluster.advance(25_000);
    assert_eq!(cluster.lost(2), 4096);
    cluster.advance(10_000);
    assert_eq!(cluster.lost(2), 0);
    assert_eq!(cluster.members[2].engine.stats().rebuilt_without_majority, 30);
    assert_eq!(quorum(&mut cluster, 1, "GET key3"), "$1\r\n3\r\n");
}

#[test]
fn what_everybody_has_lost_is_gone_and_can_be_written_again() {
    for with_log in [true, false] {
        let mut cluster = Cluster::racks(&[3]);
        fill(&mut cluster, 30);
        for member in 0..3 {
            if with_log { cluster.lose_data(member) } else { cluster.lose_all(member) }
        }
        cluster.wait_for_rebuild();
        for n in 0..30 {
            assert_eq!(quorum(&mut cluster, n % 3, &format!("GET key{n}")), "$-1\r\n");
            assert_eq!(quorum(&mut cluster, n % 3, &format!("INCR key{n}")), ":1\r\n");
        }
        cluster.settle();
        for n in 0..30 {
            assert_eq!(cluster.stored_everywhere(&format!("GET key{n}")), ["$1\r\n1\r\n"; 3]);
        }
    }
}

#[test]
fn a_datacenter_that_lost_all_gets_its_keys_from_another() {
    for with_log in [true, false] {
        let mut cluster = Cluster::racks(&[3, 3]);
        fill(&mut cluster, 60);
        cluster.advance(1000);
        for member in 0..3 {
            if with_log { cluster.lose_data(member) } else { cluster.lose_all(member) }
        }
        assert_eq!([0, 1, 2].map(|member| cluster.lost(member)), [4096; 3]);
        cluster.wait_for_rebuild();
        cluster.advance(5_000);
        assert_kept(&mut cluster, 60);
        for n in 0..60 {
            let reply = quorum(&mut cluster, n % 3, &format!("APPEND key{n} x"));
            assert_eq!(reply, format!(":{}\r\n", n.to_string().len() + 1), "key{n}");
        }
        cluster.advance(1000);
        assert!(cluster.repair_all().iter().all(|status| status.keys_differing == 0));
    }
}

#[test]
fn a_datacenter_that_cannot_be_reached_is_waited_for_and_not_for_ever() {
    let mut cluster = Cluster::racks(&[2, 2]);
    cluster.configure(|config| config.repair.rebuild_wait_ms = 30_000);
    fill(&mut cluster, 20);
    cluster.advance(1000);
    let between: Vec<_> = (0..2).flat_map(|a| (2..4).map(move |b| (a, b))).collect();
    between.iter().for_each(|(a, b)| cluster.cut(*a, *b));
    (0..2).for_each(|member| cluster.lose_all(member));
    between.iter().for_each(|(a, b)| cluster.cut(*a, *b));
    cluster.advance(25_000);
    assert_eq!([0, 1].map(|member| cluster.lost(member)), [4096; 2]);
    cluster.advance(10_000);
    assert_eq!([0, 1].map(|member| cluster.lost(member)), [0; 2]);
    between.iter().for_each(|(a, b)| cluster.join(*a, *b));
    cluster.repair_all();
    cluster.advance(5_000);
    assert_kept(&mut cluster, 20);
}

#[test]
fn many_keys_are_listed_in_pages_by_nodes_with_other_numbers_of_workers() {
    let mut cluster = Cluster::with_workers(&[1, 3, 2]);
    for n in 0..3000_u64 {
        let key = format!("key{n}:{}", "x".repeat(60));
        let version = crate::Version { clock: (1_600_000_000_000 + n) << 16, node: dynomite_ring::NodeId(7) };
        for node in [0, 1, 4] {
            let member = cluster.worker_of(node, &key);
            cluster.plant_version(member, &key, &n.to_string(), version);
        }
    }
    cluster.lose_all(0);
    cluster.wait_for_rebuild();
    assert_eq!((cluster.lost(0), cluster.members[0].engine.stats().copies_rebuilt), (0, 3000));
    for n in [0, 1499, 2999] {
        let key = format!("key{n}:{}", "x".repeat(60));
        assert_eq!(cluster.stored(0, &format!("GET {key}")), format!("${}\r\n{n}\r\n", n.to_string().len()));
    }
    cluster.lose_data(1);
    cluster.wait_for_rebuild();
    assert_eq!(cluster.lost(1), 0);
    assert!(cluster.members[1].engine.stats().copies_rebuilt > 900);
}

#[test]
fn copies_that_nobody_else_knew_are_settled_one_by_one() {
    let mut cluster = Cluster::racks(&[3]);
    fill(&mut cluster, 10);
    cluster.plant(2, "alone", "v", 0);
    cluster.lose_data(2);
    cluster.wait_for_rebuild();
    assert_kept(&mut cluster, 10);
    assert!(cluster.entry(2, "alone").trust.is_trusted());
    assert_eq!(quorum(&mut cluster, 0, "GET alone"), "$-1\r\n");
}

/// A read every few milliseconds, each after the answer to the one before it, must not put the rebuilding off.
#[test]
fn operations_that_come_one_at_a_time_do_not_hold_up_the_background() {
    let mut cluster = Cluster::racks(&[2]);
    cluster.lose_all(0);
    cluster.kill(1);
    let until_ms = cluster.now_ms + 6000;
    while cluster.now_ms < until_ms {
        cluster.run(0, "GET key0", Level::DcOne);
        cluster.sleep(5);
    }
    assert_eq!(cluster.run(0, "GET key0", Level::DcOne), "$-1\r\n");
    assert_eq!(cluster.lost(0), 0);
}

#[test]
fn a_write_in_flight_and_lost_data_in_another_rack_do_not_wait_for_each_other() {
    for with_log in [true, false] {
        let mut cluster = Cluster::racks(&[3]);
        quorum(&mut cluster, 2, "SET k old");
        cluster.settle();
        cluster.kill(1);
        cluster.members[0].lane_is_frozen = true;
        cluster.submit(2, "SET k new", Level::DcOne);
        cluster.settle();
        cluster.break_lane(0);
        cluster.members[0].lane_is_frozen = false;
        cluster.lane_up(0);
        if with_log {
            cluster.lose_data(2);
        } else {
            cluster.lose_all(2);
        }
        cluster.revive(1);
        cluster.wait_for_rebuild();
        cluster.advance(10_000);
        let records = cluster.records_of("k");
        assert!(records.iter().all(|record| *record == records[0]), "{records:?}");
        let stored = cluster.stored_everywhere("GET k");
        assert!(stored.iter().all(|value| *value == stored[0]), "{stored:?}");
        assert!(quorum(&mut cluster, 1, "APPEND k .").starts_with(':'));
    }
}

#[test]
fn a_lost_copy_whose_node_stamps_an_overwrite_that_others_miss_is_rebuilt_all_the_same() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(0);
    quorum(&mut cluster, 0, &format!("SET {key} kept"));
    cluster.settle();
    cluster.lose_all(0);
    cluster.held.extend([(0, 1), (0, 2)]);
    let deletion = cluster.submit(2, &format!("DEL {key}"), Level::DcQuorum);
    cluster.advance(TIMEOUT_MS + 20);
    assert!(cluster.reply(deletion).unwrap().ends_with("the outcome is unknown\r\n"));
    let token = cluster.ring.token(key.as_bytes());
    let copy = cluster.members[0].engine.look_up(key.as_bytes(), token).1;
    assert_eq!(copy.trust, Trust::Lost, "until it is rebuilt it does not vote");
    for other in [1, 2] {
        cluster.link_down(0, other);
        cluster.link_up(0, other);
    }
    cluster.held.clear();
    cluster.wait_for_rebuild();
    cluster.settle();
    assert_eq!(cluster.stored_everywhere(&format!("GET {key}")), ["$4\r\nkept\r\n"; 3]);
}

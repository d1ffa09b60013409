use super::cluster::{Cluster, TIMEOUT_MS};
use crate::{Level, Record, Version, engine::Recovery};

/// Until writes from before the rebuild are decided, strays that were found are looked at, and all are healed.
const SEARCH_MS: u64 = 3 * TIMEOUT_MS + 2_000;

fn quorum(cluster: &mut Cluster, member: usize, line: &str) -> String {
    cluster.run(member, line, Level::DcQuorum)
}

/// A member writes to its datastore past Dynomite, and loses its record log.
fn stray(cluster: &mut Cluster, member: usize, lines: &[&str]) {
    for line in lines {
        cluster.stored(member, line);
    }
    cluster.restart_with(member, Recovery::LogLost);
    cluster.wait_for_rebuild();
}

fn adopted(cluster: &Cluster) -> Vec<u64> {
    cluster.members.iter().map(|member| member.engine.stats().strays_adopted).collect()
}

fn assert_equal(cluster: &mut Cluster, key: &str, value: &str) {
    assert_eq!(cluster.stored_everywhere(&format!("GET {key}")), vec![value; cluster.members.len()]);
    let records = cluster.records_of(key);
    assert!(records.iter().all(|record| record.last == records[0].last), "{records:?}");
}

#[test]
fn what_only_the_datastore_of_a_node_holds_goes_to_all() {
    for dcs in [&[3][..], &[2], &[3, 3], &[1, 1]] {
        let mut cluster = Cluster::racks(dcs);
        quorum(&mut cluster, 0, "SET known 1");
        cluster.settle();
        stray(&mut cluster, 0, &["SET k v", "SET own:k v", "SET expiring v PX 3600000"]);
        cluster.advance(SEARCH_MS);
        assert_eq!(adopted(&cluster)[0], 2, "{dcs:?}");
        assert_eq!(adopted(&cluster)[1..].iter().sum::<u64>(), 0, "{dcs:?}");
        cluster.repair_all();
        cluster.advance(1000);
        for key in ["k", "expiring"] {
            assert_equal(&mut cluster, key, "$1\r\nv\r\n");
            assert_eq!(quorum(&mut cluster, 1, &format!("GET {key}")), "$1\r\nv\r\n");
        }
        assert_eq!(cluster.stored_everywhere("GET own:k")[1], "$-1\r\n", "it is a node's own");
        assert!(cluster.stored_everywhere("PTTL expiring").iter().all(|left| left.len() > 6));
        let reply = quorum(&mut cluster, 1, "APPEND k x");
        assert_eq!(reply, ":2\r\n", "it can be written to");
        assert!(cluster.repair_all().iter().all(|status| status.peers_failed == 0));
    }
}

#[test]
fn a_cluster_that_starts_over_datastores_with_data_makes_them_equal() {
    let mut cluster = Cluster::racks(&[3]);
    for member in 0..3 {
        for n in 0..400 {
            if n % 4 == 3 || n % 4 == member {
                cluster.stored(member, &format!("SET key{n} {n}"));
            }
        }
        cluster.stored(member, &format!("SET differing {member}"));
    }
    (0..3).for_each(|member| cluster.restart_with(member, Recovery::LogLost));
    cluster.wait_for_rebuild();
    cluster.advance(2 * SEARCH_MS);
    for n in 0..400 {
        let value = format!("${}\r\n{n}\r\n", n.to_string().len());
        assert_equal(&mut cluster, &format!("key{n}"), &value);
    }
    let stored = cluster.stored_everywhere("GET differing");
    assert!(stored[0] != "$-1\r\n" && stored.iter().all(|value| *value == stored[0]), "{stored:?}");
    assert!((0..3).all(|member| cluster.members[member].engine.strays.due_ms().is_none()), "it is over");
    assert!(cluster.members.iter().all(|member| member.engine.stats().copies_untrusted == 0));
}

#[test]
fn what_others_know_wins_over_a_stray() {
    let mut cluster = Cluster::racks(&[3]);
    quorum(&mut cluster, 0, "SET set old");
    quorum(&mut cluster, 0, "SET deleted old");
    cluster.settle();
    cluster.kill(2);
    quorum(&mut cluster, 0, "SET set new");
    quorum(&mut cluster, 0, "DEL deleted");
    quorum(&mut cluster, 0, "INCR counted");
    cluster.settle();
    cluster.stored(2, "SET counted 7");
    cluster.revive(2);
    cluster.restart_with(2, Recovery::LogLost);
    cluster.wait_for_rebuild();
    cluster.advance(SEARCH_MS);
    assert_equal(&mut cluster, "set", "$3\r\nnew\r\n");
    assert_eq!(cluster.stored_everywhere("GET deleted"), ["$-1\r\n"; 3]);
    assert_equal(&mut cluster, "counted", "$1\r\n1\r\n");
    assert_eq!(adopted(&cluster), [0; 3]);
}

#[test]
fn what_is_written_while_a_stray_is_looked_at_wins() {
    for line in ["SET k new", "INCR k", "DEL k"] {
        for (steps, via) in (0..120).step_by(3).flat_map(|steps| [(steps, 0), (steps, 1)]) {
            let mut cluster = Cluster::racks(&[3]);
            cluster.stored(2, "SET k 70");
            cluster.restart_with(2, Recovery::LogLost);
            cluster.wait_for_rebuild();
            // The stray's node is asked about nothing by those that write.
            [0, 1].into_iter().for_each(|other| cluster.link_down(other, 2));
            let ready_ms =
                (cluster.now_ms..).find(|ms| cluster.members[2].engine.strays.paused_by(*ms)).unwrap();
            while cluster.now_ms + 20 < ready_ms {
                cluster.advance(10);
            }
            for _ in 0..3 {
                cluster.pass_without_delivery(10);
            }
            let mut left = steps;
            while left > 0 && cluster.step(&mut |_| 0) {
                left -= 1;
            }
            let ticket = cluster.submit(via, line, Level::DcQuorum);
            cluster.settle();
            while cluster.reply(ticket).is_none() {
                cluster.advance(10);
            }
            let reply = cluster.reply(ticket).unwrap();
            [0, 1].into_iter().for_each(|other| cluster.link_up(other, 2));
            cluster.advance(2 * SEARCH_MS);
            cluster.repair_all();
            cluster.advance(1000);
            let stored = cluster.stored_everywhere("GET k");
            assert!(stored.iter().all(|value| *value == stored[0]), "{line} after {steps}: {stored:?}");
            let wanted = match (line, reply.as_str()) {
                ("SET k new", "+OK\r\n") => "$3\r\nnew\r\n",
                ("INCR k", ":1\r\n") => "$1\r\n1\r\n",
                ("INCR k", ":71\r\n") => "$2\r\n71\r\n",
                ("DEL k", ":0\r\n" | ":1\r\n") => "$-1\r\n",
                _ => continue,
            };
            assert_eq!(stored[0], wanted, "{line} answered {reply:?} after {steps} via {via}");
        }
    }
}

#[test]
fn a_write_that_builds_on_a_key_without_a_record_meets_what_the_datastore_holds() {
    for primary in [0, 1] {
        let mut cluster = Cluster::racks(&[3]);
        let key = cluster.key_of(primary);
        stray(&mut cluster, 0, &[&format!("HSET {key} before 1")]);
        // The reply does not show that there is another field.
        assert_eq!(quorum(&mut cluster, primary, &format!("HSET {key} after 2")), ":1\r\n");
        cluster.advance(2 * SEARCH_MS);
        cluster.repair_all();
        cluster.advance(1000);
        let stored = cluster.stored_everywhere(&format!("HMGET {key} before after"));
        assert!(stored.iter().all(|value| *value == stored[0]), "{primary}: {stored:?}");
        assert!(stored[0].ends_with("$1\r\n2\r\n"), "{primary}: {stored:?}");
    }
}

#[test]
fn a_stray_waits_for_those_who_may_know_it() {
    let mut cluster = Cluster::racks(&[2, 1]);
    cluster.link_down(0, 2);
    stray(&mut cluster, 0, &["SET k v"]);
    cluster.link_down(0, 2);
    cluster.advance(2 * SEARCH_MS);
    assert_eq!(adopted(&cluster), [0; 3], "the other datacenter may have something later");
    let later = Version { clock: cluster.now(2).wall_ms() << 16, node: cluster.members[2].id };
    cluster.plant_version(2, "k", "there", later);
    assert_eq!(cluster.records_of("k")[2], Record::overwritten(later));
    cluster.link_up(0, 2);
    cluster.advance(SEARCH_MS);
    assert_equal(&mut cluster, "k", "$5\r\nthere\r\n");
    assert_eq!(adopted(&cluster), [0; 3]);
}

#[test]
fn a_search_begins_again_after_the_lane_broke_and_after_a_restart() {
    for restarts in [false, true] {
        let mut cluster = Cluster::racks(&[3]);
        (0..1000).for_each(|n| drop(cluster.stored(0, &format!("SET key{n} {n}"))));
        cluster.restart_with(0, Recovery::LogLost);
        cluster.wait_for_rebuild();
        cluster.advance(20);
        assert!(cluster.members[0].engine.strays.due_ms().is_some());
        if restarts {
            cluster.restart_with(0, Recovery::Log);
        } else {
            cluster.members[0].lane_is_frozen = true;
            cluster.advance(20);
            cluster.break_lane(0);
            cluster.members[0].lane_is_frozen = false;
            cluster.lane_up(0);
        }
        cluster.advance(3 * SEARCH_MS);
        // What was being healed when the lane broke is left to comparing.
        cluster.repair_all();
        for n in [0, 1, 499, 998, 999] {
            let value = format!("${}\r\n{n}\r\n", n.to_string().len());
            assert_equal(&mut cluster, &format!("key{n}"), &value);
        }
        assert!(cluster.members[0].engine.strays.due_ms().is_none());
    }
}

#[test]
fn without_a_lost_record_log_nothing_is_looked_for() {
    let mut cluster = Cluster::racks(&[3]);
    quorum(&mut cluster, 0, "SET k v");
    cluster.stored(0, "SET past 1");
    cluster.restart_with(0, Recovery::Log);
    cluster.lose_data(1);
    cluster.wait_for_rebuild();
    assert!((0..3).all(|member| cluster.members[member].engine.strays.due_ms().is_none()));
    cluster.advance(SEARCH_MS);
    assert_eq!(adopted(&cluster), [0; 3]);
}

use super::cluster::{Cluster, Event, TIMEOUT_MS};
use crate::{Level, Recovery};

const MARKER: &str = "own:marker";

#[test]
fn a_copy_in_doubt_does_not_vote_until_it_is_overwritten() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.run(0, "SET k old", Level::DcQuorum);
    cluster.members[0].lane_is_frozen = true;
    cluster.submit(1, "SET k new", Level::DcQuorum);
    cluster.settle();
    // The write was on its way to the datastore of node 0 when the connection broke.
    cluster.break_lane(0);
    cluster.members[0].lane_is_frozen = false;
    cluster.lane_up(0);
    assert_eq!(cluster.stored(0, "GET k"), "$3\r\nold\r\n");
    assert_eq!(cluster.run(0, "GET k", Level::DcOne), "$3\r\nnew\r\n", "another rack answers");
    cluster.run(2, "SET k newest", Level::DcQuorum);
    cluster.settle();
    cluster.kill(1);
    cluster.kill(2);
    assert_eq!(cluster.run(0, "GET k", Level::DcOne), "$6\r\nnewest\r\n", "trusted again");
}

#[test]
fn a_broken_lane_leaves_sequenced_writes_unknown_and_the_key_in_doubt() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(0);
    cluster.members[0].lane_is_frozen = true;
    let ticket = cluster.submit(0, &format!("INCR {key}"), Level::DcQuorum);
    cluster.break_lane(0);
    cluster.settle();
    let reply = cluster.reply(ticket).unwrap();
    assert_eq!(
        reply,
        "-ERR Storage: Datastore connection lost (test) (n00 in rack0); the outcome is unknown\r\n"
    );
    cluster.members[0].lane_is_frozen = false;
    cluster.lane_up(0);
    assert_eq!(cluster.run(0, &format!("INCR {key}"), Level::DcQuorum), ":1\r\n", "it never ran");
    assert_eq!(cluster.stored_everywhere(&format!("GET {key}")), ["$1\r\n1\r\n"; 3]);
    let stats = cluster.members[0].engine.stats();
    assert_eq!((stats.copies_doubted, stats.copies_adopted), (1, 1), "claimed, and adopted as it is");
}

/// Node 0 takes an overwrite back that reached nobody else, and at any moment of that it is cut off. What the others acknowledge
/// then is not below what it has made of it.
#[test]
fn what_is_acknowledged_beside_a_take_back_is_kept() {
    let mut acknowledged = 0;
    for steps in 0..40 {
        let mut cluster = Cluster::racks(&[3]);
        let key = cluster.key_of(1);
        cluster.run(1, &format!("SET {key} a"), Level::DcQuorum);
        cluster.settle();
        cluster.members[0].lane_is_frozen = true;
        [1, 2].into_iter().for_each(|other| cluster.cut(0, other));
        cluster.submit(0, &format!("SET {key} b"), Level::DcOne);
        cluster.settle();
        cluster.break_lane(0);
        cluster.members[0].lane_is_frozen = false;
        [1, 2].into_iter().for_each(|other| cluster.join(0, other));
        cluster.lane_up(0);
        cluster.pass_without_delivery(10);
        for _ in 0..steps {
            cluster.step(&mut |_| 0);
        }
        [1, 2].into_iter().for_each(|other| cluster.cut(0, other));
        cluster.advance(10);
        let reply = cluster.run(1, &format!("APPEND {key} c"), Level::DcQuorum);
        cluster.advance(10);
        [1, 2].into_iter().for_each(|other| cluster.join(0, other));
        cluster.advance(10 * TIMEOUT_MS);
        let stored = cluster.stored_everywhere(&format!("GET {key}"));
        assert!(stored.iter().all(|value| *value == stored[0]), "after {steps}: {stored:?}");
        if reply == ":2\r\n" {
            acknowledged += 1;
            assert!(stored[0].contains('c'), "acknowledged after {steps} steps: {stored:?}");
        }
    }
    assert!(acknowledged > 20, "{acknowledged}");
}

#[test]
fn a_read_that_met_a_copy_in_doubt_is_not_answered_from_it() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(1);
    assert_eq!(cluster.run(1, &format!("INCR {key}"), Level::DcQuorum), ":1\r\n");
    cluster.settle();
    cluster.stored(0, &format!("SET {key} 70"));
    cluster.members[0].lane_is_frozen = true;
    cluster.submit(1, &format!("INCR {key}"), Level::DcQuorum);
    cluster.settle();
    // The read stands in the lane behind the write, whose reply will tell that the copy is wrong.
    let read = cluster.submit(0, &format!("GET {key}"), Level::DcOne);
    cluster.members[0].lane_is_frozen = false;
    let mut own_lane = |ready: &[Event]| ready.iter().position(|event| *event == Event::Lane(0)).unwrap();
    assert!(cluster.step(&mut own_lane));
    cluster.members[0].lane_is_frozen = true;
    cluster.advance(20);
    assert_eq!(cluster.members[0].lane.len(), 2, "the right state is on its way in, behind the read");
    cluster.members[0].lane_is_frozen = false;
    cluster.settle();
    assert_eq!(cluster.reply(read).unwrap(), "$1\r\n2\r\n", "another rack answers");
    assert_eq!(cluster.stored_everywhere(&format!("GET {key}")), ["$1\r\n2\r\n"; 3]);
}

#[test]
fn a_datastore_that_was_set_back_does_not_win_over_one_that_was_only_started_anew() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.configure(|config| config.marker_key = Some(MARKER.into()));
    for number in 0..20 {
        cluster.run(0, &format!("SET key{number} old"), Level::DcQuorum);
    }
    cluster.advance(1500);
    let earlier = cluster.stored(0, &format!("GET {MARKER}"));
    cluster.run(0, "SET another value", Level::DcQuorum);
    cluster.advance(1500);
    assert_ne!(cluster.stored(0, &format!("GET {MARKER}")), earlier);
    cluster.kill(2);
    for number in 0..20 {
        let reply = cluster.run(0, &format!("SET key{number} acknowledged"), Level::DcQuorum);
        assert_eq!(reply, "+OK\r\n");
    }
    // The first datastore comes back as it was; the second has all that it had, but for all that is known.
    for number in 0..20 {
        cluster.stored(0, &format!("SET key{number} old"));
    }
    let marker = earlier.lines().nth(1).unwrap().to_owned();
    cluster.stored(0, &format!("SET {MARKER} {marker}"));
    cluster.start_store_anew(0, MARKER);
    cluster.start_store_anew(1, MARKER);
    cluster.advance(500);
    cluster.revive(2);
    cluster.wait_for_rebuild();
    cluster.advance(10_000);
    for number in 0..20 {
        let key = format!("key{number}");
        assert_eq!(
            cluster.run(0, &format!("GET {key}"), Level::DcQuorum),
            "$12\r\nacknowledged\r\n",
            "{key}"
        );
        assert_eq!(cluster.stored_everywhere(&format!("GET {key}")), ["$12\r\nacknowledged\r\n"; 3], "{key}");
    }
}

#[test]
fn a_sequenced_write_in_flight_brings_nothing_back_that_its_datastore_was_set_back_to() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(0);
    for count in 1..=3 {
        assert_eq!(cluster.run(0, &format!("INCR {key}"), Level::DcQuorum), format!(":{count}\r\n"));
    }
    cluster.settle();
    cluster.members[0].lane_is_frozen = true;
    cluster.submit(0, &format!("INCR {key}"), Level::DcQuorum);
    cluster.set_back(0, &format!("SET {key} 1"));
    cluster.members[0].lane_is_frozen = false;
    cluster.advance(5 * TIMEOUT_MS);
    assert_eq!(cluster.stored_everywhere(&format!("GET {key}")), ["$1\r\n3\r\n"; 3]);
    assert_eq!(cluster.run(1, &format!("INCR {key}"), Level::DcQuorum), ":4\r\n");
}

#[test]
fn every_command_is_answered_when_all_datastores_are_frozen() {
    for level in Level::ALL {
        let mut cluster = Cluster::racks(&[3, 3]);
        for member in &mut cluster.members {
            member.lane_is_frozen = true;
        }
        let tickets: Vec<_> = ["SET k v", "GET k", "INCR k", "SPOP s", "DEL k"]
            .iter()
            .flat_map(|line| (0..3).map(|member| (*line, member)).collect::<Vec<_>>())
            .map(|(line, member)| (line, cluster.submit(member, line, level)))
            .collect();
        cluster.advance(TIMEOUT_MS + 20);
        for (line, ticket) in tickets {
            let reply = cluster.reply(ticket);
            assert!(
                reply.as_ref().is_some_and(|reply| reply.starts_with("-ERR ")),
                "{line} at {level}: {reply:?}"
            );
        }
    }
}

#[test]
fn a_stalled_datastore_is_refused_at_once() {
    let mut cluster = Cluster::racks(&[1]);
    cluster.members[0].lane_is_frozen = true;
    cluster.submit(0, "GET k", Level::DcOne);
    cluster.advance(TIMEOUT_MS / 2 + 10);
    let ticket = cluster.submit(0, "GET k", Level::DcOne);
    assert_eq!(cluster.reply(ticket).unwrap(), "-ERR Storage: Datastore is not answering (n00 in rack0)\r\n");
}

#[test]
fn the_operations_of_a_frozen_datastore_are_forgotten_after_it_answers() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(0);
    cluster.members[0].lane_is_frozen = true;
    let ticket = cluster.submit(0, &format!("INCR {key}"), Level::DcQuorum);
    cluster.advance(TIMEOUT_MS + 20);
    assert!(cluster.reply(ticket).unwrap().ends_with("the outcome is unknown\r\n"));
    cluster.members[0].lane_is_frozen = false;
    cluster.advance(2 * TIMEOUT_MS + 40);
    assert_eq!(cluster.members[0].engine.in_flight(), 0);
    assert_eq!(cluster.stored_everywhere(&format!("GET {key}")), ["$1\r\n1\r\n"; 3], "it ran, late");
}

#[test]
fn a_dead_nodes_requests_fail_at_once_when_its_link_breaks() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.run(0, "SET k v", Level::DcQuorum);
    cluster.held.extend([(0, 1), (0, 2)]);
    let ticket = cluster.submit(0, "SET k w", Level::DcQuorum);
    cluster.link_down(0, 1);
    cluster.settle();
    assert_eq!(cluster.reply(ticket), None);
    cluster.link_down(0, 2);
    cluster.settle();
    assert!(cluster.reply(ticket).unwrap().contains("rack1 link lost, rack2 link lost"));
}

#[test]
fn too_many_operations_are_refused_and_not_queued() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.held.extend([(0, 1), (0, 2)]);
    for _ in 0..10_000 {
        cluster.submit(0, "SET k v", Level::DcQuorum);
    }
    let refused = cluster.submit(0, "SET k v", Level::DcQuorum);
    assert_eq!(
        cluster.reply(refused).unwrap(),
        "-ERR Dynomite: Too many operations in flight (limits.operations_max = 10000); not run, try again\r\n"
    );
}

#[test]
fn a_copy_that_was_lost_with_its_record_does_not_vote_and_is_not_rebuilt_from_one_rack() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.run(1, "SET k v", Level::DcQuorum);
    cluster.settle();
    cluster.kill(2);
    let now = cluster.now(0);
    cluster.members[0].engine.finish_recovery(now, Recovery::LogLost);
    cluster.stored(0, "DEL k");
    let reply = cluster.run(1, "GET k", Level::DcQuorum);
    assert!(reply.contains("copy lost"), "{reply}");
    cluster.advance(2000);
    assert_eq!(cluster.stored(0, "GET k"), "$-1\r\n");
    for member in [0, 1] {
        cluster.link_up(member, 2);
    }
    cluster.members[2].is_frozen = false;
    cluster.advance(2000);
    assert_eq!(cluster.stored_everywhere("GET k"), ["$1\r\nv\r\n"; 3]);
}

#[test]
fn a_new_cluster_serves_within_a_few_round_trips() {
    for dcs in [&[3][..], &[3, 3], &[2], &[5]] {
        let mut cluster = Cluster::racks(dcs);
        for member in 0..cluster.members.len() {
            let now = cluster.now(member);
            cluster.members[member].engine.finish_recovery(now, Recovery::LogLost);
        }
        cluster.advance(100);
        assert_eq!(cluster.run(0, "SET k v", Level::DcQuorum), "+OK\r\n", "{dcs:?}");
        assert_eq!(cluster.run(1, "INCR n", Level::DcQuorum), ":1\r\n", "{dcs:?}");
    }
}

use dynomite_ring::Token;

use super::cluster::{Cluster, TIMEOUT_MS};
use crate::Level;

#[test]
fn an_overwrite_at_one_reaches_every_rack() {
    let mut cluster = Cluster::racks(&[3]);
    assert_eq!(cluster.run(0, "SET k v EX 100", Level::DcOne), "+OK\r\n");
    assert_eq!(cluster.stored_everywhere("GET k"), ["$1\r\nv\r\n"; 3]);
    let expiries = cluster.stored_everywhere("PEXPIRETIME k");
    assert!(expiries.iter().all(|at| *at == expiries[0] && at.len() > 10), "{expiries:?}");
}

#[test]
fn a_quorum_waits_for_a_majority_and_for_no_more() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.held.extend([(0, 1), (0, 2)]);
    let ticket = cluster.submit(0, "SET k v", Level::DcQuorum);
    cluster.settle();
    assert_eq!(cluster.reply(ticket), None);
    cluster.held.remove(&(0, 2));
    cluster.settle();
    assert_eq!(cluster.reply(ticket).as_deref(), Some("+OK\r\n"));
}

#[test]
fn a_refusal_is_never_an_acknowledgement() {
    let mut cluster = Cluster::racks(&[3]);
    // Node 2's clock is ahead, and its write reached only itself and node 1.
    cluster.members[2].clock_skew_ms = 5_000;
    cluster.link_down(2, 0);
    assert_eq!(cluster.run(2, "DEL k", Level::DcQuorum), ":0\r\n");
    let reply = cluster.run(0, "SET k v", Level::DcQuorum);
    assert_eq!(
        reply,
        "-ERR Dynomite: Failed to achieve Quorum (2 of 3 needed; rack0 pending, rack1 has a newer write, \
         rack2 has a newer write); the outcome is unknown\r\n"
    );
}

#[test]
fn a_clock_too_far_ahead_is_refused_by_the_others() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.members[2].clock_skew_ms = 120_000;
    let key = cluster.key_of(2);
    let reply = cluster.run(2, &format!("SET {key} v"), Level::DcQuorum);
    assert!(reply.contains("rack0 clock too far ahead"), "{reply}");
    assert_eq!(cluster.stored(0, &format!("GET {key}")), "$-1\r\n");
    assert!(cluster.members[0].engine.stats().clocks_refused > 0);
}

#[test]
fn an_older_overwrite_that_arrives_late_changes_nothing() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.held.insert((0, 2));
    cluster.run(0, "SET k old", Level::DcQuorum);
    cluster.run(1, "SET k new", Level::DcQuorum);
    cluster.held.clear();
    cluster.settle();
    assert_eq!(cluster.stored_everywhere("GET k"), ["$3\r\nnew\r\n"; 3]);
}

#[test]
fn without_a_majority_the_outcome_is_unknown_at_the_deadline() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.held.extend([(0, 1), (0, 2)]);
    let ticket = cluster.submit(0, "SET k v", Level::DcQuorum);
    cluster.advance(TIMEOUT_MS + 20);
    assert_eq!(
        cluster.reply(ticket).unwrap(),
        "-ERR Dynomite: Failed to achieve Quorum (2 of 3 needed; rack0 ok, rack1 timeout, rack2 timeout); \
         the outcome is unknown\r\n"
    );
}

#[test]
fn a_write_that_reached_nobody_was_not_run() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.link_down(0, 1);
    cluster.link_down(0, 2);
    cluster.break_lane(0);
    assert_eq!(
        cluster.run(0, "SET k v", Level::DcOne),
        "-ERR Dynomite: No replica answered (rack0 datastore down, rack1 down, rack2 down); not run\r\n"
    );
}

#[test]
fn one_is_enough_when_the_own_rack_is_dead() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.break_lane(0);
    assert_eq!(cluster.run(0, "SET k v", Level::DcOne), "+OK\r\n");
    assert_eq!(cluster.run(0, "GET k", Level::DcOne), "$1\r\nv\r\n");
}

#[test]
fn a_deletion_counts_the_key_that_the_best_informed_replica_had() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.link_down(0, 2);
    cluster.run(0, "SET k v", Level::DcQuorum);
    cluster.advance(10);
    // Node 2 has not seen the key; it coordinates the deletion.
    cluster.held.insert((2, 1));
    let ticket = cluster.submit(2, "DEL k", Level::DcQuorum);
    cluster.settle();
    assert_eq!(cluster.reply(ticket).as_deref(), Some(":1\r\n"));
}

#[test]
fn malformed_overwrites_are_refused_by_the_primary_alone() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.run(0, "SET k v", Level::DcOne);
    assert_eq!(cluster.run(0, "SET k w EX 0", Level::DcOne), "-ERR invalid expire time in 'set' command\r\n");
    assert_eq!(
        cluster.run(0, "SET k w EX 9223372036854775", Level::DcOne),
        "-ERR invalid expire time in 'set' command\r\n"
    );
    assert_eq!(cluster.stored_everywhere("GET k"), ["$1\r\nv\r\n"; 3]);
}

#[test]
fn replies_that_differ_fail_a_safe_quorum() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.run(0, "SET k v", Level::DcQuorum);
    // Something deleted the key behind the nodes' backs, on two of three.
    cluster.stored(1, "DEL k");
    assert_eq!(cluster.run(0, "DEL k", Level::DcSafeQuorum), ":1\r\n");
    cluster.run(0, "SET k v", Level::DcQuorum);
    cluster.break_lane(2);
    cluster.stored(1, "DEL k");
    let reply = cluster.run(0, "DEL k", Level::DcSafeQuorum);
    assert!(reply.contains("replies disagree"), "{reply}");
}

#[test]
fn overwrites_of_one_key_through_several_nodes_all_succeed() {
    let mut cluster = Cluster::racks(&[3]);
    let primary = cluster.primary_of("k", 0);
    let others: Vec<_> = (0..3).filter(|member| *member != primary).collect();
    // The clock of one is behind, so that its versions are always the older ones.
    cluster.members[others[0]].clock_skew_ms = -50;
    let tickets: Vec<_> =
        (0..30).map(|n| cluster.submit(others[n % 2], &format!("SET k {n}"), Level::DcQuorum)).collect();
    cluster.held.insert((others[0], primary));
    cluster.settle();
    cluster.held.clear();
    cluster.settle();
    for ticket in tickets {
        assert_eq!(cluster.reply(ticket).as_deref(), Some("+OK\r\n"));
    }
    let stored = cluster.stored_everywhere("GET k");
    assert!(stored.iter().all(|value| *value == stored[0]), "{stored:?}");
}

#[test]
fn an_overwrite_that_its_primary_cannot_run_is_coordinated_here() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(1);
    cluster.break_lane(1);
    assert_eq!(
        cluster.run(0, &format!("SET {key} a"), Level::DcQuorum),
        "+OK\r\n",
        "a primary without datastore"
    );
    cluster.kill(1);
    assert_eq!(cluster.run(0, &format!("SET {key} b"), Level::DcQuorum), "+OK\r\n", "a primary that is gone");
    assert_eq!(cluster.stored(2, &format!("GET {key}")), "$1\r\nb\r\n");
}

#[test]
fn an_overwrite_whose_primary_falls_silent_has_an_unknown_outcome() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(1);
    cluster.members[1].is_frozen = true;
    let ticket = cluster.submit(0, &format!("SET {key} v"), Level::DcQuorum);
    cluster.settle();
    cluster.link_down(0, 1);
    let reply = cluster.reply(ticket).unwrap();
    assert!(reply.ends_with("the outcome is unknown\r\n"), "{reply}");
}

#[test]
fn a_primarys_overwrites_and_sequenced_writes_leave_it_in_one_order() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(0);
    let lines = ["INCR k", "SET k 5", "INCR k", "SET k 7", "SET k 8", "INCR k"];
    let tickets: Vec<_> = lines
        .iter()
        .map(|line| cluster.submit(0, &line.replace(" k", &format!(" {key}")), Level::DcQuorum))
        .collect();
    cluster.settle();
    let replies: Vec<_> = tickets.iter().map(|ticket| cluster.reply(*ticket).unwrap()).collect();
    assert_eq!(replies, [":1\r\n", "+OK\r\n", ":6\r\n", "+OK\r\n", "+OK\r\n", ":9\r\n"]);
    assert_eq!(cluster.stored_everywhere(&format!("GET {key}")), ["$1\r\n9\r\n"; 3]);
}

#[test]
fn a_deletion_at_one_tells_what_the_clients_own_rack_had() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(0);
    cluster.held.extend([(0, 1), (0, 2)]);
    assert_eq!(cluster.run(0, &format!("RPUSH {key} a"), Level::DcOne), ":1\r\n");
    cluster.held.clear();
    cluster.link_down(0, 1);
    cluster.link_down(0, 2);
    cluster.link_up(0, 1);
    let ticket = cluster.submit(0, &format!("DEL {key}"), Level::DcOne);
    // The other rack, which has never seen the key, answers first.
    let mut links_first = |ready: &[super::cluster::Event]| {
        let link = ready.iter().position(|event| matches!(event, super::cluster::Event::Deliver(..)));
        let lane = ready.iter().position(|event| matches!(event, super::cluster::Event::Lane(1)));
        link.or(lane).unwrap_or(usize::from(ready.is_empty()))
    };
    while cluster.reply(ticket).is_none() {
        assert!(cluster.step(&mut links_first));
    }
    assert_eq!(cluster.reply(ticket).as_deref(), Some(":1\r\n"));
}

#[test]
fn a_primary_that_reaches_too_few_replicas_refuses_before_it_writes() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(1);
    // As a node is that has just started: others have linked to it, and it has linked to one of them only.
    cluster.break_lane(1);
    cluster.link_down(1, 0);
    assert_eq!(cluster.run(0, &format!("SET {key} a"), Level::DcQuorum), "+OK\r\n");
    assert_eq!(cluster.stored(2, &format!("GET {key}")), "$1\r\na\r\n");

    cluster.lane_up(1);
    cluster.link_down(1, 2);
    for line in [format!("SET {key} b"), format!("INCR {key}")] {
        let refusal = cluster.run(1, &line, Level::DcQuorum);
        assert!(refusal.contains("2 of 3 needed") && refusal.ends_with("; not run\r\n"), "{refusal}");
    }
    assert_eq!(cluster.stored(2, &format!("GET {key}")), "$1\r\na\r\n");
}

#[test]
fn a_node_without_a_copy_of_the_key_coordinates_and_stores_nothing() {
    let rack = |rack: usize, node: usize| {
        let tokens = vec![Token(node as u32 * 0x8000_0000)];
        ("dc".to_owned(), format!("rack{rack}"), format!("r{rack}n{node}"), tokens)
    };
    let nodes = (0..3).flat_map(|number| [rack(number, 0), rack(number, 1)]).collect();
    for level in [Level::DcOne, Level::DcQuorum, Level::DcSafeQuorum] {
        let mut cluster = Cluster::new(Vec::clone(&nodes));
        for number in 0..24 {
            let (key, member) = (format!("key{number}"), number % 6);
            assert_eq!(cluster.run(member, &format!("SET {key} {number}"), level), "+OK\r\n");
            assert_eq!(cluster.run(member, &format!("INCR {key}"), level), format!(":{}\r\n", number + 1));
            assert!(cluster.run(member, &format!("GET {key}"), level).starts_with('$'));
            let stored = cluster.stored_everywhere(&format!("GET {key}"));
            let holders = stored.iter().filter(|value| *value != "$-1\r\n").count();
            assert_eq!(holders, 3, "{key} at {level:?}: {stored:?}");
        }
    }
}

use dynomite_ring::DcIdx;

use super::cluster::{Cluster, TIMEOUT_MS};
use crate::{DcFlow, Level};

#[test]
fn a_write_in_one_datacenter_is_read_in_the_other() {
    let mut cluster = Cluster::racks(&[3, 3]);
    cluster.run(0, "SET k v", Level::DcQuorum);
    cluster.run(1, "LPUSH l a b", Level::DcQuorum);
    cluster.run(2, "LPUSH l c", Level::DcOne);
    cluster.settle();
    assert_eq!(cluster.stored_everywhere("GET k"), ["$1\r\nv\r\n"; 6]);
    assert_eq!(cluster.stored_everywhere("LLEN l"), [":3\r\n"; 6]);
    assert_eq!(cluster.run(5, "LINDEX l 0", Level::DcQuorum), "$1\r\nc\r\n");
}

#[test]
fn one_forwarder_per_datacenter_gets_each_write() {
    let mut cluster = Cluster::racks(&[3, 3]);
    cluster.run(0, "SET k v", Level::DcQuorum);
    cluster.settle();
    let crossings = cluster
        .log
        .iter()
        .filter(|event| ["Deliver(0, 3)", "Deliver(0, 4)", "Deliver(0, 5)"].contains(&event.as_str()));
    assert_eq!(crossings.count(), 1);
}

#[test]
fn another_forwarder_takes_over_when_the_first_is_gone() {
    let mut cluster = Cluster::racks(&[3, 3]);
    cluster.link_down(0, 3);
    cluster.run(0, "SET k v", Level::DcQuorum);
    cluster.settle();
    assert_eq!(cluster.stored(4, "GET k"), "$1\r\nv\r\n");
    assert_eq!(cluster.stored(3, "GET k"), "$1\r\nv\r\n", "its own datacenter still reaches it");
}

#[test]
fn each_waits_for_a_majority_in_every_datacenter() {
    for line in ["SET k v", "INCR k"] {
        let mut cluster = Cluster::racks(&[3, 3]);
        let others: Vec<_> = (0..3).flat_map(|a| (3..6).map(move |b| (b, a))).collect();
        cluster.held.extend(others.clone());
        let ticket = cluster.submit(0, line, Level::DcEachSafeQuorum);
        cluster.settle();
        assert_eq!(cluster.reply(ticket), None, "{line}");
        cluster.held.clear();
        cluster.settle();
        let reply = cluster.reply(ticket);
        assert!(reply.as_ref().is_some_and(|reply| !reply.starts_with('-')), "{line}: {reply:?}");
    }
}

#[test]
fn each_fails_with_an_unknown_outcome_when_a_datacenter_has_no_majority() {
    for line in ["SET k v", "INCR k"] {
        let mut cluster = Cluster::racks(&[3, 3]);
        cluster.kill(4);
        cluster.kill(5);
        let ticket = cluster.submit(0, line, Level::DcEachSafeQuorum);
        cluster.advance(TIMEOUT_MS + 20);
        let reply = cluster.reply(ticket).unwrap();
        assert!(reply.contains("dc1 ") && reply.ends_with("the outcome is unknown\r\n"), "{line}: {reply}");
    }
}

#[test]
fn a_remote_write_is_compared_with_the_last_write_of_any_kind() {
    let mut cluster = Cluster::racks(&[3, 3]);
    // An old overwrite is still on its way to the other datacenter when that one sequences a write.
    cluster.held.extend((0..3).flat_map(|a| (3..6).map(move |b| (a, b))));
    cluster.run(0, "SET k remote", Level::DcQuorum);
    cluster.advance(50);
    cluster.held.extend((0..3).flat_map(|a| (3..6).map(move |b| (b, a))));
    assert_eq!(cluster.run(3, "APPEND k local", Level::DcQuorum), ":5\r\n");
    cluster.held.clear();
    cluster.settle();
    cluster.advance(50);
    assert_eq!(cluster.stored_everywhere("GET k"), ["$5\r\nlocal\r\n"; 6]);
}

#[test]
fn many_writes_to_one_key_share_exports() {
    let mut cluster = Cluster::racks(&[3, 3]);
    let key = cluster.key_of(0);
    let tickets: Vec<_> =
        (0..200).map(|_| cluster.submit(0, &format!("INCR {key}"), Level::DcQuorum)).collect();
    cluster.settle();
    assert_eq!(cluster.reply(tickets[199]).as_deref(), Some(":200\r\n"));
    assert_eq!(cluster.stored_everywhere(&format!("GET {key}")), ["$3\r\n200\r\n"; 6]);
    assert!(cluster.members[0].engine.stats().exports < 100, "{:?}", cluster.members[0].engine.stats());
}

#[test]
fn a_cut_off_datacenter_costs_no_errors_and_is_counted() {
    let mut cluster = Cluster::racks(&[3, 3]);
    for a in 0..3 {
        for b in 3..6 {
            cluster.link_down(a, b);
        }
    }
    assert_eq!(cluster.run(0, "SET k v", Level::DcQuorum), "+OK\r\n");
    assert_eq!(cluster.run(0, "INCR n", Level::DcQuorum), ":1\r\n");
    cluster.advance(50);
    let dropped: u64 = cluster.members.iter().map(|member| member.engine.stats().cross_dc_dropped).sum();
    assert_eq!(dropped, 2);
}

#[test]
fn a_replica_that_misses_a_write_from_elsewhere_is_counted() {
    let mut cluster = Cluster::racks(&[3, 3]);
    cluster.break_lane(5);
    cluster.run(0, "SET k v", Level::DcQuorum);
    cluster.settle();
    cluster.advance(50);
    let missed: u64 = cluster.members.iter().map(|member| member.engine.stats().writes_missed).sum();
    assert_eq!(missed, 1);
}

/// Links between the two datacenters of three racks.
fn cut_off(cluster: &mut Cluster) {
    for (a, b) in (0..3).flat_map(|a| (3..6).map(move |b| (a, b))) {
        cluster.cut(a, b);
    }
}

fn join_again(cluster: &mut Cluster) {
    for (a, b) in (0..3).flat_map(|a| (3..6).map(move |b| (a, b))) {
        cluster.join(a, b);
    }
}

#[test]
fn a_state_that_a_datacenter_missed_is_taken_when_it_is_sent_again() {
    for lines in [&["SET k v"][..], &["RPUSH k a b"], &["SET k v", "APPEND k w"], &["SET k v", "DEL k"]] {
        let mut cluster = Cluster::racks(&[3, 3]);
        cut_off(&mut cluster);
        for line in lines {
            cluster.run(0, line, Level::DcQuorum);
        }
        join_again(&mut cluster);
        cluster.export_again(1, "k", 1);
        cluster.advance(500);
        let stored = cluster.stored_everywhere("DUMP k");
        assert!(stored.iter().all(|state| *state == stored[0]), "{lines:?}: {stored:?}");
    }
}

#[test]
fn a_state_that_is_sent_again_replaces_nothing_newer() {
    let mut cluster = Cluster::racks(&[3, 3]);
    cut_off(&mut cluster);
    cluster.run(0, "SET k older", Level::DcQuorum);
    cluster.advance(20);
    cluster.run(3, "SET k newer", Level::DcQuorum);
    join_again(&mut cluster);
    cluster.export_again(0, "k", 1);
    cluster.advance(500);
    assert_eq!(cluster.stored_everywhere("GET k")[3..], ["$5\r\nnewer\r\n"; 3]);
    cluster.export_again(4, "k", 0);
    cluster.advance(500);
    assert_eq!(cluster.stored_everywhere("GET k"), ["$5\r\nnewer\r\n"; 6]);
}

#[test]
fn copies_are_made_equal_before_their_state_is_sent_again() {
    let mut cluster = Cluster::racks(&[3, 3]);
    cut_off(&mut cluster);
    cluster.held.extend([(0, 1), (0, 2)]);
    cluster.submit(0, "SET k alone", Level::DcOne);
    cluster.link_down(0, 1);
    cluster.link_down(0, 2);
    cluster.held.clear();
    for other in [1, 2] {
        cluster.link_up(0, other);
    }
    cluster.settle();
    join_again(&mut cluster);
    cluster.export_again(2, "k", 1);
    cluster.advance(500);
    assert_eq!(cluster.stored_everywhere("GET k"), ["$5\r\nalone\r\n"; 6]);
}

#[test]
fn a_datacenter_does_not_take_back_what_it_has_sequenced_itself() {
    let mut cluster = Cluster::racks(&[3, 3]);
    let key = cluster.key_of(0);
    cluster.run(0, &format!("INCR {key}"), Level::DcQuorum);
    cluster.advance(50);
    // As if every rack of the first datacenter had gone back to something earlier.
    for member in 0..3 {
        cluster.plant(member, &key, "earlier", 0);
    }
    cluster.export_again(3, &key, 0);
    cluster.advance(500);
    let stored = cluster.stored_everywhere(&format!("GET {key}"));
    assert_eq!(stored, ["$7\r\nearlier\r\n"; 6], "what it holds now was sequenced anew");
}

#[test]
fn a_datacenter_that_knows_nothing_of_a_key_takes_back_what_it_has_sequenced_itself() {
    let mut cluster = Cluster::racks(&[3, 3]);
    let key = cluster.key_of(0);
    cluster.run(0, &format!("INCR {key}"), Level::DcQuorum);
    cluster.advance(50);
    for member in 0..3 {
        cluster.forget(member, &key);
    }
    cluster.export_again(3, &key, 0);
    cluster.advance(500);
    assert_eq!(cluster.stored_everywhere(&format!("GET {key}")), ["$1\r\n1\r\n"; 6]);
}

#[test]
fn a_paused_datacenter_is_sent_nothing_and_its_lag_is_told() {
    let mut cluster = Cluster::racks(&[3, 3]);
    let now = cluster.now(0);
    let paused = DcFlow { is_paused: true, bytes_per_s: None };
    (0..3).for_each(|member| cluster.members[member].engine.set_flow(now, DcIdx(1), paused));
    cluster.run(0, "SET k v", Level::DcQuorum);
    cluster.run(0, "INCR n", Level::DcQuorum);
    cluster.advance(50);
    assert_eq!(cluster.stored_everywhere("EXISTS k n")[3..], [":0\r\n"; 3]);
    cluster.advance(3000);
    let now = cluster.now(0);
    let told: Vec<_> = (0..3).map(|member| cluster.members[member].engine.datacenters(now)[0]).collect();
    assert_eq!(told.iter().map(|status| status.waiting).sum::<u64>(), 2, "{told:?}");
    assert!(told.iter().any(|status| status.lag_ms >= 3000), "{told:?}");
    (0..3).for_each(|member| cluster.members[member].engine.set_flow(now, DcIdx(1), DcFlow::default()));
    let primary = cluster.primary_of("k", 0);
    cluster.held.extend((0..3).flat_map(|a| (3..6).map(move |b| (a, b))));
    cluster.run(primary, "SET k w", Level::DcQuorum);
    cluster.advance(70);
    let now = cluster.now(primary);
    let [status] = cluster.members[primary].engine.datacenters(now)[..] else { panic!("one other") };
    assert_eq!((status.dc, status.in_flight), (DcIdx(1), 1));
    assert!(status.in_flight_bytes >= 20 && status.lag_ms >= 70, "{status:?}");
}

#[test]
fn no_more_is_sent_to_a_datacenter_than_its_rate_allows() {
    let mut cluster = Cluster::racks(&[3, 3]);
    let now = cluster.now(0);
    let limited = DcFlow { is_paused: false, bytes_per_s: Some(1000) };
    (0..3).for_each(|member| cluster.members[member].engine.set_flow(now, DcIdx(1), limited));
    let value = "v".repeat(400);
    for number in 0..40 {
        assert_eq!(cluster.run(0, &format!("SET limited{number} {value}"), Level::DcQuorum), "+OK\r\n");
    }
    let arrived = |cluster: &mut Cluster| {
        let mut keys = (0..40).map(|number| format!("EXISTS limited{number}"));
        keys.by_ref().filter(|line| cluster.stored(3, line) == ":1\r\n").count()
    };
    cluster.advance(1000);
    let first = arrived(&mut cluster);
    cluster.advance(2000);
    let later = arrived(&mut cluster);
    // Each of three nodes sends two of these in a second.
    assert!(first <= 12 && (6..=18).contains(&later), "{first} {later}");
    cluster.advance(30_000);
    assert_eq!(arrived(&mut cluster), 40);
}

#[test]
fn a_write_that_is_superseded_before_it_is_sent_elsewhere_is_answered_by_its_deadline() {
    let mut cluster = Cluster::racks(&[3, 3]);
    let key = cluster.key_of(0);
    let first = cluster.submit(0, &format!("SET {key} v NX"), Level::DcEachSafeQuorum);
    let second = cluster.submit(0, &format!("DEL {key}"), Level::DcQuorum);
    cluster.settle();
    assert_eq!(cluster.reply(second).as_deref(), Some(":1\r\n"));
    cluster.advance(TIMEOUT_MS + 20);
    let reply = cluster.reply(first).unwrap();
    assert!(reply.contains("dc1 timeout") && reply.ends_with("the outcome is unknown\r\n"), "{reply}");
}

#[test]
fn a_write_of_unknown_outcome_that_heals_bring_to_a_majority_reaches_other_datacenters() {
    let mut cluster = Cluster::racks(&[3, 3]);
    let key = cluster.key_of(1);
    assert_eq!(cluster.run(1, &format!("INCR {key}"), Level::DcQuorum), ":1\r\n");
    cluster.settle();
    cluster.claim_without(0, 1, &key);
    let reply = cluster.run(1, &format!("INCR {key}"), Level::DcQuorum);
    assert!(reply.ends_with("the outcome is unknown\r\n"), "another rack has claimed it: {reply}");
    cluster.advance(10 * TIMEOUT_MS);
    assert_eq!(cluster.stored_everywhere(&format!("GET {key}")), ["$1\r\n2\r\n"; 6]);
}

#[test]
fn a_write_that_fails_here_while_its_way_to_another_datacenter_breaks_reaches_that_later() {
    let mut cluster = Cluster::racks(&[3, 3]);
    let key = cluster.key_of(0);
    cluster.held.extend((1..6).map(|other| (0, other)));
    let ticket = cluster.submit(0, &format!("SET {key} v"), Level::DcQuorum);
    cluster.settle();
    (1..3).for_each(|other| cluster.link_down(0, other));
    let reply = cluster.reply(ticket).unwrap();
    assert!(reply.ends_with("the outcome is unknown\r\n"), "{reply}");
    (3..6).for_each(|other| cluster.link_down(0, other));
    cluster.held.clear();
    (1..6).for_each(|other| cluster.link_up(0, other));
    cluster.advance(10 * TIMEOUT_MS);
    assert_eq!(cluster.stored_everywhere(&format!("GET {key}")), ["$1\r\nv\r\n"; 6]);
}

/// A rack had a foreign write in flight when its lane broke, and nobody else of its datacenter got it. What is adopted instead is
/// older, and must not come to the other datacenter as something later.
#[test]
fn what_is_taken_back_here_comes_again_from_where_it_was_acknowledged() {
    for again in ["APPEND k x", "GET k"] {
        let mut cluster = Cluster::racks(&[3, 1]);
        cluster.run(3, "SET k old", Level::DcQuorum);
        cluster.settle();
        (0..3).for_each(|member| cluster.members[member].lane_is_frozen = true);
        for (a, b) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
            cluster.held.insert((a, b));
        }
        assert_eq!(cluster.run(3, "SET k new", Level::DcQuorum), "+OK\r\n");
        cluster.settle();
        let got = (0..3).find(|member| !cluster.members[*member].lane.is_empty()).unwrap();
        (0..3).for_each(|other| cluster.drop_requests(got, other));
        cluster.held.clear();
        (0..3).for_each(|member| cluster.members[member].lane_is_frozen = false);
        cluster.break_lane(got);
        cluster.lane_up(got);
        cluster.heal(got, "k");
        cluster.advance(500);
        assert!(cluster.entry(got, "k").record.is_taken_back(), "{again}: {:?}", cluster.entry(got, "k"));
        assert_eq!(cluster.stored(3, "GET k"), "$3\r\nnew\r\n");
        cluster.run(3, again, Level::DcQuorum);
        (0..3).for_each(|_| drop(cluster.repair_idle()));
        let wanted = if again == "GET k" { "$3\r\nnew\r\n" } else { "$4\r\nnewx\r\n" };
        assert_eq!(cluster.stored_everywhere("GET k"), [wanted; 4], "{again}");
    }
}

#[test]
fn an_overwrite_that_was_stamped_before_what_it_replaces_is_outdone_by_nobody_elsewhere() {
    for level in [Level::DcQuorum, Level::DcEachSafeQuorum] {
        let mut cluster = Cluster::racks(&[3, 3]);
        let key = cluster.key_of(0);
        cluster.run(0, &format!("SET {key} 1"), Level::DcQuorum);
        cluster.advance(20);
        // The primary is away for this node, so it stamps the deletion itself, and that is on its way for long.
        cluster.cut(0, 1);
        cluster.held.insert((1, 2));
        let deletion = cluster.submit(1, &format!("DEL {key}"), level);
        cluster.advance(20);
        let increment = cluster.submit(0, &format!("INCR {key}"), Level::DcQuorum);
        cluster.advance(20);
        assert_eq!(cluster.reply(increment).as_deref(), Some(":2\r\n"));
        cluster.held.clear();
        cluster.advance(20);
        let reply = cluster.reply(deletion).unwrap();
        if level == Level::DcQuorum {
            assert_eq!(reply, ":1\r\n");
        } else {
            let told = "dc1 has a newer write); the outcome is unknown\r\n";
            assert!(reply.ends_with(told), "other datacenters may have the increment: {reply}");
        }
        cluster.join(0, 1);
        cluster.advance(2000);
        assert_eq!(cluster.stored_everywhere(&format!("EXISTS {key}")), [":0\r\n"; 6]);
    }
}

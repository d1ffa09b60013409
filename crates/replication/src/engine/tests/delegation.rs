use super::cluster::{Cluster, Event, FAILOVER_MS, TIMEOUT_MS};
use crate::Level;

/// Three racks, and a key whose primary is member 1.
fn cluster_and_key() -> (Cluster, String) {
    let cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(1);
    (cluster, key)
}

/// Chooses what is `late` only when nothing else can happen.
fn last(late: impl Fn(&Event) -> bool) -> impl FnMut(&[Event]) -> usize {
    move |ready| ready.iter().position(|event| !late(event)).unwrap_or(usize::from(ready.is_empty()))
}

fn messages(cluster: &Cluster) -> usize {
    cluster.log.iter().filter(|event| event.starts_with("Deliver") || event.starts_with("Answer")).count()
}

#[test]
fn an_overwrite_takes_four_messages_wherever_it_begins() {
    for member in 0..3 {
        let (mut cluster, key) = cluster_and_key();
        assert_eq!(cluster.run(member, &format!("SET {key} v"), Level::DcQuorum), "+OK\r\n");
        assert_eq!(messages(&cluster), 4, "at member {member}");
        assert_eq!(cluster.stored_everywhere(&format!("GET {key}")), ["$1\r\nv\r\n"; 3]);
    }
}

#[test]
fn the_primary_and_the_clients_node_are_a_majority() {
    let (mut cluster, key) = cluster_and_key();
    cluster.held.insert((1, 2));
    let ticket = cluster.submit(0, &format!("SET {key} v"), Level::DcQuorum);
    cluster.settle();
    assert_eq!(cluster.reply(ticket).as_deref(), Some("+OK\r\n"));
    assert_eq!(cluster.stored(0, &format!("GET {key}")), "$1\r\nv\r\n");
    assert_eq!(cluster.stored(1, &format!("GET {key}")), "$1\r\nv\r\n");
}

#[test]
fn the_client_hears_of_it_when_the_own_copy_has_it_and_not_before() {
    let (mut cluster, key) = cluster_and_key();
    cluster.held.insert((1, 2));
    cluster.members[0].lane_is_frozen = true;
    let ticket = cluster.submit(0, &format!("SET {key} v"), Level::DcQuorum);
    cluster.settle();
    assert_eq!(cluster.reply(ticket), None, "the primary alone is no majority");
    cluster.members[0].lane_is_frozen = false;
    cluster.settle();
    assert_eq!(cluster.reply(ticket).as_deref(), Some("+OK\r\n"));
}

#[test]
fn with_five_racks_the_primary_gathers_one_more() {
    let mut cluster = Cluster::racks(&[5]);
    let key = cluster.key_of(1);
    cluster.held.extend([(1, 2), (1, 3), (1, 4)]);
    let ticket = cluster.submit(0, &format!("SET {key} v"), Level::DcQuorum);
    cluster.settle();
    assert_eq!(cluster.reply(ticket), None);
    cluster.held.remove(&(1, 3));
    cluster.settle();
    assert_eq!(cluster.reply(ticket).as_deref(), Some("+OK\r\n"));
}

#[test]
fn a_deletion_tells_what_the_best_informed_of_the_two_had() {
    for (informed, cut) in [(1, (1, 0)), (0, (0, 1))] {
        let mut cluster = Cluster::racks(&[3]);
        let key = cluster.key_of(1);
        // Written at one, before the link to the other of the two is there.
        cluster.link_down(cut.0, cut.1);
        assert_eq!(cluster.run(informed, &format!("SET {key} v"), Level::DcOne), "+OK\r\n");
        cluster.link_up(cut.0, cut.1);
        assert_eq!(cluster.run(0, &format!("DEL {key}"), Level::DcQuorum), ":1\r\n", "known to {informed}");
    }
}

#[test]
fn a_later_write_of_the_same_primary_that_arrives_first_does_not_spoil_it() {
    let (mut cluster, key) = cluster_and_key();
    // The primary's answer to member 0 is slow; what it sends by itself is not.
    cluster.held_responses.insert((1, 0));
    let earlier = cluster.submit(0, &format!("SET {key} a"), Level::DcQuorum);
    cluster.settle();
    assert_eq!(cluster.run(2, &format!("SET {key} b"), Level::DcQuorum), "+OK\r\n");
    assert_eq!(cluster.reply(earlier), None);
    cluster.held_responses.clear();
    cluster.settle();
    assert_eq!(cluster.reply(earlier).as_deref(), Some("+OK\r\n"));
    assert_eq!(cluster.stored_everywhere(&format!("GET {key}")), ["$1\r\nb\r\n"; 3]);
}

#[test]
fn a_refusal_by_another_nodes_write_is_still_no_acknowledgement() {
    let (mut cluster, key) = cluster_and_key();
    cluster.held_responses.insert((1, 0));
    cluster.held.insert((1, 2));
    let earlier = cluster.submit(0, &format!("SET {key} a"), Level::DcQuorum);
    cluster.settle();
    // Member 2's clock is ahead, and its write at DC_ONE reaches members 0 and 1 first.
    cluster.members[2].clock_skew_ms = 5_000;
    cluster.link_down(2, 1);
    assert_eq!(cluster.run(2, &format!("SET {key} b"), Level::DcOne), "+OK\r\n");
    cluster.held_responses.clear();
    cluster.held.clear();
    cluster.settle();
    let reply = cluster.reply(earlier).unwrap();
    assert!(
        reply.contains("rack0 has a newer write") && reply.ends_with("the outcome is unknown\r\n"),
        "{reply}"
    );
}

#[test]
fn when_the_own_copy_does_not_take_it_the_other_racks_are_counted() {
    for breaks in [true, false] {
        let (mut cluster, key) = cluster_and_key();
        cluster.members[0].lane_is_frozen = true;
        let ticket = cluster.submit(0, &format!("SET {key} v"), Level::DcQuorum);
        cluster.settle();
        assert_eq!(cluster.reply(ticket), None);
        if breaks {
            cluster.break_lane(0);
            cluster.settle();
        } else {
            cluster.advance(FAILOVER_MS + 20);
        }
        assert_eq!(cluster.reply(ticket).as_deref(), Some("+OK\r\n"), "lane broken: {breaks}");
        assert_eq!(cluster.stored(2, &format!("GET {key}")), "$1\r\nv\r\n");
    }
}

#[test]
fn what_was_stamped_is_never_called_not_run() {
    let (mut cluster, key) = cluster_and_key();
    cluster.held.insert((1, 2));
    cluster.members[0].lane_is_frozen = true;
    let ticket = cluster.submit(0, &format!("SET {key} v"), Level::DcQuorum);
    cluster.settle();
    cluster.link_down(0, 1);
    cluster.link_down(0, 2);
    cluster.break_lane(0);
    cluster.settle();
    let reply = cluster.reply(ticket).unwrap();
    assert!(reply.ends_with("the outcome is unknown\r\n"), "{reply}");
    assert_eq!(cluster.stored(1, &format!("GET {key}")), "$1\r\nv\r\n");
}

#[test]
fn a_sequenced_write_that_the_same_primary_has_overwritten_is_acknowledged() {
    let (mut cluster, key) = cluster_and_key();
    // Rack 2 is dead, so member 0 must accept what the primary sequences.
    cluster.kill(2);
    cluster.held.insert((1, 0));
    let counted = cluster.submit(1, &format!("INCR {key}"), Level::DcQuorum);
    cluster.settle();
    cluster.held.clear();
    // The overwrite's answer reaches member 0 before the increment.
    let mut answers_first = last(|event| matches!(event, Event::Deliver(1, 0)));
    let set = cluster.submit(0, &format!("SET {key} v"), Level::DcQuorum);
    while cluster.step(&mut answers_first) {}
    assert_eq!(cluster.reply(set).as_deref(), Some("+OK\r\n"));
    assert_eq!(cluster.reply(counted).as_deref(), Some(":1\r\n"));
    assert_eq!(cluster.stored(0, &format!("GET {key}")), "$1\r\nv\r\n");
}

#[test]
fn what_others_complete_first_does_not_spoil_a_write_that_began_at_the_primary() {
    let (mut cluster, key) = cluster_and_key();
    // What the primary sends by itself is slower than its answers.
    let mut answers_first = last(|event| matches!(event, Event::Deliver(1, _)));
    let own = cluster.submit(1, &format!("SET {key} a"), Level::DcQuorum);
    let others = [0, 2].map(|member| cluster.submit(member, &format!("SET {key} b"), Level::DcQuorum));
    while cluster.step(&mut answers_first) {}
    for ticket in [own, others[0], others[1]] {
        assert_eq!(cluster.reply(ticket).as_deref(), Some("+OK\r\n"));
    }
    assert_eq!(cluster.stored_everywhere(&format!("GET {key}")), ["$1\r\nb\r\n"; 3]);
}

#[test]
fn a_copy_that_the_client_gave_up_on_gets_the_write_all_the_same() {
    // The primary's answer comes too late, or the other datastores are too slow.
    for slow_answer in [true, false] {
        let (mut cluster, key) = cluster_and_key();
        match slow_answer {
            true => _ = cluster.held_responses.insert((1, 0)),
            false => cluster.members[1..].iter_mut().for_each(|member| member.lane_is_frozen = true),
        }
        let ticket = cluster.submit(0, &format!("SET {key} v"), Level::DcQuorum);
        cluster.advance(TIMEOUT_MS + 20);
        let reply = cluster.reply(ticket).unwrap();
        assert!(reply.ends_with("the outcome is unknown\r\n"), "{reply}");
        cluster.held_responses.clear();
        cluster.members.iter_mut().for_each(|member| member.lane_is_frozen = false);
        cluster.settle();
        assert_eq!(cluster.stored_everywhere(&format!("GET {key}")), ["$1\r\nv\r\n"; 3], "{slow_answer}");
        cluster.advance(2 * TIMEOUT_MS);
        assert!(cluster.members.iter().all(|member| member.engine.in_flight() == 0));
    }
}

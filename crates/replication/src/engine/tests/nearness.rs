use dynomite_ring::DcIdx;

use super::cluster::Cluster;
use crate::{Engine, Level, Sequencing, SequencingRules};

/// What member `at` knows of member `of`.
fn tell(cluster: &mut Cluster, at: usize, of: usize, what: impl Fn(&mut Engine, dynomite_ring::NodeId)) {
    let id = cluster.members[of].id;
    what(&mut cluster.members[at].engine, id);
}

fn measured(cluster: &mut Cluster, at: usize, of: usize, micros: u64) {
    for _ in 0..50 {
        tell(cluster, at, of, |engine, node| engine.handle_latency(node, micros));
    }
}

/// Who was asked for something by member 0, in order.
fn asked(cluster: &Cluster) -> Vec<usize> {
    let events = cluster.log.iter();
    let to = events.filter_map(|event| event.strip_prefix("Deliver(0, ")?.strip_suffix(')')?.parse().ok());
    to.collect()
}

#[test]
fn reads_ask_the_own_rack_then_the_nearest_then_the_others() {
    let mut cluster = Cluster::racks(&[4]);
    cluster.run(1, "SET k v", Level::DcQuorum);
    cluster.settle();
    measured(&mut cluster, 0, 1, 9000);
    measured(&mut cluster, 0, 2, 800);
    measured(&mut cluster, 0, 3, 2500);
    let read_at = |cluster: &mut Cluster| {
        cluster.log.clear();
        assert_eq!(cluster.run(0, "GET k", Level::DcOne), "$1\r\nv\r\n");
        asked(cluster)
    };
    assert_eq!(read_at(&mut cluster), [], "the own rack");
    cluster.break_lane(0);
    assert_eq!(read_at(&mut cluster), [2], "the nearest of the others");
    cluster.break_lane(2);
    assert_eq!(read_at(&mut cluster), [2, 3]);
    measured(&mut cluster, 0, 2, 30_000);
    assert_eq!(read_at(&mut cluster), [3], "it has moved away");
}

#[test]
fn without_measurements_the_racks_follow_each_other() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.run(0, "SET k v", Level::DcQuorum);
    cluster.settle();
    cluster.break_lane(0);
    cluster.log.clear();
    cluster.run(0, "GET k", Level::DcOne);
    assert_eq!(asked(&cluster), [1]);
}

#[test]
fn a_node_with_a_dead_datastore_is_read_from_only_when_nobody_else_answers() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.run(0, "SET k v", Level::DcQuorum);
    cluster.settle();
    cluster.break_lane(0);
    tell(&mut cluster, 0, 1, Engine::handle_datastore_down);
    cluster.log.clear();
    assert_eq!(cluster.run(0, "GET k", Level::DcOne), "$1\r\nv\r\n");
    assert_eq!(asked(&cluster), [2]);
    cluster.kill(2);
    assert_eq!(cluster.run(0, "GET k", Level::DcOne), "$1\r\nv\r\n", "what it said may be outdated");
    assert_eq!(asked(&cluster), [2, 1]);
    cluster.revive(2);
    tell(&mut cluster, 0, 1, Engine::handle_datastore_up);
    cluster.log.clear();
    cluster.run(0, "GET k", Level::DcOne);
    assert_eq!(asked(&cluster), [1], "it is back");
}

#[test]
fn writes_go_round_a_primary_whose_datastore_is_dead() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(1);
    cluster.break_lane(1);
    for member in [0, 2] {
        tell(&mut cluster, member, 1, Engine::handle_datastore_down);
    }
    let ticket = cluster.submit(0, &format!("INCR {key}"), Level::DcQuorum);
    let first_asked = asked_first(&mut cluster);
    cluster.settle();
    assert_eq!(cluster.reply(ticket).as_deref(), Some(":1\r\n"));
    assert_eq!(first_asked, Some(2), "the rack that follows the primary's");
}

#[test]
fn a_dead_datastore_is_tried_all_the_same_when_no_other_replica_can_be_reached() {
    let home = Sequencing { home: Some(DcIdx(1)), ..Sequencing::default() };
    let mut cluster = Cluster::racks_with(&[2, 1], &SequencingRules::new([("cart".into(), home)]));
    tell(&mut cluster, 0, 2, Engine::handle_datastore_down);
    assert_eq!(cluster.run(0, "INCR cart", Level::DcOne), ":1\r\n");
}

#[test]
fn writes_still_go_to_a_node_whose_datastore_was_dead() {
    let mut cluster = Cluster::racks(&[3]);
    for member in [0, 1] {
        tell(&mut cluster, member, 2, Engine::handle_datastore_down);
    }
    cluster.run(0, "SET k v", Level::DcQuorum);
    cluster.run(1, "INCR n", Level::DcQuorum);
    cluster.settle();
    assert_eq!(cluster.stored(2, "GET k"), "$1\r\nv\r\n");
    assert_eq!(cluster.stored(2, "GET n"), "$1\r\n1\r\n");
}

#[test]
fn the_nearest_node_of_another_datacenter_takes_writes_for_it() {
    let mut cluster = Cluster::racks(&[3, 3]);
    for (far, micros) in [(3, 90_000), (4, 20_000), (5, 90_000)] {
        measured(&mut cluster, 0, far, micros);
    }
    let crossings = |cluster: &mut Cluster, line: &str| {
        cluster.log.clear();
        cluster.run(0, line, Level::DcQuorum);
        cluster.settle();
        asked(cluster).into_iter().filter(|to| *to >= 3).collect::<Vec<_>>()
    };
    assert_eq!(crossings(&mut cluster, "SET a v"), [4]);
    tell(&mut cluster, 0, 4, Engine::handle_datastore_down);
    assert_eq!(crossings(&mut cluster, "SET a v"), [3], "the counterpart, of two that are equally far");
    cluster.link_down(0, 3);
    cluster.link_down(0, 5);
    assert_eq!(crossings(&mut cluster, "SET a v"), [4], "better than nobody");
}

fn asked_first(cluster: &mut Cluster) -> Option<usize> {
    cluster.log.clear();
    let mut first = |ready: &[super::cluster::Event]| usize::from(ready.is_empty());
    while asked(cluster).is_empty() && cluster.step(&mut first) {}
    asked(cluster).first().copied()
}

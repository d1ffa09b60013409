//! Rings that change while the cluster serves (rule R23).

use std::sync::Arc;

use dynomite_ring::{HashKind, KeyHasher, Ring, Token};

use super::cluster::Cluster;
use crate::{Level, RingRefused, engine::Recovery};

const THIRD: u32 = u32::MAX / 3;

/// Rack 0 has the nodes a and b, the others one each. When a gives its first token away, b has half of all keys.
fn cluster() -> Cluster {
    let node = |rack: &str, name: &str, tokens: &[u32]| {
        let tokens = tokens.iter().copied().map(Token).collect();
        ("dc".to_owned(), rack.to_owned(), name.to_owned(), tokens)
    };
    Cluster::new(vec![
        node("r0", "a", &[THIRD, 2 * THIRD]),
        node("r0", "b", &[3 * THIRD]),
        node("r1", "c", &[0]),
        node("r2", "d", &[0]),
    ])
}

const MOVED: [(&str, &[u32]); 2] = [("a", &[2 * THIRD]), ("b", &[THIRD, 3 * THIRD])];

/// A key that goes from a to b, whose primary is `primary`.
fn key_that_moves(cluster: &Cluster, ring: &Ring, primary: usize) -> String {
    let owner = |ring: &Ring, token| ring.node(ring.replicas(token).all()[0]).name.clone();
    let moves = |key: &String| {
        let token = cluster.ring.token(key.as_bytes());
        owner(&cluster.ring, token) == "a"
            && owner(ring, token) == "b"
            && cluster.primary_of(key, 2) == primary
    };
    (0..).map(|number| format!("key{number}")).find(moves).unwrap()
}

#[test]
fn a_ring_that_cannot_be_taken_is_refused_and_changes_nothing() {
    let mut cluster = cluster();
    let ring = cluster.next_ring(&MOVED);
    let nodes = ring.nodes().to_vec();
    let built = |epoch, nodes, hash| Arc::new(Ring::build(KeyHasher::new(hash, None), epoch, nodes).unwrap());
    let slots = HashKind::RedisSlot;
    let too_late = built(3, nodes.clone(), slots);
    assert_eq!(cluster.hand(0, &too_late), Err(RingRefused::NotNext { epoch: 3, own: 1 }));
    let other_hash = built(2, nodes.clone(), HashKind::Murmur);
    assert_eq!(cluster.hand(0, &other_hash), Err(RingRefused::OtherHash));
    let without_a_rack = built(2, nodes[..3].to_vec(), slots);
    assert_eq!(cluster.hand(0, &without_a_rack), Err(RingRefused::OtherRacks));
    let two_seats = cluster.next_ring(&[("a", &[2 * THIRD, 3 * THIRD]), ("b", &[THIRD])]);
    assert_eq!(cluster.hand(0, &two_seats), Err(RingRefused::MovesTooMuch { count: 2 }));
    assert!(cluster.members.iter().all(|member| member.engine.ring_epoch() == 1));
    assert_eq!(cluster.hand(0, &ring), Ok(()));

    let one_rack = vec![
        ("dc0".to_owned(), "r".to_owned(), "a".to_owned(), vec![Token(1), Token(2)]),
        ("dc0".to_owned(), "r".to_owned(), "b".to_owned(), vec![Token(3)]),
        ("dc1".to_owned(), "r".to_owned(), "c".to_owned(), vec![Token(0)]),
    ];
    let mut cluster = Cluster::new(one_rack);
    let moved = cluster.next_ring(&[("a", &[2]), ("b", &[1, 3])]);
    assert_eq!(cluster.hand(2, &moved), Err(RingRefused::NobodyElse { dc: "dc0".to_owned() }));
}

#[test]
fn what_a_node_gains_is_rebuilt_from_the_others_before_it_counts() {
    let mut cluster = cluster();
    let ring = cluster.next_ring(&MOVED);
    let key = key_that_moves(&cluster, &ring, 2);
    assert_eq!(cluster.run(2, &format!("SET {key} 1"), Level::DcQuorum), "+OK\r\n");
    cluster.hand(1, &ring).unwrap();
    cluster.hand(2, &ring).unwrap();
    cluster.advance(200);
    assert!(!cluster.is_settled_in_ring(1), "one rack is no majority of the other two");
    cluster.hand_to_all(&ring);
    cluster.wait_for_rebuild();
    assert!(cluster.is_settled_in_ring(1));
    assert_eq!(cluster.stored(1, &format!("GET {key}")), "$1\r\n1\r\n");
    cluster.kill(3);
    assert_eq!(cluster.run(2, &format!("INCR {key}"), Level::DcQuorum), ":2\r\n", "it is one of two");
    assert_eq!(cluster.stored(1, &format!("GET {key}")), "$1\r\n2\r\n");
}

#[test]
fn a_request_by_a_newer_ring_waits_for_that_ring() {
    let mut cluster = cluster();
    let ring = cluster.next_ring(&MOVED);
    let key = key_that_moves(&cluster, &ring, 2);
    cluster.hand(2, &ring).unwrap();
    let ticket = cluster.submit(2, &format!("SET {key} 1"), Level::DcQuorum);
    cluster.settle();
    assert_eq!(cluster.reply(ticket), None);
    assert_eq!(cluster.members[3].engine.stats().requests_ahead, 1);
    cluster.hand(3, &ring).unwrap();
    cluster.settle();
    assert_eq!(cluster.reply(ticket).as_deref(), Some("+OK\r\n"));
}

#[test]
fn a_request_that_waits_in_vain_is_refused() {
    let mut cluster = cluster();
    let ring = cluster.next_ring(&MOVED);
    let key = key_that_moves(&cluster, &ring, 2);
    cluster.hand(2, &ring).unwrap();
    let reply = cluster.run(2, &format!("SET {key} 1"), Level::DcQuorum);
    assert!(reply.contains("the outcome is unknown"), "{reply}");
    cluster.advance(2000);
    assert!(cluster.members[3].engine.stats().requests_behind > 0);
    assert_eq!(cluster.stored(3, &format!("EXISTS {key}")), ":0\r\n");
}

#[test]
fn what_a_node_with_an_older_ring_has_under_way_waits_until_it_has_the_new_one() {
    for line in ["SET k 1", "INCR k", "GET k"] {
        for primary in [2, 3] {
            let mut cluster = cluster();
            let ring = cluster.next_ring(&MOVED);
            let key = key_that_moves(&cluster, &ring, primary);
            cluster.run(2, &format!("SET {key} 0"), Level::DcQuorum);
            for member in [0, 1, 2] {
                cluster.hand(member, &ring).unwrap();
            }
            let ticket = cluster.submit(3, &line.replace('k', &key), Level::DcQuorum);
            cluster.settle();
            assert_eq!(cluster.reply(ticket), None, "{line}, primary {primary}");
            cluster.hand(3, &ring).unwrap();
            cluster.settle();
            let reply = cluster.reply(ticket).unwrap_or_default();
            assert!(!reply.is_empty() && !reply.starts_with('-'), "{line}, primary {primary}: {reply}");
        }
    }
}

#[test]
fn a_write_that_had_counted_on_the_former_holder_does_not_any_more() {
    let mut cluster = cluster();
    let ring = cluster.next_ring(&MOVED);
    let key = key_that_moves(&cluster, &ring, 2);
    // Only a answers c; d hears of the write later, or never.
    cluster.held.insert((2, 3));
    cluster.members[2].lane_is_frozen = true;
    let ticket = cluster.submit(2, &format!("SET {key} 1"), Level::DcQuorum);
    cluster.settle();
    cluster.hand(2, &ring).unwrap();
    cluster.members[2].lane_is_frozen = false;
    cluster.settle();
    assert_eq!(cluster.reply(ticket), None, "a and c are no majority of b, c and d");
    cluster.held.clear();
    cluster.hand_to_all(&ring);
    cluster.settle();
    assert_eq!(cluster.reply(ticket).as_deref(), Some("+OK\r\n"));
}

#[test]
fn a_cleanup_removes_what_has_moved_away_and_nothing_else() {
    let mut cluster = cluster();
    let ring = cluster.next_ring(&MOVED);
    let key = key_that_moves(&cluster, &ring, 2);
    for number in 0..300 {
        cluster.run(2, &format!("SET key{number} 1"), Level::DcQuorum);
    }
    // A key without a record, and one of the node's own.
    cluster.stored(0, &format!("SET {{{key}}}stray 1"));
    cluster.stored(0, "SET own:1 1");
    cluster.hand_to_all(&ring);
    cluster.wait_for_rebuild();
    let is_own = |cluster: &Cluster, number: u32| {
        let token = cluster.ring.token(format!("key{number}").as_bytes());
        cluster.ring.node(cluster.ring.replicas(token).all()[0]).name == "a"
    };
    let own = (0..300).filter(|number| is_own(&cluster, *number)).count();
    let before = cluster.record_counts()[0];
    let status = cluster.clean_up(0);
    assert!(status.records_dropped > 20 && status.keys_deleted > status.records_dropped, "{status:?}");
    assert_eq!(cluster.record_counts()[0], before - status.records_dropped);
    assert_eq!(cluster.record_counts()[0], own as u64);
    for number in 0..300 {
        let there = cluster.stored(0, &format!("EXISTS key{number}"));
        assert_eq!(there == ":1\r\n", is_own(&cluster, number), "key{number}");
    }
    let [stray, reserved] = [format!("{{{key}}}stray"), "own:1".to_owned()]
        .map(|key| cluster.stored(0, &format!("EXISTS {key}")));
    assert_eq!([stray.as_str(), reserved.as_str()], [":0\r\n", ":1\r\n"]);
    assert_eq!(cluster.stored(1, &format!("GET {key}")), "$1\r\n1\r\n");
}

#[test]
fn a_node_that_starts_with_the_ring_after_its_logs_has_gained_what_that_gives_it() {
    let mut cluster = cluster();
    let same = cluster.next_ring(&[]);
    cluster.hand_to_all(&same);
    let ring = cluster.next_ring(&MOVED);
    let key = key_that_moves(&cluster, &ring, 2);
    cluster.run(2, &format!("SET {key} 1"), Level::DcQuorum);
    cluster.members[1].is_frozen = true;
    for member in [0, 2, 3] {
        cluster.hand(member, &ring).unwrap();
    }
    cluster.ring = Arc::clone(&ring);
    cluster.restart_with(1, Recovery::Log);
    assert!(!cluster.is_settled_in_ring(1));
    cluster.wait_for_rebuild();
    assert_eq!(cluster.stored(1, &format!("GET {key}")), "$1\r\n1\r\n");
    // The same ring once more: nothing is lost.
    cluster.restart_with(1, Recovery::Log);
    assert!(cluster.is_settled_in_ring(1));
}

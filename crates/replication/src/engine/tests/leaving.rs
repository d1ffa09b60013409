use dynomite_ring::DcIdx;

use super::cluster::Cluster;
use crate::{HintTarget, Level};

/// Hints are replayed within this time, when nothing is held up.
const SOON_MS: u64 = 10_000;
const WRITES: [&str; 2] = ["SET k 1", "INCR k"];

/// Runs a write whose key's primary is member 0 while some links are held, through a member that is then stopped in an
/// orderly way and started again; what all members hold some time later.
fn after_a_stop(dcs: &[usize], write: &str, held: &[(usize, usize)], stopped: usize) -> Vec<String> {
    let mut cluster = Cluster::racks(dcs);
    let key = cluster.key_of(0);
    cluster.held.extend(held);
    cluster.submit(0, &write.replace('k', &key), Level::DcQuorum);
    cluster.settle();
    cluster.stop_and_start(stopped);
    cluster.held.clear();
    cluster.advance(SOON_MS);
    assert_eq!(cluster.members[stopped].engine.stats().hints_pending, 0, "{write}");
    cluster.stored_everywhere(&format!("GET {key}"))
}

#[test]
fn a_datacenter_that_had_not_answered_gets_the_write_after_a_stop() {
    for write in WRITES {
        let stored = after_a_stop(&[3, 3], write, &[(0, 3), (0, 4), (0, 5)], 0);
        assert_eq!(stored, ["$1\r\n1\r\n"; 6], "{write}");
    }
}

#[test]
fn a_rack_that_had_not_answered_gets_the_write_after_a_stop() {
    for write in WRITES {
        assert_eq!(after_a_stop(&[3], write, &[(0, 2)], 0), ["$1\r\n1\r\n"; 3], "{write}");
    }
}

#[test]
fn a_write_that_nobody_else_had_yet_goes_everywhere_after_a_stop() {
    let all: Vec<(usize, usize)> = (1..6).map(|other| (0, other)).collect();
    for write in WRITES {
        assert_eq!(after_a_stop(&[3, 3], write, &all, 0), ["$1\r\n1\r\n"; 6], "{write}");
    }
}

#[test]
fn a_forwarder_hands_on_after_a_stop_what_it_has_taken() {
    for write in WRITES {
        assert_eq!(after_a_stop(&[3, 3], write, &[(3, 5)], 3), ["$1\r\n1\r\n"; 6], "{write}");
    }
}

#[test]
fn a_state_that_waits_for_an_earlier_one_leaves_after_a_stop() {
    let mut cluster = Cluster::racks(&[3, 3]);
    let key = cluster.key_of(0);
    // Nobody in the other datacenter answers the first, and the second is not sent before that.
    cluster.held.extend((3..6).map(|other| (other, 0)));
    for _ in 0..2 {
        cluster.run(0, &format!("INCR {key}"), Level::DcQuorum);
    }
    cluster.stop_and_start(0);
    cluster.held.clear();
    cluster.advance(SOON_MS);
    assert_eq!(cluster.stored_everywhere(&format!("GET {key}")), ["$1\r\n2\r\n"; 6]);
}

#[test]
fn a_datacenter_is_noted_for_a_state_that_is_being_read() {
    let mut cluster = Cluster::racks(&[3, 3]);
    let key = cluster.key_of(0);
    cluster.held_responses.extend([(1, 0), (2, 0)]);
    cluster.submit(0, &format!("INCR {key}"), Level::DcQuorum);
    cluster.settle();
    cluster.members[0].lane_is_frozen = true;
    cluster.held_responses.clear();
    cluster.settle();
    let now = cluster.now(0);
    let engine = &mut cluster.members[0].engine;
    assert_eq!(engine.in_flight(), 1, "all racks have it, only that is under way");
    engine.handle_stop(now);
    assert!(engine.hints.contains(HintTarget::Dc(DcIdx(1)), key.as_bytes()));
}

#[test]
fn a_client_s_node_that_its_primary_counts_on_gets_the_write_after_a_stop() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(0);
    cluster.held_responses.insert((0, 1));
    cluster.submit(1, &format!("SET {key} v"), Level::DcQuorum);
    cluster.settle();
    assert_eq!(cluster.stored_everywhere(&format!("GET {key}")), ["$1\r\nv\r\n", "$-1\r\n", "$1\r\nv\r\n"]);
    cluster.stop_and_start(1);
    cluster.held_responses.clear();
    cluster.advance(SOON_MS);
    assert_eq!(cluster.stored_everywhere(&format!("GET {key}")), ["$1\r\nv\r\n"; 3]);
}

#[test]
fn what_was_to_be_healed_is_healed_after_a_stop() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.run(0, "SET k v", Level::DcQuorum);
    cluster.forget(1, "k");
    assert_eq!(cluster.run(1, "GET k", Level::DcQuorum), "$1\r\nv\r\n");
    cluster.stop_and_start(1);
    cluster.advance(SOON_MS);
    assert_eq!(cluster.stored(1, "GET k"), "$1\r\nv\r\n");
}

#[test]
fn a_stop_with_nothing_under_way_leaves_no_hints() {
    let mut cluster = Cluster::racks(&[3, 3]);
    for write in WRITES {
        cluster.run(0, write, Level::DcQuorum);
    }
    cluster.advance(100);
    for member in 0..6 {
        let now = cluster.now(member);
        cluster.members[member].engine.handle_stop(now);
        assert_eq!(cluster.members[member].engine.stats().hints_pending, 0, "member {member}");
    }
}

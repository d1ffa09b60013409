use super::cluster::Cluster;
use crate::{Level, RepairBusy, RepairPhase, RepairRequest};

/// Keys that the second member has lost.
fn with_differences(keys: usize) -> Cluster {
    let mut cluster = Cluster::racks(&[3]);
    (0..keys).for_each(|n| drop(cluster.run(0, &format!("SET key{n} {n}"), Level::DcQuorum)));
    cluster.settle();
    (0..keys).for_each(|n| cluster.forget(1, &format!("key{n}")));
    cluster.advance(20_000);
    cluster
}

#[test]
fn a_round_that_was_stopped_makes_room_for_another_which_takes_none_of_its_answers() {
    // However far it has come, and whatever it has asked by then.
    for ms in [10, 20, 30, 40, 50, 60, 90] {
        let mut cluster = with_differences(30);
        let now = cluster.now(0);
        cluster.members[0].engine.start_repair(now, RepairRequest::default()).unwrap();
        cluster.held_responses.insert((1, 0));
        cluster.advance(ms);
        let now = cluster.now(0);
        let engine = &mut cluster.members[0].engine;
        assert_eq!(engine.start_repair(now, RepairRequest::default()), Err(RepairBusy));
        assert!(engine.stop_repair() && !engine.stop_repair());
        assert_eq!(engine.repair_status().phase, RepairPhase::Idle);
        engine.start_repair(now, RepairRequest::default()).unwrap();
        cluster.advance(ms);
        cluster.held_responses.clear();
        while cluster.members[0].engine.repair_status().phase != RepairPhase::Idle {
            cluster.advance(10);
        }
        let status = cluster.members[0].engine.repair_status();
        assert_eq!((status.buckets_done, status.buckets_total), (8192, 8192), "after {ms} ms");
        assert_eq!((status.keys_failed, status.peers_failed), (0, 0), "{status:?}");
        assert_eq!(cluster.repair(0).keys_differing, 0, "after {ms} ms");
    }
}

#[test]
fn what_rounds_did_is_summed_over_them() {
    let mut cluster = with_differences(30);
    let first = cluster.repair(0);
    let second = cluster.repair(0);
    assert!(first.keys_differing >= 30 && second.keys_differing == 0, "{first:?} {second:?}");
    let stats = cluster.members[0].engine.stats();
    assert_eq!(stats.buckets_compared, first.buckets_done + second.buckets_done);
    assert_eq!(stats.keys_compared, first.keys_compared + second.keys_compared);
    assert_eq!((stats.keys_differing, stats.keys_healed), (first.keys_differing, first.keys_healed));
    assert_eq!(stats.keys_unhealed, 0);
}

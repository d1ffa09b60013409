use super::cluster::{Cluster, TIMEOUT_MS};
use crate::{Level, Mark, Record, engine::Recovery, records::Claim};

/// Two rounds: what the first has settled, the second meets and drops.
fn forget(cluster: &mut Cluster) {
    cluster.repair_all();
    cluster.repair_all();
}

fn quorum(cluster: &mut Cluster, member: usize, line: &str) -> String {
    cluster.run(member, line, Level::DcQuorum)
}

/// What was written so far settles, and everybody is told.
fn settle_by(cluster: &mut Cluster, member: usize) {
    (0..2).for_each(|_| {
        assert_eq!(cluster.repair(member).buckets_settled, 4096);
        cluster.advance(20_000);
    });
}

#[test]
fn the_records_of_deleted_and_expired_keys_are_forgotten_and_no_others() {
    for dcs in [&[3][..], &[3, 3], &[1, 1]] {
        let mut cluster = Cluster::racks(dcs);
        for n in 0..20 {
            quorum(&mut cluster, 0, &format!("SET deleted{n} v"));
            quorum(&mut cluster, 0, &format!("SET expired{n} v PX 1500"));
            quorum(&mut cluster, 0, &format!("SET kept{n} v EX 100000"));
            quorum(&mut cluster, 0, &format!("RPUSH list{n} a"));
            quorum(&mut cluster, 0, &format!("RPUSH emptied{n} a"));
            quorum(&mut cluster, 0, &format!("RPUSH expiring{n} a"));
            quorum(&mut cluster, 0, &format!("DEL deleted{n}"));
            quorum(&mut cluster, 0, &format!("LPOP emptied{n}"));
            quorum(&mut cluster, 0, &format!("PEXPIRE expiring{n} 2000"));
        }
        cluster.settle();
        assert!(cluster.record_counts().iter().all(|count| *count == 120), "{:?}", cluster.record_counts());
        forget(&mut cluster);
        forget(&mut cluster);
        assert!(
            cluster.record_counts().iter().all(|count| *count == 40),
            "{dcs:?}: {:?}",
            cluster.record_counts()
        );
        for key in ["deleted3", "expired3", "emptied3", "expiring3"] {
            assert!(cluster.records_of(key).iter().all(Record::is_blank), "{key}");
        }
        for line in ["GET kept3", "LRANGE list3 0 -1"] {
            let stored = cluster.stored_everywhere(line);
            assert!(stored.iter().all(|value| *value == stored[0] && value.len() > 5), "{line}: {stored:?}");
        }
    }
}

#[test]
fn eviction_does_not_resurrect() {
    let mut cluster = Cluster::racks(&[3]);
    quorum(&mut cluster, 0, "SET k old");
    cluster.settle();
    // A deletion that one replica does not hear of.
    cluster.kill(2);
    quorum(&mut cluster, 0, "DEL k");
    cluster.advance(20_000);
    (0..2).for_each(|member| assert_eq!(cluster.repair(member).peers_failed, 1));
    cluster.advance(20_000);
    (0..2).for_each(|member| assert_eq!(cluster.repair(member).peers_failed, 1));
    assert!(!cluster.records_of("k")[0].is_blank(), "not all replicas have confirmed");
    cluster.members[2].is_frozen = false;
    [(0, 2), (1, 2)].into_iter().for_each(|(a, b)| cluster.link_up(a, b));
    forget(&mut cluster);
    assert_eq!(cluster.stored_everywhere("GET k"), ["$-1\r\n"; 3]);
    assert_eq!(cluster.record_counts(), [0; 3]);
}

/// A write of node 0 on its way to node 2, older than a deletion that all have, and that is forgotten.
fn late(cluster: &mut Cluster, line: &str) {
    cluster.held.insert((0, 2));
    cluster.submit(0, line, Level::DcOne);
    cluster.settle();
    cluster.advance(50);
    // Node 1 is in nobody's way.
    assert_eq!(cluster.run(1, "DEL k", Level::DcOne), ":1\r\n");
    cluster.advance(20_000);
    for _ in 0..2 {
        assert_eq!(cluster.repair(1).buckets_settled, 4096);
        cluster.advance(20_000);
    }
    assert!(cluster.records_of("k").iter().all(Record::is_blank));
}

#[test]
fn a_late_overwrite_does_not_bring_a_forgotten_key_back() {
    let mut cluster = Cluster::racks(&[3]);
    late(&mut cluster, "SET k old");
    cluster.held.clear();
    cluster.settle();
    assert_eq!(cluster.stored(2, "GET k"), "$-1\r\n");
}

#[test]
fn a_late_forward_does_not_bring_a_forgotten_key_back() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(0);
    cluster.held.insert((0, 2));
    quorum(&mut cluster, 0, &format!("INCR {key}"));
    cluster.advance(50);
    assert_eq!(cluster.run(1, &format!("DEL {key}"), Level::DcOne), ":1\r\n");
    cluster.advance(20_000);
    settle_by(&mut cluster, 1);
    cluster.held.clear();
    cluster.settle();
    assert_eq!(
        cluster.stored(2, &format!("GET {key}")),
        "$-1\r\n",
        "it follows on nothing, as a new key's first write does"
    );
    forget(&mut cluster);
    assert_eq!(cluster.stored_everywhere(&format!("GET {key}")), ["$-1\r\n"; 3]);
}

#[test]
fn a_late_push_does_not_bring_a_forgotten_key_back() {
    let mut cluster = Cluster::racks(&[3]);
    quorum(&mut cluster, 0, "SET k old");
    cluster.settle();
    cluster.forget(2, "k");
    // A heal by node 0 has read the state, and its push stays under way.
    let mut held = false;
    cluster.heal(0, "k");
    let mut until_push = |cluster: &mut Cluster| {
        while cluster.step(&mut |ready: &[super::cluster::Event]| usize::from(ready.is_empty())) {
            if !held && cluster.has_push(0, 2) {
                held = true;
                cluster.held.insert((0, 2));
            }
        }
    };
    until_push(&mut cluster);
    assert!(held && cluster.stored(2, "GET k") == "$-1\r\n");
    cluster.advance(50);
    assert_eq!(cluster.run(1, "DEL k", Level::DcOne), ":1\r\n");
    cluster.advance(20_000);
    settle_by(&mut cluster, 1);
    cluster.held.clear();
    cluster.settle();
    assert_eq!(cluster.stored(2, "GET k"), "$-1\r\n");
}

#[test]
fn a_late_import_does_not_bring_a_forgotten_key_back() {
    let mut cluster = Cluster::racks(&[1, 1, 1]);
    cluster.held.insert((0, 2));
    cluster.run(0, "RPUSH k a", Level::DcQuorum);
    cluster.advance(50);
    assert_eq!(cluster.run(1, "DEL k", Level::DcQuorum), ":1\r\n");
    cluster.advance(20_000);
    settle_by(&mut cluster, 1);
    cluster.held.clear();
    cluster.settle();
    assert_eq!(cluster.stored_everywhere("LLEN k"), [":0\r\n"; 3]);
}

#[test]
fn what_is_written_up_to_a_census_is_refused_from_then_on_over_restarts_too() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.keep_no_hints();
    cluster.held.extend([(0, 1), (0, 2)]);
    let ticket = cluster.submit(0, "SET new v", Level::DcQuorum);
    cluster.advance(TIMEOUT_MS + 20);
    assert!(cluster.reply(ticket).unwrap().ends_with("the outcome is unknown\r\n"));
    cluster.held.remove(&(0, 1));
    cluster.held.insert((0, 1));
    cluster.advance(20_000);
    // Node 1 compares with node 2 only; the late write is under way to both.
    cluster.repair(1);
    let floor = cluster.floor(1);
    assert!(floor > Mark::NEVER && cluster.floor(2) == floor);
    cluster.restart_with(2, Recovery::Log);
    assert_eq!(cluster.floor(2), floor);
    cluster.held.clear();
    cluster.settle();
    assert_eq!(cluster.stored(1, "GET new"), "$-1\r\n");
    assert_eq!(cluster.members[1].engine.stats().overwrites_too_late, 1);
    // The round that finds it brings it to them.
    cluster.repair_all();
    assert_eq!(cluster.stored_everywhere("GET new"), ["$1\r\nv\r\n"; 3]);
}

#[test]
fn a_write_that_is_refused_for_being_late_is_no_acknowledgement() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(0);
    quorum(&mut cluster, 0, &format!("SET {key} first"));
    cluster.advance(20_000);
    cluster.repair(1);
    // Its clock is so far behind that what it stamps is before the mark, but for what it has heard.
    cluster.restart_with(0, Recovery::LogLost);
    cluster.wait_for_rebuild();
    let reply = quorum(&mut cluster, 0, &format!("SET {key} second"));
    assert_eq!(reply, "+OK\r\n");
    assert_eq!(cluster.stored_everywhere(&format!("GET {key}")), ["$6\r\nsecond\r\n"; 3]);
}

#[test]
fn a_forgotten_key_begins_anew_without_a_claim() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(0);
    (0..5).for_each(|_| drop(quorum(&mut cluster, 1, &format!("INCR {key}"))));
    quorum(&mut cluster, 1, &format!("GETDEL {key}"));
    cluster.settle();
    forget(&mut cluster);
    forget(&mut cluster);
    assert_eq!(cluster.record_counts(), [0; 3]);
    assert_eq!(quorum(&mut cluster, 2, &format!("INCR {key}")), ":1\r\n");
    assert_eq!(quorum(&mut cluster, 1, &format!("INCR {key}")), ":2\r\n");
    cluster.settle();
    let records = cluster.records_of(&key);
    assert!(records.iter().all(|record| *record == records[0] && record.base.is_mark() && record.ops == 2));
    let stats = cluster.members.iter().map(|member| member.engine.stats());
    assert_eq!(
        stats.map(|stats| stats.claims + stats.pushes).sum::<u64>(),
        0,
        "nobody had to be asked or helped"
    );
}

/// Has member 1 settle, but lets only some hear of it.
fn settle_at(cluster: &mut Cluster, told: &[usize]) {
    cluster.advance(20_000);
    let now = cluster.now(1);
    cluster.members[1].engine.start_repair(now, crate::RepairRequest::default()).unwrap();
    while cluster.members[1].engine.repair_status().phase != crate::RepairPhase::Settling {
        cluster.advance(10);
    }
    // Its word is under way.
    let untold = (0..3).filter(|other| *other != 1 && !told.contains(other));
    cluster.held.extend(untold.map(|other| (1, other)));
    cluster.advance(20);
    cluster.held.clear();
    (0..3)
        .filter(|other| *other != 1 && !told.contains(other))
        .for_each(|other| cluster.drop_requests(1, other));
    cluster.advance(TIMEOUT_MS + 50);
}

#[test]
fn where_only_some_were_told_no_acknowledged_write_is_lost() {
    for told in [&[][..], &[0], &[2], &[0, 2]] {
        for owner in 0..3 {
            for missing in 0..3 {
                for line in ["INCR", "SET"] {
                    let mut cluster = Cluster::racks(&[3]);
                    let key = cluster.key_of(owner);
                    quorum(&mut cluster, 0, &format!("SET {key} 41"));
                    quorum(&mut cluster, 0, &format!("DEL {key}"));
                    cluster.settle();
                    settle_at(&mut cluster, told);
                    // One does not hear of the write, and is then part of every quorum that the others are in.
                    let gone = (missing + 1) % 3;
                    let via = (0..3).find(|member| *member != missing).unwrap();
                    let others = || (0..3).filter(|other| *other != missing);
                    others().for_each(|other| cluster.cut(other, missing));
                    let write = if line == "SET" { format!("SET {key} 1") } else { format!("INCR {key}") };
                    let reply = quorum(&mut cluster, via, &write);
                    let context = format!("told {told:?}, owner {owner}, without {missing}, {line}");
                    assert!(!reply.starts_with('-'), "{context}: {reply}");
                    others().for_each(|other| cluster.join(other, missing));
                    cluster.advance(50);
                    cluster.kill(gone);
                    assert_eq!(
                        quorum(&mut cluster, missing, &format!("GET {key}")),
                        "$1\r\n1\r\n",
                        "{context}"
                    );
                    cluster.heal(missing, &key);
                    cluster.advance(200);
                    assert_eq!(cluster.stored(missing, &format!("GET {key}")), "$1\r\n1\r\n", "{context}");
                    let next = quorum(&mut cluster, missing, &format!("INCR {key}"));
                    assert_eq!(next, ":2\r\n", "{context}");
                }
            }
        }
    }
}

#[test]
fn a_copy_that_was_rebuilt_since_some_were_told_is_forgotten_too() {
    let mut cluster = Cluster::racks(&[3]);
    quorum(&mut cluster, 0, "SET k v");
    quorum(&mut cluster, 0, "DEL k");
    cluster.settle();
    settle_at(&mut cluster, &[0]);
    assert!(cluster.entry(0, "k").record.is_blank() && !cluster.entry(2, "k").record.is_blank());
    cluster.lose_data(2);
    cluster.wait_for_rebuild();
    let known_from = |cluster: &mut Cluster, member| cluster.entry(member, "k").absent_from;
    assert!(known_from(&mut cluster, 2) > known_from(&mut cluster, 1), "it knows it for a shorter time");
    (0..3).for_each(|_| drop(cluster.repair_all()));
    assert_eq!(cluster.record_counts(), [0; 3]);
}

/// A write of node 0 on its way to the datacenter of the others, where it was deleted meanwhile and forgotten, and then one
/// of them lost all it had. What that one has after the write has come.
fn arrives_after_a_loss(line: &str) -> Option<String> {
    // Which of them gets it first is the ring's choice.
    let forwarder = (1..4).find(|forwarder| {
        let mut cluster = Cluster::racks(&[1, 3]);
        cluster.held.insert((0, *forwarder));
        cluster.run(0, line, Level::DcOne);
        cluster.stored(1, "EXISTS k") == ":0\r\n"
    })?;
    let (others, mut cluster) = ([1, 2, 3].map(|member| member % 3 + 1), Cluster::racks(&[1, 3]));
    let (comparing, losing) = (others[forwarder - 1], others[others[forwarder - 1] - 1]);
    cluster.held.insert((0, forwarder));
    cluster.run(0, line, Level::DcOne);
    cluster.advance(50);
    assert_eq!(cluster.run(comparing, "DEL k", Level::DcOne), ":0\r\n");
    cluster.advance(20_000);
    for _ in 0..2 {
        assert_eq!(cluster.repair(comparing).buckets_settled, 4096);
        cluster.advance(20_000);
    }
    assert!(cluster.records_of("k")[1..].iter().all(Record::is_blank));
    cluster.lose_all(losing);
    cluster.wait_for_rebuild();
    cluster.held.clear();
    cluster.settle();
    Some(cluster.stored(losing, "EXISTS k"))
}

#[test]
fn a_late_overwrite_does_not_bring_a_key_back_where_all_was_lost_since() {
    assert_eq!(arrives_after_a_loss("SET k old"), Some(":0\r\n".into()));
}

#[test]
fn a_late_import_does_not_bring_a_key_back_where_all_was_lost_since() {
    assert_eq!(arrives_after_a_loss("RPUSH k old"), Some(":0\r\n".into()));
}

#[test]
fn a_key_that_no_datacenter_can_send_is_not_lost_for_ever() {
    let mut cluster = Cluster::racks(&[2, 1]);
    cluster.configure(|config| config.repair.rebuild_wait_ms = 10_000);
    quorum(&mut cluster, 0, "SET k v");
    quorum(&mut cluster, 0, "DEL k");
    cluster.settle();
    // What a majority of the other datacenter knows of it, only one replica there still says.
    settle_at(&mut cluster, &[0]);
    cluster.lose_data(2);
    cluster.wait_for_rebuild();
    assert!(cluster.entry(2, "k").trust.is_trusted());
}

#[test]
fn a_promise_outlives_the_record_by_a_mark() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(0);
    quorum(&mut cluster, 1, &format!("INCR {key}"));
    // Without its primary the key is claimed by another rack, and then deleted.
    cluster.kill(0);
    assert_eq!(quorum(&mut cluster, 1, &format!("INCR {key}")), ":2\r\n");
    cluster.members[0].is_frozen = false;
    [1, 2].into_iter().for_each(|other| {
        cluster.link_up(other, 0);
        cluster.link_up(0, other);
    });
    cluster.advance(1000);
    quorum(&mut cluster, 1, &format!("INCR {key}"));
    quorum(&mut cluster, 1, &format!("DEL {key}"));
    cluster.settle();
    let claimant =
        (1..3).find(|member| matches!(cluster.entry(*member, &key).claim, Claim::Term(_))).unwrap();
    cluster.repair_all();
    let entry = cluster.entry(claimant, &key);
    assert!(!entry.record.is_blank() && !entry.promised.is_zero() && entry.claim == Claim::Void, "{entry:?}");
    let claims =
        |cluster: &Cluster| cluster.members.iter().map(|member| member.engine.stats().claims).sum::<u64>();
    let before = claims(&cluster);
    // A minute later than all have confirmed, whatever their clocks show.
    cluster.advance(70_000);
    forget(&mut cluster);
    forget(&mut cluster);
    assert_eq!(cluster.record_counts(), [0; 3]);
    assert_eq!(quorum(&mut cluster, 1, &format!("INCR {key}")), ":1\r\n");
    cluster.settle();
    assert_eq!(
        (claims(&cluster), cluster.entry(0, &key).record.ops),
        (before, 1),
        "its primary has it again"
    );
}

#[test]
fn a_claimant_whose_key_was_deleted_claims_again() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(0);
    cluster.kill(0);
    assert_eq!(quorum(&mut cluster, 1, &format!("INCR {key}")), ":1\r\n");
    quorum(&mut cluster, 1, &format!("DEL {key}"));
    cluster.members[0].is_frozen = false;
    [1, 2].into_iter().for_each(|other| {
        cluster.link_up(other, 0);
        cluster.link_up(0, other);
    });
    forget(&mut cluster);
    cluster.kill(0);
    let claims = cluster.members[1].engine.stats().claims + cluster.members[2].engine.stats().claims;
    assert_eq!(quorum(&mut cluster, 1, &format!("INCR {key}")), ":1\r\n");
    let after = cluster.members[1].engine.stats().claims + cluster.members[2].engine.stats().claims;
    assert_eq!(after, claims + 1, "the old claim is void");
}

#[test]
fn what_was_told_is_known_after_a_restart() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(1);
    quorum(&mut cluster, 0, &format!("SET {key} v"));
    quorum(&mut cluster, 0, &format!("DEL {key}"));
    cluster.settle();
    forget(&mut cluster);
    assert_eq!(cluster.record_counts(), [0; 3]);
    let before = cluster.records_of(&key);
    (0..3).for_each(|member| cluster.restart_with(member, Recovery::Log));
    assert_eq!(cluster.records_of(&key), before);
    assert!(before.iter().all(|record| !record.base.is_zero()));
    assert_eq!(quorum(&mut cluster, 0, &format!("INCR {key}")), ":1\r\n");
}

#[test]
fn a_key_that_one_datastore_lost_by_itself_is_not_forgotten() {
    let mut cluster = Cluster::racks(&[3]);
    let list = cluster.key_of(0);
    quorum(&mut cluster, 0, &format!("RPUSH {list} a b"));
    quorum(&mut cluster, 0, &format!("LPOP {list}"));
    quorum(&mut cluster, 0, "SET k v");
    cluster.settle();
    // As an eviction does.
    cluster.stored(1, &format!("DEL {list}"));
    cluster.stored(1, "DEL k");
    forget(&mut cluster);
    forget(&mut cluster);
    assert_eq!(cluster.record_counts(), [2; 3]);
    let status = cluster.repair_all();
    assert!(status.iter().all(|status| status.buckets_settled == 4096), "it holds nobody up: {status:?}");
    assert_eq!(quorum(&mut cluster, 1, &format!("RPUSH {list} c")), ":2\r\n");
}

#[test]
fn short_lived_keys_leave_no_records_behind() {
    for dcs in [&[3][..], &[2, 2]] {
        let mut cluster = Cluster::racks(dcs);
        cluster.configure(|config| config.repair.compare_interval_ms = 30_000);
        for n in 0..50 {
            quorum(&mut cluster, 0, &format!("SET live{n} v"));
        }
        let mut most = 0;
        let mut written = 0;
        let members = cluster.members.len();
        for step in 0..600 {
            for _ in 0..5 {
                let (key, via) = (format!("key{written}"), written % members);
                match written % 4 {
                    0 => drop(quorum(&mut cluster, via, &format!("SET {key} v PX 1000"))),
                    1 => {
                        quorum(&mut cluster, via, &format!("SET {key} v"));
                        quorum(&mut cluster, via, &format!("DEL {key}"));
                    }
                    2 => {
                        quorum(&mut cluster, via, &format!("RPUSH {key} a"));
                        quorum(&mut cluster, via, &format!("LPOP {key}"));
                    }
                    _ => {
                        quorum(&mut cluster, via, &format!("INCR {key}"));
                        quorum(&mut cluster, via, &format!("PEXPIRE {key} 500"));
                    }
                }
                written += 1;
            }
            cluster.advance(500);
            if step > 250 {
                most = most.max(*cluster.record_counts().iter().max().unwrap());
            }
        }
        assert!(most < 2000, "{dcs:?}: {most} of {written} keys");
        cluster.advance(150_000);
        assert!(
            cluster.record_counts().iter().all(|count| *count <= 50),
            "{dcs:?}: {:?}",
            cluster.record_counts()
        );
        let forgotten = cluster.members.iter().map(|member| member.engine.stats().records_forgotten);
        assert!(forgotten.min().unwrap() > 2900);
        let heals = cluster.members.iter().map(|member| member.engine.stats().heals_failed).sum::<u64>();
        assert_eq!(heals, 0);
    }
}

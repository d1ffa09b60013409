//! Who missed writes catches up by itself, with nobody acting.

use dynomite_ring::{DcIdx, Token};

use super::cluster::{Cluster, Event, HINT_WINDOW_MS, TIMEOUT_MS};
use crate::{Bucket, HintTarget, Level, Stats};

/// Enough for hints that are due to be replayed, pauses between attempts included.
const SOON_MS: u64 = 4000;

/// Writes of every class on keys that end with `n`.
fn lines(n: usize) -> Vec<String> {
    [
        "SET s",
        "SETEX e",
        "DEL gone",
        "INCR c",
        "APPEND s",
        "SET nx",
        "SETBIT b",
        "RPUSH l",
        "HSET h",
        "SADD set",
        "SPOP set",
        "ZADD z",
        "INCRBYFLOAT f",
        "HINCRBYFLOAT h",
        "EXPIRE h",
        "GETDEL taken",
    ]
    .iter()
    .zip([
        "value",
        "1000 value",
        "",
        "",
        "more",
        "v NX",
        "9 1",
        "a b",
        "f 1",
        "a b c",
        "",
        "1 m",
        "0.5",
        "f 0.5",
        "1000",
        "",
    ])
    .map(|(start, rest)| format!("{start}:{n} {rest}").trim_end().to_owned())
    .collect()
}

const KEYS: [&str; 12] = ["s", "e", "gone", "c", "nx", "b", "l", "h", "set", "z", "f", "taken"];

/// Writes of all classes at both levels, through each of `members` in turn; all succeed.
fn write_all(cluster: &mut Cluster, members: &[usize], numbers: std::ops::Range<usize>) {
    for n in numbers {
        for line in lines(n) {
            let level = if n % 2 == 0 { Level::DcQuorum } else { Level::DcOne };
            let reply = cluster.run(members[n / 2 % members.len()], &line, level);
            assert!(!reply.starts_with('-'), "{line}: {reply}");
        }
    }
}

/// Something there was that is deleted later.
fn write_before(cluster: &mut Cluster, numbers: std::ops::Range<usize>) {
    for n in numbers {
        for key in ["gone", "taken", "s"] {
            cluster.run(0, &format!("SET {key}:{n} before"), Level::DcQuorum);
        }
    }
    cluster.advance(100);
}

/// How many keys do not hold the same everywhere.
fn differing(cluster: &mut Cluster, numbers: std::ops::Range<usize>) -> usize {
    let keys = numbers.flat_map(|n| KEYS.map(|key| format!("{key}:{n}")));
    keys.filter(|key| {
        let stored = cluster.stored_everywhere(&format!("DUMP {key}"));
        let expiries = cluster.stored_everywhere(&format!("PEXPIRETIME {key}"));
        stored.iter().any(|state| *state != stored[0]) || expiries.iter().any(|at| *at != expiries[0])
    })
    .count()
}

fn sum(cluster: &Cluster, of: impl Fn(Stats) -> u64) -> u64 {
    cluster.members.iter().map(|member| of(member.engine.stats())).sum()
}

fn assert_all_is_handed_over(cluster: &Cluster) {
    for member in &cluster.members {
        let stats = member.engine.stats();
        assert_eq!((stats.hints_pending, stats.hint_bytes), (0, 0), "{}: {stats:?}", member.name);
        assert_eq!(member.engine.next_deadline(), None, "{}", member.name);
        assert!(member.hint_log.is_empty(), "{}: {:?}", member.name, member.hint_log);
    }
}

fn node(cluster: &Cluster, member: usize) -> HintTarget {
    HintTarget::Node(cluster.members[member].id)
}

#[test]
fn a_rack_that_was_away_catches_up() {
    let mut cluster = Cluster::racks(&[3]);
    write_before(&mut cluster, 0..8);
    cluster.kill(2);
    write_all(&mut cluster, &[0, 1], 0..8);
    cluster.advance(TIMEOUT_MS + 100);
    assert!(differing(&mut cluster, 0..8) >= 8 * 8);
    cluster.revive(2);
    cluster.advance(SOON_MS);
    assert_eq!(differing(&mut cluster, 0..8), 0);
    assert_all_is_handed_over(&cluster);
    assert!(sum(&cluster, |stats| stats.hints_replayed) >= 8 * 8);
}

#[test]
fn an_overwrite_that_everybody_applied_makes_hints_on_its_key_needless() {
    const KEYS: usize = 200;
    let mut cluster = Cluster::racks(&[3]);
    cluster.kill(2);
    for n in 0..KEYS {
        cluster.run(0, &format!("SET s:{n} missed"), Level::DcQuorum);
    }
    cluster.advance(TIMEOUT_MS + 100);
    assert_eq!(sum(&cluster, |stats| stats.hints_pending), KEYS as u64);
    cluster.revive(2);
    for n in 0..KEYS {
        cluster.run(0, &format!("SET s:{n} again"), Level::DcQuorum);
    }
    cluster.advance(SOON_MS);
    assert_eq!(differing(&mut cluster, 0..KEYS), 0);
    assert_all_is_handed_over(&cluster);
    let replayed = sum(&cluster, |stats| stats.hints_replayed);
    assert!(replayed < KEYS as u64, "all were replayed");
}

#[test]
fn hints_outlive_the_process_of_their_holder() {
    let mut cluster = Cluster::racks(&[3]);
    write_before(&mut cluster, 0..4);
    cluster.kill(2);
    write_all(&mut cluster, &[0, 1], 0..4);
    cluster.advance(TIMEOUT_MS + 100);
    let pending = sum(&cluster, |stats| stats.hints_pending);
    for holder in [0, 1] {
        cluster.restart(holder, |_| {});
    }
    assert_eq!(sum(&cluster, |stats| stats.hints_pending), pending);
    cluster.revive(2);
    cluster.advance(SOON_MS / 8);
    // And in the middle of it.
    for holder in [0, 1] {
        cluster.restart(holder, |_| {});
    }
    cluster.advance(SOON_MS);
    assert_eq!(differing(&mut cluster, 0..4), 0);
    assert_all_is_handed_over(&cluster);
}

#[test]
fn a_hint_is_logged_in_the_turn_in_which_its_write_is_acknowledged() {
    // One rack is away and another is slow: the write is acknowledged by three of five.
    for line in ["SET k v", "INCR k"] {
        let mut cluster = Cluster::racks(&[5]);
        let key = cluster.key_of(0);
        cluster.kill(4);
        cluster.held.insert((0, 3));
        let ticket = cluster.submit(0, &line.replace('k', &key), Level::DcQuorum);
        cluster.settle();
        assert!(cluster.reply(ticket).is_some_and(|reply| !reply.starts_with('-')));
        cluster.restart(0, |_| {});
        let hints = &cluster.members[0].engine.hints;
        assert!(hints.contains(node(&cluster, 4), key.as_bytes()), "{line}");
        assert!(!hints.contains(node(&cluster, 3), key.as_bytes()), "it was still waited for");
    }
}

#[test]
fn what_there_is_no_room_for_is_marked() {
    let mut cluster = Cluster::racks(&[3]);
    for holder in [0, 1] {
        cluster.restart(holder, |config| config.hints_bytes_max = 500);
    }
    cluster.kill(2);
    let keys: Vec<String> = (0..100).map(|n| format!("key:{n}")).collect();
    for key in &keys {
        cluster.run(0, &format!("SET {key} v"), Level::DcQuorum);
    }
    cluster.advance(TIMEOUT_MS + 100);
    assert!(sum(&cluster, |stats| stats.hints_dropped) > 50);
    for key in &keys {
        let bucket = Bucket::of(cluster.ring.token(key.as_bytes()));
        let target = node(&cluster, 2);
        let is_known = [0, 1].iter().any(|holder| {
            let engine = &cluster.members[*holder].engine;
            engine.hints.contains(target, key.as_bytes()) || engine.needs_repair(target).contains(bucket)
        });
        assert!(is_known, "{key}");
    }
    let marked = sum(&cluster, |stats| stats.buckets_needing_repair);
    for holder in [0, 1] {
        cluster.restart(holder, |_| {});
    }
    assert_eq!(sum(&cluster, |stats| stats.buckets_needing_repair), marked);
    cluster.revive(2);
    cluster.advance(SOON_MS);
    assert_eq!(sum(&cluster, |stats| stats.hints_pending), 0);
    assert_eq!(sum(&cluster, |stats| stats.buckets_needing_repair), marked, "left to a comparison");
    let (target, holder) = (node(&cluster, 2), &mut cluster.members[0].engine);
    for bucket in (0..4096).map(Bucket) {
        holder.handle_repair_begun(target, bucket);
        holder.handle_repair_ended(target, bucket);
    }
    assert_eq!(holder.needs_repair(target).len(), 0);
}

#[test]
fn a_node_whose_datastore_was_away_catches_up() {
    let mut cluster = Cluster::racks(&[3]);
    write_before(&mut cluster, 0..8);
    cluster.break_lane(0);
    write_all(&mut cluster, &[1, 2], 0..8);
    // Through the node itself, too.
    for n in 0..8 {
        assert_eq!(cluster.run(0, &format!("SET e:{n} later"), Level::DcOne), "+OK\r\n");
    }
    cluster.advance(TIMEOUT_MS + 100);
    assert!(differing(&mut cluster, 0..8) >= 8 * 8);
    let own = node(&cluster, 0);
    assert!(cluster.members[0].engine.hints.waiting().any(|target| target == own));
    cluster.lane_up(0);
    cluster.advance(40_000);
    assert_eq!(differing(&mut cluster, 0..8), 0);
    assert_all_is_handed_over(&cluster);
}

#[test]
fn a_node_catches_up_with_its_own_datastore_while_another_rack_is_away() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.break_lane(0);
    cluster.kill(1);
    let reply = cluster.run(0, "SET k v", Level::DcOne);
    assert_eq!(reply, "+OK\r\n", "rack 2 has it");
    cluster.advance(TIMEOUT_MS + 100);
    cluster.lane_up(0);
    cluster.advance(SOON_MS);
    assert_eq!(cluster.stored(0, "GET k"), "$1\r\nv\r\n");
    let hints = &cluster.members[0].engine.hints;
    assert_eq!(hints.waiting().collect::<Vec<_>>(), [node(&cluster, 1)]);
}

#[test]
fn a_datacenter_that_was_cut_off_catches_up() {
    let mut cluster = Cluster::racks(&[3, 3]);
    write_before(&mut cluster, 0..4);
    let across: Vec<(usize, usize)> = (0..3).flat_map(|a| (3..6).map(move |b| (a, b))).collect();
    for (a, b) in &across {
        cluster.link_down(*a, *b);
        cluster.link_down(*b, *a);
    }
    write_all(&mut cluster, &[0, 1, 2], 0..4);
    cluster.advance(TIMEOUT_MS + 100);
    // Holders may be other processes by now.
    for holder in 0..3 {
        cluster.restart(holder, |_| {});
    }
    for (a, b) in &across {
        cluster.link_down(*a, *b);
    }
    assert!(differing(&mut cluster, 0..4) >= 4 * 8);
    for (a, b) in &across {
        cluster.link_up(*a, *b);
        cluster.link_up(*b, *a);
    }
    cluster.advance(SOON_MS);
    assert_eq!(differing(&mut cluster, 0..4), 0);
    assert_all_is_handed_over(&cluster);
}

#[test]
fn a_target_that_stays_away_costs_nothing_and_its_hints_become_marks() {
    let mut cluster = Cluster::racks(&[3, 3]);
    cluster.kill(2);
    for other in 3..6 {
        (0..3).for_each(|member| cluster.link_down(member, other));
    }
    for n in 0..50 {
        cluster.run(0, &format!("SET key:{n} v"), Level::DcQuorum);
        cluster.advance(100);
    }
    cluster.advance(TIMEOUT_MS + 100);
    let pending = sum(&cluster, |stats| stats.hints_pending);
    assert!(pending >= 100, "{pending}");
    let replays = |stats: Stats| stats.hints_replayed + stats.handoff_failures;
    let wakings = cluster.sleep(HINT_WINDOW_MS - 20_000);
    assert_eq!((wakings, sum(&cluster, replays)), (0, 0));
    let wakings = cluster.sleep(60_000);
    assert!((1..30).contains(&wakings), "{wakings}");
    assert_eq!(sum(&cluster, |stats| stats.hints_pending), 0);
    assert_eq!(sum(&cluster, |stats| stats.hints_dropped), pending);
    assert!(sum(&cluster, |stats| stats.buckets_needing_repair) > 90);
    assert_eq!(cluster.sleep(HINT_WINDOW_MS), 0);
}

#[test]
fn replay_stops_when_the_target_fails_and_goes_on_later() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.kill(2);
    for n in 0..400 {
        cluster.run(0, &format!("SET key:{n} v"), Level::DcQuorum);
    }
    cluster.advance(TIMEOUT_MS + 100);
    cluster.revive(2);
    cluster.break_lane(2);
    let pending = sum(&cluster, |stats| stats.hints_pending);
    cluster.advance(60_000);
    let failures = sum(&cluster, |stats| stats.handoff_failures);
    assert!((4..40).contains(&failures), "{failures}: with pauses up to half a minute");
    assert_eq!(sum(&cluster, |stats| stats.hints_pending), pending);
    let wakings = cluster.sleep(600_000);
    assert!(wakings < 400, "{wakings}");
    cluster.lane_up(2);
    cluster.sleep(31_000);
    assert_eq!(sum(&cluster, |stats| stats.hints_pending), 0);
    assert!((0..400).all(|n| cluster.stored(2, &format!("GET key:{n}")) == "$1\r\nv\r\n"));
}

#[test]
fn a_link_that_breaks_during_the_replay_delays_it_only() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.kill(2);
    for n in 0..2000 {
        cluster.run(n % 2, &format!("SET key:{n} v"), Level::DcQuorum);
    }
    cluster.advance(TIMEOUT_MS + 100);
    let replayed = |cluster: &Cluster| sum(cluster, |stats| stats.hints_replayed);
    for _ in 0..4 {
        cluster.held.extend([(2, 0), (2, 1)]);
        cluster.revive(2);
        let before = replayed(&cluster);
        cluster.advance(20);
        cluster.held.clear();
        for _ in 0..200 {
            cluster.step(&mut |_| 0);
        }
        assert!(replayed(&cluster) > before);
        cluster.kill(2);
        cluster.settle();
        let stopped = replayed(&cluster);
        cluster.advance(300);
        assert_eq!(replayed(&cluster), stopped);
    }
    cluster.revive(2);
    cluster.advance(SOON_MS);
    assert_all_is_handed_over(&cluster);
    assert!((0..2000).all(|n| cluster.stored(2, &format!("GET key:{n}")) == "$1\r\nv\r\n"));
}

#[test]
fn a_write_missed_during_the_replay_of_its_key_is_replayed_too() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(1);
    cluster.kill(2);
    cluster.link_down(1, 2);
    cluster.run(0, &format!("SET {key} old"), Level::DcOne);
    cluster.advance(TIMEOUT_MS + 100);
    cluster.held_responses.insert((2, 0));
    cluster.members[2].is_frozen = false;
    cluster.link_up(0, 2);
    cluster.advance(20);
    assert_eq!(cluster.stored(2, &format!("GET {key}")), "$3\r\nold\r\n");
    cluster.run(1, &format!("SET {key} new"), Level::DcQuorum);
    let (now, id) = (cluster.now(0), cluster.members[2].id);
    cluster.members[0].engine.missed(now, id, key.clone().into());
    cluster.held_responses.clear();
    cluster.advance(100);
    assert_eq!(cluster.stored(2, &format!("GET {key}")), "$3\r\nnew\r\n");
    assert_eq!(cluster.members[0].engine.stats().hints_replayed, 2);
    assert_eq!(cluster.members[0].engine.stats().hints_pending, 0);
}

#[test]
fn a_holder_without_a_copy_has_the_key_healed() {
    let place = |rack: usize, n: u32| {
        let rack_name = format!("rack{rack}");
        ("dc0".to_owned(), rack_name, format!("n{rack}{n}"), vec![Token(n * (u32::MAX / 2))])
    };
    let nodes = (0..3).flat_map(|rack| [place(rack, 0), place(rack, 1)]).collect();
    let mut cluster = Cluster::new(nodes);
    // The keys of the even members, through member 1.
    let keys: Vec<String> = (0..)
        .map(|n| format!("key:{n}"))
        .filter(|key| cluster.primary_of(key, 0).is_multiple_of(2))
        .take(30)
        .collect();
    cluster.kill(4);
    for key in &keys {
        assert_eq!(cluster.run(1, &format!("SET {key} v"), Level::DcOne), "+OK\r\n");
    }
    cluster.advance(TIMEOUT_MS + 100);
    assert_eq!(cluster.members[1].engine.stats().hints_pending, 30);
    cluster.revive(4);
    cluster.advance(SOON_MS);
    assert!(keys.iter().all(|key| cluster.stored(4, &format!("GET {key}")) == "$1\r\nv\r\n"));
    assert_all_is_handed_over(&cluster);
}

#[test]
fn replay_leaves_room_for_clients() {
    let most = |client_operations: usize| {
        let mut cluster = Cluster::racks(&[3]);
        let frozen_key = cluster.key_of(1);
        cluster.kill(2);
        for n in 0..3000 {
            cluster.run(0, &format!("SET key:{n} v"), Level::DcOne);
        }
        cluster.advance(TIMEOUT_MS + 100);
        cluster.members[1].lane_is_frozen = true;
        for _ in 0..client_operations {
            cluster.submit(0, &format!("INCR {frozen_key}"), Level::DcQuorum);
        }
        cluster.revive(2);
        let mut most = 0;
        // Each replay takes one or two hundredths of a second.
        for _ in 0..45 {
            cluster.held_responses.insert((2, 0));
            cluster.advance(20);
            let replaying_count = cluster.members[0].engine.hints.replaying_count();
            most = most.max(replaying_count);
            cluster.held_responses.clear();
            for _ in 0..replaying_count {
                let is_answer = |event: &Event| matches!(event, Event::Answer(2, 0));
                cluster.step(&mut |ready| ready.iter().position(is_answer).unwrap());
            }
        }
        most
    };
    let (alone, beside_clients) = (most(0), most(640));
    assert!(alone > 30, "{alone}");
    assert!((1..=5).contains(&beside_clients), "{beside_clients}");
}

#[test]
fn a_heal_leaves_a_hint_for_the_rack_that_it_did_not_hear() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.run(0, "SET k v", Level::DcQuorum);
    cluster.advance(TIMEOUT_MS + 100);
    cluster.kill(2);
    cluster.forget(1, "k");
    assert_eq!(cluster.run(1, "GET k", Level::DcQuorum), "$1\r\nv\r\n");
    cluster.advance(200);
    assert_eq!(cluster.stored(1, "GET k"), "$1\r\nv\r\n");
    assert!(cluster.members[1].engine.hints.contains(node(&cluster, 2), b"k"));
}

#[test]
fn a_late_word_does_not_disturb_a_heal() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.run(0, "SET k v", Level::DcQuorum);
    cluster.advance(TIMEOUT_MS + 100);
    cluster.forget(0, "k");
    cluster.held.insert((0, 2));
    assert_eq!(cluster.run(0, "GET k", Level::DcQuorum), "$1\r\nv\r\n");
    cluster.members[1].lane_is_frozen = true;
    // The state is being fetched from rack 1 when rack 2 answers.
    cluster.advance(150);
    cluster.held.clear();
    cluster.settle();
    cluster.members[1].lane_is_frozen = false;
    cluster.advance(100);
    assert_eq!(cluster.stored(0, "GET k"), "$1\r\nv\r\n");
    assert_eq!(sum(&cluster, |stats| stats.heals_failed), 0);
}

#[test]
fn a_hint_for_a_datacenter_waits_for_one_of_its_nodes() {
    let mut cluster = Cluster::racks(&[3, 3]);
    for other in 3..6 {
        (0..3).for_each(|member| cluster.link_down(member, other));
    }
    cluster.run(0, "SET k v", Level::DcQuorum);
    cluster.advance(100);
    let holder = (0..3).find(|member| cluster.members[*member].engine.stats().hints_pending > 0).unwrap();
    let hints = &cluster.members[holder].engine.hints;
    assert!(hints.contains(HintTarget::Dc(DcIdx(1)), b"k"));
    cluster.link_up(holder, 5);
    cluster.advance(SOON_MS);
    assert_eq!(cluster.stored_everywhere("GET k"), ["$1\r\nv\r\n"; 6]);
    assert_all_is_handed_over(&cluster);
}

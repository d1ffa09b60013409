//! Runs with random delivery orders, cuts and broken lanes.

use proptest::prelude::*;

use super::cluster::{Cluster, Event, TIMEOUT_MS};
use crate::Level;

/// A small generator: each case is one number.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

const LINES: [&str; 10] = [
    "INCR n0",
    "INCR n1",
    "SADD s0 a b c",
    "SPOP s0",
    "SET o0 5",
    "DEL o0",
    "GET o0",
    "SET x0 v NX",
    "SET o0 7",
    "INCR o0",
];

fn shuffled_run(seed: u64, with_faults: bool) -> (Cluster, Vec<(&'static str, u64)>) {
    let mut random = Random(seed);
    let mut cluster = Cluster::racks(&[3]);
    let mut tickets = Vec::new();
    for _ in 0..60 {
        let (line, member) = (LINES[random.below(LINES.len())], random.below(3));
        tickets.push((line, cluster.submit(member, line, Level::DcQuorum)));
        for _ in 0..random.below(12) {
            cluster.step(&mut |ready: &[Event]| if ready.is_empty() { 0 } else { random.below(ready.len()) });
        }
        if with_faults && random.below(8) == 0 {
            let (a, b) = (random.below(3), random.below(3));
            match random.below(4) {
                0 if a != b => cluster.link_down(a, b),
                1 => {
                    cluster.break_lane(a);
                    cluster.lane_up(a);
                }
                2 => cluster.members[a].lane_is_frozen ^= true,
                _ if a != b => cluster.link_up(a, b),
                _ => {}
            }
        }
    }
    for member in 0..3 {
        cluster.members[member].lane_is_frozen = false;
        (0..3).filter(|other| *other != member).for_each(|other| cluster.link_up(member, other));
    }
    cluster.settle();
    cluster.advance(2 * TIMEOUT_MS + 40);
    (cluster, tickets)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn in_any_order_of_delivery_replicas_end_equal_and_counters_are_distinct(seed: u64) {
        let (mut cluster, tickets) = shuffled_run(seed, false);
        for (line, ticket) in &tickets {
            let reply = cluster.reply(*ticket).unwrap();
            prop_assert!(!reply.starts_with('-'), "{}: {}", line, reply);
        }
        for key in ["n0", "n1"] {
            let line = format!("INCR {key}");
            let mut counts: Vec<i64> = tickets
                .iter()
                .filter(|(command, _)| *command == line)
                .map(|(_, ticket)| cluster.reply(*ticket).unwrap())
                .map(|reply| reply[1..].trim_end().parse().unwrap())
                .collect();
            counts.sort_unstable();
            prop_assert!(counts.iter().zip(1..).all(|(count, n)| *count == n), "{:?}", counts);
        }
        for line in ["GET n0", "GET n1", "SCARD s0", "GET o0", "GET x0"] {
            let stored = cluster.stored_everywhere(line);
            prop_assert!(stored.iter().all(|value| *value == stored[0]), "{}: {:?}", line, stored);
        }
        let wins = tickets.iter().filter(|(line, _)| *line == "SET x0 v NX");
        let wins = wins.filter(|(_, ticket)| cluster.reply(*ticket).unwrap() == "+OK\r\n").count();
        prop_assert!(wins <= 1);
    }

    #[test]
    fn under_faults_every_command_gets_one_reply_and_nothing_is_left_over(seed: u64) {
        let (mut cluster, tickets) = shuffled_run(seed, true);
        for (line, ticket) in tickets {
            prop_assert!(cluster.reply(ticket).is_some(), "{}", line);
        }
        // What a replica missed it gets, with pauses where that failed.
        cluster.sleep(300_000);
        for line in ["GET n0", "GET n1", "SCARD s0", "GET o0", "GET x0"] {
            let stored = cluster.stored_everywhere(line);
            prop_assert!(stored.iter().all(|value| *value == stored[0]), "{}: {:?}", line, stored);
        }
        for member in &cluster.members {
            prop_assert_eq!(member.engine.in_flight(), 0, "{}", member.name);
            prop_assert_eq!(member.engine.next_deadline(), None);
        }
    }

    #[test]
    fn equal_seeds_make_equal_logs(seed: u64) {
        prop_assert_eq!(shuffled_run(seed, true).0.log, shuffled_run(seed, true).0.log);
    }
}

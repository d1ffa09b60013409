use super::cluster::{Cluster, FAILOVER_MS};
use crate::Level;

#[test]
fn a_quorum_read_sees_a_quorum_write_that_the_nearest_replica_missed() {
    let mut cluster = Cluster::racks(&[3]);
    let key = cluster.key_of(1);
    let read = format!("GET {key}");
    cluster.run(1, &format!("SET {key} old"), Level::DcQuorum);
    cluster.settle();
    cluster.link_down(1, 0);
    cluster.run(1, &format!("SET {key} new"), Level::DcQuorum);
    assert_eq!(cluster.run(0, &read, Level::DcOne), "$3\r\nold\r\n", "one asks the nearest only");
    assert_eq!(cluster.run(0, &read, Level::DcQuorum), "$3\r\nnew\r\n");
    cluster.held.extend([(1, 0), (0, 1)]);
    let ticket = cluster.submit(0, &read, Level::DcQuorum);
    cluster.settle();
    assert_eq!(cluster.reply(ticket), None, "the second of the majority is silent");
    cluster.advance(FAILOVER_MS + 20);
    assert_eq!(cluster.reply(ticket).as_deref(), Some("$3\r\nnew\r\n"), "the third is asked");
}

#[test]
fn a_quorum_read_reads_one_datastore_when_records_agree() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.run(0, "SET k v", Level::DcQuorum);
    cluster.log.clear();
    assert_eq!(cluster.run(0, "GET k", Level::DcQuorum), "$1\r\nv\r\n");
    assert_eq!(cluster.log.iter().filter(|event| event.starts_with("Lane")).count(), 1, "{:?}", cluster.log);
}

#[test]
fn a_read_fails_over_when_the_nearest_datastore_is_down() {
    for level in Level::ALL {
        let mut cluster = Cluster::racks(&[3]);
        cluster.run(0, "SET k v", Level::DcQuorum);
        cluster.break_lane(0);
        assert_eq!(cluster.run(0, "GET k", level), "$1\r\nv\r\n", "{level}");
    }
}

#[test]
fn a_read_asks_the_next_replica_when_the_nearest_is_silent() {
    for level in Level::ALL {
        let mut cluster = Cluster::racks(&[3]);
        cluster.run(0, "SET k v", Level::DcQuorum);
        cluster.members[0].lane_is_frozen = true;
        let ticket = cluster.submit(0, "GET k", level);
        cluster.advance(FAILOVER_MS + 30);
        assert_eq!(cluster.reply(ticket).as_deref(), Some("$1\r\nv\r\n"), "{level}");
    }
}

#[test]
fn a_quorum_read_survives_one_dead_rack_and_not_two() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.run(0, "SET k v", Level::DcQuorum);
    cluster.kill(1);
    assert_eq!(cluster.run(0, "GET k", Level::DcQuorum), "$1\r\nv\r\n");
    cluster.kill(2);
    assert_eq!(
        cluster.run(0, "GET k", Level::DcQuorum),
        "-ERR Dynomite: Failed to achieve Quorum (2 of 3 needed; rack0 ok, rack1 down, rack2 down)\r\n"
    );
    assert_eq!(cluster.run(0, "GET k", Level::DcOne), "$1\r\nv\r\n");
}

#[test]
fn a_safe_read_fails_when_no_majority_agrees() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.run(0, "SET k v", Level::DcQuorum);
    cluster.stored(1, "SET k rot1");
    assert_eq!(cluster.run(0, "GET k", Level::DcSafeQuorum), "$1\r\nv\r\n");
    cluster.stored(2, "SET k rot2");
    let reply = cluster.run(0, "GET k", Level::DcSafeQuorum);
    assert!(reply.contains("replies disagree"), "{reply}");
}

#[test]
fn a_late_answer_is_ignored() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.run(0, "SET a 1", Level::DcQuorum);
    cluster.run(0, "SET b 2", Level::DcQuorum);
    cluster.held.insert((1, 0));
    cluster.members[0].lane_is_frozen = true;
    let late = cluster.submit(0, "GET a", Level::DcOne);
    cluster.advance(FAILOVER_MS + 20);
    cluster.members[0].lane_is_frozen = false;
    cluster.settle();
    assert_eq!(cluster.reply(late).as_deref(), Some("$1\r\n1\r\n"));
    let next = cluster.submit(0, "GET b", Level::DcOne);
    cluster.held.clear();
    cluster.settle();
    assert_eq!(cluster.reply(next).as_deref(), Some("$1\r\n2\r\n"));
    assert!(cluster.members[0].engine.stats().late_answers > 0);
}

#[test]
fn errors_of_the_command_itself_are_replies_like_any_other() {
    let mut cluster = Cluster::racks(&[3]);
    cluster.run(0, "LPUSH k v", Level::DcQuorum);
    for level in Level::ALL {
        let reply = cluster.run(0, "GET k", level);
        assert!(reply.starts_with("-WRONGTYPE"), "{level}: {reply}");
    }
}

#[test]
fn a_cluster_of_one_rack_keeps_no_records() {
    let mut cluster = Cluster::racks(&[1]);
    assert_eq!(cluster.run(0, "SET k v EX 5", Level::DcSafeQuorum), "+OK\r\n");
    assert_eq!(cluster.run(0, "GET k", Level::DcEachSafeQuorum), "$1\r\nv\r\n");
    assert_eq!(cluster.members[0].engine.stats().records, 0);
}

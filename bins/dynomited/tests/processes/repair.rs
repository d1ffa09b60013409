//! `dynoctl repair`: what differs is told and healed, and how far that is can be seen.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use dynomite_testkit::{Cluster, eventually};
use serde_json::Value;

use crate::handshakes::dynoctl_binary;
use crate::shapes::{LONG, NIL, OK, at_level, three_racks};
use crate::stored::converged;

const KEYS: usize = 60;
/// Hints are given up after this.
const HINT_WINDOW: &str = "timeouts.hint_window=1s";
const HINT_WINDOW_PASSED: Duration = Duration::from_millis(2_500);
const BETWEEN_PREVIEWS: Duration = Duration::from_secs(6);
/// No comparison but those that are asked for.
const NO_ROUNDS: &str = "repair.interval=0s";

pub(crate) fn dynoctl(cluster: &Cluster, node: usize, args: &[&str]) -> Command {
    let mut command = Command::new(dynoctl_binary());
    command.args(["--node", &cluster.nodes()[node].server.client_address().to_string()]).args(args);
    command
}

fn run(cluster: &Cluster, node: usize, args: &[&str]) -> Output {
    dynoctl(cluster, node, args).output().unwrap()
}

fn shown(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The last object that was printed.
fn outcome(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.lines().last().expect("an outcome")).unwrap()
}

fn key(number: usize) -> String {
    format!("missed:{number}")
}

/// Three racks, of which the third has missed writes on [`KEYS`] keys that there are no hints for any more.
fn with_a_node_that_missed_writes(keys_per_s: usize) -> Cluster {
    let mut cluster = at_level(three_racks(1), "DC_QUORUM")
        .set("workers=2")
        .set(HINT_WINDOW)
        .set(NO_ROUNDS)
        .set(&format!("repair.keys_per_s={keys_per_s}"))
        .start();
    cluster.nodes_mut()[2].server.freeze();
    for node in [0, 1] {
        // By each of its workers.
        eventually(LONG, "the third node counts as down", || {
            let log = cluster.nodes()[node].server.log();
            let is_down = |worker: &str| {
                let parts = ["dialing: link is down", "peer=node03", worker];
                log.lines().any(|line| parts.iter().all(|part| line.contains(part)))
            };
            is_down("worker=0") && is_down("worker=1")
        });
    }
    let mut client = cluster.client(0);
    for number in 0..KEYS {
        // Links of other workers may take a moment longer to be down.
        eventually(LONG, "a write without the third node", || {
            client.command(&["SET", &key(number), "value"]) == OK
        });
    }
    std::thread::sleep(HINT_WINDOW_PASSED);
    cluster.nodes_mut()[2].server.thaw();
    cluster.await_connected();
    eventually(LONG, "hints that are too old are given up", || {
        [0, 1].iter().all(|node| info(&cluster, *node, "hints_pending") == 0)
    });
    assert!(info(&cluster, 0, "hints_dropped") + info(&cluster, 1, "hints_dropped") >= KEYS as u64);
    assert_eq!(cluster.nodes()[2].redis.client().command(&["GET", &key(0)]), NIL, "it has missed the write");
    cluster
}

/// What was written is old enough to be compared; what a preview says then.
fn previewed(cluster: &Cluster, node: usize) -> Output {
    let mut output = None;
    eventually(LONG, "a preview that finds all differences", || {
        let preview = run(cluster, node, &["repair", "--preview", "--json"]);
        println!("{}", shown(&preview));
        let is_whole = outcome(&preview)["keys_differing"] == 2 * KEYS;
        output = Some(preview);
        if !is_whole {
            // Nodes use what they have summed up for as long as somebody asks for it.
            std::thread::sleep(BETWEEN_PREVIEWS);
        }
        is_whole
    });
    output.expect("it was run")
}

pub(crate) fn info(cluster: &Cluster, node: usize, name: &str) -> u64 {
    let info = String::from_utf8(cluster.client(node).command(&["INFO"])).unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {info}")).parse().unwrap()
}

#[test]
fn what_a_node_has_missed_is_told_by_a_preview_and_healed_by_a_repair() {
    let cluster = with_a_node_that_missed_writes(20);
    let preview = previewed(&cluster, 2);
    assert_eq!(preview.status.code(), Some(3), "{}", shown(&preview));
    let told = outcome(&preview);
    assert_eq!(
        (&told["state"], &told["keys_healed"], &told["peers_failed"]),
        (&"done".into(), &0.into(), &0.into())
    );
    assert_eq!(
        cluster.nodes()[2].redis.client().command(&["GET", &key(0)]),
        NIL,
        "a preview changes nothing"
    );

    // Slow enough to be watched.
    let repair =
        dynoctl(&cluster, 2, &["repair"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually(LONG, "it has begun", || {
        shown(&run(&cluster, 2, &["repair", "status"])).contains("node03: ")
            && outcome(&run(&cluster, 2, &["repair", "status", "--json"]))["state"] == "running"
    });
    let second = run(&cluster, 2, &["repair"]);
    assert!(shown(&second).contains("a repair is running already"), "{}", shown(&second));
    assert_eq!(second.status.code(), Some(0), "{}", shown(&second));
    let repair = repair.wait_with_output().unwrap();
    let text = shown(&repair);
    println!("{text}");
    assert_eq!(repair.status.code(), Some(0), "{text}");
    assert!(text.contains(" %, ") && text.contains("keys/s"), "progress is shown: {text}");
    assert!(text.contains(" keys healed, 0 not healed"), "{text}");
    assert_eq!(
        outcome(&run(&cluster, 2, &["repair", "status", "--json"]))["repair"],
        told["repair"].as_u64().unwrap() + 1
    );

    let keys: Vec<String> = (0..KEYS).map(key).collect();
    assert!(converged(&cluster, keys.iter().map(String::as_str)).iter().all(|(_, stored)| stored.is_some()));
    // With each of the two others, if the first had it healed before the second was looked at.
    assert!((KEYS as u64..=2 * KEYS as u64).contains(&info(&cluster, 2, "keys_healed")));
    assert!(info(&cluster, 2, "keys_differing") >= 4 * KEYS as u64, "of the previews too");
    let again = run(&cluster, 2, &["repair", "--preview"]);
    assert_eq!(again.status.code(), Some(0), "{}", shown(&again));
}

/// Keys of all types, with a command that reads each.
const OF_ALL_TYPES: [(&[&str], &[&str]); 5] = [
    (&["SET", "string", "value"], &["GET", "string"]),
    (&["SADD", "set", "a"], &["SMEMBERS", "set"]),
    (&["HSET", "hash", "f", "v"], &["HGETALL", "hash"]),
    (&["RPUSH", "list", "a", "b"], &["LRANGE", "list", "0", "-1"]),
    (&["ZADD", "zset", "1", "a"], &["ZRANGE", "zset", "0", "-1", "WITHSCORES"]),
];

#[test]
fn values_that_were_changed_past_a_node_are_found_and_healed_by_a_full_repair() {
    let cluster = at_level(three_racks(1), "DC_QUORUM").set("workers=2").set(NO_ROUNDS).start();
    for (write, _) in OF_ALL_TYPES {
        assert!(!cluster.client(0).command(write).starts_with(b"-"));
    }
    let before: Vec<Vec<u8>> =
        OF_ALL_TYPES.map(|(_, read)| cluster.nodes()[0].redis.client().command(read)).into();
    let mut changed = cluster.nodes()[1].redis.client();
    for past in [
        &["SET", "string", "other"][..],
        &["SADD", "set", "c"],
        &["DEL", "hash"],
        &["LSET", "list", "0", "b"],
        &["ZADD", "zset", "2", "a"],
    ] {
        assert!(!changed.command(past).starts_with(b"-"));
    }
    let by_records = run(&cluster, 0, &["repair"]);
    assert_eq!(outcome(&run(&cluster, 0, &["repair", "status", "--json"]))["keys_differing"], 0);
    assert_eq!(by_records.status.code(), Some(0), "{}", shown(&by_records));

    eventually(LONG, "a preview that finds all of them", || {
        let preview = run(&cluster, 0, &["repair", "--full", "--preview", "--json"]);
        println!("{}", shown(&preview));
        let is_whole = outcome(&preview)["keys_differing"].as_u64() >= Some(OF_ALL_TYPES.len() as u64);
        if !is_whole {
            std::thread::sleep(BETWEEN_PREVIEWS);
        }
        is_whole && preview.status.code() == Some(3)
    });
    assert_eq!(changed.command(&["GET", "string"]), b"$5\r\nother\r\n", "a preview changes nothing");

    let repair = run(&cluster, 0, &["repair", "--full"]);
    println!("{}", shown(&repair));
    assert_eq!(repair.status.code(), Some(0), "{}", shown(&repair));
    for node in 0..3 {
        let mut redis = cluster.nodes()[node].redis.client();
        let now: Vec<Vec<u8>> = OF_ALL_TYPES.map(|(_, read)| redis.command(read)).into();
        for (now, before) in now.iter().zip(&before) {
            assert_eq!(now.escape_ascii().to_string(), before.escape_ascii().to_string(), "node {node}");
        }
    }
    assert!(info(&cluster, 0, "values_differing") >= OF_ALL_TYPES.len() as u64);
    let again = run(&cluster, 0, &["repair", "--full", "--preview"]);
    assert_eq!(again.status.code(), Some(0), "{}", shown(&again));
}

#[test]
fn a_range_a_stop_and_nodes_that_are_away_are_told_of() {
    let mut cluster = with_a_node_that_missed_writes(2);
    previewed(&cluster, 2);
    // Every key is in one of the two halves.
    let halves = ["0..2047", "2048..4095"].map(|range| {
        let half = outcome(&run(&cluster, 2, &["repair", "--preview", "--json", "--range", range]));
        assert_eq!(half["buckets"], 2048);
        half["keys_differing"].as_u64().unwrap()
    });
    assert!(halves.iter().all(|found| *found > 0) && halves[0] + halves[1] == 2 * KEYS as u64, "{halves:?}");
    let one = run(&cluster, 2, &["repair", "--preview", "--json", "--range", "tokens:0..0"]);
    assert_eq!(outcome(&one)["buckets"], 1, "{}", shown(&one));
    let none = run(&cluster, 2, &["repair", "--range", "tokens:1..2"]);
    assert!(
        none.status.code() == Some(1) && shown(&none).contains("no key can have a token"),
        "{}",
        shown(&none)
    );

    let repair =
        dynoctl(&cluster, 2, &["repair"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually(LONG, "some keys are healed", || info(&cluster, 2, "repair_keys_healed") > 0);
    let stop = run(&cluster, 2, &["repair", "stop"]);
    assert!(stop.status.success() && shown(&stop).contains("stopped in "), "{}", shown(&stop));
    let repair = repair.wait_with_output().unwrap();
    assert_eq!(repair.status.code(), Some(3), "{}", shown(&repair));
    assert!(shown(&repair).contains("the rest was not compared"), "{}", shown(&repair));
    let stop = run(&cluster, 2, &["repair", "stop"]);
    assert!(
        stop.status.code() == Some(1) && shown(&stop).contains("no repair is running"),
        "{}",
        shown(&stop)
    );

    cluster.nodes_mut()[0].server.kill();
    eventually(LONG, "the loss is noticed", || {
        cluster.nodes()[1].sees_up("node01").is_ok_and(|is_up| !is_up)
    });
    let repair = run(&cluster, 1, &["repair", "--preview"]);
    assert_eq!(repair.status.code(), Some(3), "{}", shown(&repair));
    assert!(
        shown(&repair).contains("1 node could not be compared with; `dynoctl ring`"),
        "{}",
        shown(&repair)
    );
    let all = run(&cluster, 1, &["repair", "--preview", "--all"]);
    let text = shown(&all);
    assert_eq!(all.status.code(), Some(1), "{text}");
    assert!(
        ["node02: done", "node03: done", "node01: cannot connect"].iter().all(|part| text.contains(part)),
        "{text}"
    );
}

#[test]
fn keys_of_the_nodes_are_refused_to_clients() {
    let cluster = at_level(three_racks(1), "DC_QUORUM").set("workers=2").start();
    let mut client = cluster.client(0);
    let mut redis = cluster.nodes()[1].redis.client();
    let marker = "dynomite:{node02}:marker:0";
    assert_eq!(client.command(&["SET", "a", "1"]), OK);
    eventually(LONG, "a marker is written", || redis.command(&["GET", marker]) != NIL);
    for command in [
        &["SET", marker, "x"][..],
        &["GET", marker],
        &["DEL", "a", marker],
        &["MSET", "b", "1", marker, "x"],
        &["MGET", "a", marker],
        &["HSET", "dynomite:{node01}:stage:0:1", "f", "v"],
        &["OBJECT", "ENCODING", marker],
    ] {
        let reply = String::from_utf8(client.command(command)).unwrap();
        assert!(
            reply.starts_with("-ERR Dynomite: keys that begin with 'dynomite:{'"),
            "{command:?}: {reply}"
        );
    }
    assert_eq!(
        (client.command(&["GET", "a"]), client.command(&["GET", "b"])),
        (b"$1\r\n1\r\n".to_vec(), NIL.to_vec())
    );
    for command in [&["KEYS", "*"][..], &["SCAN", "0"], &["RANDOMKEY"]] {
        assert!(client.command(command).starts_with(b"-ERR"), "{command:?} would show them");
    }
    assert_eq!(client.command(&["SET", "dynomite:user", "1"]), OK, "others may begin alike");
}

//! Start and stop: what a supervisor sees.

use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use dynomite_testkit::{Dynomited, PortLease, RawClient, eventually, request};

use crate::load::{Load, Reads};
use crate::shapes::{BINARY, LONG, OK, PONG, SLACK, at_level, bulk, integer, single, text, three_racks};

const DRAIN: Duration = Duration::from_secs(5);

#[test]
fn sigterm_answers_what_is_in_flight_and_exits_with_0() {
    let mut cluster = single().set("timeouts.drain=5s").start();
    let mut client = cluster.client(0);
    // A connection that has had replies may have many requests in flight …
    let pipeline: Vec<u8> = (0..200).flat_map(|_| request(&["INCR", "n"])).collect();
    client.send(&pipeline);
    client.replies(200);
    // … and with the datastore standing still they are, when the signal comes.
    cluster.nodes_mut()[0].redis.freeze();
    client.send(&pipeline);
    thread::sleep(Duration::from_millis(300));
    thread::scope(|scope| {
        let (server, redis) = {
            let node = &mut cluster.nodes_mut()[0];
            (&mut node.server, &mut node.redis)
        };
        let end = scope.spawn(move || server.terminate(DRAIN + SLACK));
        thread::sleep(Duration::from_millis(300));
        redis.thaw();
        let replies = client.replies(200);
        let expected: Vec<Vec<u8>> = (201..=400).map(integer).collect();
        assert_eq!(replies, expected);
        assert_eq!(client.read_to_end(), b"");
        assert_eq!(end.join().unwrap().code(), Some(0));
    });
}

#[test]
fn sigterm_under_load_exits_in_time_and_the_ports_can_be_used_at_once() {
    let mut cluster = at_level(three_racks(1), "DC_QUORUM").set("timeouts.drain=5s").set("workers=2").start();
    let addresses: Vec<_> = cluster.nodes().iter().map(|node| node.server.client_address()).collect();
    for round in 0..6 {
        let load = Load::start(&addresses[..1], 4, Reads::SeeTheWrite);
        let others = Load::start(&addresses[1..], 2, Reads::SeeTheWrite);
        load.await_requests(500);
        let begun_at = Instant::now();
        let server = &mut cluster.nodes_mut()[0].server;
        let status = server.terminate(DRAIN + SLACK);
        assert_eq!(status.code(), Some(0), "{}", server.log());
        // A drain is no reason to wait for clients that could go on for ever.
        assert!(begun_at.elapsed() < DRAIN, "{:?}", begun_at.elapsed());
        let errors = load.errors_since(begun_at);
        assert!(errors.iter().all(|text| text.contains("the connection failed")), "{errors:?}");
        load.stop();

        cluster.nodes_mut()[0].server.restart();
        cluster.await_connected();
        assert_eq!(text(&cluster.client(0).command(&["SET", "again", &round.to_string()])), text(OK));
        let errors = others.errors_since(begun_at);
        assert!(errors.is_empty(), "clients of the other nodes: {errors:?}");
        others.stop();
    }
}

#[test]
fn sigterm_ends_in_the_drain_time_when_the_datastore_never_answers() {
    let mut cluster = single().set("timeouts.drain=1s").set("timeouts.request=30s").start();
    let mut client = cluster.client(0);
    cluster.nodes_mut()[0].redis.freeze();
    client.send(&request(&["INCR", "n"]));
    thread::sleep(Duration::from_millis(200));
    let status = cluster.nodes_mut()[0].server.terminate(Duration::from_secs(1) + SLACK);
    assert_eq!(status.code(), Some(0));
    client.read_to_end();
}

#[test]
fn without_a_configuration_it_is_a_single_node_on_the_memory_store() {
    let port = PortLease::take();
    let mut node = Background::start(&["--set", &format!("listen={}", port.address())]);
    eventually(LONG, "it answers", || {
        RawClient::try_connect(port.address())
            .and_then(|mut client| client.try_command(&["PING"]))
            .is_ok_and(|pong| pong == PONG)
    });
    let mut client = RawClient::connect(port.address());
    assert_eq!(client.command(&["SET", "k", "v"]), OK);
    assert_eq!(client.command(&["GET", "k"]), bulk("v"));
    assert_eq!(client.command(&["INCR", "n"]), integer(1));
    assert!(text(&client.command(&["DYNOMITE", "RING"])).contains("node1"));
    node.0.kill().unwrap();

    let checked = Command::new(BINARY).arg("check").env_clear().output().unwrap();
    let printed = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success() && printed.contains("listen = \"127.0.0.1:8102\""), "{printed}");
    assert!(printed.contains("url = \"memory\""), "{printed}");
    assert!(printed.contains("# data_dir is not set: records are kept in memory only"), "{printed}");
}

#[test]
fn without_a_data_directory_the_log_begins_with_what_that_means() {
    let cluster = three_racks(1).start();
    let log = cluster.nodes()[0].server.log();
    let first = log.lines().next().unwrap_or_default();
    assert!(first.contains("WARN") && first.contains("after a restart this node cannot tell"), "{log}");
}

#[test]
fn wrong_configuration_and_taken_ports_are_refused_with_the_reason() {
    let port = PortLease::take();
    let mut node = Dynomited::builder(BINARY, "lisen = \"127.0.0.1:1\"\n", port.address()).spawn();
    assert_eq!(node.wait(LONG).code(), Some(1));
    assert!(node.log().contains("did you mean `listen`?"), "{}", node.log());

    let config = format!("listen = \"{}\"\n", port.address());
    for workers in [1, 2] {
        let setting = format!("workers={workers}");
        let first = Dynomited::builder(BINARY, &config, port.address()).arg("--set").arg(&setting).start();
        let mut second =
            Dynomited::builder(BINARY, &config, port.address()).arg("--set").arg(&setting).spawn();
        assert_eq!(second.wait(LONG).code(), Some(1));
        assert!(second.log().contains(&port.address().to_string()), "{}", second.log());
        assert_eq!(first.client().command(&["PING"]), PONG);
    }
}

#[test]
fn a_data_directory_belongs_to_one_node_for_good() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("data");
    let port = PortLease::take();
    let node = |setting: &str| {
        let config = format!(
            "cluster = \"shop\"\nname = \"a1\"\nlisten = \"{}\"\ndata_dir = \"{}\"\n",
            port.address(),
            data_dir.display()
        );
        Dynomited::builder(BINARY, &config, port.address()).arg("--set").arg(setting)
    };
    node("workers=1").start().terminate(LONG);
    let before = fs::read_to_string(data_dir.join("node.toml")).unwrap();
    for (setting, correction) in [
        ("cluster=market", "set cluster = \"shop\" in the configuration"),
        ("name=a2", "set name = \"a1\" in the configuration"),
        ("datacenter=dc2", "set datacenter = \"dc1\" in the configuration"),
        ("rack=rack2", "set rack = \"rack1\" in the configuration"),
    ] {
        let mut other = node(setting).spawn();
        assert_eq!(other.wait(LONG).code(), Some(1), "{setting}");
        let log = other.log();
        assert!(
            log.contains("belongs to node a1 in dc1/rack1 of cluster shop") && log.contains(correction),
            "{log}"
        );
    }
    assert_eq!(fs::read_to_string(data_dir.join("node.toml")).unwrap(), before);
    assert_eq!(node("workers=2").start().client().command(&["PING"]), PONG);
}

/// A node starts and serves whether or not its datastore is there, and uses it as soon as it is.
#[test]
fn datastore_may_come_up_after_the_node() {
    let mut cluster = single().start();
    cluster.nodes_mut()[0].redis.kill();
    cluster.nodes_mut()[0].server.restart();
    let mut client = cluster.client(0);
    assert_eq!(client.command(&["PING"]), PONG);
    assert!(client.command(&["GET", "k"]).starts_with(b"-ERR Storage:"));
    cluster.nodes_mut()[0].redis.restart();
    eventually(LONG, "the datastore is used", || client.command(&["SET", "k", "v"]) == OK);
}

/// A node that is started by its command line alone.
struct Background(Child);

impl Background {
    fn start(args: &[&str]) -> Self {
        let child = Command::new(BINARY)
            .args(args)
            .env_remove("DYNOMITED_CONFIG")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        Self(child.unwrap())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
        let mut log = String::new();
        if let Some(stderr) = &mut self.0.stderr
            && thread::panicking()
            && stderr.read_to_string(&mut log).is_ok()
        {
            eprintln!("{log}");
        }
    }
}

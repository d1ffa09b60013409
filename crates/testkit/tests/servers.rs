//! The servers start, stop, freeze and never outlive their test.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use dynomite_testkit::{Dynomited, Memcached, PortLease, RawClient, Redis, eventually};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn redis_answers_on_tcp_and_unix_socket() {
    let redis = Redis::start();
    let mut tcp = RawClient::connect(redis.address());
    let mut unix = RawClient::connect_unix(redis.socket_path());
    assert_eq!(tcp.command(&["SET", "k", "v"]), b"+OK\r\n");
    assert_eq!(unix.command(&["GET", "k"]), b"$1\r\nv\r\n");
    assert_eq!(redis.url(), format!("redis://{}", redis.address()));
}

#[test]
fn restarted_redis_is_empty_and_has_another_run_id() {
    let mut redis = Redis::start();
    redis.client().command(&["SET", "k", "v"]);
    let run_id = run_id(&redis);
    redis.restart();
    assert_eq!(redis.client().command(&["GET", "k"]), b"$-1\r\n");
    assert_ne!(self::run_id(&redis), run_id);
}

#[test]
fn killed_redis_breaks_its_connections() {
    let mut redis = Redis::start();
    let mut client = redis.client();
    redis.kill();
    assert_eq!(client.read_to_end(), b"");
    assert!(RawClient::try_connect(redis.address()).is_err());
    assert_eq!(redis.process_id(), None);
}

#[test]
fn frozen_redis_is_silent_until_thawed() {
    let mut redis = Redis::start();
    let mut client = redis.client();
    redis.freeze();
    client.send(b"PING\r\n");
    assert!(client.is_silent_for(Duration::from_millis(50)));
    redis.thaw();
    assert_eq!(client.reply(), b"+PONG\r\n");
}

#[test]
fn redis_with_a_password_wants_it() {
    let redis = Redis::builder().password("secret").arg("--databases").arg("1").start();
    let mut stranger = RawClient::connect(redis.address());
    assert!(stranger.command(&["GET", "k"]).starts_with(b"-NOAUTH"));
    assert_eq!(redis.client().command(&["SELECT", "1"]), b"-ERR DB index is out of range\r\n");
    assert_eq!(redis.url(), format!("redis://:secret@{}", redis.address()));
}

#[test]
#[should_panic(expected = "no-such-server not found: `cargo xtask test` installs it; or apt-get install")]
fn missing_server_says_what_to_install() {
    Redis::builder().program("no-such-server").start();
}

#[test]
#[should_panic(expected = "ended at its start")]
fn server_that_refuses_its_arguments_fails_with_its_log() {
    Redis::builder().arg("--no-such-setting").arg("1").start();
}

#[test]
fn memcached_answers_and_restarts_empty() {
    let mut memcached = Memcached::start();
    let mut client = memcached.client();
    client.send(b"set k 0 0 1\r\nv\r\nget k\r\n");
    assert_eq!(client.read_line(), b"STORED\r\n");
    assert_eq!(client.read_bytes(21), b"VALUE k 0 1\r\nv\r\nEND\r\n");
    memcached.restart();
    let mut client = memcached.client();
    client.send(b"get k\r\n");
    assert_eq!(client.read_line(), b"END\r\n");
}

#[test]
fn large_pipeline_is_exchanged_in_order() {
    let redis = Redis::start();
    let mut bytes = Vec::new();
    for number in 0..50_000 {
        bytes.extend_from_slice(format!("ECHO {number}\r\n").as_bytes());
    }
    let replies = redis.client().exchange(&bytes, 50_000);
    for (number, reply) in replies.iter().enumerate() {
        let text = number.to_string();
        assert_eq!(reply, format!("${}\r\n{text}\r\n", text.len()).as_bytes());
    }
}

/// Any program that takes a configuration file shows how a node is run; here a shell script plays `dynomited`.
#[test]
fn node_is_given_its_configuration_and_ends_on_sigterm() {
    let script = script("trap 'echo stopping; exit 3' TERM\ncat \"$2\"\nwhile :; do sleep 0.01; done\n");
    let port = PortLease::take();
    let mut node = Dynomited::builder(script.path().join("run"), "name = \"n1\"\n", port.address()).spawn();
    eventually(SOON, "the node has logged its configuration", || node.log().contains("name = \"n1\""));
    assert_eq!(node.terminate(SOON).code(), Some(3));
    assert!(node.log().ends_with("stopping\n"));
}

#[test]
fn node_that_ends_by_itself_can_be_waited_for() {
    let script = script("echo bad configuration\nexit 1\n");
    let mut node = Dynomited::builder(script.path().join("run"), "", PortLease::take().address()).spawn();
    assert_eq!(node.wait(SOON).code(), Some(1));
    assert_eq!(node.log(), "bad configuration\n");
}

#[test]
#[should_panic(expected = "bad configuration")]
fn node_that_never_gets_ready_fails_with_its_log() {
    let script = script("echo bad configuration\nexit 1\n");
    Dynomited::start(script.path().join("run"), "", PortLease::take().address());
}

/// Runs itself once more in a process that aborts.
#[test]
fn server_of_an_aborted_process_is_killed() {
    const ABORTS: &str = "TESTKIT_PROCESS_ABORTS";
    if std::env::var_os(ABORTS).is_some() {
        let redis = Redis::start();
        let id = redis.process_id().unwrap();
        assert!(is_running(&id.to_string()));
        println!("redis is {id} {} ", redis.directory().display());
        std::process::abort();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "server_of_an_aborted_process_is_killed", "--nocapture", "--test-threads=1"])
        .env(ABORTS, "1")
        .output()
        .unwrap();
    assert_eq!(output.status.signal(), Some(6), "the child aborts: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut words = text.split("redis is ").nth(1).unwrap().split_whitespace();
    let (id, directory) = (words.next().unwrap(), words.next().unwrap());
    eventually(SOON, "the orphaned redis-server is gone", || !is_running(id));
    // Nobody was left to do it.
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
#[should_panic(expected = "waited 20ms in vain for: the impossible")]
fn fact_that_never_holds_is_named() {
    eventually(Duration::from_millis(20), "the impossible", || false);
}

fn is_running(id: &str) -> bool {
    // A zombie that nobody has reaped yet has ended, too.
    std::fs::read_to_string(Path::new("/proc").join(id).join("stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn run_id(redis: &Redis) -> Vec<u8> {
    let info = redis.client().command(&["INFO", "server"]);
    info.split(|byte| *byte == b'\n')
        .find(|line| line.starts_with(b"run_id:"))
        .expect("INFO names it")
        .to_vec()
}

fn script(body: &str) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("run");
    std::fs::write(&path, format!("#!/bin/sh\n{body}")).expect("a file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("our own file");
    directory
}

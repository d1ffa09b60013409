//! What client libraries and tools ask a server before they trust it, and what `dynoctl` shows.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use dynomite_testkit::{RawClient, Redis};

use crate::shapes::{BINARY, OK, at_level, bulk, integer, single, text, three_racks};

/// Asked of a fresh connection each, one after another; Redis gives the same replies.
const SAME_AS_REDIS: &[&[&[&str]]] = &[
    &[&["PING"], &["PING", "text"], &["ECHO", "text"]],
    &[&["SELECT", "0"], &["SELECT", "1"], &["SELECT", "-1"], &["SELECT", "x"]],
    &[&["CLIENT", "SETNAME", "me"], &["CLIENT", "GETNAME"], &["RESET"], &["CLIENT", "GETNAME"]],
    &[&["CLIENT", "SETNAME", "with blank"], &["CLIENT", "GETNAME"]],
    &[&["CLIENT", "NO-EVICT", "ON"], &["CLIENT", "NO-EVICT", "x"]],
    &[&["HELLO", "4"], &["HELLO", "3"], &["GET", "absent"], &["HGETALL", "absent"]],
    &[&["AUTH", "secret"], &["AUTH", "user", "secret"]],
    &[&["CONFIG", "GET", "save"], &["CONFIG", "GET", "appendonly"], &["CONFIG", "GET", "no-such"]],
    &[&["COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2"], &["COMMAND", "INFO", "nosuch"]],
    &[&["MULTI", "x"], &["CLIENT", "NOSUCH"], &["CONFIG"], &["COMMAND", "NOSUCH"]],
    &[&["QUIT"]],
];

#[test]
fn handshakes_are_answered_as_redis_answers_them() {
    let redis = Redis::builder().arg("--databases").arg("1").start();
    let cluster = single().start();
    let mut differences = Vec::new();
    for commands in SAME_AS_REDIS {
        let (mut ours, mut theirs) = (cluster.client(0), RawClient::connect(redis.address()));
        for args in *commands {
            // A HELLO that succeeds names its server.
            let shown = |reply: Vec<u8>| {
                if args[0] == "HELLO" && reply[0] != b'-' { "…".into() } else { text(&reply) }
            };
            let (ours, theirs) = (shown(ours.command(args)), shown(theirs.command(args)));
            if ours != theirs {
                differences.push(format!("{}\n   ours: {ours}\n  Redis: {theirs}", args.join(" ")));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn hello_switches_the_protocol() {
    let cluster = at_level(three_racks(1), "DC_QUORUM").start();
    let mut client = cluster.client(0);
    assert_eq!(client.command(&["HSET", "h", "f", "v"]), integer(1));
    assert!(client.command(&["HELLO"]).starts_with(b"*14\r\n$6\r\nserver\r\n"));
    assert_eq!(client.command(&["GET", "absent"]), b"$-1\r\n");
    let hello = client.command(&["HELLO", "3", "SETNAME", "me"]);
    assert!(hello.starts_with(b"%7\r\n$6\r\nserver\r\n"), "{}", text(&hello));
    assert_eq!(client.command(&["CLIENT", "GETNAME"]), bulk("me"));
    assert_eq!(client.command(&["GET", "absent"]), b"_\r\n");
    assert_eq!(client.command(&["HGETALL", "h"]), b"%1\r\n$1\r\nf\r\n$1\r\nv\r\n");
    assert!(client.command(&["HELLO", "2"]).starts_with(b"*14\r\n"));
    assert_eq!(client.command(&["HGETALL", "h"]), b"*2\r\n$1\r\nf\r\n$1\r\nv\r\n");
}

#[test]
fn info_and_command_hold_what_clients_look_for() {
    let cluster = at_level(three_racks(1), "DC_QUORUM").start();
    let mut client = cluster.client(0);
    for _ in 0..10 {
        assert_eq!(client.command(&["SET", "k", "v"]), OK);
    }
    let info = String::from_utf8(client.command(&["INFO"])).unwrap();
    let port = format!("tcp_port:{}", cluster.nodes()[0].server.client_address().port());
    let process = format!("process_id:{}", cluster.nodes()[0].server.process_id().unwrap());
    for line in
        ["# Server", "redis_version:7.", &port, &process, "role:master", "cluster_enabled:0", "# Dynomite"]
    {
        assert!(info.contains(line), "no {line} in {info}");
    }
    assert!(
        info.lines()
            .filter(|line| !line.is_empty())
            .skip(1)
            .all(|line| line.starts_with('#') || line.contains(':'))
    );
    let server_only = String::from_utf8(client.command(&["INFO", "server"])).unwrap();
    assert!(server_only.contains("# Server") && !server_only.contains("# Clients"), "{server_only}");

    let count = text(&client.command(&["COMMAND", "COUNT"]));
    assert!(
        count
            .trim_start_matches(':')
            .trim_end_matches("\\r\\n")
            .parse::<u32>()
            .is_ok_and(|count| count > 100),
        "{count}"
    );
    assert!(client.command(&["COMMAND"]).starts_with(b"*"));
    assert!(client.command(&["COMMAND", "DOCS", "get"]).starts_with(b"*2\r\n$3\r\nget\r\n"));
    assert_eq!(client.command(&["CLIENT", "SETINFO", "LIB-NAME", "my-client"]), OK);
    assert_eq!(client.command(&["CLIENT", "SETINFO", "LIB-VER", "1.2"]), OK);
    let list = String::from_utf8(client.command(&["CLIENT", "LIST"])).unwrap();
    assert!(list.contains("lib-name=my-client") && list.contains("addr=127.0.0.1:"), "{list}");
}

#[test]
fn levels_are_changed_at_run_time() {
    let mut cluster = three_racks(1).set("timeouts.request=1s").start();
    let mut client = cluster.client(0);
    assert_eq!(
        client.command(&["CONFIG", "GET", "write-consistency"]),
        b"*2\r\n$17\r\nwrite-consistency\r\n$6\r\nDC_ONE\r\n"
    );
    assert_eq!(client.command(&["CONFIG", "SET", "write-consistency", "DC_QUORUM"]), OK);
    assert!(client.command(&["CONFIG", "SET", "write-consistency", "DC_TWO"]).starts_with(b"-ERR"));
    let mut relaxed = cluster.client(0);
    assert_eq!(relaxed.command(&["DYNO_CONFIG:CONN_CONSISTENCY", "DC_ONE"]), OK);
    for node in [1, 2] {
        cluster.nodes_mut()[node].server.kill();
    }
    let refused = client.command(&["SET", "k", "v"]);
    assert!(
        refused.starts_with(b"-ERR Dynomite: Failed to achieve Quorum (2 of 3 needed;"),
        "{}",
        text(&refused)
    );
    assert_eq!(text(&relaxed.command(&["SET", "k", "v"])), text(OK));
}

#[test]
fn dynoctl_shows_a_real_cluster() {
    let mut cluster = at_level(three_racks(1), "DC_QUORUM").start();
    let dynoctl = dynoctl_binary();
    let address = cluster.nodes()[1].server.client_address().to_string();
    let run = |args: &[&str]| Command::new(&dynoctl).args(["--node", &address]).args(args).output().unwrap();

    let ping = run(&["ping"]);
    assert!(ping.status.success(), "{}", shown(&ping));
    let ring = run(&["ring"]);
    let table = shown(&ring);
    assert!(
        ring.status.success()
            && ["node01", "node02", "node03", "rack3"].iter().all(|name| table.contains(name)),
        "{table}"
    );
    let json = run(&["--json", "ring"]);
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(value["self"], "node02");
    assert_eq!(value["datacenters"][0]["racks"].as_array().unwrap().len(), 3);
    let route = run(&["route", "some key"]);
    let table = shown(&route);
    assert!(
        route.status.success() && ["rack1", "rack2", "rack3"].iter().all(|name| table.contains(name)),
        "{table}"
    );
    let json = run(&["--json", "route", "some key"]);
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let primaries = value["replicas"].as_array().unwrap().iter().filter(|replica| replica["primary"] == true);
    assert_eq!((value["key"].as_str(), primaries.count()), (Some("some key"), 1));

    cluster.nodes_mut()[1].server.kill();
    let refused = run(&["ping"]);
    assert!(!refused.status.success() && shown(&refused).contains(&address), "{}", shown(&refused));
}

/// Cargo gives a test the binaries of its own package; this one lies beside them, once it is built.
pub(crate) fn dynoctl_binary() -> PathBuf {
    let path = Path::new(BINARY).with_file_name("dynoctl");
    if !path.is_file() {
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        assert!(build.args(["build", "--package", "dynoctl"]).status().is_ok_and(|status| status.success()));
    }
    assert!(path.is_file(), "`cargo build -p dynoctl` makes {}", path.display());
    path
}

fn shown(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

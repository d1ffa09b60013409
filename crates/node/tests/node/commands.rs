//! Commands that the node answers itself, compared with a real Redis where Redis has them.

use std::time::Duration;

use dynomite_codec::ReplyView;
use dynomite_node::config::{Level, PrefixLevels};
use dynomite_testkit::{RawClient, Redis, eventually};

use crate::support::{Running, racks, single};

fn text(reply: &[u8]) -> String {
    String::from_utf8_lossy(reply).into_owned()
}

#[test]
fn connection_commands_answer_as_redis_does() {
    let redis = Redis::start();
    let node = Running::start(single(1));
    let scripts: &[&[&str]] = &[
        &["PING"],
        &["PING", "x"],
        &["PING", "a", "b"],
        &["ECHO", "x"],
        &["ECHO"],
        &["AUTH", "x"],
        &["AUTH", "default", "x"],
        &["AUTH", "user", "x"],
        &["AUTH"],
        &["AUTH", "a", "b", "c"],
        &["SELECT", "0"],
        &["SELECT", "99"],
        &["SELECT", "x"],
        &["HELLO", "9"],
        &["HELLO", "x"],
        &["HELLO", "3", "FOO"],
        &["HELLO", "2", "AUTH", "x"],
        &["HELLO", "2", "AUTH", "user", "x"],
        &["HELLO", "2", "SETNAME", "a b"],
        &["HELLO", "2", "SETNAME"],
        &["CLIENT", "GETNAME"],
        &["CLIENT", "SETNAME", "me"],
        &["CLIENT", "GETNAME"],
        &["CLIENT", "SETNAME", "a b"],
        &["CLIENT", "SETNAME", ""],
        &["CLIENT", "GETNAME"],
        &["CLIENT", "NO-EVICT", "ON"],
        &["CLIENT", "NO-EVICT", "x"],
        &["CLIENT"],
        &["CLIENT", "NOSUCH"],
        &["CLIENT", "ID", "x"],
        &["CLIENT", "REPLY", "ON"],
        &["CLIENT", "REPLY", "x"],
        &["CLIENT", "LIST", "TYPE", "foo"],
        &["CLIENT", "LIST", "TYPE", "replica"],
        &["CLIENT", "LIST", "ID", "x"],
        &["COMMAND", "NOSUCH"],
        &["COMMAND", "LIST", "FILTERBY"],
        &["COMMAND", "LIST", "FILTERBY", "PATTERN", "getr*"],
        &["COMMAND", "GETKEYS", "SET", "a", "b"],
        &["COMMAND", "GETKEYS", "MSET", "a", "b", "c", "d"],
        &["COMMAND", "GETKEYS", "NOSUCH", "x"],
        &["COMMAND", "GETKEYS", "PING", "x"],
        &["COMMAND", "GETKEYS", "GET", "x", "y"],
        &["COMMAND", "INFO", "nosuch"],
        &["COMMAND", "DOCS", "nosuch"],
        &["CONFIG", "GET", "save"],
        &["CONFIG", "GET", "SAVE"],
        &["CONFIG", "GET", "nosuch"],
        &["CONFIG", "GET", "timeout"],
        &["CONFIG", "GET"],
        &["CONFIG", "SET", "nosuch", "1"],
        &["CONFIG", "SET", "save"],
        &["CLUSTER", "INFO"],
        &["CLUSTER", "SLOTS"],
        &["RESET"],
        &["INFO", "cluster"],
        &["INFO", "nosuch"],
    ];
    let (mut ours, mut theirs) = (node.client(), redis.client());
    for script in scripts {
        assert_eq!(text(&ours.command(script)), text(&theirs.command(script)), "{script:?}");
    }
    // In RESP3 too; the ids in the greeting differ.
    let greeting = |client: &mut RawClient| {
        let greeting = text(&client.command(&["HELLO", "3"]));
        greeting.lines().filter(|line| !line.starts_with(':')).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(greeting(&mut ours), greeting(&mut theirs));
    for script in scripts.iter().filter(|script| !matches!(script[0], "QUIT" | "RESET" | "HELLO" | "INFO")) {
        assert_eq!(text(&ours.command(script)), text(&theirs.command(script)), "RESP3: {script:?}");
    }
}

#[test]
fn data_commands_answer_in_resp3_after_hello_3() {
    let node = Running::start(single(2));
    let mut client = node.client();
    client.command(&["HSET", "h", "f", "v"]);
    assert_eq!(text(&client.command(&["HGETALL", "h"])), "*2\r\n$1\r\nf\r\n$1\r\nv\r\n");
    assert!(text(&client.command(&["HELLO", "3"])).starts_with("%7\r\n"));
    assert_eq!(text(&client.command(&["HGETALL", "h"])), "%1\r\n$1\r\nf\r\n$1\r\nv\r\n");
    assert_eq!(text(&client.command(&["MGET", "no", "nor"])), "*2\r\n_\r\n_\r\n");
    assert_eq!(text(&client.command(&["GET", "no"])), "_\r\n");
}

#[test]
fn libraries_may_introduce_themselves() {
    let node = Running::start(single(1));
    let mut client = node.client();
    assert_eq!(text(&client.command(&["CLIENT", "SETINFO", "LIB-NAME", "redis-py"])), "+OK\r\n");
    assert_eq!(text(&client.command(&["CLIENT", "SETINFO", "lib-ver", "1.2"])), "+OK\r\n");
    assert_eq!(text(&client.command(&["CLIENT", "NO-TOUCH", "ON"])), "+OK\r\n");
    assert!(
        text(&client.command(&["CLIENT", "SETINFO", "LIB-NAME", "a b"])).starts_with("-ERR LIB-NAME cannot")
    );
    assert!(
        text(&client.command(&["CLIENT", "SETINFO", "FOO", "b"])).starts_with("-ERR Unrecognized option")
    );
    let info = text(&client.command(&["CLIENT", "INFO"]));
    assert!(info.contains(" lib-name=redis-py lib-ver=1.2\n"), "{info}");
}

#[test]
fn unsupported_and_unknown_commands_keep_the_connection() {
    let node = Running::start(single(1));
    let mut client = node.client();
    for command in [
        &["SUBSCRIBE", "a"][..],
        &["NOSUCH"],
        &["GET"],
        &["MULTI"],
        &["FLUSHALL"],
        &["CLIENT", "REPLY", "OFF"],
    ] {
        assert!(text(&client.command(command)).starts_with("-ERR "), "{command:?}");
    }
    assert_eq!(text(&client.command(&["PING"])), "+PONG\r\n");
}

#[test]
fn the_command_table_is_told_in_redis_form() {
    let node = Running::start(single(1));
    let mut client = node.client();
    let count = text(&client.command(&["COMMAND", "COUNT"]));
    let all = client.command(&["COMMAND"]);
    let Some(ReplyView::Array(commands)) = ReplyView::parse(&all) else { unreachable!("an array") };
    assert_eq!(count, format!(":{}\r\n", commands.count()));
    let get = text(&client.command(&["COMMAND", "INFO", "GET"]));
    assert!(
        get.starts_with("*1\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n"),
        "{get}"
    );
    let docs = text(&client.command(&["COMMAND", "DOCS", "get"]));
    assert!(docs.starts_with("*2\r\n$3\r\nget\r\n*6\r\n$7\r\nsummary\r\n"), "{docs}");
    let list = text(&client.command(&["COMMAND", "LIST"]));
    assert!(list.contains("\r\nget\r\n") && !list.contains("\r\nsubscribe\r\n"));
}

#[test]
fn levels_are_set_for_the_node_a_prefix_and_a_connection() {
    // One of two racks is missing: at quorum nothing can be read.
    let (mut configs, _leases) = racks(2, 1, Level::DcOne);
    let prefix = PrefixLevels { read: Some(Level::DcQuorum), ..PrefixLevels::of("q:") };
    configs[0].consistency.prefixes = vec![prefix];
    let node = Running::start(configs.remove(0));
    let (mut client, mut other) = (node.client(), node.client());
    let get = |client: &mut RawClient, key: &str| text(&client.command(&["GET", key]));
    // It waits a little for the other one, which may have data.
    eventually(Duration::from_secs(10), "a node of a new cluster goes on alone", || {
        get(&mut client, "a") == "$-1\r\n"
    });
    assert!(get(&mut client, "q:a").starts_with("-ERR Dynomite: Failed to achieve Quorum"));

    assert_eq!(text(&client.command(&["DYNOMITE", "CONSISTENCY", "READ", "dc_quorum"])), "+OK\r\n");
    assert!(get(&mut client, "a").starts_with("-ERR Dynomite: Failed to achieve Quorum"));
    assert_eq!(get(&mut other, "a"), "$-1\r\n");
    assert_eq!(text(&client.command(&["DYNOMITE", "CONSISTENCY", "WRITE"])), "$6\r\nDC_ONE\r\n");
    assert_eq!(text(&client.command(&["DYNOMITE", "CONSISTENCY", "DEFAULT"])), "+OK\r\n");
    assert_eq!(get(&mut client, "a"), "$-1\r\n");

    assert_eq!(text(&client.command(&["DYNO_CONFIG:CONN_CONSISTENCY", "DC_QUORUM"])), "+OK\r\n");
    assert!(get(&mut client, "a").starts_with("-ERR Dynomite: Failed to achieve Quorum"));
    assert!(
        text(&client.command(&["DYNO_CONFIG:CONN_CONSISTENCY", "x"]))
            .starts_with("-ERR 'x' is not a consistency level")
    );

    assert_eq!(text(&other.command(&["CONFIG", "SET", "read-consistency", "DC_SAFE_QUORUM"])), "+OK\r\n");
    assert!(get(&mut other, "a").starts_with("-ERR Dynomite: Failed to achieve Quorum"));
    assert_eq!(
        text(&other.command(&["CONFIG", "GET", "*consistency"])),
        "*4\r\n$16\r\nread-consistency\r\n$14\r\nDC_SAFE_QUORUM\r\n$17\r\nwrite-consistency\r\n$6\r\nDC_ONE\r\n"
    );
    let refused =
        text(&other.command(&["CONFIG", "SET", "write-consistency", "DC_ONE", "read-consistency", "x"]));
    assert!(
        refused.starts_with("-ERR CONFIG SET failed (possibly related to argument 'read-consistency') - 'x'")
    );
}

#[test]
fn the_ring_and_a_keys_route_are_told_as_json() {
    let (mut configs, _leases) = racks(2, 2, Level::DcOne);
    let node = Running::start(configs.remove(0));
    let mut client = node.client();
    let json = |client: &mut RawClient, command: &[&str]| -> serde_json::Value {
        let reply = client.command(command);
        let Some(ReplyView::Bulk(body)) = ReplyView::parse(&reply) else { unreachable!("a bulk string") };
        serde_json::from_slice(body).unwrap()
    };
    let ring = json(&mut client, &["DYNOMITE", "RING"]);
    assert_eq!((ring["self"].as_str(), ring["hash"].as_str()), (Some("node0"), Some("redis-slot")));
    let racks = ring["datacenters"][0]["racks"].as_array().unwrap();
    assert_eq!(racks.len(), 2);
    assert_eq!(racks[0]["nodes"][0]["state"], "self");
    assert_eq!(racks[0]["nodes"][0]["client_address"], node.address().to_string());
    assert_eq!(racks[1]["nodes"][0]["state"], "down");
    assert_eq!(racks[1]["nodes"][0]["ownership"], 1.0);
    assert_eq!(racks[1]["nodes"][0]["tokens"].as_array().unwrap().len(), 16);
    let route = json(&mut client, &["DYNOMITE", "ROUTE", "foo"]);
    assert_eq!((route["key"].as_str(), route["token"].as_u64()), (Some("foo"), Some(12182 << 18)));
    let replicas = route["replicas"].as_array().unwrap();
    assert_eq!(replicas.iter().filter(|replica| replica["primary"] == true).count(), 1);
    assert_eq!((replicas.len(), &replicas[0]["node"]), (2, &serde_json::json!("node0")));
}
